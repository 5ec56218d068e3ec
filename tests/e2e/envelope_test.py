#!/usr/bin/python3
"""What an envelope carries besides addresses: what the sender asks of reports (RFC 3461) and SMTPUTF8
(RFC 6531), sent by Python's smtplib, relayed to hosts that offer these and to hosts that do not."""

import email
import email.policy
import smtplib

import ringpost
from clients import RawClient, events_with, queued_id, routes, wait_for_event
from ringpost import check, wait_for
from scripted_mx import World, says

QUICK = ["retry.first=1s", "retry.max=1s", "timeouts.hoststatus=1s", "timeouts.connect=2s"]
SENDER = "news@sender.test"
PLAIN = ("PIPELINING", "8BITMIME")
MODERN = PLAIN + ("DSN", "SMTPUTF8")
BODY = b"Subject: a letter\r\n\r\nHello.\r\n"


def send(daemon, recipients, mail_options=(), sender=SENDER, body=BODY):
    """`recipients` maps each to its options; the id it was queued under."""
    with smtplib.SMTP("127.0.0.1", daemon.port, "client.test", timeout=20) as client:
        client.ehlo()
        check(client.has_extn("dsn") and client.has_extn("smtputf8"), "DSN and SMTPUTF8 are offered")
        if "SMTPUTF8" in mail_options:
            client.command_encoding = "utf-8"
        code, text = client.mail(sender, mail_options)
        check(code == 250, f"MAIL: {code} {text}")
        for name, options in recipients.items():
            code, text = client.rcpt(name, options)
            check(code == 250, f"RCPT {name}: {code} {text}")
        code, text = client.data(body)
        return queued_id(f"{code} {text.decode()}")


def commands_of(host, verb):
    return [line.encode("latin-1").decode() for connection in host.connections
            for line in connection.commands if line.startswith(verb)]


def fields_of(report):
    """The fields of the message, of each recipient by name, and the part that is returned."""
    message = email.message_from_bytes(report.content, policy=email.policy.default)
    check(message.get_content_type() == "multipart/report", message.get_content_type())
    _text, status, returned = list(message.iter_parts())
    about, *recipients = [email.message_from_string(group) for group in
                          status.as_bytes().decode().partition("\n\n")[2].strip().split("\n\n")]
    names = {fields["Final-Recipient"].partition(";")[2].strip(): fields for fields in recipients}
    return about, names, status, returned


def settled(daemon):
    wait_for("an empty queue", lambda: daemon.totals()["messages_queued"] == 0)


def requests_go_on_where_dsn_is_offered(bench):
    world = World()
    modern, sender = world.host(extensions=MODERN), world.host()
    daemon = bench.daemon(routes(modern=modern, sender=sender), *QUICK)
    send(daemon, {"a@modern.test": ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;old+2Bname@old.test"],
                  "b@modern.test": [], "c@modern.test": ["NOTIFY=NEVER"]},
         ["RET=HDRS", "ENVID=QQ+2B314"])
    send(daemon, {"d@modern.test": []})
    wait_for("both letters", lambda: len(modern.letters) == 2)
    check(commands_of(modern, "MAIL")[0] == f"MAIL FROM:<{SENDER}> RET=HDRS ENVID=QQ+2B314",
          f"{commands_of(modern, 'MAIL')}")
    check(commands_of(modern, "RCPT") == [
        "RCPT TO:<a@modern.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old+2Bname@old.test",
        "RCPT TO:<b@modern.test>", "RCPT TO:<c@modern.test> NOTIFY=NEVER", "RCPT TO:<d@modern.test>"],
          f"{commands_of(modern, 'RCPT')}")
    check(commands_of(modern, "MAIL")[1] == f"MAIL FROM:<{SENDER}>", "the next one asks nothing")
    check(events_with(daemon, event="delivered", envid="QQ+2B314"), "the event names the envelope")
    settled(daemon)
    check(not sender.letters, "a server with DSN tells of success itself")


