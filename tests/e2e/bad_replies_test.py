#!/usr/bin/python3
"""MX hosts whose replies are no SMTP, too long, too many, or the wrong ones: mail is deferred with a
reason or bounced where the reply says so, never lost, and arrives once the host is well again."""

import ringpost
from bad_stages_test import IMPATIENT, last_error
from clients import events_with, routes, submit, wait_for_event
from ringpost import check, wait_for
from scripted_mx import World, after, endlessly, says

NO_SMTP = {
    "binary": b"\x00\xff\x16\x03\x01\r\n", "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "empty": b"\r\n", "two-digits": b"25 ok\r\n", "four-digits": b"2500 ok\r\n",
    "letters": b"abc ok\r\n", "code-1yz": b"150 wait\r\n", "code-6yz": b"650 what\r\n",
    "negative": b"-250 ok\r\n", "no-space": b"250ok\r\n", "mixed-codes": b"250-a\r\n550 b\r\n",
    "mixed-classes": b"250-a\r\n354 b\r\n", "long-line": b"250 " + b"x" * 100_000 + b"\r\n",
    "many-lines": b"250-x\r\n" * 20_000 + b"250 x\r\n",
}
ENDLESS = {
    "endless-line": endlessly(b"2"), "endless-text": endlessly(b"250 x"),
    "endless-lines": endlessly(b"250-x\r\n"), "endless-nuls": endlessly(b"\0"),
    "endless-replies": endlessly(b"250 x\r\n"),
}
STAGES = ("greeting", "ehlo", "mail", "rcpt", "data", "dot")


def check_deferred_then_delivered(bench, faults, stage):
    """All these hosts at once, each with its fault at `stage`; then all are well again."""
    world = World()
    hosts = {name: world.host({stage: fault}) for name, fault in faults.items()}
    healthy = world.host()
    daemon = bench.daemon(routes(healthy=healthy, **hosts), *IMPATIENT, name=stage)
    ids = {name: submit(daemon, f"reader@{name}.test") for name in hosts}
    wait_for_event(daemon, event="delivered", id=submit(daemon, "reader@healthy.test"))
    problems = []
    for name, queued in ids.items():
        def trouble(name=name, queued=queued):
            found = events_with(daemon, id=queued, event=(
                "deferred", "in_doubt", "bounced", "expired", "delivered"))
            return found[0] if found else last_error(daemon, f"{name}.test")
        try:
            found = wait_for(name, trouble, 8)
        except ringpost.Failure:
            problems.append(f"{name}: nothing")
            continue
        if not found["status"].startswith("4.") or not found["reply"]:
            problems.append(f"{name}: {found.get('event')} {found['status']} {found['reply']}")
        elif len(found["reply"]) > 1024 or not found["reply"].isprintable():
            problems.append(f"{name}: its text got on: {found['reply'][:60]!r}")
    check(not problems, "\n  ".join([f"at {stage}", *problems]))
    for host in hosts.values():
        host.heal()
    for name, queued in ids.items():
        wait_for_event(daemon, event="delivered", id=queued)
        letters = wait_for(name, lambda name=name: hosts[name].letters_for(f"reader@{name}.test"))
        # Where the dot's reply was unreadable, the letter may have been taken (RFC 1047).
        check(len(letters) == 1 or stage == "dot", f"{name}: {len(letters)} letters")
    daemon.kill()


def replies_that_are_no_smtp(bench):
    for stage in STAGES:
        check_deferred_then_delivered(
            bench, {name: says(reply) for name, reply in NO_SMTP.items()}, stage)


def replies_without_end(bench):
    for stage in ("greeting", "ehlo", "mail"):
        check_deferred_then_delivered(bench, ENDLESS, stage)
    # The first reply to the dot is a good one, so what follows changes nothing for the letter.
    faults = {name: fault for name, fault in ENDLESS.items() if name != "endless-replies"}
    check_deferred_then_delivered(bench, faults, "dot")


