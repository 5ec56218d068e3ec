#!/usr/bin/python3
"""A real Postfix takes a thousand overlapped messages. It runs on a configuration, a queue, a log and a
port of its own; the system's is not touched. Its log and our event log must tell the same story."""

import collections
import os
import pathlib
import pwd
import re
import shutil
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import ringpost  # noqa: E402
from ringpost import check  # noqa: E402

MESSAGES = 1000

MAIN = """compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file_prefixes = {directory}
maillog_file = {directory}/log
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.test
mydomain = test
mydestination =
local_recipient_maps =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = {restrictions}
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_tls_security_level = none
default_transport = discard
relay_transport = discard
in_flow_delay = 0
smtpd_soft_error_limit = 10000
smtpd_hard_error_limit = 10000
"""

MASTER = """127.0.0.1:{port} inet n - n - 50 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """`settings` win over those of MAIN."""

    def __init__(self, bench, restrictions="permit_mynetworks, reject", **settings):
        self.directory = bench.directory / "postfix"
        self.port = ringpost.free_port()
        for name in ("etc", "queue", "data"):
            (self.directory / name).mkdir(parents=True)
        bench.directory.chmod(0o755)  # its processes run as another user
        shutil.chown(self.directory / "data", "postfix", "postfix")
        usual = MAIN.format(directory=self.directory, restrictions=restrictions)
        settings = dict(line.split(" =", 1) for line in usual.splitlines()) | settings
        (self.directory / "etc" / "main.cf").write_text(
            "".join(f"{name} = {value}\n" for name, value in settings.items()))
        (self.directory / "etc" / "master.cf").write_text(MASTER.format(port=self.port))
        program = ringpost.need_program("postfix", "postfix")
        # The one that stays in the foreground is a script that does not pass TERM on.
        self.script = bench.start([program, "-c", self.directory / "etc", "start-fg"], "postfix")
        bench.at_end(self.stop)
        ringpost.wait_for("Postfix to listen", lambda: ringpost.port_answers(self.port))

    def stop(self):
        pid_file = self.directory / "queue" / "pid" / "master.pid"
        if pid_file.exists():
            try:
                os.kill(int(pid_file.read_text()), signal.SIGTERM)
            except ProcessLookupError:
                pass
            pid_file.unlink(missing_ok=True)
        self.script.wait(30)

    def log(self):
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def taken(self):
        """queue id → (sender, recipients) of each message that it took."""
        log = self.log()
        found = {id: (sender, []) for id, sender in re.findall(
            r"qmgr\[\d+\]: (\w+): from=<([^>]*)>, size=\d+, nrcpt=\d+ \(queue active\)", log)}
        for id, recipients in self.queued().items():
            found[id][1].extend(recipients)
        return found

    def queued(self):
        """What was taken: queue id → recipients that were done with."""
        done = collections.defaultdict(list)
        for id, recipient in re.findall(
                r"discard\[\d+\]: ([0-9A-Za-z]+): to=<([^>]*)>.*status=sent", self.log()):
            done[id].append(recipient)
        return done


def under_tls(bench, certificate, restrictions="permit_mynetworks, reject", **settings):
    bench.directory.chmod(0o755)
    pathlib.Path(certificate.key).chmod(0o644)
    return Postfix(bench, restrictions, smtpd_tls_security_level="encrypt",
                   smtpd_tls_cert_file=certificate.certificate,
                   smtpd_tls_key_file=certificate.key, smtpd_tls_loglevel="1",
                   smtpd_tls_received_header="yes", **settings)


def need():
    ringpost.need_program("postfix", "postfix")
    ringpost.need_program("openssl", "openssl")
    if os.geteuid() != 0:
        ringpost.skip("only root can start Postfix")
    try:
        pwd.getpwnam("postfix")
    except KeyError:
        ringpost.skip("Postfix's user is missing: its package is not installed completely")


def no_complaints(postfix):
    bad = re.compile("improper|lost connection after (?!CONNECT)|timeout after|non-SMTP|panic|fatal")
    found = [line for line in postfix.log().splitlines() if bad.search(line)]
    check(not found, f"Postfix complains: {found[:3]}")


def a_thousand_messages_overlapped(bench):
    postfix = Postfix(bench)
    daemon = bench.daemon(f"delivery.smarthost=127.0.0.1:{postfix.port}")
    source = bench.source(daemon.address, "--messages", MESSAGES, "--size", "4K",
                          "--connections", "20", "--domains", "20")
    code, summary = source.wait()
    check(code == 0, f"the source failed: {summary}")
    daemon.wait_until_empty(90)
    queued = ringpost.wait_for("Postfix to be done",
                               lambda: len(postfix.queued()) >= MESSAGES and postfix.queued(), 60)
    events = daemon.events("delivered")
    check(len(events) == MESSAGES, f"{len(events)} delivered events")
    check(len(queued) == MESSAGES, f"Postfix queued {len(queued)} messages")

    # Each reply names the queue id under which Postfix had that very recipient.
    for event in events:
        id = re.fullmatch(r"250 2\.0\.0 Ok: (?:\d+ bytes )?queued as (\w+)", event["reply"])
        check(id is not None, f"not Postfix's reply: {event}")
        check(queued[id.group(1)] == [event["recipient"]],
              f"Postfix's {id.group(1)} is for {queued[id.group(1)]}: {event}")
    check({event["recipient"] for event in events} ==
          {recipient for _, recipient in source.acknowledged()}, "other recipients than were sent")

    per_connection = collections.Counter(event["connection"] for event in events)
    connects = len(re.findall(r"smtpd\[\d+\]: connect from", postfix.log())) - 1  # ours, to try
    print(f"  {len(per_connection)} connections, up to {max(per_connection.values())} messages each")
    check(len(per_connection) <= connects, "Postfix saw fewer connections than we used")
    check(connects <= MESSAGES // 5, f"{connects} connections for {MESSAGES} messages")
    check(max(per_connection.values()) > 1, "no connection was used twice")
    check(max(event["transaction"] for event in events) <= 100, "more messages than m= allows")
    no_complaints(postfix)
    check(daemon.stop() == 0, "the daemon did not end well")


def recipients_that_postfix_refuses(bench):
    """Refusals amid overlapped transactions concern their own messages only. Postfix is told to bear
    them: else it resets connections in the middle of a stream, and its 421 is lost with them."""
    refused = bench.directory / "refused"
    refused.write_text("d1.test 550 5.7.1 not here\nd2.test 450 4.7.1 not now\n")
    postfix = Postfix(bench, f"check_recipient_access texthash:{refused}, permit_mynetworks, reject")
    refused.chmod(0o644)
    reports = bench.mail_server()
    daemon = bench.daemon(
        f"delivery.smarthost=127.0.0.1:{postfix.port}",
        config=f'[[route]]\ndomain = "source.test"\nhosts = ["127.0.0.1:{reports.port}"]\n')
    source = bench.source(daemon.address, "--messages", 400, "--size", "2K", "--recipients", "3",
                          "--connections", "10", "--domains", "6")
    code, summary = source.wait()
    check(code == 0, f"the source failed: {summary}")

    def outcomes():  # not those of the reports
        return [event for event in daemon.events("delivered", "deferred", "bounced")
                if event["recipient"] and not event["recipient"].endswith("@source.test")]

    ringpost.wait_for("all outcomes", lambda: len(outcomes()) >= 1200, 60)
    expected = {"d1.test": "bounced", "d2.test": "deferred"}
    seen = collections.Counter()
    for event in outcomes():
        domain = event["recipient"].split("@")[1]
        seen[domain] += 1
        check(event["event"] == expected.get(domain, "delivered"), f"{event}")
    sent = collections.Counter(recipient.split("@")[1] for _, recipient in source.acknowledged())
    check(seen == sent, f"events {seen}, sent {sent}")
    taken = sum(sent.values()) - sent["d1.test"] - sent["d2.test"]

    def done():
        return sum(len(recipients) for recipients in postfix.queued().values())

    ringpost.wait_for(f"Postfix to be done with {taken}", lambda: done() >= taken, 30)
    check(done() == taken, f"Postfix had {done()} recipients, {taken} were delivered")
    no_complaints(postfix)


if __name__ == "__main__":
    need()
    ringpost.main(a_thousand_messages_overlapped, recipients_that_postfix_refuses)
