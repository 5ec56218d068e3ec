#!/usr/bin/python3
"""Very many large messages at once: the daemon's memory stays within its budgets, clients wait instead."""

import pathlib
import threading
import time

import ringpost
from clients import RawClient
from ringpost import check

CLIENTS = 200
SIZE = 3 << 20
BUDGET = 32 << 20  # for what comes in, and as much for what is kept
# Besides both: rings and buffers, one copy on its way to disk on each shard, what the allocator has not given
# back yet.
REST = 128 << 20
LINE = b"x" * 76 + b"\r\n"


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def two_hundred_clients_at_once_stay_within_the_budget(bench):
    daemon = bench.daemon(
        "spool.segment_size=64M", "listener.max_message_size=8M", f"listener.memory_budget={BUDGET}",
        f"spool.memory_budget={BUDGET}", "queue_group.default.delivery=hold")
    before = resident(daemon.pid)
    body = b"Subject: large\r\n\r\n" + LINE * (SIZE // len(LINE))
    replies = []

    def send(number):
        with RawClient(daemon.port, timeout=150) as client:
            client.greet()
            # Half of them say how large it is. Some are for both shards.
            size = f" SIZE={len(body)}" if number % 2 else ""
            recipients = [f"reader@site{number}.test"]
            if number % 5 == 0:
                recipients.append(f"reader@other{number}.test")
            check(client.say(f"MAIL FROM:<news@sender.test>{size}").startswith("250"), "MAIL")
            for recipient in recipients:
                check(client.say(f"RCPT TO:<{recipient}>").startswith("250"), "RCPT")
            check(client.say("DATA").startswith("354"), "DATA")
            client.send(body + b".\r\n")
            replies.append(client.reply())

    threads = [threading.Thread(target=send, args=(number,)) for number in range(CLIENTS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(len(replies) == CLIENTS, f"{CLIENTS - len(replies)} clients failed")
    taken = sum(reply.startswith("250 2.0.0") for reply in replies)
    late = sum(reply.startswith("452 4.3.1") for reply in replies)
    most = resident(daemon.pid)
    print(f"  {taken} taken, {late} told 452 in {time.monotonic() - began:.0f} s; "
          f"{(most - before) >> 20} MiB more at most")
    check(taken + late == CLIENTS, f"replies: {set(replies)}")
    check(taken >= CLIENTS // 10, "hardly any was taken")
    check(most - before < 2 * BUDGET + REST, f"{most - before} bytes more")
    check(daemon.totals()["messages_queued"] >= taken, "a message is missing")
    check(daemon.stop() == 0, "it did not end well")


if __name__ == "__main__":
    ringpost.main(two_hundred_clients_at_once_stay_within_the_budget)
