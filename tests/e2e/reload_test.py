"""Reading the configuration again: on HUP and by `ringpost reload`, with mistakes in it, under load,
with groups that move to another shard; and the suppression list, which is read with it."""

import os
import signal
import time

import ringpost
from clients import events_with, submit, wait_for_event
from ringpost import check, wait_for

CONFIG = """\
[[queue_group]]
name = "bulk"
domains = ["bulk.test"]
shard = {shard}
delivery = "{delivery}"
runners = {runners}
[suppression]
file = "{suppressed}"
"""


class Relay:
    def __init__(self, bench, *overrides, suppressed=""):
        self.bench = bench
        self.list = bench.directory / "suppressed"
        self.list.write_text(suppressed)
        self.sink = bench.sink()
        self.daemon = ringpost.Daemon(
            bench, *self.sink.overrides, *overrides, config=self.text())
        self.daemon.start()

    def text(self, shard=0, delivery="queue", runners=10):
        return CONFIG.format(shard=shard, delivery=delivery, runners=runners, suppressed=self.list)

    def reload(self, text):
        self.daemon.config.write_text(text)
        code, answer = self.daemon.ask("reload")
        check(code == 0 and answer["reloaded"] is True and answer["shards"] == 2, answer)
        return answer

    def refused(self, text):
        self.daemon.config.write_text(text)
        code, answer = self.daemon.ask("reload")
        check(code == 1 and answer["error"]["code"] == "bad_configuration", (code, answer))
        check("the configuration was not changed" in self.daemon.process.complaints(), "no log")
        return answer["error"]["message"]

    def group(self, name="bulk"):
        _, answer = self.daemon.ask("group", "list")
        return next(line for line in answer["groups"] if line["group"] == name)


def limits_and_groups_change_while_it_runs(bench):
    relay = Relay(bench)
    check(relay.group()["shard"] == 0 and relay.group()["runners"] == 10, relay.group())
    relay.reload(relay.text(runners=7, delivery="hold"))
    check(relay.group()["runners"] == 7, relay.group())
    check(relay.group()["held_by"] == "configuration", relay.group())
    names = [submit(relay.daemon, f"a{number}@bulk.test") for number in range(5)]
    wait_for("held mail", lambda: relay.group()["held"] == 5)
    relay.reload(relay.text(shard=1, delivery="hold"))
    wait_for("all of it on the other shard",
             lambda: relay.group()["shard"] == 1 and relay.group()["held"] == 5)
    relay.daemon.config.write_text(relay.text(shard=1))
    os.kill(relay.daemon.pid, signal.SIGHUP)
    for name in names:
        wait_for_event(relay.daemon, event="delivered", id=name, shard=1)
    relay.reload(relay.text() + '[[queue_group]]\nname = "new"\ndomains = ["new.test"]\n')
    name = submit(relay.daemon, "a@new.test")
    wait_for_event(relay.daemon, event="delivered", id=name, group="new")
    relay.daemon.wait_until_empty()


def a_route_is_followed_at_once(bench):
    relay = Relay(bench)
    closed = ringpost.free_port()
    relay.reload(relay.text() + f'[[route]]\ndomain = "bulk.test"\nhosts = ["127.0.0.1:{closed}"]\n')
    name = submit(relay.daemon, "a@bulk.test")
    wait_for_event(relay.daemon, event="deferred", destination="bulk.test")
    relay.reload(relay.text())
    wait_for_event(relay.daemon, event="delivered", id=name)


def a_mistake_changes_nothing_and_is_named(bench):
    relay = Relay(bench)
    good = relay.text()
    path = str(relay.daemon.config)
    cases = {
        good.replace("runners = 10", "runners = many"): f"{path}:6:",
        good.replace("runners", "runers"): "queue_group.bulk.runers",
        good + "[shards\n": f"{path}:9",
        good + "[dns]\nservers = [\"127.0.0.1:53\"]\n": "",  # the command line wins: no change
    }
    for text, wanted in cases.items():
        if wanted:
            check(wanted in relay.refused(text), (wanted, text))
        else:
            relay.reload(text)
    message = relay.refused(good + '[control]\nsocket = "/elsewhere/socket"\n')
    check("control.socket cannot change while the daemon runs" in message, message)
    check("restart" in message and f"{path}:" in message, message)
    relay.list.write_text("good@example.com\nno good\n")
    message = relay.refused(good)
    check(f"{relay.list}:2: 'no good'" in message, message)
    check(relay.group()["runners"] == 10, "nothing was changed")
    name = submit(relay.daemon, "a@bulk.test")
    wait_for_event(relay.daemon, event="delivered", id=name)


def suppressed_recipients_get_nothing_and_nobody_is_told(bench):
    relay = Relay(bench, suppressed="gone@bulk.test\n@closed.test\n")
    name = submit(relay.daemon, ["Gone@bulk.test", "there@bulk.test", "x@closed.test"])
    wait_for_event(relay.daemon, event="delivered", id=name)
    wait_for_event(relay.daemon, event="suppressed", count=2)
    relay.daemon.wait_until_empty()
    suppressed = {event["recipient"] for event in events_with(relay.daemon, event="suppressed")}
    check(suppressed == {"Gone@bulk.test", "x@closed.test"}, suppressed)
    # What waits when the list changes is looked at again when its turn comes.
    relay.reload(relay.text(delivery="hold"))
    late = submit(relay.daemon, ["late@bulk.test", "there@bulk.test"])
    wait_for("held mail", lambda: relay.group()["held"] == 2)
    relay.list.write_text("late@bulk.test\n")
    check(relay.reload(relay.text())["suppressed"] == 1, "entries")
    wait_for_event(relay.daemon, event="suppressed", id=late, recipient="late@bulk.test")
    wait_for_event(relay.daemon, event="delivered", id=late, recipient="there@bulk.test")
    relay.daemon.wait_until_empty()
    check(events_with(relay.daemon, event="bounced") == [], "no report")
    delivered = [event["recipient"] for event in events_with(relay.daemon, event="delivered")]
    check(delivered == ["there@bulk.test"] * 2, delivered)
    check(relay.daemon.totals()["suppressed_total"] == 3, relay.daemon.totals())


def a_storm_of_reloads_under_load_loses_nothing(bench):
    relay = Relay(bench)
    lines = "".join(f"nobody{number}@example.com\n" for number in range(20000))
    relay.list.write_text(lines)
    source = bench.source(relay.daemon.address, "--messages", "4000", "--size", "2000",
                          "--connections", "8", "--domains", "50")
    reloads = 0
    while source.process.running():
        text = relay.text(shard=reloads % 2, runners=5 + reloads % 5)
        fresh = relay.daemon.config.with_suffix(".new")
        fresh.write_text(text if reloads % 7 else "broken")
        fresh.rename(relay.daemon.config)
        os.kill(relay.daemon.pid, signal.SIGHUP)
        reloads += 1
        time.sleep(0.01)  # as fast as a script would
    code, _ = source.wait()
    check(code == 0, "the source failed")
    relay.reload(relay.text())
    relay.daemon.wait_until_empty()
    sent = sorted(source.acknowledged())
    took = sorted(arrival[:2] for arrival in relay.sink.arrivals())
    check(len(sent) == 4000 and sent == took, (len(sent), len(took), reloads))
    check(reloads > 10, f"only {reloads} reloads")


if __name__ == "__main__":
    ringpost.main(
        limits_and_groups_change_while_it_runs, a_route_is_followed_at_once,
        a_mistake_changes_nothing_and_is_named,
        suppressed_recipients_get_nothing_and_nobody_is_told,
        a_storm_of_reloads_under_load_loses_nothing)
