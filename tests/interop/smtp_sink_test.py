#!/usr/bin/python3
"""Postfix's smtp-source sends through the daemon to Postfix's smtp-sink, which rejects, drops and
delays where it is told to. What the event log says must be what the sink did: it keeps a file for
each message that it took."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import ringpost  # noqa: E402
from ringpost import check  # noqa: E402

MESSAGES = 20


class PostfixSink:
    def __init__(self, bench, program, options):
        self.taken_directory = bench.directory / "taken"
        self.taken_directory.mkdir()
        user = []
        if os.geteuid() == 0:  # then it insists on becoming somebody else
            user = ["-u", "nobody"]
            bench.directory.chmod(0o755)
            self.taken_directory.chmod(0o777)
        self.port = ringpost.free_port()
        self.process = bench.start(
            [program, "-4", *user, *options, "-d", f"{self.taken_directory}/%M.",
             f"127.0.0.1:{self.port}", "200"], "smtp-sink")
        ringpost.wait_for("smtp-sink to listen", lambda: ringpost.port_answers(self.port))

    def taken(self):
        """The texts of the messages that were taken completely."""
        texts = [path.read_text() for path in self.taken_directory.iterdir()]
        return [text for text in texts if "Message-Id:" in text]


def through(bench, options, overrides=(), connections=4):
    """Sends MESSAGES through a daemon to a sink; both, while they still run."""
    source = ringpost.need_program("smtp-source", "postfix")
    sink = PostfixSink(bench, ringpost.need_program("smtp-sink", "postfix"), options)
    daemon = bench.daemon(f"delivery.smarthost=127.0.0.1:{sink.port}", *overrides)
    sent = bench.start(
        [source, "-m", str(MESSAGES), "-s", str(connections), "-l", "3000", "-f", "news@source.test",
         "-t", "reader@dest.test", f"127.0.0.1:{daemon.port}"], "smtp-source").wait()
    check(sent == 0, f"smtp-source ended with {sent}")
    ringpost.wait_for("all to be received",
                      lambda: len(about_readers(daemon, "received")) == MESSAGES, 20)
    return daemon, sink


def about_readers(daemon, *kinds):
    return [event for event in daemon.events(*kinds) if event["recipient"] == "reader@dest.test"]


def settled(daemon, kind, count):
    """The readers' events, once `count` of them are of this kind; no other outcome is among them."""
    def enough():
        return len(about_readers(daemon, kind)) >= count
    ringpost.wait_for(f"{count} events {kind}", enough, 20)
    events = about_readers(daemon, "delivered", "deferred", "bounced", "expired", "in_doubt")
    check({event["event"] for event in events} == {kind},
          f"also other outcomes: {sorted({(e['event'], e['reply']) for e in events})}")
    return events


def delivers(name, *options, overrides=(), most_connections=MESSAGES, least_ms=0):
    def case(bench):
        daemon, sink = through(bench, options, overrides)
        events = settled(daemon, "delivered", MESSAGES)
        daemon.wait_until_empty()
        check(len(events) == MESSAGES, f"{len(events)} deliveries of {MESSAGES} messages")
        taken = sink.taken()
        check(len(taken) == MESSAGES, f"the sink took {len(taken)} messages")
        check(all("X-Rcpt-Args: <reader@dest.test>" in text for text in taken), "another recipient")
        used = {event["connection"] for event in events}
        check(len(used) <= most_connections, f"{len(used)} connections for {MESSAGES} messages")
        check(all(event["attempt_ms"] >= least_ms for event in events), "the delay was not waited for")
        check(daemon.stop() == 0, "the daemon did not end well")
    case.__name__ = name
    return case


def fails(name, kind, *options, reply, status, taken=0, overrides=()):
    """Each message is refused, or dropped, by itself: an event for each."""
    def case(bench):
        daemon, sink = through(bench, options, overrides)
        for event in settled(daemon, kind, MESSAGES):
            check((event["reply"] or "").startswith(reply), f"not the sink's reply {reply}: {event}")
            check(event["status"] == status, f"status is not {status}: {event}")
        if kind == "bounced":  # only reports may be left
            recipients = daemon.ask("queue")[1]["destinations"]
            check(sum(row["ready"] + row["deferred"] for row in recipients) <= MESSAGES,
                  f"what bounced is still queued: {recipients}")
        else:
            check(daemon.totals()["messages_queued"] == MESSAGES, "a deferred message is gone")
        check(len(sink.taken()) == taken, f"the sink took {len(sink.taken())} messages")
        check(daemon.stop() == 0, "the daemon did not end well")
    case.__name__ = name
    return case


