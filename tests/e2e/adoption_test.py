#!/usr/bin/python3
"""A spool written by one number of shards, opened by another: the shards that are left take over the mail
of those that are no more. kill -9 comes in the middle, and the ledgers at both ends must agree."""

import ringpost
from ledgers import Verdict
from ringpost import check

MESSAGES = 6000

def fill(bench, daemon):
    """Mail for many domains in the daemon's spool, none of which leaves: who was answered 250."""
    source = bench.source(daemon.address, "--messages", MESSAGES, "--size", "2K", "--seed",
                          bench.seed, "--recipients", "2")
    code, summary = source.wait()
    check(code == 0 and summary["acknowledged"] == MESSAGES, f"the source failed: {summary}")
    return source


def segments_of(daemon, shard):
    directory = daemon.spool / f"shard-{shard}"
    return sorted(directory.glob("*.segment")) if directory.exists() else []


def old_messages(daemon):
    """Messages that still lie in the queue, by `status`."""
    return daemon.totals()["messages_queued"]


def handed_over(daemon, shards):
    return all(not segments_of(daemon, old) for old in range(shards, 8))


def open_with(bench, counts, kills):
    """Fills with 8 shards, then opens with each of `counts`, at first killed `kills` times on the way."""
    sink = bench.sink()
    held = 'queue_group.default.delivery="hold"'
    daemon = bench.daemon("shards.count=8", "spool.segment_size=1M", "listener.max_message_size=256K",
                          "queue.default_groups=16", held, *sink.overrides)
    source = fill(bench, daemon)
    check(old_messages(daemon) >= MESSAGES, f"not all of it waits: {daemon.totals()}")
    some_id = daemon.events("received")[0]["id"]
    daemon.kill()
    check(all(segments_of(daemon, old) for old in range(8)), "not every shard has mail")
    in_the_middle = 0
    for count in counts:
        daemon.overrides.append(f"shards.count={count}")
        for kill in range(kills):
            daemon.start()
            for _ in range(kill):  # a little later each time
                check(old_messages(daemon) >= MESSAGES, f"mail is out of sight: {daemon.totals()}")
                check(daemon.ask("show", some_id)[0] == 0, "a message is out of sight")
            daemon.kill()
            in_the_middle += not handed_over(daemon, count)
        daemon.start()
        ringpost.wait_for(f"all of it to be with {count} shards",
                          lambda: handed_over(daemon, count), 60)
        check(old_messages(daemon) >= MESSAGES, f"mail was lost on the way: {daemon.totals()}")
        check(daemon.stop() == 0, "the daemon did not end well")
    daemon.overrides.remove(held)
    daemon.start()
    for old in range(counts[-1], 8):
        check(not (daemon.spool / f"shard-{old}").exists(), f"shard-{old} is still there")
    daemon.wait_until_empty()
    verdict = Verdict(source.acknowledged(), [entry[:3] for entry in sink.arrivals()])
    print(f"  {in_the_middle} of {kills * len(counts)} kills came in the middle; {verdict}")
    check(not verdict.missing, f"acknowledged, but gone: {verdict}")
    check(not verdict.corrupt, f"torn or mixed up: {verdict}")
    # Nothing was on its way out when the kills came.
    check(verdict.duplicates == 0, f"sent twice: {verdict}")
    check(daemon.totals()["quarantined_total"] == 0, "a kill left damage behind")
    check(daemon.stop() == 0, "the daemon did not end well")


def eight_shards_become_one(bench):
    open_with(bench, [1], kills=3)


def eight_shards_become_three_then_two(bench):
    open_with(bench, [3, 2], kills=3)


def three_shards_become_five_and_one(bench):
    open_with(bench, [3, 5, 1], kills=1)


if __name__ == "__main__":
    ringpost.main(eight_shards_become_one, eight_shards_become_three_then_two,
                  three_shards_become_five_and_one)
