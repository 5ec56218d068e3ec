#!/usr/bin/python3
"""kill -9 of the daemon at moments drawn from a seed, under load, again and again on the same spool.
Whatever was answered with 250 must arrive, whole, or bounce and be reported; only what was in
flight may arrive twice. The source writes its ledger on each 250, the sink before it answers."""

import collections
import email
import random
import re
import threading

import ringpost
from ledgers import Verdict
from ringpost import check

# A crash may repeat what is in flight and the outcomes that await their commit: by design up to 1,000 of
# those per shard. Here connections are few; measured are 10 to 150 a kill, the most on a slow disk.
MOST_DUPLICATES_PER_KILL = 500


class StubbornServer:
    """Takes each recipient of late.test only at the second time of asking, refuses those of
    gone.test for good, and keeps what came for the ledger: the other half of the world's sink."""

    def __init__(self, bench):
        self.seen = collections.Counter()
        self.lock = threading.Lock()
        self.server = bench.mail_server(self.answer)

    def answer(self, command, _session):
        if not command.upper().startswith("RCPT TO:"):
            return None
        recipient = command[8:].split()[0].strip("<>")
        with self.lock:
            self.seen[recipient] += 1
            first = self.seen[recipient] == 1
        if recipient.endswith("@gone.test"):
            return "550 5.1.1 nobody of that name"
        return "451 4.7.1 come back later" if first else None

    def arrivals(self):
        """(id, recipient, state), where a message is whole if it equals all others but for its id."""
        forms = collections.Counter()
        found = []
        for _sender, recipients, content, _connection, _transaction in self.server.taken:
            id = re.search(rb"^X-Bench-Id: ([0-9a-f]{16})\r$", content, re.M)
            id = id.group(1) if id else b"?"
            form = re.sub(rb"^X-Bench-Checksum: .*\r\n", b"", content.replace(id, b"ID"), flags=re.M)
            form = re.sub(rb"\AReceived:.*\r\n([ \t].*\r\n)*", b"", form)
            forms[form] += 1
            found += [(id.decode(), recipient, form) for recipient in recipients]
        usual = forms.most_common(1)[0][0] if forms else None
        return [(id, recipient, "ok" if form == usual else "corrupt")
                for id, recipient, form in found]


def reported(server):
    """The recipients that the delivery reports which came to the sender speak of."""
    recipients = set()
    for _sender, _recipients, content, _connection, _transaction in server.taken:
        for part in email.message_from_bytes(content).walk():
            if part.get_content_type() == "message/delivery-status":
                for fields in part.get_payload():
                    if fields["Final-Recipient"]:
                        recipients.add(fields["Final-Recipient"].split(";")[1].strip())
    return recipients


