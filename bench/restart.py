#!/usr/bin/python3
"""How long a restart takes with much in the queue: fills the spool of a daemon that holds its mail, ends it
with kill -9, starts it without the hold and waits for the first delivery. One JSON line a repetition:
seconds from the start of the process, and the CPU time that it has used until then.

    bench/restart.py --ringpostd build/ringpostd --ringpost build/ringpost --bench build/ringpost-bench

MESSAGES and DOMAINS in the environment change how much. --directory says on which disk.
"""

import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "e2e"))
import ringpost  # noqa: E402

MESSAGES = int(os.environ.get("MESSAGES", 1_000_000))
DOMAINS = int(os.environ.get("DOMAINS", 100_000))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def restart(bench):
    domains = bench.directory / "domains"
    domains.write_text("".join(f"d{number}.test 1\n" for number in range(DOMAINS)))
    sink = bench.sink()
    held = 'queue_group.default.delivery="hold"'
    daemon = bench.daemon("spool.segment_size=64M", held, *sink.overrides)
    source = bench.source(daemon.address, "--messages", MESSAGES, "--size", "512", "--domains", domains,
                          "--connections", "100")
    code, summary = source.wait(1800)
    ringpost.check(code == 0, f"the source failed: {summary}")
    daemon.kill()
    daemon.overrides.remove(held)
    for _ in range(3):
        known = len(sink.arrivals())
        began = time.monotonic()
        daemon.start()
        ready = time.monotonic() - began
        ringpost.wait_for("a delivery", lambda: len(sink.arrivals()) > known, 60, pause=0.005)
        first = time.monotonic() - began
        print(json.dumps({"messages": MESSAGES - known, "domains": DOMAINS, "ready_seconds": round(ready, 3),
                          "first_delivery_seconds": round(first, 3),
                          "cpu_seconds": cpu_seconds(daemon.pid),
                          "load": os.getloadavg()[0]}), flush=True)
        daemon.kill()


if __name__ == "__main__":
    ringpost.main(restart)