def fails_as_a_host(name, *options, status, reply="", overrides=(), in_doubt=False):
    """The host serves nobody: the destination's queue waits and says why. Some messages may have
    been tried; none is gone."""
    def case(bench):
        daemon, sink = through(bench, options, overrides)

        def last_error():
            rows = daemon.ask("queue")[1]["destinations"]
            errors = [row["last_error"] for row in rows if row["last_error"] is not None]
            return errors[0] if errors and all(row["ready"] == 0 for row in rows) else None

        error = ringpost.wait_for("the queue to wait, with an error", last_error, 20)
        check(error["status"].startswith(status), f"status is not {status}: {error}")
        check(reply in error["reply"], f"the sink's reply {reply} is not told: {error}")
        ended = about_readers(daemon, "delivered", "bounced", "expired")
        check(not ended, f"a temporary failure ended a message: {ended[:1]}")
        check(daemon.totals()["messages_queued"] == MESSAGES, "a message is gone")
        doubts = about_readers(daemon, "in_doubt")
        check(bool(doubts) == in_doubt, f"in doubt: {doubts[:1]}")
        check(in_doubt or not sink.taken() or "." in options, "the sink took what is still queued")
        check(daemon.stop() == 0, "the daemon did not end well")
    case.__name__ = name
    return case


def content_aborted_by_550(bench):
    """A 550 amid the content, against the protocol: refused, or deferred when it comes before a byte
    of it was sent; but never taken for delivered, and every message gets its answer."""
    daemon, sink = through(bench, ["-A", "0"])

    def answered():
        return {event["id"] for event in about_readers(daemon, "bounced", "deferred")}

    ringpost.wait_for("an answer", answered, 20)
    check(not about_readers(daemon, "delivered"), "delivered, says the event log")
    check(not sink.taken(), "the sink took a message")
    check(daemon.stop() == 0, "the daemon did not end well")


CASES = [
    delivers("plain", most_connections=10),
    delivers("without_pipelining", "-p", most_connections=10),
    delivers("helo_only", "-e", most_connections=10),
    delivers("cisco_pix_greeting", "-P", most_connections=10),
    delivers("no_8bitmime_no_dsn_no_enhanced_codes", "-8", "-N", "-E", most_connections=10),
    delivers("ehlo_refused_so_helo", "-f", "EHLO", most_connections=10),
    # With -W smtp-sink answers pipelined commands out of order, so it must not offer that.
    delivers("slow_to_answer_data", "-p", "-W", "DATA:1", least_ms=1000,
             overrides=["queue_group.default.max_connections_per_destination=20"]),
    delivers("slow_to_answer_rcpt", "-p", "-W", "RCPT:1", least_ms=1000,
             overrides=["queue_group.default.max_connections_per_destination=20"]),
    delivers("quit_dropped", "-q", "QUIT", most_connections=10,
             overrides=["timeouts.quit=1s"]),
    delivers("quit_refused", "-f", "QUIT", most_connections=10,
             overrides=["timeouts.quit=1s"]),
    fails("mail_refused_softly", "deferred", "-r", "MAIL", reply="450 4.3.0", status="4.3.0"),
    fails("rcpt_refused_softly", "deferred", "-r", "RCPT", reply="450 4.3.0", status="4.3.0"),
    fails("data_refused_softly", "deferred", "-r", "DATA", reply="450 4.3.0", status="4.3.0"),
    # It writes its file before it thinks about the dot.
    fails("dot_refused_softly", "deferred", "-r", ".", reply="450 4.3.0", status="4.3.0",
          taken=MESSAGES),
    # The reports go to the same sink, which refuses them as well.
    fails("mail_refused", "bounced", "-f", "MAIL", reply="500 5.3.0", status="5.3.0"),
    fails("rcpt_refused", "bounced", "-f", "RCPT", reply="500 5.3.0", status="5.3.0"),
    fails("data_refused", "bounced", "-f", "DATA", reply="500 5.3.0", status="5.3.0"),
    fails("reply_text_and_status_are_the_sinks", "bounced", "-f", "RCPT", "-B",
          "550 5.1.1 no such reader", reply="550 5.1.1 no such reader", status="5.1.1"),
    fails_as_a_host("greeting_refused_softly", "-r", "CONNECT", reply="450", status="4.3.0"),
    fails_as_a_host("greeting_refused", "-f", "CONNECT", reply="500", status="4.3.0"),
    fails_as_a_host("dropped_at_connect", "-q", "CONNECT", status="4.4"),
    fails_as_a_host("dropped_at_helo", "-q", "EHLO", status="4.4"),
    fails_as_a_host("dropped_at_mail", "-q", "MAIL", status="4.4"),
    fails_as_a_host("dropped_at_rcpt", "-q", "RCPT", status="4.4"),
    fails_as_a_host("dropped_at_data", "-q", "DATA", status="4.4"),
    fails_as_a_host("service_closed_at_mail", "-Q", "MAIL", reply="421", status="4."),
    fails_as_a_host("service_closed_at_rcpt", "-Q", "RCPT", reply="421", status="4."),
    # It took them, but never said so.
    fails_as_a_host("dropped_at_the_dot", "-q", ".", status="4.4", in_doubt=True),
    fails_as_a_host("service_closed_at_the_dot", "-Q", ".", reply="421", status="4."),
    fails_as_a_host("data_answered_too_late", "-p", "-W", "DATA:9", status="4.4",
                    overrides=["timeouts.datainit=1s"]),
    content_aborted_by_550,
]

if __name__ == "__main__":
    ringpost.need_program("smtp-sink", "postfix")
    ringpost.main(*CASES)
