#!/usr/bin/python3
"""Delivery under TLS: what each policy makes of servers that do it well, badly, or not at all."""

import ssl

import ringpost
from clients import events_with, submit, wait_for_event
from ringpost import check, wait_for
from scripted_dns import NameServer
from scripted_mx import World
from tls_server import Certificate, TlsServer

QUICK = ["timeouts.starttls=3s", "timeouts.hoststatus=1s", "retry.first=1s", "retry.max=1s",
         "timeouts.connect=3s"]


class Setting:
    """A daemon whose mail for anybody@NAME.test goes to mx.NAME.test, all on one server's port."""

    def __init__(self, bench, server, *overrides, config=None, hosts=("mx.test",),
                 name="ringpostd"):  # each daemon of a case needs a name, and so a spool
        self.names = NameServer(World())
        for host in hosts:
            self.names.add_domain(host.removeprefix("mx."), "127.0.0.1", host=host)
        self.daemon = bench.daemon(self.names.override, f"delivery.port={server.port}", *QUICK,
                                   *overrides, config=config, name=name)

    def deliver(self, recipient="reader@test"):
        return wait_for_event(self.daemon, event="delivered", id=submit(self.daemon, recipient))

    def defer(self, status, *words, recipient="reader@test"):
        """Mail that must wait, and the reason that its destination then shows."""
        submit(self.daemon, recipient)
        event = wait_for_event(self.daemon, event="deferred", status=status)
        for word in words:
            check(word in event["reply"], f"no {word!r} in {event['reply']!r}")
        check(not events_with(self.daemon, event=("delivered", "bounced")), "it did not wait")

        def shown():
            _, answer = self.daemon.ask("queue")
            errors = [entry["last_error"] for entry in answer["destinations"]]
            return errors and errors[0]
        error = wait_for("an error in the queue", shown)
        check(error["status"] == status and words[0] in error["reply"], f"queue shows {error}")
        return event


def tls_is_used_where_offered(bench):
    certificate = Certificate(bench, "another.test")  # `may` asks nobody who he is
    server = TlsServer(bench, certificate)
    setting = Setting(bench, server)
    event = setting.deliver()
    check(event["tls"] == "TLSv1.3", f"the event says {event['tls']}")
    talk = server.letters[0][2]
    check(talk.plain == ["EHLO relay.test", "STARTTLS"], f"in plain text: {talk.plain}")
    check(talk.secret[0] == "EHLO relay.test", "no EHLO after TLS")
    check(talk.server_name == "mx.test", f"SNI was {talk.server_name}")
    check(not events_with(setting.daemon, event="deferred"), "something waited")


def policy_none_never_asks_for_tls(bench):
    server = TlsServer(bench, Certificate(bench))
    event = Setting(bench, server, "delivery.tls=none").deliver()
    check(event["tls"] is None, f"the event says {event['tls']}")
    check("STARTTLS" not in server.letters[0][2].plain, "it asked")


def groups_have_policies_of_their_own(bench):
    server = TlsServer(bench, Certificate(bench))
    setting = Setting(bench, server, config=(
        '[delivery]\ntls = "encrypt"\n'
        '[[queue_group]]\nname = "open"\ndomains = ["open.test"]\ntls = "none"\n'),
        hosts=("mx.test", "mx.open.test"))
    check(setting.deliver("a@open.test")["tls"] is None, "the group's policy is not used")
    check(setting.deliver("a@test")["tls"] == "TLSv1.3", "the default is not used")


def only_may_goes_on_without_an_offer(bench):
    server = TlsServer(bench, Certificate(bench), fault="not_offered")
    check(Setting(bench, server).deliver()["tls"] is None, "TLS out of nothing")
    for policy in ("encrypt", "verify"):
        setting = Setting(bench, server, f"delivery.tls={policy}", name=policy)
        setting.defer("4.7.4", "STARTTLS is not offered", policy)
    check(len(server.letters) == 1, "something was sent in clear")


def only_may_goes_on_after_a_refusal(bench):
    server = TlsServer(bench, Certificate(bench), fault="refused")
    check(Setting(bench, server).deliver()["tls"] is None, "TLS out of nothing")
    check(len(server.talks) == 1, "a refusal needs no other connection")


def encrypt_waits_after_a_refusal(bench):
    server = TlsServer(bench, Certificate(bench), fault="refused")
    Setting(bench, server, "delivery.tls=encrypt").defer("4.7.0", "454 4.7.0 TLS not available")
    check(not server.letters, "something was sent in clear")


def only_may_goes_on_after_a_failed_handshake(bench):
    for fault in ("garbage", "hangs_up", "late"):
        server = TlsServer(bench, Certificate(bench), fault=fault)
        setting = Setting(bench, server, name=fault)
        check(setting.deliver()["tls"] is None, f"{fault}: TLS out of nothing")
        check(len(server.talks) == 2, f"{fault}: {len(server.talks)} connections")
        check(not events_with(setting.daemon, event="deferred"), f"{fault}: it waited")
        setting.daemon.stop()
        check("STARTTLS" in server.talks[0].plain and "STARTTLS" not in server.talks[1].plain,
              f"{fault}: {[talk.plain for talk in server.talks]}")