class One:
    """A daemon and one host."""

    def __init__(self, bench, faults, name="ringpostd", **options):
        self.host = World().host(faults, **options)
        self.daemon = bench.daemon(routes(peer=self.host), *IMPATIENT, name=name)

    def outcome(self, queued, count=1, seconds=20.0, **wanted):
        return wait_for_event(self.daemon, seconds, count, id=queued, event=(
            "delivered", "deferred", "in_doubt", "bounced", "expired"), **wanted)


def two_hundred_and_fifty_to_data_is_no_yes(bench):
    """A peer that says 250 to DATA is out of step: no content may be taken for commands."""
    one = One(bench, {"data": says("250 2.0.0 ok")})
    queued = submit(one.daemon, "reader@peer.test", "Subject: x\r\n\r\nMAIL FROM:<evil@x.test>\r\n")
    event = one.outcome(queued)
    check(event["event"] == "deferred", f"{event['event']} {event['reply']}")
    said = [line for connection in one.host.connections for line in connection.commands]
    check(not any("evil" in line or line.startswith("Subject") for line in said), said)
    one.host.heal()
    wait_for_event(one.daemon, event="delivered", id=queued)


def a_refusal_right_behind_354_decides(bench):
    one = One(bench, {"data": says(b"354 go on\r\n550 5.7.1 not this one\r\n")})
    event = one.outcome(submit(one.daemon, "reader@peer.test"))
    check(event["event"] == "bounced" and event["status"] == "5.7.1", f"{event}")
    one.host.heal()
    wait_for_event(one.daemon, event="delivered", id=submit(one.daemon, "reader@peer.test"))


def surplus_replies_end_the_connection(bench):
    """A reply nobody asked for would shift all that follow: the next letter's outcome would be wrong."""
    for stage, reply in (("mail", b"250 ok\r\n250 and more\r\n"), ("dot", b"250 ok\r\n250 more\r\n"),
                         ("ehlo", b"250 mx\r\n250 more\r\n"), ("greeting", b"220 a\r\n220 b\r\n")):
        one = One(bench, {stage: says(reply)}, name=stage)
        first = submit(one.daemon, "first@peer.test")
        second = submit(one.daemon, "second@peer.test")
        wait_for(f"{stage}: trouble", lambda one=one: one.host.connections[:1] and (
            one.host.connections[0].closed), 10)
        one.host.heal()
        for queued in (first, second):
            wait_for_event(one.daemon, event="delivered", id=queued)
        delivered = len(events_with(one.daemon, event="delivered"))
        check(delivered == 2, f"{stage}: {delivered} of 2 delivered")
        check({letter.recipients[0] for letter in one.host.letters} == {
            "first@peer.test", "second@peer.test"}, f"{stage}: {one.host.letters}")
        one.daemon.kill()


def four_two_one_in_the_middle(bench):
    """421 after some letters on a connection: the rest goes over another one, nobody's mail bounces."""
    for stage in ("mail", "rcpt", "data", "dot"):
        usual = "354 go on" if stage == "data" else "250 2.0.0 ok"

        async def leave(connection):
            await connection.write("421 4.3.2 enough for today\r\n")

        one = One(bench, {stage: after(3, leave, usual)}, name=stage)
        ids = [submit(one.daemon, f"reader{number}@peer.test") for number in range(10)]
        for queued in ids:
            wait_for_event(one.daemon, event="delivered", id=queued)
        check(not events_with(one.daemon, event=("bounced", "expired", "in_doubt")), f"at {stage}")
        wait_for("ten letters", lambda one=one: len(one.host.letters) >= 10)
        check(len(one.host.letters) == 10, f"{stage}: {len(one.host.letters)} letters of 10")
        check(len(one.host.connections) > 2, "421 was answered on one connection")
        one.daemon.kill()


def too_many_recipients_are_sent_in_parts(bench):
    """452 after N recipients: those taken are delivered, the others follow without a bounce."""
    for reply in ("452 4.5.3 too many recipients", "452 too many recipients",
                  "552 5.5.3 too many recipients"):
        one = One(bench, {"rcpt": PerTransaction(3, reply)}, name=reply[:9].replace(" ", "-"))
        names = [f"reader{number}@peer.test" for number in range(10)]
        queued = submit(one.daemon, names)
        wait_for_event(one.daemon, 25, 10, event="delivered", id=queued)
        reached = sorted(name for letter in one.host.letters for name in letter.recipients)
        check(reached == sorted(names), f"{reply}: {reached}")
        check(not events_with(one.daemon, event="bounced"), "bounced")
        one.daemon.kill()


