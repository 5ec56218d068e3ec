#!/usr/bin/python3
"""A real Postfix takes a thousand messages streamed under TLS while it refuses whatever is pipelined without
leave, and some refusals amid them. Its log and our event log must tell the same story."""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import letters as mail  # noqa: E402
import postfix_test  # noqa: E402
import ringpost  # noqa: E402
from letters import Letter  # noqa: E402
from ringpost import check  # noqa: E402
from tls_server import Certificate  # noqa: E402

MESSAGES = 1000
ID = r"queued as (\w+)$"
STRICT = {"smtpd_data_restrictions": "reject_unauth_pipelining",
          "smtpd_forbid_unauth_pipelining": "yes"}


def commands(postfix):
    """How often each command was given, on all connections that are over."""
    found = {}
    for line in re.findall(r"disconnect from \S+ (.*)", postfix.log()):
        for verb, count in re.findall(r"(\w+)=(\d+)", line):
            found[verb] = found.get(verb, 0) + int(count)
    return found


def done_with(postfix, count):
    ringpost.wait_for(f"Postfix to be done with {count} messages",
                      lambda: len(postfix.queued()) >= count, 60, pause=0.1)


def a_thousand_messages_streamed_under_tls(bench):
    postfix = postfix_test.under_tls(bench, Certificate(bench, "postfix.test"), **STRICT)
    letters = [Letter(number) for number in range(MESSAGES)]
    daemon = mail.queued(bench, letters, f"delivery.smarthost=127.0.0.1:{postfix.port}",
                         "delivery.tls=encrypt", "retry.first=5s",
                         "queue_group.default.max_connections_per_destination=3")
    mail.go(daemon)
    daemon.wait_until_empty(90)
    done_with(postfix, MESSAGES)
    events = mail.outcomes(daemon, letters)
    check({event["event"] for event in events.values()} == {"delivered"}, "not all were delivered")
    check({event["tls"] for event in events.values()} == {"TLSv1.3"}, "not all went under TLS")
    mail.agree(daemon, letters, events, postfix.taken(), postfix.queued(), ID)
    mail.streamed(events, 20)
    check(daemon.stop() == 0, "the daemon did not end well")
    ringpost.wait_for("the last connection to be over",
                      lambda: commands(postfix).get("bdat", 0) >= MESSAGES)
    given = commands(postfix)
    check(given["bdat"] == MESSAGES and "data" not in given and "unknown" not in given, f"{given}")
    postfix_test.no_complaints(postfix)


def refusals_amid_the_stream(bench):
    """At MAIL, at RCPT and at the end of the content: each concerns its own message only."""
    tables = {name: bench.directory / name for name in ("senders", "recipients", "headers")}
    tables["senders"].write_text("/^s[0-9]*0@/ 550 5.7.1 not from you\n")
    tables["recipients"].write_text(
        "/^r[0-9]*1@/ 550 5.1.1 nobody of that name\n/^r[0-9]*2@/ 450 4.2.1 come again\n")
    tables["headers"].write_text("/^Subject: refuse me/ REJECT 5.6.0 not this\n")
    postfix = postfix_test.under_tls(
        bench, Certificate(bench, "postfix.test"),
        f"check_recipient_access regexp:{tables['recipients']}, permit_mynetworks, reject",
        smtpd_sender_restrictions=f"check_sender_access regexp:{tables['senders']}",
        header_checks=f"regexp:{tables['headers']}", smtpd_delay_reject="no", **STRICT)
    reports = bench.mail_server()
    letters = mail.to_be_refused(400)
    daemon = mail.queued(
        bench, letters, f"delivery.smarthost=127.0.0.1:{postfix.port}", "delivery.tls=encrypt",
        config=f'[[route]]\ndomain = "source.test"\nhosts = ["127.0.0.1:{reports.port}"]\n'
               '[[queue_group]]\nname = "reports"\ndomains = ["source.test"]\ntls = "none"\n')
    mail.go(daemon)
    events = mail.outcomes(daemon, letters)
    done_with(postfix, mail.check_refusals(letters, events))
    mail.agree(daemon, letters, events, postfix.taken(), postfix.queued(), ID)
    mail.streamed(events, 5)
    postfix_test.no_complaints(postfix)


if __name__ == "__main__":
    postfix_test.need()
    ringpost.main(a_thousand_messages_streamed_under_tls, refusals_amid_the_stream)
