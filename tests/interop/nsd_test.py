#!/usr/bin/python3
"""NSD answers the daemon's questions, from zones with what is found out there: what each answer means for
a message, from the SMTP client that hands it in to the event log."""

import pathlib
import smtplib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import ringpost  # noqa: E402
from ringpost import check  # noqa: E402

# 127.0.0.1 takes mail; at 127.0.0.9 nobody listens. lame.test is a zone without data: SERVFAIL.
ZONE = """$TTL 60
@ IN SOA ns.world.test. root.world.test. 1 3600 600 86400 60
@ IN NS ns.world.test.
ns IN A 127.0.0.1
host IN A 127.0.0.1
dead IN A 127.0.0.9
mx IN MX 10 host.world.test.
nullmx IN MX 0 .
implicit IN A 127.0.0.1
backup IN MX 5 dead.world.test.
backup IN MX 10 host.world.test.
halfgone IN MX 5 missing.world.test.
halfgone IN MX 10 host.world.test.
allgone IN MX 5 missing.world.test.
alias IN CNAME mx.world.test.
lamehost IN MX 5 host.lame.test.
nothing IN TXT "neither MX nor address"
*.wild IN MX 10 host.world.test.
"""


class Nsd:
    def __init__(self, bench, program):
        directory = bench.directory / "nsd"
        directory.mkdir()
        self.port = ringpost.free_port()
        (directory / "world.test").write_text(ZONE)
        files = "".join(f'  {name}: "{directory}/{name}"\n'
                        for name in ("pidfile", "zonelistfile", "xfrdfile", "logfile"))
        zones = "".join(f"zone:\n  name: {zone}\n  zonefile: {directory}/{zone}\n"
                        for zone in ("world.test", "lame.test"))
        (directory / "nsd.conf").write_text(
            f"server:\n  ip-address: 127.0.0.1@{self.port}\n  server-count: 1\n"
            f'  username: ""\n  chroot: ""\n  database: ""\n{files}'
            f'  zonesdir: "{directory}"\n  xfrdir: "{directory}"\n'
            f"remote-control:\n  control-enable: no\n{zones}")
        self.process = bench.start([program, "-d", "-c", directory / "nsd.conf"], "nsd")
        # It also listens on TCP, and does so last.
        ringpost.wait_for("nsd to listen", lambda: ringpost.port_answers(self.port))

    @property
    def override(self):
        return f'dns.servers=["127.0.0.1:{self.port}"]'


class World:
    def __init__(self, bench, *overrides):
        self.server = bench.mail_server()
        self.nsd = Nsd(bench, ringpost.need_program("nsd", "nsd"))
        self.daemon = bench.daemon(
            self.nsd.override, f"delivery.port={self.server.port}",
            "timeouts.resolver_retrans=1s", "timeouts.resolver_retry=2", *overrides,
            config=f'[[route]]\ndomain = "source.test"\nhosts = ["127.0.0.1:{self.server.port}"]\n')

    def send(self, domain):
        with smtplib.SMTP("127.0.0.1", self.daemon.port, local_hostname="client.test") as client:
            client.sendmail("news@source.test", [f"reader@{domain}"], b"Subject: x\r\n\r\nhello\r\n")

    def outcome(self, domain, kind):
        """The first event of the kind about that domain."""
        def found():
            return [event for event in self.daemon.events(kind)
                    if event["recipient"] == f"reader@{domain}"]
        try:
            return ringpost.wait_for(f"{kind} at {domain}", found, 20)[0]
        except ringpost.Failure as failure:
            rows = self.daemon.ask("queue")[1]
            ringpost.fail(f"{failure}; events {self.daemon.events()}; queue {rows}")

    def delivers(self, domain, mx):
        self.send(domain)
        event = self.outcome(domain, "delivered")
        check(event["mx"] == mx, f"{domain} went to {event['mx']}: {event}")
        check([f"reader@{domain}"] in [taken[1] for taken in self.server.taken], "it never came")

    def bounces(self, domain, status):
        self.send(domain)
        event = self.outcome(domain, "bounced")
        check(event["status"] == status, f"{domain}: status is not {status}: {event}")
        check(event["reply"], f"{domain}: no reason: {event}")
        report = ringpost.wait_for("its report", lambda: [
            taken for taken in self.server.taken
            if taken[1] == ["news@source.test"] and f"reader@{domain}".encode() in taken[2]], 20)[0]
        check(f"Status: {status}".encode() in report[2], f"the report says: {report[2]}")

    def waits(self, domain):
        """Nothing is decided; the operator sees the message in the queue."""
        self.send(domain)

        def seen():
            rows = self.daemon.ask("queue")[1]["destinations"]
            return [row for row in rows if row["deferred"] > 0 and row["last_error"] is not None]

        row = ringpost.wait_for(f"{domain} to wait, with an error", seen, 20)[0]
        check(row["last_error"]["status"].startswith("4."), f"{row}")
        check(not self.daemon.events("delivered", "bounced", "expired"), "it was decided")
        check(self.daemon.totals()["messages_queued"] == 1, "it is gone")


