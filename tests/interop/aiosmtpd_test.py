#!/usr/bin/python3
"""aiosmtpd takes what the daemon sends, and keeps a ledger of its own: each content must arrive as it
was handed in, behind our Received line, byte for byte."""

import pathlib
import random
import smtplib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import ringpost  # noqa: E402
from ringpost import check  # noqa: E402

try:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import SMTP
except ImportError:
    ringpost.skip("aiosmtpd is missing (Debian package python3-aiosmtpd)")

HEADER = b"From: news@source.test\r\nSubject: byte for byte\r\n\r\n"


class Sink:
    def __init__(self, bench, refuse=lambda recipient: None, **options):
        self.lock = threading.Lock()
        self.ledger = []  # (sender, recipients, content, options of MAIL, connection)
        self.refuse = refuse
        self.port = ringpost.free_port()
        server_options = options

        class Listener(Controller):
            def factory(self):
                return SMTP(self.handler, hostname="aiosmtpd.test", **server_options)

        self.controller = Listener(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()
        bench.at_end(self.controller.stop)

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        reply = self.refuse(address)
        if reply is not None:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, _server, session, envelope):
        with self.lock:
            self.ledger.append((envelope.mail_from, envelope.rcpt_tos, envelope.content,
                                envelope.mail_options, session.peer))
        return "250 2.0.0 in the ledger"


def without_received(content):
    """The content behind the one header field that a relay adds."""
    check(content.startswith(b"Received: "), f"no Received line: {content[:100]}")
    lines = content.split(b"\r\n")
    first = next(i for i in range(1, len(lines)) if not lines[i].startswith((b" ", b"\t")))
    return b"\r\n".join(lines[first:])


def contents(seed):
    draw = random.Random(seed)
    words = bytes(draw.choice(b"abcdefgh .") for _ in range(300_000))
    lines = [words[i:i + 70] for i in range(0, len(words), 70)]
    return {
        "dots": b".\r\n..\r\n...\r\n.a\r\n a.\r\n\r\n.\r\n.\r\n",
        "one-dot": b".\r\n",
        "dot-at-the-end": b"text\r\n.\r\n",
        "no-body": b"",
        "empty-lines": b"\r\n" * 50,
        "longest-line": b"x" * 998 + b"\r\n",
        "long-line-of-dots": b"." * 900 + b"\r\n" + b"." + b"y" * 990 + b"\r\n",
        "trailing-blanks": b"blank \r\ntab\t\r\n \r\n",
        "eight-bit": "Grüße, 世界 …\r\n".encode() * 20 + bytes(range(128, 256)) + b"\r\n",
        "odd-controls": b"\x01\x02\x08\x0b\x0c\x1b\x7f\r\n",
        "looks-like-smtp": b"QUIT\r\nMAIL FROM:<a@b.test>\r\nRSET\r\nDATA\r\n",
        "large": b"\r\n".join(lines) + b"\r\n",
        "many-dots": (b".\r\n" * 40_000),
    }


def every_byte_arrives(bench):
    sink = Sink(bench)
    daemon = bench.daemon(f"delivery.smarthost=127.0.0.1:{sink.port}")
    sent = {f"{name}@dest.test": HEADER + body for name, body in contents(bench.seed).items()}
    with smtplib.SMTP("127.0.0.1", daemon.port, local_hostname="client.test") as client:
        client.ehlo()
        for recipient, content in sent.items():
            eight_bit = [] if content.isascii() else ["BODY=8BITMIME"]
            client.sendmail("news@source.test", [recipient], content, mail_options=eight_bit)
    daemon.wait_until_empty()
    arrived = {recipients[0]: (content, options)
               for _, recipients, content, options, _ in sink.ledger}
    check(len(sink.ledger) == len(sent), f"{len(sink.ledger)} messages of {len(sent)}")
    for recipient, content in sent.items():
        got = without_received(arrived[recipient][0])
        check(got == content, f"{recipient} changed on its way: {len(content)} bytes became "
              f"{len(got)}; …{got[-60:]!r}")
        declared = "BODY=8BITMIME" in [option.upper() for option in arrived[recipient][1]]
        check(declared or content.isascii(), f"{recipient}: 8-bit content was not declared")
    check(daemon.stop() == 0, "the daemon did not end well")