def a_failed_handshake_is_remembered(bench):
    server = TlsServer(bench, Certificate(bench), fault="garbage")
    setting = Setting(bench, server, "connection_cache.size=0")
    for number in range(3):
        setting.deliver(f"reader{number}@test")
    asked = [talk for talk in server.talks if "STARTTLS" in talk.plain]
    check(len(asked) == 1 and len(server.talks) == 4,
          f"{len(asked)} of {len(server.talks)} connections tried TLS")


def encrypt_waits_after_a_failed_handshake(bench):
    server = TlsServer(bench, Certificate(bench), fault="garbage")
    setting = Setting(bench, server, "delivery.tls=encrypt")
    event = setting.defer("4.7.5", "TLS handshake failed", "wrong version number")
    check("mx.test" in event["reply"], "whose?")
    check(not server.letters, "something was sent in clear")
    server.fault = None  # it is mended, and mail goes out by itself
    wait_for_event(setting.daemon, event="delivered", tls="TLSv1.3")


def injected_replies_end_the_connection(bench):
    server = TlsServer(bench, Certificate(bench), fault="injects")
    setting = Setting(bench, server)
    setting.defer("4.7.5", "spoke out of turn at STARTTLS")
    check(not server.letters, "something was sent")
    check(all(len(talk.plain) == 2 for talk in server.talks), "it went on")
    server.fault = None
    wait_for_event(setting.daemon, event="delivered", tls="TLSv1.3")
    check("CHUNKING" not in str(server.letters), "what was injected counted")


def verification(bench):
    good = Certificate(bench, "mx.test", name="good")
    trust = f"delivery.tls_ca_file={good.certificate}"
    event = Setting(bench, TlsServer(bench, good), "delivery.tls=verify", trust).deliver()
    check(event["tls"] == "TLSv1.3", "it is the right one")


def verify_refuses_a_wrong_name(bench):
    wrong = Certificate(bench, "another.test")
    server = TlsServer(bench, wrong)
    Setting(bench, server, "delivery.tls=verify", f"delivery.tls_ca_file={wrong.certificate}").defer(
        "4.7.5", "not good for mx.test", "hostname mismatch")
    check(not server.letters and len(server.talks[0].secret) == 0, "something was said to it")


def verify_refuses_an_expired_certificate(bench):
    expired = Certificate(bench, "mx.test", days=-1)
    server = TlsServer(bench, expired)
    Setting(bench, server, "delivery.tls=verify",
            f"delivery.tls_ca_file={expired.certificate}").defer(
        "4.7.5", "not good for mx.test", "certificate has expired")
    check(not server.letters, "something was sent")


def verify_refuses_whom_nobody_vouches_for(bench):
    server = TlsServer(bench, Certificate(bench, "mx.test"))
    # The system's trust store does not know it.
    Setting(bench, server, "delivery.tls=verify").defer(
        "4.7.5", "not good for mx.test", "self-signed certificate")
    check(not server.letters, "something was sent")


def encrypt_takes_any_certificate(bench):
    for number, certificate in enumerate((Certificate(bench, "mx.test", days=-1),
                                          Certificate(bench, "another.test"))):
        server = TlsServer(bench, certificate)
        setting = Setting(bench, server, "delivery.tls=encrypt", name=f"encrypts{number}")
        check(setting.deliver()["tls"] == "TLSv1.3", "not under TLS")


def sessions_are_resumed(bench):
    for newest in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        server = TlsServer(bench, Certificate(bench), newest=newest)
        setting = Setting(bench, server, "connection_cache.size=0", name=newest.name)
        for number in range(5):
            setting.deliver(f"reader{number}@test")
        resumed = [talk.resumed for talk in server.talks]
        check(resumed == [False, True, True, True, True], f"{newest.name}: {resumed}")


def tls_that_ends_in_the_middle_of_data(bench):
    for fault in ("cuts_data", "notifies_data"):
        server = TlsServer(bench, Certificate(bench), fault=fault)
        setting = Setting(bench, server, "delivery.tls=encrypt", name=fault)
        queued = submit(setting.daemon, "reader@test",
                        "Subject: long\r\n\r\n" + "much to say\r\n" * 20_000)
        wait_for_event(setting.daemon, event=("deferred", "in_doubt"), id=queued)
        server.fault = None
        wait_for_event(setting.daemon, event="delivered", id=queued)
        check(len(server.letters) == 1, f"{fault}: {len(server.letters)} letters")
        check(server.letters[0][1].count(b"much to say") == 20_000, "the body is torn")


if __name__ == "__main__":
    ringpost.need_program("openssl", "openssl")
    ringpost.main(
        tls_is_used_where_offered, policy_none_never_asks_for_tls,
        groups_have_policies_of_their_own, only_may_goes_on_without_an_offer,
        only_may_goes_on_after_a_refusal, encrypt_waits_after_a_refusal,
        only_may_goes_on_after_a_failed_handshake, a_failed_handshake_is_remembered,
        encrypt_waits_after_a_failed_handshake, injected_replies_end_the_connection, verification,
        verify_refuses_a_wrong_name, verify_refuses_an_expired_certificate,
        verify_refuses_whom_nobody_vouches_for, encrypt_takes_any_certificate, sessions_are_resumed,
        tls_that_ends_in_the_middle_of_data)
