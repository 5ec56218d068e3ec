#!/usr/bin/python3
"""swaks, as whoever tries a relay by hand does, talks to the daemon."""

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import ringpost  # noqa: E402
from ringpost import check  # noqa: E402
from tls_server import Certificate  # noqa: E402

RCPT_REFUSED = 24  # swaks: no recipient was accepted


class Relay:
    """A daemon, and a server that it delivers to."""

    def __init__(self, bench, *overrides):
        self.server = bench.mail_server()
        self.daemon = bench.daemon(self.server.override, *overrides)

    def swaks(self, *options):
        """Its exit code and its transcript."""
        done = subprocess.run(
            [ringpost.need_program("swaks", "swaks"), "--server", f"127.0.0.1:{self.daemon.port}",
             "--helo", "swaks.test", "--timeout", "20", *options],
            capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr

    def sends(self, *options):
        code, transcript = self.swaks(*options)
        check(code == 0, f"swaks ended with {code}: {transcript}")
        check("250 2.0.0 Ok: queued as " in transcript, f"not queued: {transcript}")
        return transcript

    def taken(self, count):
        ringpost.wait_for(f"{count} messages", lambda: len(self.server.taken) >= count, 20)
        self.daemon.wait_until_empty()
        check(len(self.server.taken) == count, f"{len(self.server.taken)} messages")
        return self.server.taken


def one_message(bench):
    relay = Relay(bench)
    transcript = relay.sends("--from", "news@source.test", "--to", "reader@dest.test",
                             "--header", "Subject: by hand", "--body", "first\n.second\n..third")
    for line in ["220 relay.test", "250-PIPELINING", "250-8BITMIME", "250-SIZE ",
                 "250 2.1.0", "250 2.1.5", "354 ", "221 2.0.0"]:
        check(line in transcript.replace("250 PIPELINING", "250-PIPELINING")
              .replace("250 8BITMIME", "250-8BITMIME").replace("250 SIZE", "250-SIZE"),
              f"no {line}: {transcript}")
    sender, recipients, content, _, _ = relay.taken(1)[0]
    check((sender, recipients) == ("news@source.test", ["reader@dest.test"]), "another envelope")
    check(content.startswith(b"Received: from swaks.test "), f"no Received line: {content[:200]}")
    check(b"first\r\n.second\r\n..third" in content, f"the dots suffered: {content[-200:]}")
    id = transcript.split("queued as ")[1].split()[0]
    check({event["id"] for event in relay.daemon.events()} == {id}, "the id is not the log's")


def pipelined(bench):
    relay = Relay(bench)
    relay.sends("--pipeline", "--from", "news@source.test", "--to", "a@dest.test,b@dest.test")
    check(relay.taken(1)[0][1] == ["a@dest.test", "b@dest.test"], "not both recipients")


def helo_only(bench):
    relay = Relay(bench)
    relay.sends("--protocol", "SMTP", "--from", "news@source.test", "--to", "a@dest.test")
    check(b" with SMTP " in relay.taken(1)[0][2], "HELO is not ESMTP")


def null_sender(bench):
    relay = Relay(bench)
    relay.sends("--from", "<>", "--to", "a@dest.test")
    check(relay.taken(1)[0][0] == "", "another sender")


def under_tls(bench):
    certificate = Certificate(bench, "relay.test")
    relay = Relay(bench, f"listener.tls_certificate={certificate.certificate}",
                  f"listener.tls_key={certificate.key}")
    for options in (["--tls"], ["--tls", "--tls-protocol", "tlsv1_2", "--pipeline"]):
        transcript = relay.sends(*options, "--from", "news@source.test", "--to", "a@dest.test",
                                 "--body", "secret\n.dots\n")
        check("TLS started with cipher" in transcript, f"no TLS: {transcript}")
        check("CN=relay.test" in transcript, f"another certificate: {transcript}")
    for letter in relay.taken(2):
        check(b" with ESMTPS " in letter[2], f"no ESMTPS: {letter[2][:200]}")
        check(b"secret\r\n.dots" in letter[2], "the body suffered")


def leaving_in_the_middle(bench):
    """What is not ended by a dot is not a message."""
    relay = Relay(bench)
    for stage in ["HELO", "MAIL", "RCPT"]:
        code, transcript = relay.swaks("--quit-after", stage, "--from", "news@source.test",
                                       "--to", "a@dest.test")
        check(code == 0 and "221 2.0.0" in transcript, f"{stage}: {code} {transcript}")
    relay.swaks("--drop-after", "DATA", "--from", "news@source.test", "--to", "a@dest.test")
    relay.sends("--from", "news@source.test", "--to", "last@dest.test")
    check(relay.taken(1)[0][1] == ["last@dest.test"], "another message")
    check(len(relay.daemon.events("received")) == 1, "more was received than sent")


def strangers_may_not_relay(bench):
    relay = Relay(bench, 'listener.relay_from=["192.0.2.0/24"]')
    code, transcript = relay.swaks("--from", "news@source.test", "--to", "a@dest.test")
    check(code == RCPT_REFUSED, f"swaks ended with {code}: {transcript}")
    check("550 5.7.1" in transcript, transcript)
    check(not relay.daemon.events(), "something was received")


def too_large(bench):
    relay = Relay(bench, "listener.max_message_size=20K")
    body = bench.directory / "body"
    body.write_text("0123456789\n" * 4000)
    code, transcript = relay.swaks("--from", "news@source.test", "--to", "a@dest.test",
                                   "--body", f"@{body}")
    check(code != 0 and "552 5.3.4" in transcript, f"{code}: {transcript[-500:]}")
    check(not relay.daemon.events(), "something was received")


if __name__ == "__main__":
    ringpost.need_program("swaks", "swaks")
    ringpost.main(one_message, pipelined, helo_only, null_sender, under_tls, leaving_in_the_middle,
                  strangers_may_not_relay, too_large)