def mx_record(bench):
    World(bench).delivers("mx.world.test", "host.world.test")


def address_without_mx(bench):
    World(bench).delivers("implicit.world.test", "implicit.world.test")


def alias_of_a_domain(bench):
    World(bench).delivers("alias.world.test", "host.world.test")


def wildcard_mx(bench):
    World(bench).delivers("any.wild.world.test", "host.world.test")


def second_mx_when_the_first_is_dead(bench):
    World(bench).delivers("backup.world.test", "host.world.test")


def second_mx_when_the_first_has_no_address(bench):
    World(bench).delivers("halfgone.world.test", "host.world.test")


def null_mx(bench):
    World(bench).bounces("nullmx.world.test", "5.1.10")


def no_such_domain(bench):
    World(bench).bounces("missing.world.test", "5.1.2")


def neither_mx_nor_address(bench):
    World(bench).bounces("nothing.world.test", "5.4.4")


def only_an_mx_without_address(bench):
    World(bench).bounces("allgone.world.test", "5.4.4")


def server_failure(bench):
    """SERVFAIL decides nothing, and never means "no MX"."""
    world = World(bench)
    world.send("lame.test")
    world.delivers("mx.world.test", "host.world.test")
    check(not [event for event in world.daemon.events("delivered", "bounced", "expired")
               if event["recipient"] == "reader@lame.test"], "it was decided")
    check(world.daemon.totals()["messages_queued"] == 1, "it is gone")


def mx_with_a_host_that_cannot_be_looked_up(bench):
    World(bench).waits("lamehost.world.test")


def loopback_from_dns_is_prohibited(bench):
    world = World(bench, 'delivery.prohibited_networks=["127.0.0.0/8"]')
    world.send("mx.world.test")
    event = world.outcome("mx.world.test", "bounced")
    check("prohibited" in event["reply"] or "forbids" in event["reply"], f"{event}")
    check(not [taken for taken in world.server.taken if taken[0] != ""], "it was sent all the same")


def a_name_server_that_comes_back(bench):
    """No answer is no decision: the message leaves when the name server is back."""
    world = World(bench, "retry.first=1s")
    world.nsd.process.stop()
    world.send("mx.world.test")
    ringpost.wait_for("the daemon to have it", lambda: world.daemon.events("received"))
    again = [str(part) for part in world.nsd.process.child.args]
    bench.start(again, "nsd-again")
    world.outcome("mx.world.test", "delivered")


if __name__ == "__main__":
    ringpost.need_program("nsd", "nsd")
    ringpost.main(mx_record, address_without_mx, alias_of_a_domain, wildcard_mx,
                  second_mx_when_the_first_is_dead, second_mx_when_the_first_has_no_address,
                  null_mx, no_such_domain, neither_mx_nor_address,
                  only_an_mx_without_address, server_failure,
                  mx_with_a_host_that_cannot_be_looked_up, loopback_from_dns_is_prohibited,
                  a_name_server_that_comes_back)
