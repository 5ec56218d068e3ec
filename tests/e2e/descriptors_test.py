#!/usr/bin/python3
"""A daemon that may have few descriptors, against very many clients: each is served, told 421, or waits in
the kernel's queue; nothing spins, mail that was taken goes out, and afterwards all is as before."""

import os
import resource
import select
import socket
import time

import ringpost
from clients import RawClient, submit
from ringpost import check, wait_for

DESCRIPTORS = 128
CLIENTS = 2000
MOST_LOAD = 0.25  # of one core, while nothing happens
QUIET_SECONDS = 3.0


def limited(bench, *overrides):
    """A daemon whose soft and hard limit is DESCRIPTORS."""
    daemon = ringpost.Daemon(bench, *overrides, program="/bin/sh")
    command = ["/bin/sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$0" "$@"', bench.programs.ringpostd]
    for override in daemon.overrides:
        command += ["-O", override]
    daemon.process = bench.start(command, "ringpostd", ready=True)
    return daemon


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Crowd:
    """Clients that connect, listen, and stay."""

    def __init__(self, port, count):
        self.heard = {}
        self.ended = set()
        self.poll = select.poll()
        self.by_fd = {}
        for _ in range(count):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            self.by_fd[client.fileno()] = client
            self.heard[client] = b""
            self.poll.register(client, select.POLLIN)

    def listen(self, seconds):
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for fd, _ in self.poll.poll(left * 1000):
                client = self.by_fd[fd]
                try:
                    more = client.recv(4096)
                except BlockingIOError:
                    continue
                except OSError:
                    more = b""
                self.heard[client] += more
                if not more:
                    self.ended.add(client)
                    self.poll.unregister(client)

    def count(self, greeting):
        return sum(heard.startswith(greeting) for heard in self.heard.values())

    def close(self):
        for client in self.heard:
            client.close()


def allow_descriptors(count):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        ringpost.skip(f"{count} descriptors are needed here, {hard} is the limit")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def two_thousand_clients_and_128_descriptors(bench):
    allow_descriptors(CLIENTS + 200)
    ours = bench.mail_server()
    daemon = limited(bench, ours.override)
    with RawClient(daemon.port) as early:
        early.greet()
        for number in range(50):
            early.submit([f"before{number}@site{number % 5}.test"])
        crowd = Crowd(daemon.port, CLIENTS)
        crowd.listen(5)
        for number in range(50):  # who is served goes on being served
            early.submit([f"during{number}@site{number % 5}.test"])
        wait_for("100 messages to arrive", lambda: len(ours.taken) == 100)
        served, refused = crowd.count(b"220 "), crowd.count(b"421 4.3.2 ")
        waiting = CLIENTS - served - refused
        print(f"  {served} served, {refused} told 421, {waiting} waiting or reset")
        check(served >= 1, "nobody was served")
        check(served < DESCRIPTORS, f"{served} were served by {DESCRIPTORS} descriptors")
        check(refused > CLIENTS / 2, f"only {refused} were told 421")
        for heard in crowd.heard.values():
            check(heard == b"" or heard.startswith((b"220 ", b"421 4.3.2 ")), f"heard {heard!r}")
        before = cpu_seconds(daemon.pid)
        crowd.listen(QUIET_SECONDS)
        load = (cpu_seconds(daemon.pid) - before) / QUIET_SECONDS
        check(load < MOST_LOAD, f"it spins: {load:.2f} of a core")
        crowd.close()
    check(len(daemon.events("deferred")) == 0, "something was deferred")

    def serves():
        with RawClient(daemon.port) as client:
            return client.reply().startswith("220 ")
    wait_for("it to serve again", serves)
    submit(daemon, "after@site0.test")
    wait_for("the last message", lambda: len(ours.taken) == 101)
    daemon.wait_until_empty()
    check(daemon.stop() == 0, "it did not end well")


if __name__ == "__main__":
    ringpost.main(two_thousand_clients_and_128_descriptors)
