#!/usr/bin/python3
"""A real Postfix takes a thousand messages under TLS, verified, over connections that are reused and
sessions that are resumed."""

import collections
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import postfix_test  # noqa: E402
import ringpost  # noqa: E402
from ringpost import check  # noqa: E402
from scripted_dns import A, NameServer  # noqa: E402
from scripted_mx import World  # noqa: E402
from tls_server import Certificate  # noqa: E402

MESSAGES = 1000


def a_thousand_messages_under_tls(bench):
    certificate = Certificate(bench, "postfix.test")
    postfix = postfix_test.under_tls(bench, certificate)
    names = NameServer(World())
    names.add("postfix.test", A, "127.0.0.1")
    daemon = bench.daemon(
        names.override, f"delivery.smarthost=postfix.test:{postfix.port}", "delivery.tls=verify",
        f"delivery.tls_ca_file={certificate.certificate}",
        "queue_group.default.max_messages_per_connection=20")
    source = bench.source(daemon.address, "--messages", MESSAGES, "--size", "4K",
                          "--connections", "20", "--domains", "20")
    code, summary = source.wait()
    check(code == 0, f"the source failed: {summary}")
    daemon.wait_until_empty(120)
    queued = ringpost.wait_for("Postfix to be done",
                               lambda: len(postfix.queued()) >= MESSAGES and postfix.queued(), 60)
    events = daemon.events("delivered")
    check(len(events) == MESSAGES and len(queued) == MESSAGES,
          f"{len(events)} delivered, {len(queued)} queued by Postfix")
    check(not daemon.events("deferred", "bounced", "in_doubt"), "something went wrong")
    versions = collections.Counter(event["tls"] for event in events)
    check(versions == {"TLSv1.3": MESSAGES}, f"spoke {versions}")
    for event in events:
        id = re.fullmatch(r"250 2\.0\.0 Ok: (?:\d+ bytes )?queued as (\w+)", event["reply"])
        check(id is not None and queued[id.group(1)] == [event["recipient"]], f"{event}")
    connections = len({event["connection"] for event in events})
    log = postfix.log()
    established = len(re.findall("TLS connection established", log))
    print(f"  {connections} connections, {established} handshakes in Postfix's log")
    check(connections <= established, "TLS was not spoken on each of them")
    check(established < MESSAGES // 5, "connections were not reused")  # nor opened for nothing
    postfix_test.no_complaints(postfix)
    check(daemon.stop() == 0, "the daemon did not end well")


if __name__ == "__main__":
    postfix_test.need()
    ringpost.main(a_thousand_messages_under_tls)
