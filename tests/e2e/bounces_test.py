#!/usr/bin/python3
"""Mail that cannot be delivered: its sender gets one report that a program can read, nobody gets a report
about a report, and what is too old is given up on time whatever stands in its way."""

import email
import email.policy
import signal
import threading
import time

import ringpost
from clients import RawClient, events_with, routes, submit, wait_for_event
from ringpost import check, wait_for
from scripted_dns import SERVFAIL, NameServer, response
from scripted_mx import World, says, stall

QUICK = ["timeouts.resolver_retrans=1s", "timeouts.resolver_retry=2", "timeouts.connect=2s",
         "timeouts.initial=2s", "timeouts.datafinal=30s", "timeouts.hoststatus=1s", "retry.first=1s",
         "retry.max=1s"]
EXPIRY = 5
SENDER = "news@sender.test"


def reports_of(host):
    return [letter for letter in list(host.letters) if letter.recipients == [SENDER]]


def check_report(letter, recipients, action="failed", status="5."):
    """RFC 3464, as Python's email package sees it; the fields of each recipient."""
    check(letter.sender == "", f"a report's sender must be null, not {letter.sender!r}")
    message = email.message_from_bytes(letter.content, policy=email.policy.default)
    check(not message.defects, f"defects: {message.defects}")
    check(message.get_content_type() == "multipart/report", message.get_content_type())
    check(message.get_param("report-type") == "delivery-status", "report-type")
    check(message["To"] and SENDER in message["To"], f"To: {message['To']}")
    check(message["From"] and message["Date"] and message["Message-ID"] and message["Subject"],
          f"a field is missing: {message.keys()}")
    check((message["Auto-Submitted"] or "").startswith("auto-"), "Auto-Submitted (RFC 3834)")
    text, delivery_status, original = list(message.iter_parts())
    check(text.get_content_type() == "text/plain" and text.get_content().strip(), "a text for people")
    check(delivery_status.get_content_type() == "message/delivery-status", "the second part")
    check(original.get_content_type() in ("message/rfc822", "text/rfc822-headers"), "the third part")
    of_message, *of_recipients = delivery_status.get_payload()
    check(of_message["Reporting-MTA"] == "dns; relay.test", f"{of_message['Reporting-MTA']!r}")
    found = {}
    for fields in of_recipients:
        name = fields["Final-Recipient"].partition(";")[2].strip()
        check(fields["Action"] == action and fields["Status"].startswith(status), f"{fields}")
        found[name] = fields
    check(sorted(found) == sorted(recipients), f"it tells of {sorted(found)}")
    check(b"Subject: a letter" in original.as_bytes(), "the original's header is missing")
    return found


def a_bounce_reaches_the_sender_once(bench):
    world = World()
    sender, gone = world.host(), world.host({"rcpt": says("550 5.1.1 <x> no \"such\" user\x80 here")})
    fine = world.host()
    daemon = bench.daemon(routes(sender=sender, gone=gone, fine=fine), *QUICK)
    queued = submit(daemon, ["one@gone.test", "reader@fine.test", "two@gone.test"])
    wait_for_event(daemon, event="bounced", id=queued, count=2)
    wait_for("the report", lambda: reports_of(sender))
    wait_for("an empty queue", lambda: daemon.totals()["messages_queued"] == 0)
    found = {}
    for letter in reports_of(sender):  # a group's recipients share one
        message = email.message_from_bytes(letter.content, policy=email.policy.default)
        names = [fields["Final-Recipient"].partition(";")[2].strip()
                 for fields in list(message.iter_parts())[1].get_payload()[1:]]
        found |= check_report(letter, names, status="5.1.1")
    check(len(reports_of(sender)) == 1, f"{len(reports_of(sender))} reports")
    check(sorted(found) == ["one@gone.test", "two@gone.test"], f"{found}")
    check("550" in found["one@gone.test"]["Diagnostic-Code"], "the server's words")
    check(daemon.stop() == 0, "TERM")
    daemon.start()  # discharged is discharged
    submit(daemon, SENDER, sender="")
    wait_for("a letter behind", lambda: len(sender.letters) == 2)
    check(len(reports_of(sender)) == 2 and len(sender.connections) == 2, "reported again")


