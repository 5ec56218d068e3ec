#!/usr/bin/python3
"""What goes by MX hosts: queue groups named by them, a provider's own TLS policy, the dialogue with a
destination as it happens; and what a reload of egress sources does to mail that waits."""

import json
import select

import ringpost
from clients import events_with, submit, wait_for_event
from ringpost import check, wait_for
from scripted_dns import MX, NameServer
from scripted_mx import World, says

QUICK = ["timeouts.hoststatus=1s", "retry.first=1s", "retry.max=1s", "timeouts.connect=3s"]
GROUP = """\
[[queue_group]]
name = "provider"
mx = ["*.provider.test"]
shard = {shard}
"""
SOURCES = """\
[[egress]]
name = "red"
ipv4 = "127.0.0.21"
[[egress]]
name = "blue"
ipv4 = "127.0.0.22"
[[queue_group]]
name = "default"
egress = [{names}]
"""


class Setting:
    """Domains named hostedN.test are the provider's, ownN.test have hosts of their own."""

    def __init__(self, bench, *overrides, config=None, faults=None, count=6, **options):
        world = World()
        self.host = world.host(faults, **options)
        self.names = NameServer(world)
        for number in range(count):
            self.names.add_domain(f"hosted{number}.test", "127.0.0.1", host=f"in{number}.provider.test")
            self.names.add_domain(f"own{number}.test", "127.0.0.1")
        self.daemon = bench.daemon(self.names.override, f"delivery.port={self.host.port}", *QUICK,
                                   *overrides, config=config)

    def reload(self, text):
        self.daemon.config.write_text(text)
        code, answer = self.daemon.ask("reload")
        check(code == 0, answer)

    def explain(self, domain):
        code, answer = self.daemon.ask("explain", f"someone@{domain}")
        check(code == 0, answer)
        return answer


def groups_are_learnt_from_mx_hosts(bench):
    setting = Setting(bench, config=GROUP.format(shard=1))
    daemon = setting.daemon
    domains = [f"{kind}{number}.test" for kind in ("hosted", "own") for number in range(6)]
    for round_number in range(2):
        name = submit(daemon, [f"reader{round_number}@{domain}" for domain in domains])
        wait_for_event(daemon, event="delivered", id=name, count=len(domains))
    daemon.wait_until_empty()
    for event in events_with(daemon, event="delivered"):
        hosted = "@hosted" in event["recipient"]
        check((event["group"] == "provider") == hosted, event)
        check(not hosted or event["shard"] == 1, event)
    moved = events_with(daemon, event="moved")
    check(sorted(event["recipient"] for event in moved)
          == [f"reader0@hosted{number}.test" for number in range(6)], moved)
    for event in moved:
        check(event["group"] == "provider" and event["shard"] == 1, event)
        check(event["mx"].endswith(".provider.test"), event)
    answer = setting.explain("hosted3.test")
    check(answer["matched"] == {"kind": "mx", "pattern": "*.provider.test",
                                "set_at": f"{daemon.config}:3"}, answer)
    check(answer["group"] == "provider" and answer["shard"] == 1, answer)
    check(setting.explain("own3.test")["matched"]["kind"] == "default", "own3.test")
    # After kill -9 nothing is known any more, and all is learnt again.
    daemon.kill()
    daemon.start()
    name = submit(daemon, [f"again@{domain}" for domain in domains])
    wait_for_event(daemon, event="delivered", id=name, count=len(domains))
    daemon.wait_until_empty()
    check(len(events_with(daemon, event="received")) == 3 * len(domains), "received")


def a_changed_mx_record_moves_what_waits(bench):
    setting = Setting(bench, config=GROUP.format(shard=0), count=4,
                      faults={"rcpt": says("451 4.2.0 later")})
    daemon, names = setting.daemon, setting.names
    for number in range(4):
        submit(daemon, f"reader@hosted{number}.test")
    wait_for_event(daemon, event="deferred", group="provider", count=4, seconds=30)
    for number in range(4):
        names.add(f"hosted{number}.test", MX, (10, f"mx.own{number}.test"))
    # The group goes to the other shard with what it has; the pattern goes, and so does its mail.
    setting.reload(GROUP.format(shard=1))
    wait_for_event(daemon, event="deferred", group="provider", shard=1, count=4, seconds=30)
    setting.reload(GROUP.format(shard=1).replace("provider.test", "nobody.test"))
    setting.host.heal()
    wait_for_event(daemon, event="delivered", count=4, seconds=30)
    for event in events_with(daemon, event="delivered"):
        check(event["group"].startswith("default-"), event)
    daemon.wait_until_empty()


