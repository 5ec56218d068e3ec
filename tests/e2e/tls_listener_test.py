#!/usr/bin/python3
"""STARTTLS on our listener: the switch, what must not pass it, and files that cannot serve."""

import pathlib
import smtplib
import socket
import ssl
import subprocess
import warnings

import ringpost
from clients import RawClient, submit, wait_for_event
from ringpost import check
from tls_server import Certificate


def overrides(certificate):
    return [f"listener.tls_certificate={certificate.certificate}",
            f"listener.tls_key={certificate.key}"]


class Relay:
    """A daemon that offers STARTTLS, and a server that takes its mail."""

    def __init__(self, bench, *more):
        self.certificate = Certificate(bench, "relay.test")
        self.server = bench.mail_server()
        self.daemon = bench.daemon(self.server.override, *overrides(self.certificate), *more)

    def taken(self, count=1):
        ringpost.wait_for(f"{count} messages", lambda: len(self.server.taken) >= count, 20)
        return self.server.taken

    def trusting(self):
        return ssl.create_default_context(cafile=self.certificate.certificate)


class TlsClient(RawClient):
    """Switches to TLS when told to; until then it says whatever the test likes."""

    def start_tls(self, context):
        check(self.say("STARTTLS").startswith("220 "), "STARTTLS was refused")
        check(not self.buffer, f"more than the reply: {self.buffer}")
        self.socket = context.wrap_socket(self.socket, server_hostname="relay.test")

    def offers(self):
        """What EHLO offers."""
        self.send("EHLO client.test\r\n")
        lines = [self.line()]
        while lines[-1][3] == "-":
            lines.append(self.line())
        return {line[4:].split()[0] for line in lines}

    def is_closed(self):
        try:
            return self.line() == ""
        except OSError:
            return True


def a_message_under_tls(bench):
    relay = Relay(bench)
    with smtplib.SMTP("127.0.0.1", relay.daemon.port, "client.test", timeout=20) as client:
        client.ehlo()
        check(client.has_extn("starttls"), "STARTTLS is not offered")
        context = relay.trusting()
        context.check_hostname = False  # smtplib takes the address for the name
        client.starttls(context=context)
        client.ehlo()
        check(not client.has_extn("starttls"), "STARTTLS is offered under TLS")
        check(client.docmd("STARTTLS")[0] == 503, "TLS in TLS")
        body = "Subject: secret\r\n\r\n" + "a line of some length\r\n" * 5_000
        client.sendmail("news@sender.test", ["reader@dest.test"], body)
        client.sendmail("news@sender.test", ["other@dest.test"], body)
    content = relay.taken(2)[0][2]
    check(b" with ESMTPS id " in content, f"Received says: {content[:200]}")
    check(content.count(b"a line of some length") == 5_000, "the body suffered")


def plain_text_is_served_as_well(bench):
    relay = Relay(bench)
    submit(relay.daemon, "reader@dest.test")
    check(b" with ESMTP id " in relay.taken()[0][2], "not ESMTP")


def without_files_nothing_is_offered(bench):
    daemon = bench.daemon()
    with TlsClient(daemon.port) as client:
        client.reply()
        check("STARTTLS" not in client.offers(), "offered without a certificate")
        check(client.say("STARTTLS").startswith("502 "), "and taken")


def the_state_before_is_forgotten(bench):
    relay = Relay(bench)
    with TlsClient(relay.daemon.port) as client:
        client.greet()
        check(client.say("MAIL FROM:<plain@sender.test>").startswith("250"), "MAIL")
        check(client.say("RCPT TO:<plain@dest.test>").startswith("250"), "RCPT")
        client.start_tls(relay.trusting())
        check(client.say("MAIL FROM:<a@sender.test>").startswith("503 "), "no EHLO was needed")
        check("STARTTLS" not in client.offers(), "STARTTLS again")
        check(client.say("DATA").startswith("503 "), "the transaction outlived the switch")
        client.submit(["secret@dest.test"])
    check(relay.taken()[0][1] == ["secret@dest.test"], "another envelope")


def what_is_pipelined_behind_starttls_is_refused(bench):
    relay = Relay(bench)
    injected = ("EHLO evil.test\r\nMAIL FROM:<evil@sender.test>\r\nRCPT TO:<victim@dest.test>\r\n"
                "DATA\r\nSubject: injected\r\n\r\nevil\r\n.\r\n")
    for behind in ("\r\n", "X", "NOOP\r\n", injected, injected * 100):
        with TlsClient(relay.daemon.port) as client:
            client.greet()
            client.send("STARTTLS\r\n" + behind)
            reply = client.reply()
            check(reply.startswith("554 "), f"{behind[:20]!r}: {reply}")
            check(client.is_closed(), "it went on")