class PerTransaction:
    """Refuses with `reply` the recipients of one transaction beyond the first `most`."""

    def __init__(self, most, reply):
        self.most, self.reply = most, reply

    async def __call__(self, connection):
        commands = connection.commands
        last_mail = max(at for at, line in enumerate(commands) if line.startswith("MAIL"))
        return "250 2.1.5 ok" if len(commands) - last_mail - 1 <= self.most else self.reply


def a_greeting_that_refuses_is_no_bounce(bench):
    """554 in the greeting speaks for a host, not for a recipient: another host or another time."""
    for reply in ("554 5.7.1 go away", "550 no", "521 5.3.2 no mail here", "421 4.3.2 later"):
        world = World()
        rude, kind = world.host({"greeting": says(reply)}), world.host()
        daemon = bench.daemon(
            f'route=[{{domain="rude.test",hosts=["{rude.address}"]}},'
            f'{{domain="both.test",hosts=["{rude.address}","{kind.address}"]}}]', *IMPATIENT,
            name=reply.split()[0])
        both = submit(daemon, "reader@both.test")
        wait_for_event(daemon, event="delivered", id=both)
        alone = submit(daemon, "reader@rude.test")
        error = wait_for("an error", lambda daemon=daemon: last_error(daemon, "rude.test"))
        check(error["reply"], "without a reason")
        check(not events_with(daemon, event="bounced"), f"{reply}: bounced")
        rude.heal()
        wait_for_event(daemon, event="delivered", id=alone)
        daemon.kill()


def refusals_bounce_for_good(bench):
    """5yz to MAIL, RCPT, DATA or the dot: one bounce with the server's words, and no second try."""
    world = World()
    hosts = {stage: world.host({stage: says("550 5.7.1 not \x07 you \xe9")})
             for stage in ("mail", "rcpt", "data", "dot")}
    daemon = bench.daemon(routes(**hosts), *IMPATIENT)
    ids = {stage: submit(daemon, f"reader@{stage}.test", sender="") for stage in hosts}
    for stage, queued in ids.items():
        event = wait_for_event(daemon, id=queued, event=("bounced", "deferred", "delivered"))
        check(event["event"] == "bounced" and event["status"] == "5.7.1", f"{stage}: {event}")
        check("not ? you ?" in event["reply"], f"{stage}: {event['reply']!r}")
    check(len(events_with(daemon, event="bounced")) == 4, "one each")


def eight_bit_content_for_a_seven_bit_peer(bench):
    one = One(bench, {}, extensions=("PIPELINING", "SIZE"))
    queued = submit(one.daemon, "reader@peer.test", "Subject: x\r\n\r\ncaf\xe9\r\n", sender="")
    event = one.outcome(queued)
    check(event["event"] == "bounced" and event["status"] == "5.6.3", f"{event}")
    ascii_mail = submit(one.daemon, "reader@peer.test")
    check(one.outcome(ascii_mail)["event"] == "delivered", "7-bit mail is none the worse")
    check(len(one.host.letters) == 1, "only the ASCII letter was sent")


def helo_where_ehlo_is_refused(bench):
    one = One(bench, {"ehlo": says("502 5.5.1 what?")})
    queued = submit(one.daemon, "reader@peer.test")
    check(one.outcome(queued)["event"] == "delivered", "a peer that knows HELO only")
    check(any(line.startswith("HELO ") for line in one.host.connections[0].commands), "HELO")


if __name__ == "__main__":
    ringpost.main(
        replies_that_are_no_smtp, replies_without_end, two_hundred_and_fifty_to_data_is_no_yes,
        a_refusal_right_behind_354_decides, surplus_replies_end_the_connection, four_two_one_in_the_middle,
        too_many_recipients_are_sent_in_parts, a_greeting_that_refuses_is_no_bounce,
        refusals_bounce_for_good, eight_bit_content_for_a_seven_bit_peer, helo_where_ehlo_is_refused)
