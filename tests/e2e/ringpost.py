"""What the end-to-end tests share: starting, stopping and killing our programs, on loopback and in a
temporary directory on a disk, and counting what passed. Used by tests/e2e and tests/interop.

    def it_starts(bench): ...              # a case: raises (assert, fail(...)) or returns
    if __name__ == "__main__":
        ringpost.main(it_starts, ...)

Each case gets a Bench: a directory of its own, and whatever it starts through the bench is ended
after it, by process id. Nothing here sleeps for a fixed time in the hope that something is done:
wait_for() polls what can be seen from outside, with a deadline.
"""

import argparse
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

from mail_server import MailServer

SKIPPED = 77  # what meson takes for "could not run here"


class Failure(AssertionError):
    pass


def fail(why):
    raise Failure(why)


def check(condition, why):
    if not condition:
        fail(why)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def need_program(name, package):
    """The path of a program that is not ours; without it the whole script is skipped."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        skip(f"{name} is missing (Debian package {package})")
    return path


def wait_for(what, condition, seconds=30.0, pause=0.02):
    """Polls until condition() gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)


def free_port(kind=socket.SOCK_STREAM):
    """A port for a program that cannot be asked to choose one itself."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def port_answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A child that can be stopped and killed. With `ready` it is waited for until it has printed its
    line `ready {...}`, whose object is then in self.ready."""

    def __init__(self, command, directory, name, ready=False, seconds=60.0, environment=None):
        self.name = name
        self.ready = None
        self.errors = pathlib.Path(directory) / f"{name}.stderr"
        self.lines = []  # of standard output, in order
        self._partial = b""
        with open(self.errors, "ab") as errors:
            self.child = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=errors, env={**os.environ, **(environment or {})})
        if ready:
            self._wait_until_ready(seconds)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def _wait_until_ready(self, seconds):
        deadline = time.monotonic() + seconds
        while self.ready is None:
            if not self._read(deadline - time.monotonic()):
                why = "was not ready in time" if self.running() else f"ended with {self.child.poll()}"
                self.kill()
                fail(f"{self.name} {why}; it said: {self.complaints()}")
            for line in self.lines:
                if line.startswith("ready "):
                    self.ready = json.loads(line[len("ready "):])

    def _read(self, seconds):
        """Some more of standard output into self.lines; False at its end or when it took too long."""
        pipe = self.child.stdout
        if not select.select([pipe], [], [], max(seconds, 0))[0]:
            return False
        data = os.read(pipe.fileno(), 1 << 16)
        *complete, self._partial = (self._partial + data).split(b"\n")
        self.lines += [line.decode(errors="replace") for line in complete]
        return bool(data)

    def complaints(self):
        """The end of its standard error."""
        return self.errors.read_text(errors="replace")[-2000:].strip() or "nothing"

    def kill(self):
        """kill -9."""
        return self._end(signal.SIGKILL, 10)

    def stop(self, seconds=30.0, by=signal.SIGTERM):
        """Asks it to end and waits; its exit code. Killed, and a failure, when it does not."""
        return self._end(by, seconds)

    def wait(self, seconds=60.0):
        """Until it ends by itself; its exit code."""
        return self._end(None, seconds)

    def _end(self, by, seconds):
        if by is not None and self.running():
            self.child.send_signal(by)
        deadline = time.monotonic() + seconds
        if not self.child.stdout.closed:
            while self._read(deadline - time.monotonic()):
                pass
        try:
            code = self.child.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            self.child.stdout.close()
            fail(f"{self.name} did not end within {seconds:.0f} s; it said: {self.complaints()}")
        self.child.stdout.close()
        return code


