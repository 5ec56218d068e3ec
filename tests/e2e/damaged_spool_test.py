#!/usr/bin/python3
"""A damaged spool: the daemon starts, says what it set aside, delivers everything else, and never a torn
body. Each case fills a spool for a host that is down, kills the daemon, does the damage, and starts
it again with the host up."""

import hashlib
import os
import random

import ringpost
from clients import RawClient
from ringpost import check, wait_for
from scripted_mx import World

LETTERS = 60
MIB = 1 << 20


def body(number):
    """48 KiB that no other letter has, so that its place in a segment can be found by its text."""
    lines = [f"Subject: letter {number}\r\n", "\r\n"]
    for line in range(640):
        text = hashlib.sha256(f"{number} {line}".encode()).hexdigest()
        lines.append(f"letter-{number:04}-{line:04} {text[:56]}\r\n")
    return "".join(lines).encode()


class FilledSpool:
    def __init__(self, bench):
        self.port = ringpost.free_port()
        self.daemon = bench.daemon(
            f'route=[{{domain="fine.test",hosts=["127.0.0.1:{self.port}"]}}]', "shards.count=1",
            "spool.segment_size=1M", "listener.max_message_size=200K", "spool.memory_budget=1M",
            "retry.first=1s", "timeouts.hoststatus=1s")
        with RawClient(self.daemon.port) as client:
            client.greet()
            for number in range(LETTERS):
                client.submit([f"reader{number}@fine.test"], body(number))
        self.daemon.kill()
        self.folder = self.daemon.spool / "shard-0"
        self.places = {}  # letter: (file, first byte, byte behind)
        for path in self.segments():
            data = path.read_bytes()
            for number in range(LETTERS):
                at = data.find(f"letter-{number:04}-0000".encode())
                end = data.find(f"letter-{number:04}-0639".encode())
                if at >= 0 and end >= 0:
                    self.places[number] = (path, at, end)
        check(len(self.places) == LETTERS, f"only {len(self.places)} letters are in the spool")

    def segments(self):
        return sorted(self.folder.glob("*.segment"))

    def sealed(self):
        """The files of full segments: those whose last block is a seal."""
        return [path for path in self.segments() if b"RPNTSEAL" in path.read_bytes()[-4096:]]

    def letters_in(self, path, start=0):
        """Those of which something stands in the file at `start` or behind it."""
        return {number for number, (file, _, end) in self.places.items()
                if file == path and end >= start}

    def flip(self, path, at, count=1):
        with open(path, "r+b") as file:
            file.seek(at)
            old = file.read(count)
            file.seek(at)
            file.write(bytes(byte ^ 0x10 for byte in old))

    def check_rest(self, lost, noticed=True):
        """Starts it: all letters but `lost` arrive, each whole. With `noticed` it says something."""
        host = World().host(port=self.port)
        said_before = self.daemon.process.complaints()
        self.daemon.start()
        wanted = set(range(LETTERS)) - set(lost)

        def arrived():
            return {int(letter.recipients[0].removeprefix("reader").split("@")[0])
                    for letter in list(host.letters)}
        try:
            wait_for("the letters", lambda: arrived() >= wanted, 25)
        except ringpost.Failure:
            ringpost.fail(f"missing: {sorted(wanted - arrived())}; "
                          f"{self.daemon.process.complaints()}")
        for letter in list(host.letters):
            number = int(letter.recipients[0].removeprefix("reader").split("@")[0])
            check(letter.content.endswith(body(number)), f"letter {number} is torn")
        said = self.daemon.process.complaints().replace(said_before, "")
        check(not noticed or "damage" in said or "cannot be read" in said or "quarantine" in said,
              f"it said nothing of the damage: {said}")
        # And it takes and delivers new mail.
        with RawClient(self.daemon.port) as client:
            client.greet()
            client.submit(["new@fine.test"])
        wait_for("new mail", lambda: host.letters_for("new@fine.test"))
        return self.daemon.totals()