def success_is_told_where_dsn_is_not_offered(bench):
    world = World()
    plain, sender = world.host(extensions=PLAIN), world.host(extensions=MODERN)
    daemon = bench.daemon(routes(plain=plain, sender=sender), *QUICK)
    send(daemon, {"a@plain.test": ["NOTIFY=SUCCESS", "ORCPT=rfc822;old+2Bname@old.test"],
                  "b@plain.test": ["NOTIFY=FAILURE"], "c@plain.test": []}, ["RET=FULL", "ENVID=x+3Dy"])
    wait_for("the report", lambda: sender.letters)
    settled(daemon)
    check(commands_of(plain, "MAIL") == [f"MAIL FROM:<{SENDER}>"], f"{commands_of(plain, 'MAIL')}")
    check(commands_of(plain, "RCPT")[0] == "RCPT TO:<a@plain.test>", "parameters of DSN")
    check(len(sender.letters) == 1, "one report")
    about, names, status, returned = fields_of(sender.letters[0])
    check(status.get_content_type() == "message/delivery-status", status.get_content_type())
    check(about["Original-Envelope-Id"] == "x=y", f"{about.items()}")
    check(list(names) == ["a@plain.test"], f"it tells of {list(names)}")
    fields = names["a@plain.test"]
    check(fields["Action"] == "relayed" and fields["Status"].startswith("2."), f"{fields.items()}")
    check(fields["Original-Recipient"] == "rfc822; old+name@old.test", f"{fields.items()}")
    check(fields["Diagnostic-Code"] == "smtp; 250 2.0.0 taken", f"{fields.items()}")
    check(returned.get_content_type() == "text/rfc822-headers", "RET speaks of failures only")
    check(commands_of(sender, "MAIL") == ["MAIL FROM:<>"], f"{commands_of(sender, 'MAIL')}")
    check(commands_of(sender, "RCPT") == [f"RCPT TO:<{SENDER}> NOTIFY=NEVER"],
          f"{commands_of(sender, 'RCPT')}")


def failures_are_told_to_whom_asked(bench):
    world = World()
    gone, sender = world.host({"rcpt": says("550 5.1.1 gone")}, extensions=MODERN), world.host()
    daemon = bench.daemon(routes(gone=gone, sender=sender), *QUICK)
    quiet = send(daemon, {"a@gone.test": ["NOTIFY=NEVER"], "b@gone.test": ["NOTIFY=SUCCESS,DELAY"]})
    wait_for_event(daemon, event="bounced", id=quiet, count=2)
    send(daemon, {"c@gone.test": ["NOTIFY=NEVER"], "d@gone.test": ["NOTIFY=FAILURE"], "e@gone.test": []},
         ["RET=FULL"])
    send(daemon, {"f@gone.test": []}, ["RET=FULL"], body=BODY + b"much text\r\n" * 9000)
    wait_for("the reports", lambda: len(sender.letters) == 2)
    settled(daemon)
    check(len(sender.letters) == 2, "nobody asked about the first one")
    told = {name: returned for letter in sender.letters
            for _about, names, _status, returned in [fields_of(letter)] for name in names}
    check(sorted(told) == ["d@gone.test", "e@gone.test", "f@gone.test"], f"{sorted(told)}")
    check(told["d@gone.test"].get_content_type() == "message/rfc822", "RET=FULL")
    check(b"Hello." in told["d@gone.test"].as_bytes(), "the whole message")
    check(told["f@gone.test"].get_content_type() == "text/rfc822-headers", "too large to return")


def requests_survive_kill(bench):
    world = World()
    late = world.host({"rcpt": says("450 4.2.0 later")}, extensions=MODERN)
    plain = world.host({"rcpt": says("450 4.2.0 later")}, extensions=PLAIN)
    sender = world.host()
    daemon = bench.daemon(routes(late=late, plain=plain, sender=sender), *QUICK)
    send(daemon, {"a@late.test": ["NOTIFY=FAILURE", "ORCPT=rfc822;x@y"],
                  "b@plain.test": ["NOTIFY=SUCCESS", "ORCPT=rfc822;z@y"]}, ["RET=FULL", "ENVID=kept"])
    wait_for_event(daemon, event="deferred", count=2)
    daemon.kill()
    late.heal()
    plain.heal()
    daemon.start()
    wait_for("the letters", lambda: late.letters and plain.letters and sender.letters)
    check(commands_of(late, "MAIL")[-1].endswith(" RET=FULL ENVID=kept"), f"{commands_of(late, 'MAIL')}")
    check(commands_of(late, "RCPT")[-1].endswith(" NOTIFY=FAILURE ORCPT=rfc822;x@y"),
          f"{commands_of(late, 'RCPT')}")
    about, names, _status, _returned = fields_of(sender.letters[0])
    check(about["Original-Envelope-Id"] == "kept", "ENVID")
    check(names["b@plain.test"]["Original-Recipient"] == "rfc822; z@y", "ORCPT")


