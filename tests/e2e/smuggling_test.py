#!/usr/bin/python3
"""SMTP smuggling: what looks like the end of a message ends none, neither at our listener nor at the servers that
we send to, by chunks, pipelined or in lock-step; and what two servers could read differently never leaves us."""

import re
import socketserver
import threading

import ringpost
from clients import RawClient
from ringpost import check

EVIL = b"MAIL FROM:<evil@source.test>\r\nRCPT TO:<evil@dest.test>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n"
LINE_END = rb"(?:\r\n|\r|\n)"

# Bodies that are mail like any other, whatever they resemble. The last two end in no CRLF.
SOUND = [
    b".\r\n", b".\r\n.\r\n.\r\n", b"..\r\n...\r\n", b".a\r\n..b\r\n", b"\r\n.\r\n\r\n.\r\n", b" .\r\n. \r\n",
    b"x\r\n.\r\n" + EVIL + b".\r\n", b".\r\n" + EVIL.replace(b"DATA\r\n", b"BDAT 6 LAST\r\n"),
    b"QUIT\r\n", b"RSET\r\n.\r\nRSET\r\n", b"." * 997 + b"\r\n", b"." * 998 + b"\r\n.\r\n",
    b"\x01.\x0b\r\n.\x0c\r\n.\x7f\r\n", b"BDAT 0 LAST\r\n.\r\n", b"text\r\n.", b"text\r\n..",
]
# Bodies that some server somewhere reads otherwise than another, and what is said of them.
UNSOUND = [
    (b"x\n.\n", "bare LF"), (b"x\n.\r\n", "bare LF"), (b"x\r\n.\n", "bare LF"), (b"\n", "bare LF"),
    (b"x\r.\r", "bare CR"), (b"x\r.\r\n", "bare CR"), (b"x\r\n.\r", "bare CR"),
    (b"x\r\r\n.\r\r\n", "bare CR"), (b"x\r\n.\r\r\n", "bare CR"), (b"x\n\r.\n\r", "bare LF"),
    (b"x\r\n\0.\r\n", "NUL"), (b"x\r\n.\0\r\n", "NUL"), (b"x\r\0\n.\r\0\n", "bare CR"), (b"\0", "NUL"),
]


