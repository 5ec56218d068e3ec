#!/usr/bin/python3
"""A file system that is full, a real one: new mail is refused with 452 before it is, what was accepted is
delivered and recorded all the same, mail is accepted again by itself, and nothing is lost or sent
twice. Needs root, for a loop-mounted ext4."""

import os
import subprocess

import ringpost
from clients import RawClient
from ringpost import check, skip, wait_for
from scripted_mx import World

MIB = 1 << 20
DISK = 96 * MIB
RESERVE = 24 * MIB
MOST = 2000  # letters that would fill the disk several times
BODY = "Subject: a letter\r\n\r\n" + ("x" * 70 + "\r\n") * 1700  # 120 KiB


class SmallDisk:
    def __init__(self, bench):
        if os.geteuid() != 0:
            skip("mounting a file system needs root")
        self.path = bench.directory / "disk"
        image = bench.directory / "image"
        with open(image, "wb") as file:
            file.truncate(DISK)
        self.path.mkdir()
        for command in (["mkfs.ext4", "-q", "-m", "0", "-F", image],
                        ["mount", "-o", "loop", image, self.path]):
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except FileNotFoundError:
                skip(f"{command[0]} is missing")
            if done.returncode != 0:
                skip(f"no file system can be mounted here: {done.stderr.strip()}")
        bench.at_end(self.unmount)

    def unmount(self):
        subprocess.run(["umount", self.path], check=False)

    def free(self):
        stat = os.statvfs(self.path)
        return stat.f_bavail * stat.f_frsize

    def fill(self):
        """Takes all that is left."""
        with open(self.path / "filler", "wb", buffering=0) as file:
            for size in (MIB, 4096):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue
        check(self.free() < MIB, "the disk is not full")


def submit_until_refused(daemon, first):
    """Letters to reader FIRST, FIRST + 1, …; how many were taken before a 452."""
    with RawClient(daemon.port) as client:
        client.greet()
        for number in range(first, first + MOST):
            client.say("MAIL FROM:<news@sender.test>")
            client.say(f"RCPT TO:<reader{number}@fine.test>")
            client.say("DATA")
            client.send(BODY + ".\r\n")
            reply = client.reply()
            if not reply.startswith("250"):
                check(reply.startswith("452 4.3.1"), f"refused with {reply!r}")
                return number - first
    return ringpost.fail("the disk never became full")


def wait_until_accepted(daemon, number):
    def accepted():
        with RawClient(daemon.port) as client:
            client.greet()
            client.say("MAIL FROM:<news@sender.test>")
            client.say(f"RCPT TO:<reader{number}@fine.test>")
            client.say("DATA")
            client.send(BODY + ".\r\n")
            return client.reply().startswith("250")
    wait_for("new mail to be accepted", accepted, 30, pause=0.2)


def the_reserve_is_kept_and_deliveries_go_on(bench):
    disk = SmallDisk(bench)
    port = ringpost.free_port()
    daemon = ringpost.Daemon(
        bench, f'route=[{{domain="fine.test",hosts=["127.0.0.1:{port}"]}}]', "shards.count=1",
        f"spool.directory={disk.path}/spool", f"spool.minimum_free={RESERVE}",
        "spool.segment_size=2M", "listener.max_message_size=1M", "spool.memory_budget=4M",
        "retry.first=1s", "timeouts.hoststatus=1s",
        f"log.events={bench.directory}/events.log", f"control.socket={bench.directory}/control")
    daemon.events_path = bench.directory / "events.log"
    daemon.start()
    taken = submit_until_refused(daemon, 0)
    check(taken > 100, f"only {taken} letters were taken")
    check(disk.free() >= RESERVE - 4 * MIB, f"{disk.free()} bytes are left: no reserve")
    check(submit_until_refused(daemon, 10_000) == 0, "accepted above the reserve")

    # Now nothing is left at all, and yet every delivery is made and recorded.
    disk.fill()
    host = World().host(port=port)
    daemon.wait_until_empty(60)
    check(daemon.totals()["delivered_total"] == taken, f"{daemon.totals()}, {taken} taken")
    wait_until_accepted(daemon, 20_000)
    daemon.wait_until_empty()
    daemon.kill()
    daemon.start()
    daemon.wait_until_empty()
    arrived = [letter.recipients[0] for letter in list(host.letters)]
    wanted = {f"reader{number}@fine.test" for number in range(taken)} | {"reader20000@fine.test"}
    check(set(arrived) == wanted, f"missing: {sorted(wanted - set(arrived))[:10]}")
    # The last one's record may have been on its way to the disk when the kill came.
    early = [recipient for recipient in arrived if recipient != "reader20000@fine.test"]
    check(len(early) == taken, "some arrived twice: their deliveries were not recorded")
    check(all(letter.content.endswith(BODY.encode()) for letter in list(host.letters)), "torn")


if __name__ == "__main__":
    ringpost.main(the_reserve_is_kept_and_deliveries_go_on)
