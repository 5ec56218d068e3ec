#!/usr/bin/python3
"""What an idle client under TLS costs the daemon in memory. RINGPOST_TLS_CLIENTS says how many there are
(default 1000)."""

import os
import pathlib
import resource
import ssl

import ringpost
from clients import RawClient
from ringpost import check
from tls_server import Certificate

CLIENTS = int(os.environ.get("RINGPOST_TLS_CLIENTS", "1000"))
MOST_EACH = 35 * 1024
RECEIVE_BUFFERS = 4096  # of a shard: pages that are used for the first time one after the other


def pss_of(pid):
    """Bytes, each page shared with n others counted as 1/n."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def an_idle_client_is_small(bench):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, CLIENTS + 200), hard))
    certificate = Certificate(bench, "relay.test")
    daemon = bench.daemon(
        f"listener.tls_certificate={certificate.certificate}",
        f"listener.tls_key={certificate.key}", f"listener.max_connections={CLIENTS}",
        "timeouts.command=1h", "shards.count=1")
    context = ssl.create_default_context(cafile=certificate.certificate)
    clients = []

    def connect(count):
        for _ in range(count):
            client = RawClient(daemon.port)
            clients.append(client)
            client.greet()
            check(client.say("STARTTLS").startswith("220 "), "STARTTLS was refused")
            client.socket = context.wrap_socket(client.socket, server_hostname="relay.test")
            check(client.say("EHLO client.test").startswith("250 "), "EHLO was refused")

    warm_up = CLIENTS // 10
    connect(warm_up)
    for _ in range(RECEIVE_BUFFERS):
        check(clients[0].say("NOOP").startswith("250 "), "NOOP was refused")
    before = pss_of(daemon.pid)
    connect(CLIENTS - warm_up)
    each = (pss_of(daemon.pid) - before) / (CLIENTS - warm_up)
    print(f"  {each / 1024:.1f} KB of PSS for each of {CLIENTS} clients")
    check(each <= MOST_EACH, f"{each:.0f} bytes each")
    for client in clients:
        client.socket.close()


if __name__ == "__main__":
    ringpost.need_program("openssl", "openssl")
    ringpost.main(an_idle_client_is_small)