def a_flipped_bit_in_a_full_segment(bench):
    spool = FilledSpool(bench)
    path = spool.sealed()[0]
    victim = min(spool.letters_in(path)) + 3
    spool.flip(path, (spool.places[victim][1] + spool.places[victim][2]) // 2)
    spool.check_rest({victim})


def a_flipped_bit_in_the_open_segment(bench):
    spool = FilledSpool(bench)
    path = spool.places[LETTERS - 1][0]
    victim = min(spool.letters_in(path))
    check(path not in spool.sealed() and victim < LETTERS - 1, "the letters fill their segments")
    spool.flip(path, spool.places[victim][1])
    totals = spool.check_rest({victim})
    check(totals["quarantined_total"] > 0, "not counted")


def flipped_bits_everywhere_in_one_segment(bench):
    spool = FilledSpool(bench)
    path = spool.sealed()[1]
    chance = random.Random(7)
    for _ in range(200):
        spool.flip(path, chance.randrange(path.stat().st_size))
    spool.check_rest(spool.letters_in(path))


def a_damaged_index_costs_no_letter(bench):
    """The index says what the batches say: without it they are read."""
    spool = FilledSpool(bench)
    for path in spool.sealed()[:2]:
        spool.flip(path, MIB - 4096 + 20)
    spool.check_rest(set(), noticed=False)


def both_headers_damaged(bench):
    spool = FilledSpool(bench)
    path = spool.sealed()[0]
    spool.flip(path, 0, 8192)
    spool.check_rest(spool.letters_in(path))


def one_header_damaged_costs_no_letter(bench):
    spool = FilledSpool(bench)
    for number, path in enumerate(spool.sealed()):
        spool.flip(path, 4096 * (number % 2), 40)
    spool.check_rest(set(), noticed=False)


def a_truncated_segment(bench):
    spool = FilledSpool(bench)
    path = spool.sealed()[0]
    os.truncate(path, MIB // 2 + 77)
    spool.check_rest(spool.letters_in(path, MIB // 2 + 77))


def a_segment_of_no_length(bench):
    spool = FilledSpool(bench)
    path = spool.sealed()[1]
    os.truncate(path, 0)
    spool.check_rest(spool.letters_in(path))


def files_that_are_no_segments(bench):
    spool = FilledSpool(bench)
    chance = random.Random(11)
    (spool.folder / "00000090.segment").write_bytes(chance.randbytes(MIB))
    (spool.folder / "00000091.segment").write_bytes(b"")
    (spool.folder / "00000092.segment").write_bytes(b"RSEGMENT" + chance.randbytes(5000))
    (spool.folder / "00000093.segment").write_bytes(bytes(MIB))
    (spool.folder / "notes.txt").write_bytes(b"somebody's")
    spool.check_rest(set())
    check((spool.folder / "notes.txt").read_bytes() == b"somebody's", "a foreign file was touched")


def what_only_a_person_can_decide_stops_the_start(bench):
    """A copy made by hand would deliver twice; a directory is nobody's segment. Both are named, nothing
    is touched, and once they are gone all letters arrive."""
    spool = FilledSpool(bench)
    copy, folder = spool.folder / "00000095.segment", spool.folder / "00000096.segment"
    copy.write_bytes(spool.sealed()[0].read_bytes())
    check_refused(spool.daemon, copy.name, "both hold segment")
    copy.unlink()
    folder.mkdir()
    check_refused(spool.daemon, folder.name, "errno 21")
    folder.rmdir()
    spool.check_rest(set(), noticed=False)


def check_refused(daemon, *words):
    try:
        daemon.start()
    except ringpost.Failure as failure:
        for word in words:
            check(word in str(failure), f"it does not say {word!r}: {failure}")
    else:
        ringpost.fail("it started")


if __name__ == "__main__":
    ringpost.main(
        a_flipped_bit_in_a_full_segment, a_flipped_bit_in_the_open_segment,
        flipped_bits_everywhere_in_one_segment, a_damaged_index_costs_no_letter,
        both_headers_damaged, one_header_damaged_costs_no_letter, a_truncated_segment,
        a_segment_of_no_length, files_that_are_no_segments,
        what_only_a_person_can_decide_stops_the_start)
