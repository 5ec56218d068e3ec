#!/usr/bin/python3
"""Name servers that lie, fail, fall silent or are impersonated: mail goes where the real answer says, or
waits, and never to where a forger wants it."""

import socket

import ringpost
from clients import events_with, submit, wait_for_event
from ringpost import check, wait_for
from scripted_dns import (A, AAAA, CNAME, MX, NXDOMAIN, SERVFAIL, TRUNCATED, NameServer, record,
                          response)
from scripted_mx import World

QUICK = ["timeouts.resolver_retrans=1s", "timeouts.resolver_retry=2", "timeouts.connect=2s",
         "timeouts.hoststatus=1s", "retry.first=1s", "retry.max=1s"]
EVIL = "127.0.66.6"
PROHIBITED = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/128",
              "::1/128", "fe80::/10", "ff00::/8"]


class Setting:
    """A daemon, its name server, a host that mail should reach and one where it must never go."""

    def __init__(self, bench, *overrides):
        self.world = World()
        self.names = NameServer(self.world)
        self.good = self.world.host()
        self.evil = self.world.host(address=EVIL, port=self.good.port)
        self.names.add_domain("fine.test", "127.0.0.1")
        self.overrides = [self.names.override, f"delivery.port={self.good.port}", *QUICK, *overrides]
        self.bench = bench

    def start(self):
        self.daemon = self.bench.daemon(*self.overrides)

    def check_fine(self):
        """Mail for a name without faults gets through meanwhile."""
        wait_for_event(self.daemon, event="delivered", id=submit(self.daemon, "reader@fine.test"))

    def check_delivered(self, *ids):
        for queued in ids:
            wait_for_event(self.daemon, event="delivered", id=queued)
        check(not self.evil.connections, "it connected to where a forged answer pointed")
        check(not events_with(self.daemon, event=("bounced", "expired")), "bounced")


