#!/usr/bin/python3
"""MX hosts that stall, reset, hang up or drip at each stage: the time is bounded, nothing is lost, the
outcome is right, and nobody else's mail is held up."""

import threading
import time

import ringpost
from clients import RawClient, events_with, routes, submit, wait_for_event
from ringpost import check, wait_for
from scripted_mx import (World, drink_slowly, drip, hang_up, reset, stall, stall_unread)

STAGES = ("greeting", "ehlo", "mail", "rcpt", "data", "content", "dot")
EXTENSIONS = {"pipelining": ("PIPELINING", "SIZE", "8BITMIME"), "lockstep": ("SIZE", "8BITMIME")}
STAGE_SECONDS = 2
# Short deadlines and short waits, so that a test sees a failure and the delivery after it.
IMPATIENT = [f"timeouts.{name}={STAGE_SECONDS}s" for name in (
    "connect", "initial", "helo", "mail", "rcpt", "datainit", "datablock", "datafinal", "rset",
    "quit", "misc")] + ["timeouts.hoststatus=1s", "retry.first=1s", "retry.max=1s",
                        "connection_cache.timeout=1s"]
# More than what two socket buffers on loopback take, so that content can get stuck.
LARGE = b"Subject: large\r\n\r\n" + (b"x" * 900 + b"\r\n") * 6_000
LETTERS_MEANWHILE = 200