class Daemon:
    """ringpostd on a spool of its own that survives kill() and start(). Overrides are key=value
    strings; a later one wins. start() may be called again after kill() or stop()."""

    def __init__(self, bench, *overrides, config=None, program=None, name="ringpostd"):
        self.bench = bench
        self.name = name
        self.program = program or bench.programs.ringpostd
        self.spool = bench.directory / f"{name}.spool"
        self.events_path = self.spool / "events.log"
        self.overrides = [
            f"spool.directory={self.spool}", 'listener.smtp=["127.0.0.1:0"]', "shards.count=2",
            "identity.hostname=relay.test", "spool.segment_size=8M", "listener.max_message_size=2M",
            "delivery.prohibited_networks=[]", *overrides]
        self.config = None
        if config is not None:
            self.config = bench.directory / f"{name}.toml"
            self.config.write_text(config)
        self.process = None

    def start(self, seconds=60.0):
        command = [self.program]
        if self.config is not None:
            command += ["-c", self.config]
        for override in self.overrides:
            command += ["-O", override]
        self.process = self.bench.start(command, self.name, ready=True, seconds=seconds)
        return self

    @property
    def ready(self):
        return self.process.ready

    @property
    def port(self):
        return int(self.ready["smtp"][0].rsplit(":", 1)[1])

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def kill(self):
        return self.process.kill()

    def stop(self, seconds=30.0):
        return self.process.stop(seconds)

    def ask(self, *command):
        """`ringpost COMMAND… --json`: its exit code and its object (None: it printed none)."""
        done = subprocess.run(
            [self.bench.programs.ringpost, "--socket", self.ready["control"], *command, "--json"],
            capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None

    def totals(self):
        code, answer = self.ask("status")
        check(code == 0 and answer is not None, f"`ringpost status` failed with {code}")
        return answer["totals"]

    def wait_until_empty(self, seconds=60.0):
        def empty():
            check(self.process.running(),
                  f"{self.name} ended by itself; it said: {self.process.complaints()}")
            totals = self.totals()
            return totals["messages_queued"] == 0 and totals["in_flight"] == 0 and totals
        try:
            return wait_for("an empty queue", empty, seconds, pause=0.1)
        except Failure as failure:
            fail(f"{failure}: {self.totals()}")

    def events(self, *kinds):
        """The event log's objects, in order. A line torn by a kill is left out."""
        found = []
        if not self.events_path.exists():
            return found
        for line in self.events_path.read_bytes().split(b"\n"):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and (not kinds or event.get("event") in kinds):
                found.append(event)
        return found

    def wait_for_events(self, count, *kinds, seconds=30.0):
        """Until there are `count` events of these kinds."""
        def enough():
            found = self.events(*kinds)
            return found if len(found) >= count else None
        try:
            return wait_for(f"{count} of {kinds}", enough, seconds, pause=0.05)
        except Failure as failure:
            fail(f"{failure}; events: {[e.get('event') for e in self.events()][-50:]}")


class BenchSink:
    """`ringpost-bench sink`: all mail servers of the world and their name server. Its ledger has a
    line for each recipient that it took: id, address, ok or corrupt, connection, transaction, time."""

    def __init__(self, bench, *options, name="sink"):
        self.ledger = bench.directory / f"{name}.ledger"
        self.process = bench.start(
            [bench.programs.bench, "sink", "--dns", "127.0.0.1:0", "--ledger", self.ledger,
             "--ledger-sync", *options], name, ready=True)
        self.port = int(self.process.ready["smtp"].rsplit(":", 1)[1])
        self.dns = self.process.ready["dns"]

    @property
    def overrides(self):
        """What makes a daemon deliver here."""
        return [f'dns.servers=["{self.dns}"]', f"delivery.port={self.port}"]

    def arrivals(self):
        """(id, address, state, connection, transaction) of each recipient, in order."""
        lines = self.ledger.read_text().splitlines()
        return [tuple(line.split()[:5]) for line in lines]

    def stop(self):
        """Ends it; its summary."""
        self.process.stop()
        return json.loads(self.process.lines[-1])


class BenchSource:
    """`ringpost-bench source` against a daemon; its ledger has a line `id recipient` for each
    recipient that was acknowledged with 250."""

    def __init__(self, bench, to, *options, name="source"):
        self.ledger = bench.directory / f"{name}.ledger"
        self.process = bench.start(
            [bench.programs.bench, "source", "--to", to, "--ledger", self.ledger, "--ledger-sync",
             "--json", *options], name)

    def acknowledged(self):
        """(id, recipient) in order."""
        if not self.ledger.exists():
            return []
        return [tuple(line.split()) for line in self.ledger.read_text().splitlines()]

    def wait(self, seconds=60.0):
        """Until it has sent all; its exit code and its summary."""
        code = self.process.wait(seconds)
        return code, json.loads(self.process.lines[-1]) if self.process.lines else None


class Bench:
    """One case's directory, and what it started."""

    def __init__(self, programs, name):
        self.programs = programs
        self.seed = programs.seed
        # Not /tmp: it may be memory, and the spool is about disks.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ringpost-", dir=programs.directory))
        self._processes = []
        self._at_end = []

    def start(self, command, name, **options):
        process = Process(command, self.directory, name, **options)
        self._processes.append(process)
        return process

    def daemon(self, *overrides, **options):
        return Daemon(self, *overrides, **options).start()

    def sink(self, *options, **named):
        return BenchSink(self, *options, **named)

    def source(self, to, *options, **named):
        return BenchSource(self, to, *options, **named)

    def mail_server(self, answer=None, **options):
        return MailServer(self, answer, **options)

    def at_end(self, action):
        self._at_end.append(action)

    def close(self, keep):
        for process in reversed(self._processes):
            if process.running():
                process.kill()
        for action in reversed(self._at_end):
            action()
        if keep:
            print(f"  kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def main(*cases):
    """Runs the cases (those named on the command line, or all), prints a line for each and, last,
    `N passed, N failed`; ends the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ringpostd", required=True)
    parser.add_argument("--ringpost", required=True)
    parser.add_argument("--bench", help="ringpost-bench")
    parser.add_argument("--breaks", help="ringpostd that answers before it has written")
    parser.add_argument("--directory", default="/var/tmp", help="where spools are made: on a disk")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the directories of failed cases")
    parser.add_argument("names", nargs="*", metavar="CASE")
    programs = parser.parse_args()
    chosen = [case for case in cases if not programs.names or case.__name__ in programs.names]
    passed = failed = 0
    for case in chosen:
        title = re.sub("_", " ", case.__name__)
        began = time.monotonic()
        bench = Bench(programs, case.__name__)
        good = False
        try:
            case(bench)
            good = True
        except Failure as failure:
            print(f"FAILED  {title}: {failure}")
        except Exception:  # a mistake in the test is a failed test
            print(f"FAILED  {title}:\n{traceback.format_exc()}")
        finally:
            bench.close(programs.keep and not good)
        if good:
            passed += 1
            print(f"ok      {title} ({time.monotonic() - began:.1f} s)")
        else:
            failed += 1
        sys.stdout.flush()
    print(f"{passed} passed, {failed} failed")
    sys.exit(0 if failed == 0 and passed > 0 else 1)