class Peer:
    """A server that reads to the letter: commands end in CRLF, DATA in CRLF.CRLF, chunks where their size says."""

    def __init__(self, bench, extensions):
        self.extensions = ["peer.test", "8BITMIME", *extensions]
        self.taken = []  # (recipient, content, as it came: dots and end included)
        self.strange = []
        self.verbs = set()
        peer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    peer.talk(self.rfile, self.connection.sendall)
                except (OSError, EOFError):
                    pass

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        bench.at_end(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def override(self):
        return f"delivery.smarthost=127.0.0.1:{self.server.server_address[1]}"

    @staticmethod
    def until(reader, end):
        data = b""
        while not data.endswith(end):
            more = reader.readline()
            if not more:
                raise EOFError
            data += more
        return data

    def talk(self, reader, send):
        send(b"220 peer.test ESMTP\r\n")
        recipient, content = None, b""
        while True:
            line = self.until(reader, b"\r\n")[:-2]
            verb = line.split(b" ")[0].split(b":")[0].upper()
            self.verbs.add(verb.decode("latin-1"))
            reply = b"250 2.0.0 fine\r\n"
            if verb == b"EHLO":
                last = len(self.extensions) - 1
                reply = "".join(f"250{' ' if at == last else '-'}{text}\r\n"
                                for at, text in enumerate(self.extensions)).encode()
            elif verb == b"RCPT":
                recipient, content = re.search(rb"<(.*)>", line).group(1).decode(), b""
            elif verb == b"DATA":
                send(b"354 go on\r\n")
                raw = b"\r\n" + self.until_end(reader)
                self.taken.append((recipient, re.sub(rb"\r\n\.", b"\r\n", raw[2:-3]), raw))
            elif verb == b"BDAT":
                size = int(line.split(b" ")[1])
                content += reader.read(size)
                if line.upper().endswith(b" LAST"):
                    self.taken.append((recipient, content, content))
            elif verb == b"QUIT":
                send(b"221 2.0.0 bye\r\n")
                return
            elif verb not in (b"MAIL", b"RSET"):
                self.strange.append(line)
                reply = b"500 5.5.1 what?\r\n"
            send(reply)

    def until_end(self, reader):
        line = self.until(reader, b"\r\n")
        return line if line == b".\r\n" else line + self.until(reader, b"\r\n.\r\n")


def letter(number):
    return f"Subject: number {number}\r\n\r\n".encode()


def chunked(content, size):
    """The content as BDAT commands with that many octets each."""
    pieces = [content[at:at + size] for at in range(0, len(content), size)]
    return b"".join(b"BDAT %d%s\r\n%s" % (len(piece), b" LAST" if at == len(pieces) - 1 else b"", piece)
                    for at, piece in enumerate(pieces)), len(pieces)


def hand_in(client, recipient, content, size):
    """By BDAT in chunks of `size`, or by DATA (0): the replies to the content."""
    envelope = f"MAIL FROM:<news@source.test>\r\nRCPT TO:<{recipient}>\r\n".encode()
    if size == 0:
        check(client.say(envelope + b"DATA").startswith("250"), "MAIL was refused")
        check(client.reply().startswith("250") and client.reply().startswith("354"), "no DATA")
        client.send(content + b"\r\n.\r\n")
        return [client.reply()]
    chunks, count = chunked(content, size)
    client.send(envelope + chunks)
    return [client.reply() for _ in range(2 + count)][2:]


def nothing_strange(peer):
    check(not peer.strange, f"read as a command: {peer.strange[:3]}")
    for recipient, content, raw in peer.taken:
        check(not recipient.startswith("evil"), "a message was smuggled")
        check(not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", raw), f"bare CR, LF or NUL for {recipient}")
        if raw.startswith(b"\r\n"):  # by DATA
            end = re.search(LINE_END + rb"\." + LINE_END, raw).end()
            check(end == len(raw), f"some server would see the end of {recipient}'s earlier: {raw!r}")


def sound_bodies(bench, expected_verbs, *extensions, **settings):
    peer = Peer(bench, extensions)
    daemon = bench.daemon(peer.override, "queue_group.default.delivery=hold", "queue.default_groups=1",
                          "queue_group.default.max_connections_per_destination=1", **settings)
    sent = {}
    with RawClient(daemon.port) as client:
        client.greet()
        for number, body in enumerate(SOUND * 3):
            sizes = (100_000, 1, 7)  # whole; each octet, CR and LF too, in a chunk of its own
            recipient = f"r{number}@dest.test"
            sent[recipient] = letter(number) + body
            reply = hand_in(client, recipient, sent[recipient], sizes[number // len(SOUND)])[-1]
            check(reply.startswith("250 2.0.0 Ok: queued as "), f"{body!r} was refused: {reply}")
    check(daemon.stop() == 0, "the daemon did not end well")
    daemon.overrides.append("queue_group.default.delivery=queue")
    daemon.start()
    daemon.wait_until_empty()
    nothing_strange(peer)
    check(expected_verbs <= peer.verbs, f"it was not spoken to as meant: {peer.verbs}")
    check(sorted(recipient for recipient, _, _ in peer.taken) == sorted(sent),
          "each message arrives once, and no others")
    for recipient, content, _ in peer.taken:
        lines = content.split(b"\r\n")
        first = next(i for i in range(1, len(lines)) if not lines[i].startswith((b" ", b"\t")))
        wanted = sent[recipient] + (b"" if sent[recipient].endswith(b"\r\n") else b"\r\n")
        check(b"\r\n".join(lines[first:]) == wanted, f"{wanted!r} arrived as {content!r}")


def sound_bodies_in_chunks(bench):
    sound_bodies(bench, {"BDAT", "RSET"}, "PIPELINING", "CHUNKING")


def sound_bodies_in_chunks_without_pipelining(bench):
    sound_bodies(bench, {"BDAT"}, "CHUNKING")


def sound_bodies_pipelined(bench):
    sound_bodies(bench, {"DATA"}, "PIPELINING")


def sound_bodies_in_lock_step(bench):
    sound_bodies(bench, {"DATA"})


def unsound_bodies_are_refused(bench):
    """By name and line, to the end that they really have: the session goes on, and nothing was smuggled."""
    peer = Peer(bench, ("PIPELINING", "CHUNKING"))
    daemon = bench.daemon(peer.override)
    with RawClient(daemon.port) as client:
        client.greet()
        for size in (0, 100_000, 1, 5):
            for number, (body, what) in enumerate(UNSOUND):
                content = letter(number) + body + EVIL
                replies = hand_in(client, "victim@dest.test", content, size)
                refusals = [reply for reply in replies if not reply.startswith(("250 2.0.0 ", "503 "))]
                wanted = f"550 5.6.0 Message refused: {what}"
                check(len(refusals) == 1 and refusals[0].startswith(wanted) and " in line " in refusals[0],
                      f"{body!r} in pieces of {size}: {refusals}")
                check(not any("queued" in reply for reply in replies), "it was taken all the same")
                check(client.say("RSET").startswith("250"), "the session is out of step")
            reply = hand_in(client, f"good{size}@dest.test", letter(0) + b"good\r\n", size)[-1]
            check(reply.startswith("250"), f"behind them: {reply}")
    daemon.wait_until_empty()
    nothing_strange(peer)
    check(sorted(recipient for recipient, _, _ in peer.taken) ==
          sorted(f"good{size}@dest.test" for size in (0, 1, 5, 100_000)), f"{peer.taken}")


def commands_end_in_crlf_alone(bench):
    peer = Peer(bench, ())
    daemon = bench.daemon(peer.override)
    with RawClient(daemon.port) as client:
        client.greet()
        for end in (b"\n", b"\r", b"\n\r", b"\0\r\n"):
            reply = client.say(b"MAIL FROM:<a@source.test>" + end + b"RCPT TO:<evil@dest.test>")
            wanted = "500 5.5.2 Control character in command"
            check(reply.startswith(wanted), f"{end!r}: {reply}")
            if end == b"\0\r\n":
                check(client.reply().startswith("503"), "RCPT is a line of its own")
        check(hand_in(client, "good@dest.test", letter(0) + b"good\r\n", 0)[-1].startswith("250"),
              "a message behind them")
    daemon.wait_until_empty()
    check([recipient for recipient, _, _ in peer.taken] == ["good@dest.test"], f"{peer.taken}")


if __name__ == "__main__":
    ringpost.main(sound_bodies_in_chunks, sound_bodies_in_chunks_without_pipelining,
                  sound_bodies_pipelined, sound_bodies_in_lock_step, unsound_bodies_are_refused,
                  commands_end_in_crlf_alone)