def kill_moments(seed, kills, messages):
    """Numbers of acknowledged messages: one in each of `kills` equal stretches."""
    draw = random.Random(seed)
    stretch = messages // (kills + 1)
    return [i * stretch + draw.randrange(stretch // 10, stretch) for i in range(kills)]


def acknowledged_recipients(source):
    return source.ledger.read_bytes().count(b"\n") if source.ledger.exists() else 0


def kill_under_load(bench, daemon, source, sink, moments, recipients):
    """Kills and restarts at each moment; how many had arrived at each restart."""
    restarts = []
    for moment in moments:
        ringpost.wait_for(
            f"{moment} acknowledged messages",
            lambda: acknowledged_recipients(source) >= moment * recipients
            or not source.process.running(), 60, pause=0.001)
        check(source.process.running(), f"the source ended before {moment} messages: "
              f"{source.process.complaints()}")
        daemon.kill()
        daemon.start()
        restarts.append(len(sink.arrivals()))
    return restarts


def judge(daemon, source, summary, verdict, kills, recipients):
    resent = summary["retried"] * recipients
    allowed = resent + kills * MOST_DUPLICATES_PER_KILL
    print(f"  {summary['acknowledged']} messages, {kills} kills, {summary['retried']} sent again by "
          f"the source; {verdict}")
    check(summary["acknowledged"] == summary["messages"], f"the source ended early: {summary}")
    check(not verdict.missing, f"acknowledged, but gone: {verdict}")
    check(not verdict.corrupt, f"torn or mixed up: {verdict}")
    check(verdict.duplicates <= allowed, f"more than {allowed} duplicates: {verdict}")
    check(verdict.within_one_life <= resent, f"sent twice without a crash: {verdict}")
    check(daemon.totals()["quarantined_total"] == 0, "a kill left damage behind")


def newsletters_survive_kill_9(bench):
    messages, kills = 20000, 6
    sink = bench.sink("--delay-ms", "2")
    daemon = bench.daemon(*sink.overrides)
    # The address must stay what it was when the source began.
    daemon.overrides.append(f'listener.smtp=["{daemon.address}"]')
    source = bench.source(daemon.address, "--messages", messages, "--size", "3K", "--reconnect", "30",
                          "--seed", bench.seed)
    restarts = kill_under_load(bench, daemon, source, sink,
                               kill_moments(bench.seed, kills, messages), 1)
    code, summary = source.wait()
    check(code == 0, f"the source failed: {summary}")
    daemon.wait_until_empty()
    arrivals = [entry[:3] for entry in sink.arrivals()]
    judge(daemon, source, summary,
          Verdict(source.acknowledged(), arrivals, restarts=restarts), kills, 1)
    check(daemon.stop() == 0, "the daemon did not end well")


def parts_deferrals_and_bounces_survive_kill_9(bench):
    """Several recipients in groups of both shards, so that parts are handed over; one in ten is
    deferred at first, one in twenty bounces, and each bounce must be reported."""
    messages, recipients, kills = 3000, 4, 6
    stubborn = StubbornServer(bench)
    reports = bench.mail_server()
    sink = bench.sink("--delay-ms", "2")
    domains = bench.directory / "domains"
    domains.write_text("".join(f"d{number}.test 1\n" for number in range(34)) +
                       "late.test 4\ngone.test 2\n")
    routes = "".join(f'[[route]]\ndomain = "{domain}"\nhosts = ["127.0.0.1:{port}"]\n'
                     for domain, port in [("late.test", stubborn.server.port),
                                          ("gone.test", stubborn.server.port),
                                          ("source.test", reports.port)])
    daemon = bench.daemon("retry.first=1s", *sink.overrides, config=routes)
    daemon.overrides.append(f'listener.smtp=["{daemon.address}"]')
    source = bench.source(daemon.address, "--messages", messages, "--recipients", recipients,
                          "--size", "2K", "--domains", domains, "--reconnect", "30",
                          "--seed", bench.seed)
    restarts = kill_under_load(bench, daemon, source, sink,
                               kill_moments(bench.seed + 1, kills, messages), recipients)
    code, summary = source.wait()
    check(code == 0, f"the source failed: {summary}")
    # Once more, when only what was deferred is left.
    daemon.kill()
    daemon.start()
    restarts.append(len(sink.arrivals()))
    daemon.wait_until_empty()

    bounced_recipients = {event["recipient"] for event in daemon.events("bounced")}
    bounced = [entry for entry in source.acknowledged() if entry[1] in bounced_recipients]
    check(all(entry[1].endswith("@gone.test") for entry in bounced), "a bounce without a reason")
    world = [entry[:3] for entry in sink.arrivals()]
    late = stubborn.arrivals()
    verdict = Verdict(source.acknowledged(), world + late, bounced, restarts)
    late_twice = Verdict([], late).duplicates  # its restarts are not known
    verdict.within_one_life = Verdict([], world, restarts=restarts).within_one_life
    print(f"  {len(bounced)} bounced, {len(late)} arrived late ({late_twice} twice)")
    check(bounced and late, "nothing bounced or nothing was deferred: the test tests less than it says")
    check(not verdict.both, f"delivered, and reported as bounced: {verdict}")
    judge(daemon, source, summary, verdict, kills + 1, recipients)

    # A report that is owed is not yet in the queue, so an empty queue does not mean all are out.
    def unreported():
        return {entry[1] for entry in bounced} - reported(reports)

    try:
        ringpost.wait_for("a report of each bounce", lambda: not unreported(), 30, pause=0.5)
    except ringpost.Failure:
        ringpost.fail(f"{len(unreported())} bounces were never reported: "
                      f"{sorted(unreported())[:5]}; {daemon.totals()}")
    moved = {event["part"] for event in daemon.events("delivered")}
    check(any(part != 0 for part in moved), "no part was handed over")
    check(not reports.errors and not stubborn.server.errors,
          f"the test's own server failed: {reports.errors + stubborn.server.errors}")
    check(daemon.stop() == 0, "the daemon did not end well")


def a_daemon_that_answers_early_is_found_out(bench):
    """The break that this test must be able to see: 250 before anything is written."""
    if bench.programs.breaks is None:
        ringpost.fail("--breaks is missing")
    messages, kills = 20000, 6
    sink = bench.sink()
    daemon = bench.daemon(*sink.overrides, program=bench.programs.breaks)
    daemon.overrides.append(f'listener.smtp=["{daemon.address}"]')
    source = bench.source(daemon.address, "--messages", messages, "--size", "3K", "--reconnect", "30")
    kill_under_load(bench, daemon, source, sink, kill_moments(bench.seed, kills, messages), 1)
    source.wait()
    daemon.wait_until_empty()
    verdict = Verdict(source.acknowledged(), [entry[:3] for entry in sink.arrivals()])
    print(f"  {verdict}")
    check(verdict.missing, "250 was answered before the write, and no ledger shows it")


def the_judge_sees_each_kind_of_wrong(_bench):
    sent = [("a", "r1"), ("a", "r2"), ("b", "r3")]
    good = [("a", "r1", "ok"), ("a", "r2", "ok"), ("b", "r3", "ok")]
    verdict = Verdict(sent, good)
    check(not verdict.missing and not verdict.corrupt and verdict.duplicates == 0, str(verdict))
    check(Verdict(sent, good[:2]).missing == [("b", "r3")], "a recipient that never arrived")
    check(not Verdict(sent, good[:2], [("b", "r3")]).missing, "a bounce is an end")
    check(Verdict(sent, good, [("b", "r3")]).both, "delivered and bounced")
    check(Verdict(sent, good[:2] + [("b", "r3", "corrupt")]).corrupt, "a torn body")
    twice = Verdict(sent, good + good[:1], restarts=[3])
    check(twice.duplicates == 1 and twice.within_one_life == 0, "a copy of another life")
    check(Verdict(sent, good + good[:1], restarts=[1]).within_one_life == 0, "lives are told apart")
    check(Verdict(sent, good + good[:1]).within_one_life == 1, "a copy without a crash")


if __name__ == "__main__":
    ringpost.main(the_judge_sees_each_kind_of_wrong, newsletters_survive_kill_9,
                  parts_deferrals_and_bounces_survive_kill_9, a_daemon_that_answers_early_is_found_out)