def a_report_survives_kill(bench):
    """It is owed in the same record that says bounced; a kill before it left loses it not."""
    world = World()
    sender = world.host({"greeting": says("421 4.3.2 later")})
    gone = world.host({"rcpt": says("550 5.1.1 gone")})
    daemon = bench.daemon(routes(sender=sender, gone=gone), *QUICK)
    queued = submit(daemon, "one@gone.test")
    wait_for_event(daemon, event="bounced", id=queued)
    wait_for("a try to report", lambda: sender.connections)
    daemon.kill()
    daemon.start()
    sender.heal()
    wait_for("the report", lambda: reports_of(sender))
    wait_for("an empty queue", lambda: daemon.totals()["messages_queued"] == 0)
    check_report(reports_of(sender)[0], ["one@gone.test"])
    check(len(reports_of(sender)) == 1, "it came twice")


def nobody_is_told_about_a_lost_report(bench):
    world = World()
    refusing = world.host({"rcpt": says("550 5.1.1 gone")})
    daemon = bench.daemon(routes(sender=refusing, gone=refusing), *QUICK)
    submit(daemon, "one@gone.test", sender="")
    wait_for_event(daemon, event="bounced", sender="")
    submit(daemon, "two@gone.test")  # its report bounces, too
    wait_for_event(daemon, event="bounced", recipient=SENDER)
    wait_for("an empty queue", lambda: daemon.totals()["messages_queued"] == 0)
    check(len(events_with(daemon, event="bounced")) == 3, f"{events_with(daemon, event='bounced')}")
    check(len(events_with(daemon, event="received")) <= 3, "a report about a report")


def expiry_is_on_time_in_every_state(bench):
    """Nothing is left waiting because its host is down, stalls or defers, or because its name cannot
    be looked up."""
    world = World()
    names = NameServer(world)
    sender = world.host()
    names.add_domain("sender.test", "127.0.0.1")
    names.add_domain("closed.test", "127.0.0.7")  # nobody listens
    sick = {"stalls": world.host({"greeting": stall}, "127.0.0.2", sender.port),
            "defers": world.host({"rcpt": says("450 4.2.0 later")}, "127.0.0.3", sender.port),
            "doubts": world.host({"dot": stall}, "127.0.0.4", sender.port)}
    for number, name in enumerate(sick):
        names.add_domain(f"{name}.test", f"127.0.0.{number + 2}")
    names.faults["servfail.test"] = lambda query: [response(query, rcode=SERVFAIL)]
    names.faults["silent.test"] = lambda query: []
    names.faults["mx.halfway.test"] = lambda query: []
    names.add_domain("halfway.test", "127.0.0.8")
    names.add_domain("held.test", "127.0.0.1")
    daemon = bench.daemon(
        names.override, f"delivery.port={sender.port}", *QUICK, "timeouts.datafinal=2s",
        f"timeouts.queuereturn={EXPIRY}s", "queue_group=[{name=\"held\",domains=[\"held.test\"],"
        "delivery=\"hold\"}]")
    domains = ["closed", "stalls", "defers", "doubts", "servfail", "silent", "halfway", "held"]
    ids = {name: submit(daemon, f"reader@{name}.test") for name in domains}
    problems = []
    for name, queued in ids.items():
        try:
            event = wait_for_event(daemon, EXPIRY + 8, id=queued, event=("expired", "bounced"))
        except ringpost.Failure:
            problems.append(f"{name}: never expired")
            continue
        if event["event"] != "expired" or event["status"] != "4.4.7":
            problems.append(f"{name}: {event['event']} {event['status']} {event['reply']}")
        # In flight nothing expires, so an attempt that has begun may end first: 2 s at most.
        elif not EXPIRY * 1000 - 100 <= event["queued_ms"] <= (EXPIRY + 4) * 1000:
            problems.append(f"{name}: after {event['queued_ms']} ms")
    check(not problems, "\n  ".join(["", *problems]))
    wait_for("a report each", lambda: len(reports_of(sender)) >= len(domains))
    for letter in reports_of(sender):
        name = letter.content.partition(b"Final-Recipient: rfc822;")[2].split()[0].decode()
        check_report(letter, [name], status="4.4.7")
    check(len(reports_of(sender)) == len(domains), f"{len(reports_of(sender))} reports")


