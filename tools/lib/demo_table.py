#!/usr/bin/env python3
"""Prints what each queue group did, from the event log and the control socket of a running daemon.

Called by tools/demo.sh through `ringpost-bench relay --at-end`, which sets RINGPOST_SOCKET and
RINGPOST_EVENTS. The argument is the path of the `ringpost` program.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0


def main():
    queued_ms = defaultdict(list)
    with open(os.environ["RINGPOST_EVENTS"], encoding="utf-8") as log:
        for line in log:
            if '"event":"delivered"' in line:
                event = json.loads(line)
                queued_ms[event["group"]].append(event["queued_ms"])
    answer = subprocess.run([sys.argv[1], "--socket", os.environ["RINGPOST_SOCKET"], "group",
                             "list", "--json"], check=True, capture_output=True, text=True).stdout
    print(f"\n{'group':<12}{'shard':>6}{'messages':>10}{'connections':>13}"
          f"{'messages each':>15}{'p50 ms':>8}{'p99 ms':>8}")
    for group in json.loads(answer)["groups"]:
        delivered = group["delivered_total"]
        opened = group["connections_opened_total"]
        latency = sorted(queued_ms[group["group"]])
        print(f"{group['group']:<12}{group['shard']:>6}{delivered:>10,}{opened:>13,}"
              f"{delivered / max(opened, 1):>15.1f}{percentile(latency, 0.5):>8}"
              f"{percentile(latency, 0.99):>8}")


if __name__ == "__main__":
    main()
