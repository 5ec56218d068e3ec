#!/usr/bin/python3
"""Bad input toward the listener: clients that send what is no SMTP, too much of it, or nothing."""

import contextlib
import os
import socket
import threading
import time

import ringpost
from clients import (RawClient, events_with, queued_id, routes, submit, wait_for_event)
from ringpost import check, wait_for
from scripted_mx import World

BODY = b"Subject: innocent\r\n\r\nfirst line\r\n"
SMUGGLED = (b"MAIL FROM:<evil@evil.test>\r\nRCPT TO:<victim@fine.test>\r\nDATA\r\n"
            b"Subject: smuggled\r\n\r\nsmuggled\r\n")
# Everything that some server somewhere took for the end of DATA.
FALSE_ENDS = {
    "LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CR": b"\r.\r",
    "CR.CRLF": b"\r.\r\n", "CRLF.CR": b"\r\n.\r", "CR.LF": b"\r.\n", "LF.CR": b"\n.\r",
    "CRLF.NUL CRLF": b"\r\n.\0\r\n", "CRLF NUL.CRLF": b"\r\n\0.\r\n", "CRCRLF.CRLF": b"\r\r\n.\r\r\n",
}


class Setting:
    """A daemon, the one host it delivers to, and neighbours that must notice nothing."""

    def __init__(self, bench, *overrides):
        self.world = World()
        self.mx = self.world.host()
        self.daemon = bench.daemon(routes(fine=self.mx), *overrides)
        self.client = RawClient(self.daemon.port)
        bench.at_end(lambda: self.client.socket.close())
        self.client.greet()

    def check_neighbour(self):
        """Well-formed mail on the connection that was open all the time, and on a new one."""
        ids = [self.client.submit(["neighbour@fine.test"])]
        ids.append(submit(self.daemon, "neighbour@fine.test"))
        for name in ids:
            wait_for_event(self.daemon, event="delivered", id=name)


def only_crlf_dot_crlf_ends_the_content(bench):
    setting = Setting(bench)
    for name, end in FALSE_ENDS.items():
        with RawClient(setting.daemon.port) as client:
            client.greet()
            client.envelope("news@sender.test", ["reader@fine.test"])
            # In two pieces, so that nothing rests on where a buffer ends.
            client.send(BODY + b"text" + end[:2])
            client.send(end[2:] + SMUGGLED + b"\r\n.\r\n")
            reply = client.reply()
            check(reply.startswith("550 5.6.0"), f"{name}: {reply!r}")
            reply = client.say("NOOP")  # one message, so one reply, and the session goes on
            check(reply.startswith("250"), f"{name}: NOOP: {reply!r}")
            queued = client.submit(["reader@fine.test"])
            wait_for_event(setting.daemon, event="delivered", id=queued)
    setting.check_neighbour()
    senders = {event["sender"] for event in setting.daemon.events()}
    check("evil@evil.test" not in senders, "the smuggled message exists")
    check(not any(b"smuggled" in letter.content for letter in setting.mx.letters), "it was sent")


def chunks_smuggle_nothing(bench):
    """Octets of a chunk are content wherever they stand, and bare CR and LF go no further."""
    setting = Setting(bench)
    for name, end in FALSE_ENDS.items():
        with RawClient(setting.daemon.port) as client:
            client.greet()
            for line in ("MAIL FROM:<news@sender.test>", "RCPT TO:<reader@fine.test>"):
                check(client.say(line).startswith("250"), line)
            content = BODY + b"text" + end + SMUGGLED + b"\r\n.\r\n"
            client.send(b"BDAT %d LAST\r\n" % len(content) + content)
            reply = client.reply()
            check(reply.startswith("550 5.6.0"), f"{name}: {reply!r}")
            # Without MAIL; and what cannot be counted ends the connection.
            client.send(b"BDAT %d LAST\r\n" % len(SMUGGLED) + SMUGGLED)
            check(client.reply().startswith("503"), name)
            check(client.say("NOOP").startswith("250"), f"{name}: out of step")
            client.send(b"BDAT 18446744073709551620 LAST\r\n" + SMUGGLED)
            check(client.reply().startswith("552"), name)
            check(client.reply() == "", "not closed")
    setting.check_neighbour()
    with RawClient(setting.daemon.port) as client:  # dots alone are content
        client.greet()
        for line in ("MAIL FROM:<news@sender.test>", "RCPT TO:<reader@fine.test>"):
            check(client.say(line).startswith("250"), line)
        dots = BODY + b"\r\n.\r\n" + SMUGGLED + b".\r\n..\r\nno end"
        client.send(b"BDAT 1\r\n" + dots[:1] + b"BDAT %d\r\n" % len(dots[1:]) + dots[1:])
        client.send(b"BDAT 0 LAST\r\n")
        replies = [client.reply() for _ in range(3)]
        wait_for_event(setting.daemon, event="delivered", id=queued_id(replies[-1]))
    check(any(letter.content.endswith(dots + b"\r\n") for letter in setting.mx.letters), "altered")
    senders = {event["sender"] for event in setting.daemon.events()}
    check("evil@evil.test" not in senders, "the smuggled message exists")


