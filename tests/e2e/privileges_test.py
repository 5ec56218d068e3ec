#!/usr/bin/python3
"""From root to a user who may do little: what is read and bound before, what nobody can do afterwards."""

import os
import pathlib
import pwd
import subprocess

import ringpost
from clients import RawClient, submit
from ringpost import check, free_port, wait_for
from tls_server import Certificate

USER = "nobody"


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def low_port():
    """A port that only root may bind."""
    for port in range(700, 1000):
        if not ringpost.port_answers(port):
            return port
    return ringpost.skip("no low port is free")


def start(bench, *overrides, user=USER, spool_owner=USER, ready=True):
    spool = bench.directory / "spool"
    spool.mkdir(exist_ok=True)
    account = pwd.getpwnam(spool_owner)
    os.chown(spool, account.pw_uid, account.pw_gid)
    bench.directory.chmod(0o755)
    command = [bench.programs.ringpostd, "--user", user]
    for override in (f"spool.directory={spool}", "shards.count=2", "spool.segment_size=8M",
                     "listener.max_message_size=2M", "identity.hostname=relay.test",
                     "delivery.prohibited_networks=[]", *overrides):
        command += ["-O", override]
    return bench.start(command, "service", ready=ready)


def it_binds_and_reads_as_root_and_serves_as_another(bench):
    account = pwd.getpwnam(USER)
    certificate = Certificate(bench, "relay.test")
    os.chown(certificate.key, 0, 0)
    os.chmod(certificate.key, 0o600)  # root's alone
    server = bench.mail_server()
    port = low_port()
    process = start(bench, f'listener.smtp=["127.0.0.1:{port}"]', server.override,
                    f"listener.tls_certificate={certificate.certificate}",
                    f"listener.tls_key={certificate.key}")
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        status = status_of(task.name)
        check(status["Uid"] == [str(account.pw_uid)] * 4, f"a thread's user: {status['Uid']}")
        check(status["Gid"] == [str(account.pw_gid)] * 4, f"a thread's group: {status['Gid']}")
        check("0" not in status["Groups"], f"still in {status['Groups']}")
        check(int(status["CapEff"][0], 16) == 0 and int(status["CapPrm"][0], 16) == 0, "powers")
        check(status["NoNewPrivs"] == ["1"], "may gain privileges")
    for path in (bench.directory / "spool").rglob("*"):
        check(path.lstat().st_uid == account.pw_uid, f"{path} is not the user's")

    class Started:
        pass
    Started.port = port
    submit(Started, "reader@site.test")
    wait_for("the message", lambda: len(server.taken) == 1)
    with RawClient(port) as client:
        client.greet()
        check(client.say("STARTTLS").startswith("220 "), "the key was not read")
    # What a reload cannot read any more it says, and goes on.
    control = process.ready["control"]
    done = subprocess.run([bench.programs.ringpost, "--socket", control, "reload"],
                          capture_output=True, text=True, timeout=30, check=False)
    check(done.returncode == 0, f"keys are not read again: {done.stderr}")
    check(process.stop() == 0, "it did not end well")


def a_reload_says_what_it_may_not_read(bench):
    suppressed = bench.directory / "suppressed"
    suppressed.write_text("nobody@site.test\n")
    suppressed.chmod(0o600)
    process = start(bench, f'listener.smtp=["127.0.0.1:{free_port()}"]',
                    f"suppression.file={suppressed}")
    done = subprocess.run([bench.programs.ringpost, "--socket", process.ready["control"], "reload"],
                          capture_output=True, text=True, timeout=30, check=False)
    check(done.returncode == 1, "it could read it")
    check(str(suppressed) in done.stderr and "readable for the user" in done.stderr, done.stderr)
    check(process.stop() == 0, "it did not end well")


def refused(bench, words, **options):
    process = start(bench, f'listener.smtp=["127.0.0.1:{free_port()}"]', ready=False, **options)
    check(process.wait() == 1, f"started, or ended with {process.child.returncode}")
    check(words in process.complaints(), process.complaints())


def it_says_what_is_wrong_and_does_not_start(bench):
    refused(bench, "there is no user", user="no-such-user-here")
    refused(bench, "is root", user="root")
    # Nobody's owner is changed silently.
    refused(bench, "spool", spool_owner="root")


def root_without_a_user_is_warned(bench):
    daemon = bench.daemon()
    check("--user" in daemon.process.complaints(), daemon.process.complaints())
    check(daemon.stop() == 0, "it did not end well")


if __name__ == "__main__":
    if os.geteuid() != 0:
        ringpost.skip("only root can become somebody else")
    ringpost.main(
        it_binds_and_reads_as_root_and_serves_as_another, a_reload_says_what_it_may_not_read,
        it_says_what_is_wrong_and_does_not_start, root_without_a_user_is_warned)
