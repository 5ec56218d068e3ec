"""Clients that send bytes as they are, and the event log seen by field."""

import re
import socket

from ringpost import check, wait_for

PATIENCE = 20.0  # seconds that an event may take on a machine that does much else


def submit(daemon, recipients, content="Subject: a letter\r\n\r\nHello.\r\n",
           sender="news@sender.test"):
    """Sends one message; returns the id it was queued under."""
    if isinstance(recipients, str):
        recipients = [recipients]
    with RawClient(daemon.port) as client:
        client.greet()
        return client.submit(recipients, content, sender)


def events_with(daemon, **wanted):
    """The events whose fields have the wanted values; a tuple means any of them."""
    return [event for event in daemon.events() if all(
        event[key] in (value if isinstance(value, tuple) else (value,))
        for key, value in wanted.items())]


def wait_for_event(daemon, seconds=PATIENCE, count=1, **wanted):
    """Until there are `count` such events; the first one."""
    def enough():
        check(daemon.process.running(), f"it ended; it said: {daemon.process.complaints()}")
        found = events_with(daemon, **wanted)
        return found if len(found) >= count else None
    return wait_for(f"{count} events {wanted}", enough, seconds)[0]


def routes(**hosts):
    """The override that sends each NAME.test to its (scripted) host."""
    return "route=[" + ",".join(
        f'{{domain="{name.replace("_", "-")}.test",hosts=["{host.address}"]}}'
        for name, host in hosts.items()) + "]"


def queued_id(reply):
    match = re.match(r"250 2\.0\.0 Ok: queued as (\w+)", reply)
    check(match, f"refused: {reply!r}")
    return match.group(1)


class RawClient:
    """Sends bytes as they are, reads replies one at a time."""

    def __init__(self, port, timeout=PATIENCE, source=None):
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout, source_address=source and (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def line(self):
        """One line without its end; empty when the server has closed."""
        while b"\n" not in self.buffer:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                check(not self.buffer, f"half a line: {self.buffer!r}")
                return ""
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        check(line.endswith(b"\r"), f"a reply line must end in CRLF: {line!r}")
        return line[:-1].decode("ascii")

    def reply(self):
        """The last line of the next reply; empty when the server has closed."""
        line = self.line()
        while line[3:4] == "-":
            line = self.line()
        return line

    def say(self, line):
        self.send(line + "\r\n" if isinstance(line, str) else line + b"\r\n")
        return self.reply()

    def greet(self):
        for reply, code in ((self.reply(), "220"), (self.say("EHLO client.test"), "250")):
            check(reply.startswith(code), f"wanted {code}, got {reply!r}")

    def envelope(self, sender, recipients):
        lines = [f"MAIL FROM:<{sender}>"] + [f"RCPT TO:<{name}>" for name in recipients] + ["DATA"]
        self.send("".join(line + "\r\n" for line in lines))
        for line in lines:
            reply = self.reply()
            check(reply[:3] == ("354" if line == "DATA" else "250"), f"{line}: {reply!r}")

    def content(self, body):
        """`body` is stuffed and ended here; the reply to the final dot."""
        if not body.endswith(b"\r\n"):
            body += b"\r\n"
        stuffed = re.sub(rb"(?m)^\.", b"..", body)
        self.send(stuffed + b".\r\n")
        return self.reply()

    def submit(self, recipients, content="Subject: a letter\r\n\r\nHello.\r\n",
               sender="news@sender.test"):
        self.envelope(sender, recipients)
        return queued_id(self.content(
            content if isinstance(content, bytes) else content.encode("latin-1")))