def term_ends_what_is_under_way(bench):
    """After TERM: no new client, the transaction under way ends well, all within a bound, and what is
    left is delivered after the next start, once."""
    world = World()
    release = threading.Event()

    async def slowly(connection):
        while not release.is_set():
            await connection.host.pause()
        return "250 2.0.0 taken"

    slow, down = world.host({"dot": slowly}), world.host({"greeting": says("421 4.3.2 no")})
    daemon = bench.daemon(routes(slow=slow, down=down), *QUICK)
    under_way = submit(daemon, "reader@slow.test")
    later = submit(daemon, "reader@down.test")
    wait_for("the dot", lambda: slow.connections and slow.connections[0].last_letter)
    with RawClient(daemon.port) as idle, RawClient(daemon.port) as busy:
        idle.greet()
        busy.greet()
        check(busy.say("MAIL FROM:<last@sender.test>").startswith("250"), "MAIL")
        daemon.process.child.send_signal(signal.SIGTERM)
        reply = idle.reply()
        check(reply.startswith("421 4.3.2"), f"an idle client hears {reply!r}")
        check(busy.say("RCPT TO:<reader@down.test>").startswith("250"), "a transaction may end")
        check(busy.say("DATA").startswith("354"), "DATA")
        check(busy.content(b"Subject: last\r\n\r\nlast\r\n").startswith("250"), "and is accepted")
    wait_for("a closed door", lambda: not ringpost.port_answers(daemon.port))
    release.set()
    check(daemon.process.wait(20) == 0, "exit code")
    wait_for_event_of_dead(daemon, event="delivered", id=under_way)
    down.heal()
    daemon.start()
    wait_for_event(daemon, event="delivered", id=later)
    wait_for("both letters", lambda: len(down.letters) == 2)
    check(len(slow.letters) == 1, "what was under way was sent again")


def wait_for_event_of_dead(daemon, **wanted):
    check(events_with(daemon, **wanted), f"no {wanted} when it ended")


def term_does_not_wait_for_ever(bench):
    """A peer that never answers the dot holds a drain up for a bounded time; a second TERM not at all."""
    world = World()
    stuck = world.host({"dot": stall})
    daemon = bench.daemon(routes(stuck=stuck), *QUICK)
    submit(daemon, "reader@stuck.test")
    wait_for("the dot", lambda: stuck.connections and stuck.connections[0].last_letter)
    began = time.monotonic()
    daemon.process.child.send_signal(signal.SIGTERM)
    code = daemon.process.wait(20)
    check(code == 0 and time.monotonic() - began < 17, f"exit {code}")
    daemon.start()
    wait_for("the dot again", lambda: len(stuck.connections) > 1 and stuck.connections[1].last_letter)
    daemon.process.child.send_signal(signal.SIGTERM)
    wait_for("the drain", lambda: not ringpost.port_answers(daemon.port))
    began = time.monotonic()
    daemon.process.child.send_signal(signal.SIGTERM)
    code = daemon.process.wait(5)
    check(code == 0, f"the second TERM: exit {code}")
    daemon.start()
    stuck.heal()
    wait_for("the letter", lambda: stuck.letters)


if __name__ == "__main__":
    ringpost.main(
        a_bounce_reaches_the_sender_once, a_report_survives_kill, nobody_is_told_about_a_lost_report,
        expiry_is_on_time_in_every_state, term_ends_what_is_under_way, term_does_not_wait_for_ever)