def bodies_come_back_from_the_disk_unchanged(bench):
    """With next to no memory for bodies each is read back from the spool; and after a kill -9."""
    sink = Sink(bench)
    daemon = bench.daemon(f"delivery.smarthost=127.0.0.1:{sink.port}", "spool.memory_budget=1M",
                          "queue_group.default.delivery=hold")
    sent = {f"{name}@dest.test": HEADER + body for name, body in contents(bench.seed + 1).items()}
    with smtplib.SMTP("127.0.0.1", daemon.port, local_hostname="client.test") as client:
        client.ehlo()
        for recipient, content in sent.items():
            client.sendmail("news@source.test", [recipient], content,
                            mail_options=["BODY=8BITMIME"])
    check(not sink.ledger, "held mail was sent")
    daemon.kill()
    daemon.overrides.append("queue_group.default.delivery=queue")
    daemon.start()
    daemon.wait_until_empty()
    arrived = {recipients[0]: content for _, recipients, content, _, _ in sink.ledger}
    for recipient, content in sent.items():
        check(recipient in arrived, f"{recipient} is missing")
        check(without_received(arrived[recipient]) == content, f"{recipient} changed on the disk")
    check(daemon.stop() == 0, "the daemon did not end well")


def each_recipient_has_its_own_outcome(bench):
    """One message, several recipients of one domain: some refused softly, some for good."""
    def refuse(recipient):
        if recipient.startswith("full"):
            return "452 4.2.2 mailbox full"
        return "550 5.1.1 unknown" if recipient.startswith("gone") else None

    sink = Sink(bench, refuse)
    reports = bench.mail_server()
    daemon = bench.daemon(config=f"""
[[route]]
domain = "dest.test"
hosts = ["127.0.0.1:{sink.port}"]
[[route]]
domain = "source.test"
hosts = ["127.0.0.1:{reports.port}"]
""")
    names = [f"{kind}{i}@dest.test" for i in range(10) for kind in ("ok", "full", "gone")]
    with smtplib.SMTP("127.0.0.1", daemon.port, local_hostname="client.test") as client:
        client.sendmail("news@source.test", names, HEADER + b"to many\r\n")
    daemon.wait_for_events(30, "delivered", "deferred", "bounced")
    outcomes = {kind: {event["recipient"] for event in daemon.events(kind)} & set(names)
                for kind in ("delivered", "deferred", "bounced")}
    for kind, prefix in [("delivered", "ok"), ("deferred", "full"), ("bounced", "gone")]:
        expected = {name for name in names if name.startswith(prefix)}
        check(outcomes[kind] == expected, f"{kind}: {sorted(outcomes[kind])}")
    check(len(sink.ledger) == 1, "the recipients of one domain went in more than one transaction")
    check(set(sink.ledger[0][1]) == outcomes["delivered"], "the ledger has other recipients")
    ringpost.wait_for("a report", lambda: reports.taken, 20)
    report = reports.taken[0]
    check(report[0] == "" and report[1] == ["news@source.test"], f"envelope {report[:2]}")
    check(all(name.encode() in report[2] for name in outcomes["bounced"]), "not all are reported")
    check(not any(name.encode() in report[2] for name in outcomes["deferred"]),
          "what is deferred was reported")


def eight_bit_content_where_it_is_not_taken(bench):
    """A server without 8BITMIME must not get 8-bit content: RFC 6152 section 3; a relay that does not
    convert returns it."""
    server = bench.mail_server(extensions=("PIPELINING",))
    daemon = bench.daemon(server.override)
    with smtplib.SMTP("127.0.0.1", daemon.port, local_hostname="client.test") as client:
        client.ehlo()
        client.sendmail("news@source.test", ["a@dest.test"], HEADER + "Grüße\r\n".encode(),
                        mail_options=["BODY=8BITMIME"])
    bounced = daemon.wait_for_events(1, "bounced")[0]
    check(bounced["status"] == "5.6.3", f"{bounced}")
    check(all(taken[0] == "" for taken in server.taken), "it was sent all the same")


if __name__ == "__main__":
    ringpost.main(every_byte_arrives, bodies_come_back_from_the_disk_unchanged,
                  each_recipient_has_its_own_outcome, eight_bit_content_where_it_is_not_taken)
