"""A name server that answers what a test says, rightly or wrongly, over UDP and TCP. It lives in the
thread of scripted_mx.World."""

import asyncio
import socket
import struct
from dataclasses import dataclass

A, CNAME, MX, AAAA = 1, 5, 15, 28
SERVFAIL, NXDOMAIN = 2, 3
TRUNCATED = 0x0200


@dataclass
class Query:
    id: int
    name: str
    type: int
    tcp: bool


def wire_name(name):
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def parse(packet, tcp):
    at, labels = 12, []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
        at += 1 + packet[at]
    return Query(struct.unpack(">H", packet[:2])[0], ".".join(labels),
                 struct.unpack(">H", packet[at + 1:at + 3])[0], tcp)


def record(name, kind, value, ttl=60):
    if kind == MX:
        data = struct.pack(">H", value[0]) + wire_name(value[1])
    elif kind == CNAME:
        data = wire_name(value)
    else:
        data = socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, value)
    return wire_name(name) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def response(query, answers=(), rcode=0, flags=0, additional=(), **changes):
    """A packet; `changes` are other values than the query's for id, name or type."""
    asked = Query(**{**query.__dict__, **changes})
    return (struct.pack(">HHHHHH", asked.id, 0x8180 | flags | rcode, 1, len(answers), 0,
                        len(additional))
            + wire_name(asked.name) + struct.pack(">HH", asked.type, 1)
            + b"".join(answers) + b"".join(additional))


class NameServer:
    """Names have records; a name in `faults` is answered by its fault: a function from a query to a
    list of packets to send, in order, each bytes or (bytes, socket to send it from); None = as usual."""

    def __init__(self, world):
        self.records = {}
        self.faults = {}
        self.queries = []
        world.call(self._start())

    async def _start(self):
        loop = asyncio.get_running_loop()
        for tries_left in reversed(range(20)):  # the port must be free for UDP and for TCP
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind(("127.0.0.1", 0))
            self.port = self.socket.getsockname()[1]
            try:
                await asyncio.start_server(self._on_stream, "127.0.0.1", self.port)
                break
            except OSError:
                self.socket.close()
                if not tries_left:
                    raise
        self.socket.setblocking(False)
        loop.add_reader(self.socket, self._on_datagram)

    @property
    def override(self):
        return f'dns.servers=["127.0.0.1:{self.port}"]'

    def add(self, name, kind, *values):
        self.records[name, kind] = list(values)

    def add_domain(self, domain, *addresses, host=None):
        """An MX whose host has these IPv4 addresses."""
        host = host or f"mx.{domain}"
        self.add(domain, MX, (10, host))
        self.add(host, A, *addresses)

    def asked(self, name, kind=None, tcp=None):
        return [query for query in self.queries if query.name == name
                and kind in (None, query.type) and tcp in (None, query.tcp)]

    def usual(self, query):
        """What a recursive server says: the aliases it followed (of a chain, the first few), then
        what it found."""
        answers, name = [], query.name
        for _ in range(10):
            values = self.records.get((name, query.type))
            if values is not None:
                answers += [record(name, query.type, value) for value in values]
                break
            if (name, CNAME) not in self.records:
                break
            target = self.records[name, CNAME][0]
            answers.append(record(name, CNAME, target))
            name = target
        exists = answers or any(known == query.name for known, _ in self.records)
        return response(query, answers, rcode=0 if exists else NXDOMAIN)

    def answers(self, query):
        self.queries.append(query)
        fault = self.faults.get(query.name)
        packets = fault(query) if fault else None
        return [self.usual(query)] if packets is None else packets

    def _on_datagram(self):
        packet, client = self.socket.recvfrom(4096)
        for answer in self.answers(parse(packet, False)):
            data, source = answer if isinstance(answer, tuple) else (answer, self.socket)
            source.sendto(data, client)

    async def _on_stream(self, reader, writer):
        try:
            while True:
                length = struct.unpack(">H", await reader.readexactly(2))[0]
                query = parse(await reader.readexactly(length), True)
                for answer in self.answers(query):
                    writer.write(struct.pack(">H", len(answer)) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