def clients_that_vanish_inside_a_chunk_leave_nothing(bench):
    setting = Setting(bench, "timeouts.datablock=2s")
    for sent in (b"BDAT 100 LAST\r\nSubject: half", b"BDAT 9\r\nSubject: ", b"BDAT 100 LA"):
        for vanish in (True, False):
            client = RawClient(setting.daemon.port)
            client.greet()
            for line in ("MAIL FROM:<half@sender.test>", "RCPT TO:<reader@fine.test>"):
                check(client.say(line).startswith("250"), line)
            client.send(sent)
            if not vanish and sent.startswith(b"BDAT 100 LAST"):
                check(client.reply().startswith("421 4.4.2"), "a chunk that does not come")
            client.socket.close()
    setting.check_neighbour()
    check(not events_with(setting.daemon, sender="half@sender.test"), "half a message exists")


def content_bytes_that_are_not_text_are_refused(bench):
    setting = Setting(bench)
    bad = {
        "bare CR": (b"a\rb", "bare CR"), "bare LF": (b"a\nb", "bare LF"), "NUL": (b"a\0b", "NUL"),
        "long line": (b"x" * 1001, "line too long"), "CR at the end": (b"a\r", "bare CR"),
        "a line of a megabyte": (b"x" * 1_000_000, "line too long"),
    }
    for name, (text, why) in bad.items():
        with RawClient(setting.daemon.port) as client:
            client.greet()
            client.envelope("news@sender.test", ["reader@fine.test"])
            client.send(BODY + text + b"\r\n.\r\n")
            reply = client.reply()
            check(reply.startswith("550 5.6.0") and why in reply, f"{name}: {reply!r}")
            client.submit(["reader@fine.test"])  # and the session goes on
    with RawClient(setting.daemon.port) as client:  # exactly at the limit: 998 and CRLF
        client.greet()
        client.submit(["reader@fine.test"], BODY + b"x" * 998 + b"\r\n")
    wait_for("7 letters", lambda: len(setting.mx.letters) == 7)
    setting.check_neighbour()


def too_large_content_is_refused_and_the_session_goes_on(bench):
    setting = Setting(bench)
    with RawClient(setting.daemon.port) as client:
        client.greet()
        reply = client.say("MAIL FROM:<news@sender.test> SIZE=99999999")
        check(reply.startswith("552 5.3.4"), reply)
        client.envelope("news@sender.test", ["reader@fine.test"])
        line = b"x" * 900 + b"\r\n"
        for _ in range(60):
            client.send(line * 64)
        reply = client.content(b"end\r\n")
        check(reply.startswith("552 5.3.4"), reply)
        client.submit(["reader@fine.test"])
    setting.check_neighbour()


def five_thousand_recipients_go_in_transactions_of_a_hundred(bench):
    setting = Setting(bench, "listener.max_recipients=5000")
    names = [f"reader{number}@fine.test" for number in range(5003)]
    with RawClient(setting.daemon.port) as client:
        client.greet()
        check(client.say("MAIL FROM:<news@sender.test>").startswith("250"), "MAIL")
        taken = []
        for begin in range(0, len(names), 500):
            chosen = names[begin:begin + 500]
            client.send("".join(f"RCPT TO:<{name}>\r\n" for name in chosen))
            taken += [client.reply()[:9] for _ in chosen]
        check(set(taken[:5000]) == {"250 2.1.5"}, "a recipient was refused")
        check(taken[5000:] == ["452 4.5.3"] * 3, f"beyond the limit: {taken[5000:]}")
        check(client.say("DATA").startswith("354"), "DATA")
        queued_id(client.content(BODY))
    wait_for("all letters", lambda: sum(
        len(letter.recipients) for letter in setting.mx.letters) >= 5000, 30)
    check(max(len(letter.recipients) for letter in setting.mx.letters) <= 100, "too many at once")
    got = sorted(name for letter in setting.mx.letters for name in letter.recipients)
    check(got == sorted(names[:5000]), "not everybody exactly once")
    setting.check_neighbour()


