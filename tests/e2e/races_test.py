#!/usr/bin/python3
"""The whole daemon under load, with whatever crosses its threads at the same time: mail between shards, groups
that move, reloads, orders, questions and metrics. Built with TSan it must have nothing to say; in every
build nothing may be lost or come twice."""

import itertools
import os
import signal
import urllib.request

import ringpost
from ringpost import check

MESSAGES = 3000
CONFIG = """\
[[queue_group]]
name = "some"
domains = ["d0.test", "d1.test", "d2.test", "d3.test"]
shard = {shard}
runners = {runners}
[[queue_group]]
name = "others"
domains = ["d4.test", "d5.test", "d6.test", "d7.test"]
shard = {other}
[suppression]
file = "{suppressed}"
"""
QUESTIONS = [
    ["status"], ["queue"], ["group", "list"], ["explain", "a@d1.test"], ["holds"],
    ["hold", "--group", "some"], ["release", "--group", "some"], ["flush"],
    ["hold", "--job", "none"], ["release", "--job", "none"],
    ["delete", "--group", "others", "--dry-run"],
]


def everything_at_once(bench):
    sink = bench.sink()
    suppressed = bench.directory / "suppressed"
    suppressed.write_text("nobody@example.com\n")
    metrics = ringpost.free_port()
    daemon = ringpost.Daemon(
        bench, *sink.overrides, f"metrics.listen=127.0.0.1:{metrics}",
        config=CONFIG.format(shard=0, other=1, runners=10, suppressed=suppressed))
    daemon.start(seconds=120)
    source = bench.source(daemon.address, "--messages", MESSAGES, "--size", "6000",
                          "--connections", "10", "--domains", "30", "--recipients", "2")
    rounds = 0
    for question in itertools.cycle(QUESTIONS):
        if not source.process.running() and rounds >= 2 * len(QUESTIONS):
            break
        code, answer = daemon.ask(*question)
        check(code == 0, f"{question}: {answer}")
        daemon.config.write_text(CONFIG.format(
            shard=rounds % 2, other=rounds // 2 % 2, runners=5 + rounds % 7, suppressed=suppressed))
        if rounds % 2:
            os.kill(daemon.pid, signal.SIGHUP)
        else:
            check(daemon.ask("reload")[0] == 0, "it was not read again")
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=30) as reply:
            check(b"ringpost_" in reply.read(), "no metrics")
        rounds += 1
    code, summary = source.wait(120)
    check(code == 0, f"the source failed: {summary}")
    daemon.ask("release", "--group", "some")
    daemon.wait_until_empty(120)
    print(f"  {rounds} rounds of orders and reloads")
    check(daemon.stop(60) == 0, f"it did not end well: {daemon.process.complaints()}")
    said = daemon.process.errors.read_text(errors="replace")
    at = said.find("WARNING: ThreadSanitizer")
    check(at < 0, said[at:at + 6000])
    sent = sorted(source.acknowledged())
    took = sorted(arrival[:2] for arrival in sink.arrivals())
    check(len(sent) == 2 * MESSAGES and sent == took, f"{len(sent)} sent, {len(took)} arrived")


if __name__ == "__main__":
    ringpost.main(everything_at_once)