def forged_answers_are_ignored(bench):
    setting = Setting(bench)
    names = setting.names
    other_port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other_port.bind(("127.0.0.1", 0))
    other_address = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other_address.bind(("127.0.0.99", names.port))

    def lie(query):
        """What a forger answers: MX and address of his own."""
        if query.type == MX:
            return [record(query.name, MX, (0, "mx.evil.test"))]
        return [record(query.name, query.type, EVIL)] if query.type == A else []

    def first(forge):
        return lambda query: [*forge(query), names.usual(query)]

    forgers = {
        "id": lambda q: [response(q, lie(q), id=(q.id + step) & 0xffff) for step in range(1, 200)],
        "port": lambda q: [(response(q, lie(q)), other_port)],
        "address": lambda q: [(response(q, lie(q)), other_address)],
        "question": lambda q: [response(q, lie(q), name="x" + q.name)],
        "type": lambda q: [response(q, lie(q), type=MX if q.type == A else A)],
        "noquestion": lambda q: [response(q)[:4] + bytes(8)],
        "garbage": lambda q: [response(q)[:2] + b"\xff" * 60, b"", b"\0", response(q)[:11]],
        "query": lambda q: [response(q, lie(q), flags=0)[:2] + b"\x01\x00" + response(q, lie(q))[4:]],
    }
    names.add("mx.evil.test", A, EVIL)
    for name, forge in forgers.items():
        names.add_domain(f"{name}.test", "127.0.0.1")
        names.faults[f"{name}.test"] = names.faults[f"mx.{name}.test"] = first(forge)
    setting.start()
    setting.check_delivered(*(submit(setting.daemon, f"reader@{name}.test") for name in forgers))
    setting.check_fine()
    ids = [query.id for query in names.queries]
    check(len(set(ids)) > len(ids) * 3 // 4, f"query ids are not random: {ids[:20]}")
    other_port.close()
    other_address.close()


def records_about_other_names_are_not_believed(bench):
    setting = Setting(bench)
    names = setting.names
    names.add_domain("poison.test", "127.0.0.1")
    names.add_domain("victim.test", "127.0.0.1")
    extra = [record("mx.victim.test", A, EVIL, 86400), record("victim.test", MX, (0, "evil.test")),
             record("evil.test", A, EVIL)]
    names.faults["poison.test"] = lambda query: [response(
        query, [record("poison.test", MX, (10, "mx.poison.test"))] + extra, additional=extra)]
    setting.start()
    poisoned = submit(setting.daemon, "reader@poison.test")
    setting.check_delivered(poisoned)
    setting.check_delivered(submit(setting.daemon, "reader@victim.test"))


def truncated_answers_are_asked_for_over_tcp(bench):
    setting = Setting(bench)
    names = setting.names
    names.add("big.test", MX, *((10, f"mx{number}.a-rather-long-name.big.test")
                                for number in range(60)))
    for number in range(60):
        names.add(f"mx{number}.a-rather-long-name.big.test", A, "127.0.0.1")
    names.faults["big.test"] = lambda query: None if query.tcp else [response(query, flags=TRUNCATED)]
    # Cut in the middle of a record, as some middle boxes do.
    names.add_domain("cut.test", "127.0.0.1")
    names.faults["cut.test"] = lambda query: None if query.tcp else [response(
        query, [record("cut.test", MX, (0, "mx.evil.test"))], flags=TRUNCATED)[:-7]]
    setting.start()
    setting.check_delivered(*(submit(setting.daemon, f"reader@{name}.test") for name in ("big", "cut")))
    check(names.asked("big.test", MX, tcp=True), "TCP was not tried")


def failing_servers_are_no_missing_domain(bench):
    """SERVFAIL and its kind, silence and nonsense: the mail waits; it bounces not, and it takes no
    detour over the A record."""
    setting = Setting(bench)
    names = setting.names
    faults = {
        "servfail": lambda q: [response(q, rcode=SERVFAIL)],
        "refused": lambda q: [response(q, rcode=5)], "formerr": lambda q: [response(q, rcode=1)],
        "notimp": lambda q: [response(q, rcode=4)], "silent": lambda q: [],
        "nonsense": lambda q: [response(q)[:2] + b"\x81\x80" + b"\xff" * 40],
        "tcprefused": lambda q: [] if q.tcp else [response(q, flags=TRUNCATED)],
        "loopname": lambda q: [response(q, [b"\xc0\x0c" + b"\0\x0f\0\1\0\0\0\x3c\0\4\0\0\xc0\x2a"])],
    }
    for name, fault in faults.items():
        names.add(f"{name}.test", A, EVIL)  # what an MX look-up must not fall back to
        names.faults[f"{name}.test"] = fault
        names.add_domain(f"{name}-host.test", "127.0.0.1")
        names.faults[f"mx.{name}-host.test"] = fault
    setting.start()
    domains = [f"{name}{suffix}.test" for name in faults for suffix in ("", "-host")]
    ids = [submit(setting.daemon, f"reader@{domain}") for domain in domains]
    setting.check_fine()
    for domain in domains:
        name = f"mx.{domain}" if "-host" in domain else domain
        wait_for(f"a question for {name}", lambda name=name: names.asked(name))
    # Silence is the slowest; when it was asked for again, all others have been found out.
    wait_for("the second question", lambda: len(names.asked("silent.test", MX)) >= 2)
    setting.check_fine()
    check(not events_with(setting.daemon, event=("bounced", "expired")), [
        (event["recipient"], event["reply"]) for event in events_with(setting.daemon, event="bounced")])
    check(not setting.evil.connections, "MX failed, and it used the A record")
    for name in faults:
        names.add_domain(f"{name}.test", "127.0.0.1")
    names.faults.clear()
    setting.check_delivered(*ids)


def domains_that_take_no_mail_bounce_at_once(bench):
    setting = Setting(bench)
    names = setting.names
    names.add("null.test", MX, (0, "."))
    names.add("null.test", A, EVIL)
    setting.start()
    for domain, status in (("null.test", "5.1.10"), ("missing.test", "5.1.2")):
        queued = submit(setting.daemon, f"reader@{domain}", sender="")
        event = wait_for_event(setting.daemon, id=queued, event=("bounced", "deferred", "delivered"))
        check(event["event"] == "bounced" and event["status"] == status, f"{domain}: {event}")
    check(not setting.evil.connections, "a null MX, and it used the A record")
    setting.check_fine()


def aliases_that_go_round_end_somewhere(bench):
    setting = Setting(bench)
    names = setting.names
    names.add("a.test", CNAME, "b.test")
    names.add("b.test", CNAME, "a.test")
    names.add("self.test", CNAME, "self.test")
    names.add("host.test", MX, (10, "a.test"))
    for number in range(100):
        names.add(f"c{number}.test", CNAME, f"c{number + 1}.test")
    setting.start()
    for name in ("a", "self", "host", "c0"):
        submit(setting.daemon, f"reader@{name}.test", sender="")
    for name in ("a", "self", "c0"):
        wait_for(f"a question for {name}.test", lambda name=name: names.asked(f"{name}.test"))
    setting.check_fine()
    submit(setting.daemon, "again@a.test", sender="")
    setting.check_fine()
    check(len(names.queries) < 300, f"{len(names.queries)} questions")


def one_alias_is_followed(bench):
    setting = Setting(bench)
    setting.names.add("alias.test", CNAME, "fine.test")
    setting.start()
    setting.check_delivered(submit(setting.daemon, "reader@alias.test"))


def prohibited_addresses_are_never_connected_to(bench):
    """The default list. The world may publish our loopback as the address of its MX."""
    quoted = ",".join(f'"{network}"' for network in PROHIBITED)
    setting = Setting(bench, f"delivery.prohibited_networks=[{quoted}]")
    names = setting.names
    domains = {"loopback": (A, "127.0.0.1"), "loopback2": (A, EVIL), "any": (A, "0.0.0.0"),
               "six": (AAAA, "::1"), "mapped": (AAAA, "::ffff:127.0.0.1"), "any6": (AAAA, "::"),
               "mapped-any": (AAAA, "::ffff:0.0.0.0"), "link": (A, "169.254.169.254")}
    for name, (kind, address) in domains.items():
        names.add(f"{name}.test", MX, (10, f"mx.{name}.test"))
        names.add(f"mx.{name}.test", kind, address)
    names.add("literal.test", MX, (10, "127.0.0.1"))
    names.add("implicit.test", A, "127.0.0.1")
    setting.start()
    problems = []
    for name in (*domains, "implicit"):
        queued = submit(setting.daemon, f"reader@{name}.test", sender="")
        event = wait_for_event(setting.daemon, id=queued, event=("bounced", "deferred", "delivered"))
        if event["event"] != "bounced" or not event["status"].startswith("5.4."):
            problems.append(f"{name}: {event['event']} {event['status']} {event['reply']}")
    check(not problems, "\n  ".join(["", *problems]))
    submit(setting.daemon, "reader@literal.test", sender="")
    wait_for("the question for the literal", lambda: names.asked("literal.test", MX))
    submit(setting.daemon, "reader@loopback.test", sender="")
    wait_for_event(setting.daemon, event="bounced", count=len(domains) + 2)
    check(not setting.good.connections and not setting.evil.connections, "it connected to loopback")


if __name__ == "__main__":
    ringpost.main(
        forged_answers_are_ignored, records_about_other_names_are_not_believed,
        truncated_answers_are_asked_for_over_tcp, failing_servers_are_no_missing_domain,
        domains_that_take_no_mail_bounce_at_once, aliases_that_go_round_end_somewhere,
        one_alias_is_followed, prohibited_addresses_are_never_connected_to)
