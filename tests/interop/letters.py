"""A thousand letters, each from a sender of its own to a recipient of its own, waiting in a daemon's queue so that
they go out streamed; and whether the log of whoever took them agrees with our event log."""

import collections
import re
import smtplib
import threading

import ringpost
from ringpost import check

CONNECTIONS = 10


class Letter:
    def __init__(self, number, recipients=None, body=None, subject="a letter"):
        self.sender = f"s{number}@source.test"
        self.recipients = recipients or [f"r{number}@d{number % 7}.test"]
        self.content = (f"From: {self.sender}\r\nSubject: {subject}\r\n\r\n".encode()
                        + (body or f"Letter {number}.\r\n.\r\n..\r\n".encode() * (1 + number % 40)))


def _hand_in(port, letters, failures):
    try:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=60) as client:
            for letter in letters:
                client.sendmail(letter.sender, letter.recipients, letter.content,
                                mail_options=["BODY=8BITMIME"])
    except (OSError, smtplib.SMTPException) as failure:
        failures.append(failure)


def queued(bench, letters, *overrides, **options):
    """A daemon that holds all of them. Start it again, without hold, with go()."""
    daemon = bench.daemon("queue_group.default.delivery=hold", *overrides, **options)
    failures = []
    threads = [threading.Thread(target=_hand_in, args=(daemon.port, letters[i::CONNECTIONS], failures))
               for i in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not failures, f"the letters could not be handed in: {failures[:2]}")
    check(daemon.totals()["messages_queued"] == len(letters), "not all are queued")
    return daemon


def go(daemon):
    check(daemon.stop() == 0, "the daemon did not end well")
    daemon.overrides.append("queue_group.default.delivery=queue")
    daemon.start()


def outcomes(daemon, letters):
    """recipient → its event, for the letters' recipients, each of which must have exactly one. What was in
    doubt goes again: that is no outcome."""
    wanted = {recipient for letter in letters for recipient in letter.recipients}

    def all_done():
        found = [event for event in daemon.events("delivered", "deferred", "bounced")
                 if event["recipient"] in wanted]
        return found if len(found) >= len(wanted) else None

    found = ringpost.wait_for(f"{len(wanted)} outcomes", all_done, 60)
    doubled = [name for name, count in
               collections.Counter(event["recipient"] for event in found).items() if count > 1]
    check(not doubled and len(found) == len(wanted), f"outcomes of {doubled[:3]} are not one each")
    return {event["recipient"]: event for event in found}


def agree(daemon, letters, events, taken, delivered, id_in_reply):
    """taken: the server's id → (sender, recipients, …); delivered: the server's id → recipients. Each of our
    `delivered` is one delivery there, under the letter's own sender, and there are no others; only of
    what our log calls in doubt, as on a machine that stands still for half a minute, there may be."""
    owner = {recipient: letter for letter in letters for recipient in letter.recipients}
    expected = collections.defaultdict(list)
    for recipient, event in events.items():
        if event["event"] == "delivered":
            id = re.search(id_in_reply, event["reply"])
            check(id is not None, f"not the server's reply: {event}")
            expected[id.group(1)].append(recipient)
    for id, recipients in expected.items():
        check(id in taken, f"the server does not know {id}: {recipients}")
        check(sorted(taken[id][1]) == sorted(recipients), f"{id} is for {taken[id][1]}: {recipients}")
        senders = {owner[recipient].sender for recipient in recipients}
        check({taken[id][0]} == senders, f"{id} came under {taken[id][0]}, not {senders}")
        check(sorted(delivered.get(id, [])) == sorted(recipients),
              f"{id} was delivered to {delivered.get(id)} there, to {recipients} here")
    in_doubt = {event["recipient"] for event in daemon.events("in_doubt")}
    others = [(id, letter) for id, letter in taken.items()
              if id not in expected and letter[0] and not in_doubt.issuperset(letter[1])]
    check(not others, f"taken, and not delivered by us: {others[:3]}")


def to_be_refused(count):
    """Letters of two recipients each, some of which a server is told to refuse: see check_refusals()."""
    return [Letter(number, subject="refuse me" if number % 10 == 3 else "a letter",
                   recipients=[f"r{number}@d.test", f"also{number}@d.test"])
            for number in range(count)]


def check_refusals(letters, events):
    """By the last digit: 0, the sender is refused; 1 and 2, the first recipient, for good and for now; 3,
    the content. Returns how many letters were taken."""
    expected = {0: ("bounced", "bounced"), 1: ("bounced", "delivered"),
                2: ("deferred", "delivered"), 3: ("bounced", "bounced")}
    taken = 0
    for number, letter in enumerate(letters):
        want = expected.get(number % 10, ("delivered", "delivered"))
        got = [events[recipient] for recipient in letter.recipients]
        check(tuple(event["event"] for event in got) == want, f"not {want}: {got}")
        taken += "delivered" in want
    return taken


def streamed(events, least):
    """That connections were used again and again."""
    per_connection = collections.Counter(
        event["connection"] for event in events.values() if event["event"] == "delivered")
    print(f"  {len(per_connection)} connections, up to {max(per_connection.values())} messages each")
    check(max(per_connection.values()) >= least, "connections were not reused")
