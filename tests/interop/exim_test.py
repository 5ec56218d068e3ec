#!/usr/bin/python3
"""A real Exim takes a thousand messages streamed under TLS (PIPELINING, CHUNKING), refuses some amid them, and
keeps every body as it was. Its log and our event log must tell the same story."""

import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import exim  # noqa: E402
import letters as mail  # noqa: E402
import ringpost  # noqa: E402
from letters import Letter  # noqa: E402
from ringpost import check  # noqa: E402
from tls_server import Certificate  # noqa: E402

MESSAGES = 1000
ID = r" OK id=(\S{16})$"

REFUSED_SENDERS = r"  deny condition = ${if match{$sender_address}{\N^s\d*0@\N}}" \
    "\n       message = 5.7.1 not from you"
REFUSED_RECIPIENTS = r"""  deny condition = ${if match{$local_part}{\N^r\d*1$\N}}
       message = 5.1.1 nobody of that name
  defer condition = ${if match{$local_part}{\N^r\d*2$\N}}
       message = 4.2.1 come again"""
REFUSED_CONTENTS = r"""  deny condition = ${if match{$h_subject:}{refuse}}
       message = 5.6.0 not this"""


def complaints(server):
    bad = re.compile("rejected|error|panic|dropped|SMTP call .* closed|unexpected|too many|lost")
    return [line for line in (server.log() + server.log("paniclog")).splitlines()
            if bad.search(line)]


def all_delivered_there(server, count):
    ringpost.wait_for(f"Exim to be done with {count}",
                      lambda: server.log().count(" Completed\n") >= count, 60, pause=0.1)


def a_thousand_messages_streamed_under_tls(bench):
    server = exim.Exim(bench, Certificate(bench, "exim.test"))
    letters = [Letter(number) for number in range(MESSAGES)]
    daemon = mail.queued(bench, letters, f"delivery.smarthost=127.0.0.1:{server.port}",
                         "delivery.tls=encrypt", "retry.first=5s",
                         "queue_group.default.max_connections_per_destination=3")
    mail.go(daemon)
    daemon.wait_until_empty(90)
    all_delivered_there(server, MESSAGES)
    check(os.stat(server.root / "var/log/exim4/mainlog").st_uid == exim.USER, "it runs as root")
    events = mail.outcomes(daemon, letters)
    check({event["event"] for event in events.values()} == {"delivered"}, "not all were delivered")
    taken = server.taken()
    mail.agree(daemon, letters, events, taken, server.delivered(), ID)
    for sender, recipients, how in taken.values():
        check(" X=TLS1.3:" in how and " K " in how and " L" in how,
              f"{sender} to {recipients} came without TLS, CHUNKING or PIPELINING: {how}")
    mail.streamed(events, 20)
    check(not complaints(server), f"Exim complains: {complaints(server)[:3]}")
    check(daemon.stop() == 0, "the daemon did not end well")


def refusals_amid_the_stream(bench):
    """What is refused at MAIL, RCPT and at the end of the content concerns that message only. Exim 4.96 would
    take a message behind a refused MAIL under the sender before it: RSET keeps it from that."""
    server = exim.Exim(bench, Certificate(bench, "exim.test"), mail=REFUSED_SENDERS,
                       rcpt=REFUSED_RECIPIENTS, data=REFUSED_CONTENTS)
    reports = bench.mail_server()
    letters = mail.to_be_refused(400)
    daemon = mail.queued(
        bench, letters, f"delivery.smarthost=127.0.0.1:{server.port}", "delivery.tls=encrypt",
        config=f'[[route]]\ndomain = "source.test"\nhosts = ["127.0.0.1:{reports.port}"]\n'
               '[[queue_group]]\nname = "reports"\ndomains = ["source.test"]\ntls = "none"\n')
    mail.go(daemon)
    events = mail.outcomes(daemon, letters)
    taken = mail.check_refusals(letters, events)
    all_delivered_there(server, taken)
    mail.agree(daemon, letters, events, server.taken(), server.delivered(), ID)
    mail.streamed(events, 5)


def bodies_arrive_as_they_were(bench):
    """What looks like the end of a message, or like commands, in chunks whose size alone says where they end."""
    server = exim.Exim(bench, Certificate(bench, "exim.test"))
    bodies = [b".\r\n", b".\r\n.\r\n..\r\n...\r\n", b"text\r\n.\r\n",
              b".\r\nRSET\r\nMAIL FROM:<evil@source.test>\r\nRCPT TO:<r9@d.test>\r\nBDAT 5 LAST\r\nevil\r\n",
              b"BDAT 0 LAST\r\n", b"QUIT\r\n", b"x" * 998 + b"\r\n",
              b"\x01\x08\x0b\x0c\x1b\x7f\r\n", "Grüße\r\n".encode() * 3000]
    letters = [Letter(number, body=body) for number, body in enumerate(bodies * 5)]
    daemon = mail.queued(bench, letters, f"delivery.smarthost=127.0.0.1:{server.port}",
                         "queue_group.default.max_connections_per_destination=1")
    mail.go(daemon)
    daemon.wait_until_empty()
    all_delivered_there(server, len(letters))
    events = mail.outcomes(daemon, letters)
    taken = server.taken()
    mail.agree(daemon, letters, events, taken, server.delivered(), ID)
    by_sender = {sender: id for id, (sender, _, _) in taken.items()}
    for letter in letters:
        stored = server.content(by_sender[letter.sender]).replace(b"\n", b"\r\n")
        check(stored.endswith(b"\r\n" + letter.content) or stored.endswith(letter.content),
              f"{letter.content[-60:]!r} became {stored[-80:]!r}")
        check(stored.count(b"Received: ") == 2, "it has other header fields")


if __name__ == "__main__":
    exim.need()
    ringpost.main(a_thousand_messages_streamed_under_tls, refusals_amid_the_stream,
                  bodies_arrive_as_they_were)