def plain_text_after_the_go_ahead_breaks_the_handshake(bench):
    relay = Relay(bench)
    with TlsClient(relay.daemon.port) as client:
        client.greet()
        check(client.say("STARTTLS").startswith("220 "), "refused")
        client.send("EHLO evil.test\r\nMAIL FROM:<evil@sender.test>\r\n" * 20)
        rest = b""
        try:
            while more := client.socket.recv(4096):
                rest += more
        except ConnectionResetError:
            pass
        check(b"250" not in rest, f"it answered in plain text: {rest}")
    submit(relay.daemon, "reader@dest.test")
    check(len(relay.taken()) == 1, "something was taken")


def starttls_behind_a_message_waits_for_its_reply(bench):
    relay = Relay(bench)
    with TlsClient(relay.daemon.port) as client:
        client.greet()
        client.envelope("news@sender.test", ["reader@dest.test"])
        client.send("Subject: x\r\n\r\nhi\r\n.\r\nSTARTTLS\r\n")
        check(client.reply().startswith("250 2.0.0 Ok: queued as"), "the message's reply")
        check(client.reply().startswith("220 "), "STARTTLS's reply")
        client.socket = relay.trusting().wrap_socket(client.socket, server_hostname="relay.test")
        check("PIPELINING" in client.offers(), "no EHLO under TLS")
        check(client.say("QUIT").startswith("221 "), "QUIT")


def tls_that_ends_in_the_middle_of_data(bench):
    relay = Relay(bench)
    for how in ("notifies", "closes", "breaks"):
        client = TlsClient(relay.daemon.port)
        client.greet()
        client.start_tls(relay.trusting())
        client.offers()
        client.envelope("news@sender.test", [f"{how}@dest.test"])
        client.send("Subject: half\r\n\r\nthe first half\r\n")
        if how == "notifies":
            client.socket.settimeout(0.2)
            try:
                client.socket.unwrap()  # close_notify; then the rest in plain text
            except OSError:
                pass
            plain = socket.socket(fileno=client.socket.detach())
            plain.settimeout(5)
            try:
                plain.sendall(b"the other half\r\n.\r\n")
                while plain.recv(4096):
                    pass
            except OSError:
                pass
            plain.close()
        elif how == "breaks":
            plain = socket.socket(fileno=client.socket.detach())
            plain.sendall(b"the other half\r\n.\r\n")
            plain.close()
        client.socket.close()
    submit(relay.daemon, "last@dest.test")
    relay.daemon.wait_until_empty()
    check([letter[1] for letter in relay.taken()] == [["last@dest.test"]], "half a message was taken")
    check(len(relay.daemon.events("received")) == 1, "half a message was received")


def clients_that_vanish_in_the_handshake(bench):
    relay = Relay(bench)
    for number in range(200):
        client = TlsClient(relay.daemon.port)
        client.greet()
        check(client.say("STARTTLS").startswith("220 "), "refused")
        client.send(b"\x16\x03\x01\x02\x00"[:number % 6])
        client.socket.close()
    a_client_is_served(relay)


def a_client_is_served(relay):
    with TlsClient(relay.daemon.port) as client:
        client.greet()
        client.start_tls(relay.trusting())
        client.offers()
        client.submit(["reader@dest.test"])
    relay.taken()


def old_versions_are_refused(bench):
    relay = Relay(bench)
    warnings.simplefilter("ignore", DeprecationWarning)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with TlsClient(relay.daemon.port) as client:
        client.greet()
        try:
            client.start_tls(old)
            ringpost.fail("TLS 1.1 was spoken")
        except ssl.SSLError:
            pass
    new = relay.trusting()
    new.maximum_version = ssl.TLSVersion.TLSv1_2
    with TlsClient(relay.daemon.port) as client:
        client.greet()
        client.start_tls(new)
        check(client.socket.version() == "TLSv1.2", "not 1.2")


def sessions_are_resumed_on_any_shard(bench):
    relay = Relay(bench, "shards.count=3")
    context = relay.trusting()
    session = None
    for number in range(8):
        with TlsClient(relay.daemon.port) as client:
            client.greet()
            check(client.say("STARTTLS").startswith("220 "), "refused")
            client.socket = context.wrap_socket(client.socket, server_hostname="relay.test",
                                                session=session)
            client.offers()  # the ticket comes before its reply
            check(client.socket.session_reused == (number > 0), f"connection {number}")
            session = client.socket.session