class SickWorld:
    """One sick host for each stage, with and without PIPELINING, and a healthy one."""

    def __init__(self, bench, fault_of, large):
        self.large = large
        self.world = World()
        self.hosts = {f"{stage}-{kind}": self.world.host({stage: fault_of(stage)}, extensions=offered)
                      for stage in STAGES for kind, offered in EXTENSIONS.items()}
        self.healthy = self.world.host()
        self.daemon = bench.daemon(
            routes(healthy=self.healthy, **self.hosts), *IMPATIENT, "spool.segment_size=32M",
            "listener.max_message_size=16M")

    def submit_all(self):
        """One letter to each sick host; its id by host name. What gets stuck in the content is large."""
        with RawClient(self.daemon.port) as client:
            client.greet()
            return {name: client.submit(
                [f"reader@{name}.test"],
                self.large if name.startswith("content") else b"Subject: small\r\n\r\nsmall\r\n")
                for name in self.hosts}

    def send_healthy(self):
        """A campaign for the healthy host, in a thread of its own."""
        def send():
            with RawClient(self.daemon.port) as client:
                client.greet()
                for _ in range(LETTERS_MEANWHILE):
                    client.submit(["reader@healthy.test"])
        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        return thread

    def check_healthy(self, thread):
        """While all others are sick: delivered, all of it, and soon."""
        thread.join(20)
        check(not thread.is_alive(), "the healthy campaign was not even accepted")
        wanted = {"event": "delivered", "recipient": "reader@healthy.test"}
        wait_for_event(self.daemon, count=LETTERS_MEANWHILE, **wanted)
        waits = sorted(event["queued_ms"] for event in events_with(self.daemon, **wanted))
        check(waits[len(waits) * 9 // 10] < 1000, f"healthy mail waited: {waits[-1]} ms at most")

    def heal_and_check(self, ids):
        """Each letter arrives whole, once: what was cut off is no letter to a server."""
        for host in self.hosts.values():
            host.heal()
        for name, queued in ids.items():
            wait_for_event(self.daemon, event="delivered", id=queued)
            letters = wait_for(name, lambda name=name: self.hosts[name].letters_for(
                f"reader@{name}.test"))
            check(len(letters) == 1, f"{name}: {len(letters)} letters")
            if name.startswith("content"):
                check(letters[0].content.endswith(self.large), f"{name}: a torn body")
        check(not events_with(self.daemon, event=("bounced", "expired")), "bounced for a sick host")


def first_trouble(daemon, name, queued):
    """What befell the letter. Before MAIL the trouble is the destination's, and `queue` shows it."""
    if name.startswith(("greeting", "ehlo")):
        found = last_error(daemon, f"{name}.test")
        return found and {"event": "deferred", **found}
    events = events_with(
        daemon, id=queued, event=("deferred", "in_doubt", "bounced", "expired", "delivered"))
    return events and events[0]


def last_error(daemon, destination):
    code, answer = daemon.ask("queue", "--limit", "1000")
    check(code == 0, f"`ringpost queue` failed with {code}")
    return next((entry["last_error"] for entry in answer["destinations"]
                 if entry["destination"] == destination), None)


def check_every_stage(bench, fault_of, slowest, large=LARGE[:180_418]):
    sick = SickWorld(bench, fault_of, large)
    ids = sick.submit_all()
    began = time.monotonic()
    campaign = sick.send_healthy()
    problems = []
    for name, queued in ids.items():
        kinds = ["in_doubt" if name.startswith("dot") else "deferred"]
        if name.startswith("content") and large is not LARGE:
            kinds.append("in_doubt")  # all of it had left for the socket's buffer
        left = max(slowest - (time.monotonic() - began), 0.1)
        try:
            found = wait_for(name, lambda name=name, queued=queued: first_trouble(
                sick.daemon, name, queued), left)
        except ringpost.Failure:
            problems.append(f"{name}: nothing within {slowest} s")
            continue
        if found["event"] not in kinds or not (found["status"] or "").startswith("4."):
            problems.append(f"{name}: {found['event']} {found['status']} {found['reply']}")
        if not found["reply"]:
            problems.append(f"{name}: without a reason")
    check(not problems, "\n  ".join(["", *problems]))
    sick.check_healthy(campaign)
    sick.heal_and_check(ids)


def a_peer_that_stalls_at_any_stage(bench):
    check_every_stage(
        bench, lambda stage: stall_unread if stage == "content" else stall, STAGE_SECONDS * 2 + 4,
        LARGE)


def a_peer_that_resets_at_any_stage(bench):
    check_every_stage(bench, lambda stage: reset, 4)


def a_peer_that_hangs_up_at_any_stage(bench):
    check_every_stage(bench, lambda stage: hang_up, 4)


def a_peer_that_drips_at_any_stage(bench):
    """A byte a second is no reply: the deadline is the whole reply's."""
    check_every_stage(
        bench, lambda stage: drink_slowly if stage == "content" else drip, STAGE_SECONDS * 2 + 4,
        LARGE)


def a_peer_that_is_bad_at_quit(bench):
    """The mail is delivered; the connection is given up in bounded time."""
    world = World()
    hosts = {name: world.host({"quit": fault}) for name, fault in {
        "stall": stall, "reset": reset, "hang_up": hang_up, "drip": drip}.items()}
    daemon = bench.daemon(routes(**hosts), *IMPATIENT)
    for name, host in hosts.items():
        submit(daemon, f"reader@{name.replace('_', '-')}.test")
        wait_for(f"{name}: the letter", lambda host=host: host.letters)
    for name, host in hosts.items():
        wait_for(f"{name}: the end of the connection",
                 lambda host=host: host.connections[0].closed, STAGE_SECONDS + 6)
        check(host.connections[0].commands[-1] == "QUIT", f"{name}: no QUIT")
    wait_for("no open connections", lambda: daemon.totals()["connections_open"] == 0)
    check(len(events_with(daemon, event="delivered")) == len(hosts), "delivered, each of them once")


def stalled_hosts_do_not_hold_all_runners(bench):
    """Far more stalled hosts than runners. Once they are known as such, the healthy one gets its
    mail while they are tried again and again."""
    world = World()
    stalled = {f"stalled{number}": world.host({"greeting": stall}) for number in range(24)}
    healthy = world.host()
    daemon = bench.daemon(
        routes(healthy=healthy, **stalled), "timeouts.initial=1s", "timeouts.hoststatus=2s",
        "queue.default_groups=1", "queue_group.default.runners=8")
    with RawClient(daemon.port) as client:
        client.greet()
        for name in stalled:
            client.submit([f"reader@{name}.test"])
        wait_for("a try of each", lambda: all(
            host.connections and host.connections[0].closed for host in stalled.values()))
        for _ in range(50):
            client.submit(["reader@healthy.test"])
    wait_for_event(daemon, event="delivered", count=50)
    waits = sorted(event["queued_ms"] for event in events_with(daemon, event="delivered"))
    check(waits[45] < 800, f"healthy mail waited {waits[45]} ms for the runners")


def silent_hosts_met_all_at_once_hold_no_runners(bench):
    """The same before any of them has failed even once."""
    world = World()
    silent = {f"silent{number}": world.host({"greeting": stall}) for number in range(24)}
    healthy = world.host()
    daemon = bench.daemon(
        routes(healthy=healthy, **silent), "timeouts.initial=30s", "queue.default_groups=1",
        "queue_group.default.runners=8")
    with RawClient(daemon.port) as client:
        client.greet()
        for name in silent:
            client.submit([f"reader@{name}.test"])
        for _ in range(50):
            client.submit(["reader@healthy.test"])
    wait_for_event(daemon, event="delivered", count=50)
    waits = sorted(event["queued_ms"] for event in events_with(daemon, event="delivered"))
    check(waits[49] < 1500, f"healthy mail waited {waits[49]} ms for the runners")
    check(not events_with(daemon, event="deferred"), "no silent host has failed yet")


def a_host_that_is_down_or_unreachable(bench):
    world = World()
    healthy = world.host()
    port = ringpost.free_port()
    daemon = bench.daemon(
        f'route=[{{domain="down.test",hosts=["127.0.0.1:{port}"]}},'
        f'{{domain="second.test",hosts=["127.0.0.1:{port}","{healthy.address}"]}}]', *IMPATIENT)
    second = submit(daemon, "reader@second.test")
    wait_for_event(daemon, event="delivered", id=second)  # the next host takes it at once
    down = submit(daemon, "reader@down.test")
    error = wait_for("the error", lambda: last_error(daemon, "down.test"))
    check("refused" in error["reply"].lower(), error["reply"])
    late = world.host(port=port)
    wait_for_event(daemon, event="delivered", id=down)
    check(len(late.letters) == 1, "once")


if __name__ == "__main__":
    ringpost.main(
        a_peer_that_stalls_at_any_stage, a_peer_that_resets_at_any_stage,
        a_peer_that_hangs_up_at_any_stage, a_peer_that_drips_at_any_stage,
        a_peer_that_is_bad_at_quit, stalled_hosts_do_not_hold_all_runners,
        silent_hosts_met_all_at_once_hold_no_runners,
        a_host_that_is_down_or_unreachable)
