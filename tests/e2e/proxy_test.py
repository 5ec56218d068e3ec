#!/usr/bin/python3
"""Clients behind a proxy: the header of the PROXY protocol says who they are, on the endpoints that are for
proxies, and nowhere else."""

import ipaddress
import struct

import ringpost
from clients import RawClient
from ringpost import check, wait_for

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def text(client):
    return f"PROXY TCP4 {client} 192.0.2.25 40000 25\r\n".encode()


def binary(client):
    addresses = ipaddress.ip_address(client).packed + ipaddress.ip_address("192.0.2.25").packed
    values = b"\x04\x00\x05hello"
    rest = addresses + struct.pack("!HH", 40000, 25) + values
    return SIGNATURE + b"\x21\x11" + struct.pack("!H", len(rest)) + rest


def start(bench):
    server = bench.mail_server()
    daemon = bench.daemon(
        server.override, 'listener.proxy_protocol=["127.0.0.1:0"]',
        'listener.proxy_networks=["127.0.0.1"]', 'listener.relay_from=["198.51.100.0/24"]')
    return server, daemon, int(daemon.ready["proxied"][0].rsplit(":", 1)[1])


def proxied(port, header):
    client = RawClient(port)
    client.send(header)
    return client


def the_header_says_who_the_client_is(bench):
    server, _, port = start(bench)
    for number, header in enumerate((text, binary), 1):
        with proxied(port, header("198.51.100.7")) as client:
            client.greet()
            client.submit(["reader@site.test"])
        wait_for("the message", lambda: len(server.taken) == number)
        content = server.taken[-1][2]
        check(b"([198.51.100.7])" in content.splitlines()[0], content.splitlines()[0])
    with proxied(port, text("203.0.113.9")) as client:
        client.greet()
        client.say("MAIL FROM:<a@b.test>")
        reply = client.say("RCPT TO:<reader@site.test>")
        check(reply.startswith("550 5.7.1"), f"a stranger may relay: {reply!r}")


def what_is_no_header_is_closed_without_a_word(bench):
    _, daemon, port = start(bench)
    for bytes_sent in (b"EHLO client.test\r\n", b"PROXY TCP4 nonsense\r\n", SIGNATURE + b"\x31",
                       b"GET / HTTP/1.0\r\n\r\n"):
        with proxied(port, bytes_sent) as client:
            check(client.reply() == "", "it answered")
    # Elsewhere a header is only a command that nobody knows.
    with RawClient(daemon.port) as client:
        check(client.reply().startswith("220"), "no greeting")
        reply = client.say(text("198.51.100.7").rstrip())
        check(reply.startswith("500"), f"a header was believed: {reply!r}")


if __name__ == "__main__":
    ringpost.main(
        the_header_says_who_the_client_is, what_is_no_header_is_closed_without_a_word)
