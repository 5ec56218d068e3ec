#!/usr/bin/python3
"""TERM while servers are silent: the daemon waits for none of them."""

import socket
import time

import ringpost
from clients import routes, submit
from ringpost import check, wait_for

MOST_SECONDS = 6.0  # on a machine that does much else; without cancelling it is 10 or 15


class Deaf:
    """An address where connects are never answered: a listener whose queue is full."""

    def __init__(self, bench):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0)
        self.port = self.socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.clients = []
        bench.at_end(self.close)
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", self.port))
            self.clients.append(client)

    def close(self):
        for client in [self.socket, *self.clients]:
            client.close()


def syn_sent(port):
    """Connections to the port that wait for an answer."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows)


def it_ends_in_time(bench):
    deaf = Deaf(bench)
    ours = syn_sent(deaf.port)
    silent = bench.mail_server(lambda command, session: time.sleep(60) if command == "(connect)" else None)

    class Silent:
        address = f"127.0.0.1:{silent.port}"
    daemon = bench.daemon(routes(deaf=deaf, silent=Silent), "timeouts.connect=1m")
    submit(daemon, "a@deaf.test")
    submit(daemon, "b@silent.test")
    wait_for("both to be tried", lambda: syn_sent(deaf.port) > ours and silent.connections > 0)
    began = time.monotonic()
    check(daemon.stop() == 0, "it did not end well")
    took = time.monotonic() - began
    print(f"  {took:.1f} s")
    check(took < MOST_SECONDS, f"it took {took:.1f} s")
    check("ending at once" not in daemon.process.complaints(), "by the last resort only")
    check(not daemon.events("deferred", "in_doubt"), "somebody was blamed")


if __name__ == "__main__":
    ringpost.main(it_ends_in_time)