def what_is_wrong_is_said(bench):
    daemon = bench.daemon()
    with RawClient(daemon.port) as client:
        client.greet()
        for line, code in (("MAIL FROM:<a@b> RET=ALL", "501 5.5.4 RET"),
                           ("MAIL FROM:<a@b> ENVID=", "501 5.5.4 ENVID"),
                           ("MAIL FROM:<j\xc3\xb6@b>", "553 5.6.7 "),
                           ("MAIL FROM:<a@b> ENVID=a ENVID=a", "501 5.5.4 ENVID is said twice"),
                           ("MAIL FROM:<a@b>", "250"),
                           ("RCPT TO:<a@b> NOTIFY=NEVER,DELAY", "501 5.5.4 NOTIFY=NEVER must"),
                           ("RCPT TO:<a@b> ORCPT=a@b", "501 5.5.4 ORCPT"),
                           ("RCPT TO:<j\xc3\xb6@b>", "553 5.6.7 "),
                           ("RCPT TO:<a@b> NOTIFY=NEVER", "250")):
            reply = client.say(line)
            check(reply.startswith(code), f"{line}: {reply}")


def smtputf8_goes_where_it_is_offered(bench):
    world = World()
    modern, plain = world.host(extensions=MODERN), world.host(extensions=PLAIN)
    sender = world.host(extensions=MODERN)
    daemon = bench.daemon(routes(modern=modern, plain=plain, sender=sender), *QUICK)
    send(daemon, {"jörg@modern.test": ["ORCPT=utf-8;jürgen@old.test"], "plain@plain.test": []},
         ["SMTPUTF8", "BODY=8BITMIME"], sender="läst@sender.test",
         body="Subject: grüße\r\n\r\nHallo.\r\n".encode())
    wait_for("the letter", lambda: modern.letters)
    check(commands_of(modern, "MAIL") == ["MAIL FROM:<läst@sender.test> BODY=8BITMIME SMTPUTF8"],
          f"{commands_of(modern, 'MAIL')}")
    check(commands_of(modern, "RCPT") == ["RCPT TO:<jörg@modern.test> ORCPT=utf-8;jürgen@old.test"],
          f"{commands_of(modern, 'RCPT')}")
    check(b" with UTF8SMTP id " in modern.letters[0].content, f"{modern.letters[0].content}")
    check(events_with(daemon, event="delivered", recipient="jörg@modern.test"), "the event log")
    bounced = wait_for_event(daemon, event="bounced", recipient="plain@plain.test")
    check(bounced["status"] == "5.6.7" and "SMTPUTF8" in bounced["reply"], f"{bounced}")
    check(not commands_of(plain, "MAIL"), "something was sent to a host without SMTPUTF8")
    wait_for("the report", lambda: sender.letters)
    check(commands_of(sender, "MAIL") == ["MAIL FROM:<> BODY=8BITMIME SMTPUTF8"],
          f"{commands_of(sender, 'MAIL')}")
    _about, names, status, returned = fields_of(sender.letters[0])
    check(status.get_content_type() == "message/global-delivery-status", status.get_content_type())
    check(returned.get_content_type() == "message/global-headers", returned.get_content_type())
    check(names["plain@plain.test"]["Status"] == "5.6.7", f"{names['plain@plain.test'].items()}")
    settled(daemon)


if __name__ == "__main__":
    ringpost.main(
        requests_go_on_where_dsn_is_offered, success_is_told_where_dsn_is_not_offered,
        failures_are_told_to_whom_asked, requests_survive_kill, what_is_wrong_is_said,
        smtputf8_goes_where_it_is_offered)