def commands_that_are_no_commands(bench):
    setting = Setting(bench)
    bad = {
        "bare LF": (b"NOOP\nNOOP\r\n", "500 5.5.2"), "bare CR": (b"NOOP\rNOOP\r\n", "500 5.5.2"),
        "NUL": (b"NO\0OP\r\n", "500 5.5.2"), "overlong": (b"NOOP " + b"x" * 3000 + b"\r\n", "500"),
        "a megabyte": (b"x" * 1_000_000 + b"\r\n", "500"), "unknown": (b"FROBNICATE\r\n", "500"),
        "empty": (b"\r\n", "500"), "HTTP": (b"GET / HTTP/1.1\r\n", "500"),
        "bad path": (b"MAIL FROM:news@@sender\r\n", "501"),
        "8-bit": (b"MAIL FROM:<n\xe9ws@sender.test>\r\n", "5"),
        "CR in a path": (b"MAIL FROM:<a\r@sender.test>\r\n", "500"),
        "RCPT before MAIL": (b"RCPT TO:<reader@fine.test>\r\n", "503"),
        "DATA before MAIL": (b"DATA\r\n", "503"),
    }
    for name, (line, code) in bad.items():
        with RawClient(setting.daemon.port) as client:
            client.greet()
            client.send(line)
            reply = client.reply()
            check(reply.startswith(code), f"{name}: {reply!r}")
            check(client.say("NOOP").startswith("250"), f"{name}: more than one reply")
            client.submit(["reader@fine.test"])
    setting.check_neighbour()


def endless_nonsense_is_cut_off(bench):
    setting = Setting(bench)
    with RawClient(setting.daemon.port) as client:
        client.greet()
        replies = []
        with contextlib.suppress(OSError):
            for _ in range(1000):
                client.send(b"nonsense\r\n")
                replies.append(client.reply())
                if not replies[-1]:
                    break
        check(any(reply.startswith("421") for reply in replies), f"no 421: {replies[-2:]}")
        check(len(replies) < 200, "a thousand wrong commands were answered")
    setting.check_neighbour()


