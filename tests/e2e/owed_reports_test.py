#!/usr/bin/python3
"""Reports that are owed when the power goes: nobody's is lost, and nobody gets two. A disk below its reserve keeps
them from being written, as it keeps new mail out, while deliveries and their outcomes go on."""

import collections
import os

import ringpost
from clients import RawClient, events_with, routes, wait_for_event
from ringpost import check, wait_for
from scripted_mx import World, says

MESSAGES = 300
RESERVE = 1 << 40  # the most that may be asked for


def senders_told(host):
    return collections.Counter(
        letter.recipients[0] for letter in list(host.letters) if letter.sender == "")


def submit_all(daemon):
    with RawClient(daemon.port) as client:
        client.greet()
        for number in range(MESSAGES):
            client.send(f"MAIL FROM:<s{number}@sender.test>\r\nRCPT TO:<r{number}@gone.test>\r\nDATA\r\n")
            for code in ("250", "250", "354"):
                check(client.reply().startswith(code), "not taken")
            client.send("Subject: a letter\r\n\r\nHello.\r\n.\r\n")
            check(client.reply().startswith("250"), "not queued")


def restart(daemon, *overrides):
    daemon.kill()
    daemon.overrides += overrides
    daemon.start()


def reports_owed_outlive_kills(bench):
    disk = os.statvfs(bench.directory)
    if disk.f_bavail * disk.f_frsize >= RESERVE:
        ringpost.skip("this disk is too large to be below its reserve")
    world = World()
    sender, gone = world.host(), world.host({"rcpt": says("550 5.1.1 gone")})
    daemon = bench.daemon(
        routes(sender=sender, gone=gone),
        'queue_group=[{name="gone",domains=["gone.test"],delivery="hold"},'
        '{name="reports",domains=["sender.test"],delivery="hold"}]')
    submit_all(daemon)

    restart(daemon, f"spool.minimum_free={RESERVE}", "queue_group.gone.delivery=queue")
    wait_for_event(daemon, event="bounced", count=MESSAGES)
    # The very first ones may be written before a spool looks at the disk.
    owed = [daemon.totals()["reports_owed"]]
    restart(daemon)
    owed.append(daemon.totals()["reports_owed"])
    check(min(owed) > MESSAGES // 2, f"owed before a kill, and behind it: {owed}")

    daemon.overrides.append("spool.minimum_free=0")
    for left in range(MESSAGES - 50, 0, -50):
        restart(daemon)  # amid the writing: some are in the spool, some of those are discharged
        wait_for("some to be written", lambda: daemon.totals()["reports_owed"] < left)
        owed.append(daemon.totals()["reports_owed"])
    print(f"  owed before each kill: {owed}")
    restart(daemon)
    wait_for("all to be written", lambda: daemon.totals()["reports_owed"] == 0)
    check(daemon.totals()["messages_queued"] == MESSAGES, f"one message each: {daemon.totals()}")

    restart(daemon, "queue_group.reports.delivery=queue")
    daemon.wait_until_empty()
    restart(daemon)
    check(daemon.totals()["messages_queued"] == 0, "what was told is told")
    told = senders_told(sender)
    check(told == {f"s{number}@sender.test": 1 for number in range(MESSAGES)},
          f"{sum(told.values())} reports to {len(told)} senders; the most {told.most_common(2)}")
    for letter in sender.letters:
        number = letter.recipients[0].partition("@")[0][1:]
        check(f"r{number}@gone.test".encode() in letter.content, "it tells of another message")
    check(len(events_with(daemon, event="bounced")) == MESSAGES, "an outcome came twice")


if __name__ == "__main__":
    ringpost.main(reports_owed_outlive_kills)
