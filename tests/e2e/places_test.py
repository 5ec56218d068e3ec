#!/usr/bin/python3
"""Where mail leaves from: each group's sources, their EHLO names, what becomes of a source that has no
address of the server's family or none that this machine has."""

import ringpost
from clients import RawClient, events_with, wait_for_event
from ringpost import check, wait_for
from scripted_mx import World

SOURCES = ("egress=[{name='red',ipv4='127.0.0.21',ehlo='red.relay.test'},"
           "{name='blue',ipv4='127.0.0.22',ehlo='blue.relay.test'},"
           "{name='six',ipv6='::1'},{name='gone',ipv4='192.0.2.77'}]")
ADDRESSES = {"red": "127.0.0.21", "blue": "127.0.0.22"}


def group(name, egress, **settings):
    more = "".join(f",{key}={value!r}" for key, value in settings.items())
    return f"{{name='{name}',domains=['*.{name}.test'],egress={egress!r}{more}}}"


def route(domain, host):
    return f'{{domain="{domain}",hosts=["{host.address}"]}}'


def send(daemon, *recipients):
    with RawClient(daemon.port) as client:
        client.greet()
        for recipient in recipients:
            client.submit([recipient])


def mail_leaves_from_its_groups_source(bench):
    world = World()
    host = world.host()
    daemon = bench.daemon(
        SOURCES, "queue_group=[" + group("one", ["red"]) + "," + group("two", ["red", "blue"]) + "]",
        "route=[" + ",".join(route(f"*.{name}.test", host) for name in ("one", "two", "any")) + "]")
    domains = [f"d{number}.two.test" for number in range(20)]
    send(daemon, "reader@a.one.test", "reader@a.any.test", *(f"reader@{domain}" for domain in domains))
    wait_for_event(daemon, event="delivered", count=22)
    sources = {event["recipient"]: event["source"] for event in events_with(daemon, event="delivered")}
    check(sources["reader@a.one.test"] == "red", sources)
    check(not sources["reader@a.any.test"], sources)
    check({sources[f"reader@{domain}"] for domain in domains} == {"red", "blue"}, sources)
    for connection in host.connections:
        local = connection.writer.get_extra_info("peername")[0]
        name = {"127.0.0.21": "red.relay.test", "127.0.0.22": "blue.relay.test"}.get(local, "relay.test")
        check(connection.commands[0] == f"EHLO {name}", f"{local} said {connection.commands[0]}")
    seen = {connection.writer.get_extra_info("peername")[0] for connection in host.connections}
    check(seen == {"127.0.0.21", "127.0.0.22", "127.0.0.1"}, seen)
    # Retries and restarts keep it: it goes by the domain's name.
    daemon.kill()
    daemon.start()
    send(daemon, *(f"again@{domain}" for domain in domains))
    wait_for_event(daemon, event="delivered", count=42)
    for event in events_with(daemon, event="delivered"):
        name, domain = event["recipient"].split("@")
        if name == "again":
            check(event["source"] == sources[f"reader@{domain}"], f"{domain} has moved")


def a_source_that_is_turned_away_does_not_stop_the_other(bench):
    world = World()

    async def only_blue(connection):
        if connection.writer.get_extra_info("peername")[0] == ADDRESSES["red"]:
            return "421 4.7.0 not from there"
        return "220 mx.test ESMTP"

    host = world.host({"greeting": only_blue})
    daemon = bench.daemon(
        SOURCES, "queue_group=[" + group("one", ["red"]) + "," + group("two", ["blue"]) + "]",
        "route=[" + ",".join(route(f"*.{name}.test", host) for name in ("one", "two")) + "]")
    send(daemon, "reader@a.one.test")
    wait_for("the refusal", lambda: events_with(daemon, event="deferred"))
    send(daemon, "reader@a.two.test")
    wait_for_event(daemon, event="delivered", recipient="reader@a.two.test", source="blue")
    code, red = daemon.ask("explain", "a.one.test")
    check(code == 0 and red["mx"][0]["state"] == "down", red)
    code, blue = daemon.ask("explain", "a.two.test")
    check(code == 0 and blue["mx"][0]["state"] == "up", blue)


def a_source_without_a_fitting_address_waits_and_says_so(bench):
    world = World()
    host = world.host()
    daemon = bench.daemon(
        SOURCES, "queue_group=[" + group("one", ["six"]) + "," + group("two", ["gone"]) + "]",
        "route=[" + ",".join(route(f"*.{name}.test", host) for name in ("one", "two")) + "]")
    send(daemon, "reader@a.one.test", "reader@a.two.test")
    wait_for("two deferrals", lambda: len(events_with(daemon, event="deferred")) >= 2)
    replies = {event["group"]: event["reply"] for event in events_with(daemon, event="deferred")}
    check("the egress source six none of that family" in replies["one"], replies)
    check("cannot connect from 192.0.2.77" in replies["two"], replies)
    check(not events_with(daemon, event=("bounced", "expired")), "bounced for our own mistake")
    check(not host.connections, "connected from elsewhere")


def bad_configuration_is_refused(bench):
    process = bench.start(
        [bench.programs.ringpostd, "--check-config", "-O", "queue_group.default.egress=red"], "check")
    check(process.wait() != 0, "accepted an egress source that does not exist")
    said = process.complaints() + "".join(process.lines)
    check("there is no egress source 'red'" in said, said)


if __name__ == "__main__":
    ringpost.main(
        mail_leaves_from_its_groups_source, a_source_that_is_turned_away_does_not_stop_the_other,
        a_source_without_a_fitting_address_waits_and_says_so, bad_configuration_is_refused)
