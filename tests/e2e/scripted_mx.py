"""MX hosts that do what a test says: a plain SMTP server that can be given a fault at each stage.

All of them run in one thread with one event loop. A fault is a coroutine that takes the
connection and returns a reply to give after all, or None if the connection is done with.
"""

import asyncio
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

RECEIVE_BUFFER = 16384  # small, so that a peer that does not read stops its sender soon


@dataclass
class Letter:
    sender: str
    recipients: list
    content: bytes
    connection: int
    at: float = field(default_factory=time.monotonic)


class Gone(Exception):
    """The connection is done with."""


class Connection:
    def __init__(self, host, reader, writer, number):
        self.host, self.reader, self.writer, self.number = host, reader, writer, number
        self.opened = time.monotonic()
        self.closed = None
        self.commands = []
        self.bytes_sent = 0
        self.last_letter = None  # of which the dot was read, whatever was answered

    async def write(self, data):
        data = data.encode("latin-1") if isinstance(data, str) else data
        self.bytes_sent += len(data)
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, reply):
        await self.write(reply + "\r\n" if isinstance(reply, str) else reply)

    async def until_gone(self):
        while await self.reader.read(4096):
            pass
        raise Gone

    def reset(self):
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        raise Gone


class MxHost:
    """`faults` maps a stage (greeting, ehlo, helo, mail, rcpt, data, content, dot, rset, quit) to a
    fault, which acts while `sick`; `extensions` are what EHLO offers."""

    def __init__(self, faults=None, extensions=("PIPELINING", "SIZE", "8BITMIME")):
        self.faults = faults or {}
        self.extensions = extensions
        self.sick = True
        self.letters = []
        self.connections = []
        self.port = None

    @staticmethod
    async def pause():
        await asyncio.sleep(0.02)

    def heal(self):
        self.sick = False

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def letters_for(self, recipient):
        return [letter for letter in self.letters if recipient in letter.recipients]

    async def start(self, address="127.0.0.1", port=0):
        listener = socket.socket(socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        listener.bind((address, port))
        self.port = listener.getsockname()[1]
        await asyncio.start_server(self._serve, sock=listener, limit=RECEIVE_BUFFER, backlog=512)

    async def _serve(self, reader, writer):
        connection = Connection(self, reader, writer, len(self.connections))
        self.connections.append(connection)
        try:
            await self._talk(connection)
        except (Gone, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            connection.closed = time.monotonic()
            writer.close()

    async def _decide(self, connection, name, reply):
        fault = self.faults.get(name) if self.sick else None
        if fault is not None:
            reply = await fault(connection)
            if reply is None:
                raise Gone
        return reply

    async def _stage(self, connection, name, usual):
        reply = await self._decide(connection, name, usual)
        await connection.answer(reply)
        return reply

    async def _talk(self, connection):
        await self._stage(connection, "greeting", "220 mx.test ESMTP")
        sender, recipients = None, []
        while True:
            line = (await connection.reader.readuntil(b"\r\n"))[:-2].decode("latin-1")
            connection.commands.append(line)
            verb = line.split(" ")[0].split(":")[0].upper()
            if verb == "EHLO":
                lines = ["mx.test", *self.extensions]
                last = len(lines) - 1
                await self._stage(connection, "ehlo", "\r\n".join(
                    f"250{' ' if at == last else '-'}{text}" for at, text in enumerate(lines)))
            elif verb == "HELO":
                await self._stage(connection, "helo", "250 mx.test")
            elif verb == "MAIL":
                reply = await self._stage(connection, "mail", "250 2.1.0 ok")
                sender, recipients = _path(line) if _positive(reply) else None, []
            elif verb == "RCPT":
                if sender is None:
                    await connection.write("503 5.5.1 MAIL first\r\n")
                elif _positive(await self._stage(connection, "rcpt", "250 2.1.5 ok")):
                    recipients.append(_path(line))
            elif verb == "DATA":
                if not recipients:
                    await connection.write("503 5.5.1 RCPT first\r\n")
                    continue
                reply = await self._stage(connection, "data", "354 go on")
                if reply[:3] in ("354", b"354"):
                    await self._content(connection, sender, recipients)
                sender, recipients = None, []
            elif verb == "RSET":
                sender, recipients = None, []
                await self._stage(connection, "rset", "250 2.0.0 ok")
            elif verb == "QUIT":
                await self._stage(connection, "quit", "221 2.0.0 bye")
                return
            else:
                await connection.write("500 5.5.1 what?\r\n")

    async def _content(self, connection, sender, recipients):
        fault = self.faults.get("content") if self.sick else None
        if fault is not None and await fault(connection) is None:
            raise Gone
        lines = []
        while True:
            line = await connection.reader.readuntil(b"\r\n")
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        letter = Letter(sender, recipients, b"".join(lines), connection.number)
        connection.last_letter = letter
        reply = await self._decide(connection, "dot", "250 2.0.0 taken")
        if _positive(reply):
            self.letters.append(letter)  # before anybody can have read the reply
        await connection.answer(reply)


def _path(line):
    return line.partition("<")[2].partition(">")[0]


def _positive(reply):
    return reply[:1] in ("2", b"2")


class World:
    """The thread in which scripted servers live."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def host(self, faults=None, address="127.0.0.1", port=0, **options):
        host = MxHost(faults, **options)
        self.call(host.start(address, port))
        return host


# --- faults ---------------------------------------------------------------------------------------


async def stall(connection):
    await connection.until_gone()


async def stall_unread(connection):
    """Says nothing, and takes no more than fits into the buffers."""
    while connection.host.sick:
        await asyncio.sleep(0.05)


async def reset(connection):
    connection.reset()


async def hang_up(connection):
    raise Gone


async def drip(connection):
    """A reply at one byte a second, which never ends."""
    while True:
        await connection.write("2" if connection.bytes_sent % 50 == 0 else "5")
        await asyncio.sleep(1)


def dripping(text):
    """`text` at one byte a second, then silence."""
    async def fault(connection):
        for character in text:
            await connection.write(character)
            await asyncio.sleep(1)
        await connection.until_gone()
    return fault


async def drink_slowly(connection):
    """Reads the content at one byte a second."""
    while connection.host.sick:
        await connection.reader.read(1)
        await asyncio.sleep(1)


def says(reply):
    """Another reply than usual; bytes are sent as they are."""
    async def fault(_connection):
        return reply
    return fault


def endlessly(piece):
    """The same bytes for as long as they are read."""
    async def fault(connection):
        while True:
            await connection.write(piece * (4096 // len(piece) + 1))
            await asyncio.sleep(0)
    return fault


def after(count, fault, otherwise):
    """`fault` from the connection's call number `count` on, before that the reply `otherwise`."""
    seen = {}

    async def choose(connection):
        seen[connection] = seen.get(connection, 0) + 1
        return await fault(connection) if seen[connection] > count else otherwise
    return choose