def bad_files_are_refused_at_start(bench):
    good = Certificate(bench, "relay.test")
    other = Certificate(bench, "other.test")
    garbage = bench.directory / "garbage"
    garbage.write_bytes(bytes(range(256)))
    missing = bench.directory / "missing"
    locked = bench.directory / "locked.key"
    subprocess.run(["openssl", "pkey", "-in", good.key, "-aes256", "-passout", "pass:x", "-out",
                    str(locked)], check=True, capture_output=True)
    cases = [
        (missing, good.key, "tls_certificate", str(missing), "No such file"),
        (good.certificate, missing, "tls_key", str(missing), "No such file"),
        (bench.directory, good.key, "tls_certificate", str(bench.directory), "directory"),
        (garbage, good.key, "tls_certificate", str(garbage), "no certificate in PEM form"),
        (good.certificate, garbage, "tls_key", str(garbage), "no private key in PEM form"),
        (good.certificate, locked, "tls_key", str(locked), "pass phrase"),
        (good.certificate, other.key, "tls_key", str(other.key), "does not belong to"),
        (good.certificate, None, "tls_certificate", "", "is of no use without listener.tls_key"),
    ]
    for certificate, key, name, path, reason in cases:
        config = bench.directory / "bad.toml"
        config.write_text(f'[listener]\ntls_certificate = "{certificate}"\n'
                          + (f'tls_key = "{key}"\n' if key else ""))
        line = 2 if name == "tls_certificate" else 3
        for option in (["--check-config"], ["-O", f"spool.directory={bench.directory}/spool"]):
            done = subprocess.run([bench.programs.ringpostd, "-c", config, *option],
                                  capture_output=True, text=True, timeout=20, check=False)
            check(done.returncode == 1, f"{reason}: ended with {done.returncode}")
            for word in (f"bad.toml:{line}:", f"listener.{name}:", path, reason):
                check(word in done.stderr, f"no {word!r}: {done.stderr}")
            check(done.stderr.count("\n") == 1, f"more than a line: {done.stderr}")
            check("(" in done.stderr, f"no remedy: {done.stderr}")
        check(not pathlib.Path(bench.directory / "spool").exists(), "it began all the same")
    done = subprocess.run(
        [bench.programs.ringpostd, "--check-config", "-O", "delivery.tls=verify", "-O",
         f"delivery.tls_ca_file={garbage}"], capture_output=True, text=True, timeout=20, check=False)
    check(done.returncode == 1 and str(garbage) in done.stderr, done.stderr)


def a_chain_is_sent_whole(bench):
    """What stands behind the certificate leads clients to the root that they know."""
    relay = Relay(bench)
    root, leaf = Certificate(bench, "root.test", name="root"), bench.directory / "leaf"
    extensions = bench.directory / "leaf.ext"
    extensions.write_text("subjectAltName=DNS:relay.test\n")
    authority = bench.directory / "authority.ext"
    authority.write_text("basicConstraints=critical,CA:TRUE\n")
    openssl = lambda *command: subprocess.run(["openssl", *command], check=True, capture_output=True)
    for name, signer, ext in (("middle", "root", authority), ("leaf", "middle", extensions)):
        stem = bench.directory / name
        signer_stem = bench.directory / signer
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{stem}.key", "-out", f"{stem}.csr", "-subj", f"/CN={name}")
        if signer == "root":
            openssl("x509", "-req", "-in", f"{bench.directory}/root.csr", "-signkey", root.key,
                    "-days", "1", "-extfile", str(authority), "-out", root.certificate)
        openssl("x509", "-req", "-in", f"{stem}.csr", "-CA", f"{signer_stem}.crt", "-CAkey",
                f"{signer_stem}.key", "-CAcreateserial", "-days", "1", "-extfile", str(ext), "-out",
                f"{stem}.crt")
    chain = bench.directory / "chain.pem"
    chain.write_text((bench.directory / "leaf.crt").read_text()
                     + (bench.directory / "middle.crt").read_text())
    daemon = bench.daemon(relay.server.override, f"listener.tls_certificate={chain}",
                          f"listener.tls_key={leaf}.key", name="chained")
    with TlsClient(daemon.port) as client:
        client.greet()
        client.start_tls(ssl.create_default_context(cafile=root.certificate))
        client.offers()
        client.submit(["reader@dest.test"])
    wait_for_event(daemon, event="delivered")


if __name__ == "__main__":
    ringpost.need_program("openssl", "openssl")
    ringpost.main(
        a_message_under_tls, plain_text_is_served_as_well, without_files_nothing_is_offered,
        the_state_before_is_forgotten, what_is_pipelined_behind_starttls_is_refused,
        plain_text_after_the_go_ahead_breaks_the_handshake,
        starttls_behind_a_message_waits_for_its_reply, tls_that_ends_in_the_middle_of_data,
        clients_that_vanish_in_the_handshake, old_versions_are_refused,
        sessions_are_resumed_on_any_shard, bad_files_are_refused_at_start, a_chain_is_sent_whole)