def a_provider_has_a_tls_policy_of_its_own(bench):
    strict = GROUP.format(shard=0) + (
        "[[destination]]\nname = \"provider\"\nmx = [\"*.provider.test\"]\ntls = \"encrypt\"\n")
    setting = Setting(bench, config=strict)
    daemon = setting.daemon
    name = submit(daemon, "reader@hosted0.test")
    submit(daemon, "reader@own0.test")
    wait_for_event(daemon, event="delivered", recipient="reader@own0.test")
    event = wait_for_event(daemon, event="deferred", destination="provider", status="4.7.4")
    check("the TLS policy is 'encrypt'" in event["reply"], event)
    answer = setting.explain("hosted0.test")
    check(answer["tls"] == {"policy": "encrypt", "set_at": f"{daemon.config}:5"}, answer["tls"])
    check(setting.explain("own0.test")["tls"] == {"policy": "may", "set_at": "default"}, "own0.test")
    setting.reload(strict.replace("encrypt", "none"))
    wait_for_event(daemon, event="delivered", id=name)
    check(setting.explain("hosted0.test")["tls"]["policy"] == "none", "explain")


def waiting_mail_follows_the_list_of_sources(bench):
    setting = Setting(bench, config=SOURCES.format(names='"red", "blue"'),
                      faults={"rcpt": says("451 4.2.0 later")})
    daemon = setting.daemon
    domains = [f"{kind}{number}.test" for kind in ("hosted", "own") for number in range(6)]
    for domain in domains:
        submit(daemon, f"reader@{domain}")
    wait_for_event(daemon, event="deferred", attempt=2, count=len(domains), seconds=30)
    sources = {}
    for event in events_with(daemon, event="deferred"):
        if event["recipient"]:
            check(sources.setdefault(event["recipient"], event["source"]) == event["source"],
                  f"{event['recipient']} did not keep its source")
    check(set(sources.values()) == {"red", "blue"}, sources)
    setting.reload(SOURCES.format(names='"blue"'))
    setting.host.heal()
    daemon.ask("flush")
    wait_for_event(daemon, event="delivered", count=len(domains), seconds=30)
    for event in events_with(daemon, event="delivered"):
        check(event["source"] == "blue", event)


class Trace:
    """`ringpost trace` as it runs."""

    def __init__(self, bench, daemon, destination, *more):
        self.process = bench.start([bench.programs.ringpost, "--socket", daemon.ready["control"],
                                    "trace", destination, *more], f"trace{len(more)}")

    def lines(self):
        """What it has shown so far."""
        while select.select([self.process.child.stdout], [], [], 0)[0] and self.process._read(0):
            pass
        return self.process.lines


def the_dialogue_is_shown_as_it_happens(bench):
    setting = Setting(bench, extensions=("PIPELINING", "8BITMIME"))
    daemon = setting.daemon
    code, answer = daemon.ask("trace", "nowhere.test")
    check(code == 1 and answer["error"]["code"] == "not_found", answer)
    check("ringpost queue" in answer["error"]["remedy"], answer)
    submit(daemon, "first@own0.test")
    wait_for_event(daemon, event="delivered")
    trace = Trace(bench, daemon, "mx.own0.test", "--json")
    plain = Trace(bench, daemon, "mx.own0.test")
    secret = "Subject: hidden\r\n\r\nThe word is xyzzy.\r\n"

    def shown_by(followed, words):
        def shown():
            submit(daemon, "second@own0.test", secret)
            submit(daemon, "other@own1.test", secret)
            return sum(words in line for line in followed.lines()) >= 2
        wait_for(f"a dialogue with {words}", shown, pause=0.3)
    shown_by(trace, "second@own0.test")
    shown_by(plain, "> RCPT TO:<second@own0.test>")
    shown = [json.loads(line) for line in trace.lines()]
    text = "\n".join(line["text"] for line in shown)
    check("MAIL FROM:<news@sender.test>" in text and "354 " in text, text)
    check("bytes of content and the final dot)" in text, text)
    check("xyzzy" not in text and "hidden" not in text, f"a content is shown: {text}")
    check("own1.test" not in text, f"another destination is shown: {text}")
    for line in shown:
        check(line["mx"] == "mx.own0.test" and line["kind"] in ("sent", "said", "event"), line)
    check(any(line["kind"] == "said" and line["text"].startswith("250 ") for line in shown), text)


if __name__ == "__main__":
    ringpost.main(
        groups_are_learnt_from_mx_hosts, a_changed_mx_record_moves_what_waits,
        a_provider_has_a_tls_policy_of_its_own, waiting_mail_follows_the_list_of_sources,
        the_dialogue_is_shown_as_it_happens)