def one_line_without_end_takes_no_memory(bench):
    # Under ASan, freed memory stays resident for a while unless told otherwise.
    options = [os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=1"]
    os.environ["ASAN_OPTIONS"] = ":".join(filter(None, options))
    setting = Setting(bench, "timeouts.command=4s", "shards.count=1")
    status = f"/proc/{setting.daemon.pid}/status"

    def resident():
        with open(status, encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    with RawClient(setting.daemon.port) as command, RawClient(setting.daemon.port) as content:
        content.greet()
        content.envelope("news@sender.test", ["reader@fine.test"])
        before = resident()
        for _ in range(1600):
            command.send(b"x" * 65536)
            content.send(b"x" * 65536)
        grown = resident() - before
        # The shard's receive buffers, 16 MiB, are touched for the first time by this.
        check(grown < 32768, f"100 MB of one line each made it {grown} KiB larger")
    submit(setting.daemon, "reader@fine.test")


def relaying_is_refused_from_outside(bench):
    setting = Setting(bench, 'listener.relay_from=["127.0.0.1/32"]')
    with RawClient(setting.daemon.port, source="127.0.0.7") as client:
        client.greet()
        check(client.say("MAIL FROM:<news@sender.test>").startswith("250"), "MAIL")
        for recipient in ("reader@fine.test", "postmaster", "x%fine.test@relay.test"):
            reply = client.say(f"RCPT TO:<{recipient}>")
            check(reply.startswith("550 5.7.1"), f"{recipient}: {reply!r}")
        check(client.say("DATA").startswith(("554", "503")), "DATA without a recipient")
    check(not setting.daemon.events(), "an event for what was refused")
    setting.check_neighbour()


def too_many_connections_get_421(bench):
    setting = Setting(bench, "listener.max_connections=3", "shards.count=1")
    crowd = [RawClient(setting.daemon.port) for _ in range(2)]
    for client in crowd:
        client.greet()
    with RawClient(setting.daemon.port) as late:
        reply = late.reply()
        check(reply.startswith("421 4.3.2"), f"the fourth of three: {reply!r}")
        check(late.reply() == "", "and it is closed")
    setting.client.submit(["reader@fine.test"])  # those inside are not disturbed
    crowd.pop().socket.close()

    def place_again():
        with RawClient(setting.daemon.port) as client:
            return client.reply().startswith("220")
    wait_for("a place that became free", place_again)
    crowd.pop().socket.close()


def clients_that_stall_are_sent_away(bench):
    setting = Setting(bench, "timeouts.command=2s", "timeouts.datablock=2s")
    port = setting.daemon.port
    stages = {"before EHLO": [], "after EHLO": ["EHLO x.test"],
              "in a transaction": ["EHLO x.test", "MAIL FROM:<a@b.test>", "RCPT TO:<c@fine.test>"],
              "in the content": ["EHLO x.test", "MAIL FROM:<a@b.test>", "RCPT TO:<c@fine.test>",
                                 "DATA", "Subject: never ended"]}
    clients = {}
    for name, lines in stages.items():
        clients[name] = RawClient(port)
        clients[name].send("".join(line + "\r\n" for line in lines))
    began = time.monotonic()
    for name, client in clients.items():
        replies = [client.reply()]
        while replies[-1]:
            replies.append(client.reply())
        check(time.monotonic() - began < 8, f"{name}: it took {time.monotonic() - began:.0f} s")
        check(replies[-2].startswith("421 4.4.2"), f"{name}: {replies}")
        client.socket.close()
    check(not events_with(setting.daemon, event="received", sender="a@b.test"), "half a message")
    submit(setting.daemon, "neighbour@fine.test")


def clients_that_drip_are_sent_away(bench):
    """A byte now and then is no command: the time counts for the whole line."""
    setting = Setting(bench, "timeouts.command=2s", "timeouts.datablock=2s")
    with RawClient(setting.daemon.port) as client:
        client.greet()
        closed = threading.Event()
        threading.Thread(target=_drip, args=(client.socket, closed), daemon=True).start()
        began = time.monotonic()
        reply = client.reply()
        closed.set()
        took = time.monotonic() - began
        check(reply.startswith("421 4.4.2") and took < 8, f"{reply!r} after {took:.1f} s")
    submit(setting.daemon, "neighbour@fine.test")


def _drip(client, closed):
    with contextlib.suppress(OSError):
        for _ in range(60):
            client.send(b"N")
            if closed.wait(0.5):
                return


def clients_that_vanish_leave_nothing(bench):
    setting = Setting(bench)
    for reset in (False, True):
        client = RawClient(setting.daemon.port)
        client.greet()
        client.envelope("half@sender.test", ["reader@fine.test"])
        client.send(BODY)
        if reset:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.socket.close()
    setting.check_neighbour()
    check(not events_with(setting.daemon, sender="half@sender.test"), "half a message exists")


def clients_that_read_no_replies_are_bounded(bench):
    setting = Setting(bench, "timeouts.command=3s")
    client = RawClient(setting.daemon.port)
    client.greet()
    client.socket.settimeout(1)
    sent = 0
    with contextlib.suppress(OSError):
        while sent < 64 << 20:
            sent += client.socket.send(b"NOOP\r\n" * 2000)
    check(sent < 64 << 20, "64 MiB of commands were taken although no reply was read")
    setting.check_neighbour()
    client.socket.close()


if __name__ == "__main__":
    ringpost.main(
        only_crlf_dot_crlf_ends_the_content, chunks_smuggle_nothing,
        clients_that_vanish_inside_a_chunk_leave_nothing, content_bytes_that_are_not_text_are_refused,
        too_large_content_is_refused_and_the_session_goes_on,
        five_thousand_recipients_go_in_transactions_of_a_hundred, commands_that_are_no_commands,
        endless_nonsense_is_cut_off, one_line_without_end_takes_no_memory,
        relaying_is_refused_from_outside, too_many_connections_get_421,
        clients_that_stall_are_sent_away, clients_that_drip_are_sent_away,
        clients_that_vanish_leave_nothing, clients_that_read_no_replies_are_bounded)
