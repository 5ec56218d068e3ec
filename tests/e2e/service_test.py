#!/usr/bin/python3
"""The daemon as a service: what it tells the service manager, and what an installation lays out."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess

import ringpost
from ringpost import check, skip
from scripted_mx import World


class Manager:
    """A service manager's end of sd_notify(3)."""

    def __init__(self, bench, abstract):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = f"@ringpost-{os.getpid()}" if abstract else str(bench.directory / "notify")
        self.socket.bind(path.replace("@", "\0", 1) if abstract else path)
        self.socket.settimeout(10)
        self.environment = {"NOTIFY_SOCKET": path}

    def next(self):
        return self.socket.recv(4096).decode()

    def silent_for(self, seconds):
        self.socket.settimeout(seconds)
        try:
            return self.next() and False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(10)


def start(bench, manager, **environment):
    world = World()
    host = world.host()
    spool = bench.directory / "spool"
    return bench.start(
        [bench.programs.ringpostd, "-O", f"spool.directory={spool}", "-O", "shards.count=2",
         "-O", 'listener.smtp=["127.0.0.1:0"]', "-O", f"delivery.smarthost={host.address}",
         "-O", "spool.segment_size=8M", "-O", "listener.max_message_size=2M"],
        "service", ready=True, environment={**manager.environment, **environment})


def it_says_when_it_is_ready_and_when_it_stops(bench):
    for abstract in (False, True):
        manager = Manager(bench, abstract)
        daemon = start(bench, manager)
        check(manager.next() == "READY=1", "not ready first")
        check(manager.silent_for(0.5), "feeds a watchdog that nobody set")
        daemon.stop()
        check(manager.next() == "STOPPING=1", "does not say that it stops")


def it_feeds_the_watchdog_while_it_turns(bench):
    manager = Manager(bench, False)
    daemon = start(bench, manager, WATCHDOG_USEC="300000")
    check(manager.next() == "READY=1", "not ready first")
    for _ in range(4):
        check(manager.next() == "WATCHDOG=1", "no sign of life while idle")
    daemon.child.send_signal(signal.SIGSTOP)
    while not manager.silent_for(0.5):
        pass  # what had been sent before
    daemon.child.send_signal(signal.SIGCONT)
    check(manager.next() == "WATCHDOG=1", "no sign of life any more")
    daemon.stop()


def a_watchdog_for_another_process_is_not_fed(bench):
    manager = Manager(bench, False)
    daemon = start(bench, manager, WATCHDOG_USEC="300000", WATCHDOG_PID="1")
    check(manager.next() == "READY=1", "not ready first")
    check(manager.silent_for(0.6), "feeds another's watchdog")
    daemon.stop()


def an_installation_has_all_it_needs(bench):
    build = os.environ.get("RINGPOST_BUILD", "")
    if not build or shutil.which("meson") is None:
        skip("needs meson and the build folder")
    root = bench.directory / "root"
    done = subprocess.run(
        ["meson", "install", "-C", build, "--no-rebuild", "--destdir", root],
        capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0 and "need to be built" in done.stdout + done.stderr:
        skip("not everything is built")
    check(done.returncode == 0, done.stdout + done.stderr)

    def only(pattern):
        found = [path for path in root.rglob(pattern) if path.is_file()]
        check(len(found) == 1, f"{pattern}: {found}")
        return found[0]

    daemon, unit = only("bin/ringpostd"), only("systemd/system/ringpost.service")
    only("bin/ringpost")
    check("ringpost" in only("sysusers.d/ringpost.conf").read_text(), "no user")
    check("/var/spool/ringpost" in only("tmpfiles.d/ringpost.conf").read_text(), "no spool")
    configuration = only("ringpost/ringpost.toml")
    done = subprocess.run([daemon, "--check-config", "-c", configuration], capture_output=True,
                          text=True, timeout=30, check=False)
    check(done.returncode == 0, done.stderr)
    started = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
    program, _, named = started.removeprefix("ExecStart=").split()
    check(root / program.lstrip("/") == daemon, started)
    check(root / named.lstrip("/") == configuration, started)
    check("@" not in unit.read_text().replace("@system-service", ""), "a placeholder is left")
    verify_unit(bench, unit)


def verify_unit(bench, unit):
    """With systemd at hand: it knows every line of it."""
    if shutil.which("systemd-analyze") is None:
        return
    copy = pathlib.Path(bench.directory) / "ringpost.service"
    lines = unit.read_text().splitlines()
    copy.write_text("\n".join(
        "ExecStart=/bin/true" if line.startswith("ExecStart=") else line for line in lines) + "\n")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True,
                          text=True, timeout=30, check=False)
    mine = [line for line in done.stderr.splitlines() if str(copy) in line]
    check(not mine, mine)


if __name__ == "__main__":
    ringpost.main(
        it_says_when_it_is_ready_and_when_it_stops, it_feeds_the_watchdog_while_it_turns,
        a_watchdog_for_another_process_is_not_fed, an_installation_has_all_it_needs)
