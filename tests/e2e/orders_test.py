"""The operator's orders to a running daemon: hold, release, flush, delete, requeue. What they change,
what they leave alone, and what of it outlives a kill."""

import threading

import ringpost
from clients import events_with, submit, wait_for_event
from ringpost import check, wait_for

CONFIG = """\
[[queue_group]]
name = "bulk"
domains = ["bulk.test"]
shard = 0
[[queue_group]]
name = "kept"
domains = ["kept.test"]
shard = 1
delivery = "hold"
[[route]]
domain = "bulk.test"
hosts = ["127.0.0.1:{port}"]
[[route]]
domain = "other.test"
hosts = ["127.0.0.1:{port}"]
[[route]]
domain = "third.test"
hosts = ["127.0.0.1:{port}"]
"""
JOB = "X-Ringpost-Job: spring\r\nSubject: a letter\r\n\r\nHello.\r\n"


class Relay:
    """A daemon whose mail goes to one server, which may not be there yet."""

    def __init__(self, bench, answer=None, server=True):
        self.bench = bench
        self.port = ringpost.free_port()
        self.server = self.open_server(answer) if server else None
        self.daemon = bench.daemon(config=CONFIG.format(port=self.port))

    def open_server(self, answer=None):
        self.server = self.bench.mail_server(answer, address=("127.0.0.1", self.port))
        return self.server

    def do(self, *command):
        code, answer = self.daemon.ask(*command)
        check(code == 0, f"{command}: exit code {code}, {answer}")
        return answer

    def refused(self, *command):
        code, answer = self.daemon.ask(*command)
        check(code == 1 and answer["error"]["remedy"], f"{command}: {code}, {answer}")
        return answer["error"]

    def states(self, name):
        return {one["recipient"]: one["state"] for one in self.do("show", name)["recipients"]}

    def restart_after_kill(self):
        self.daemon.kill()
        self.daemon.start()


def flush_tries_at_once_what_waits_for_its_next_attempt(bench):
    relay = Relay(bench, server=False)
    name = submit(relay.daemon, "a@bulk.test")
    wait_for("a deferred recipient", lambda: relay.states(name) == {"a@bulk.test": "deferred"})
    check(relay.do("flush", "--group", "kept")["recipients"] == 0, "another group")
    check(relay.do("flush", "--destination", "other.test")["recipients"] == 0, "another one")
    relay.open_server()
    change = relay.do("flush", "--destination", "bulk.test")
    check(change == {"change": "flush", "dry_run": False, "messages": 1, "recipients": 1,
                     "in_flight": 0}, change)
    wait_for_event(relay.daemon, event="delivered", id=name)
    # 451 defers the recipient, not the server: ten minutes, unless told otherwise.
    polite = [True]
    relay.server.answer = lambda command, _: (
        "451 4.3.0 later" if command.startswith("RCPT") and polite[0] else None)
    name = submit(relay.daemon, "b@bulk.test")
    wait_for_event(relay.daemon, event="deferred", id=name)
    polite[0] = False
    wait_for("a deferred recipient", lambda: relay.states(name) == {"b@bulk.test": "deferred"})
    check(relay.do("flush")["recipients"] == 1, "one waits")
    wait_for_event(relay.daemon, event="delivered", id=name)


def holds_keep_new_mail_and_outlive_a_kill(bench):
    relay = Relay(bench)
    relay.do("hold", "--group", "bulk")
    relay.do("hold", "--destination", "OTHER.test")
    relay.do("hold", "--job", "spring")
    holds = {"groups": ["bulk"], "destinations": ["other.test"], "jobs": ["spring"]}
    check(relay.do("holds") == holds, relay.do("holds"))
    check(len(events_with(relay.daemon, event="held", group="bulk")) == 2, "a line a shard")
    by_group = submit(relay.daemon, "a@bulk.test")
    by_destination = submit(relay.daemon, "a@other.test")
    by_job = submit(relay.daemon, "a@third.test", JOB)
    names = {by_group: "a@bulk.test", by_destination: "a@other.test", by_job: "a@third.test"}

    def all_held():
        return all(relay.states(name) == {who: "held"} for name, who in names.items())
    wait_for("all held", all_held)
    relay.restart_after_kill()
    check(relay.do("holds") == holds, "holds must outlive the daemon")
    wait_for("all held again", all_held)
    groups = {line["group"]: line for line in relay.do("group", "list")["groups"]}
    check(groups["bulk"]["held_by"] == "operator" and groups["bulk"]["held"] == 1, groups)
    check(groups["kept"]["held_by"] == "configuration", groups)
    queue = {line["destination"]: line for line in relay.do("queue")["destinations"]}
    check(queue["other.test"]["held"] == 1 and queue["other.test"]["ready"] == 0, queue)
    check(relay.do("explain", "a@bulk.test")["binding"]["limit"] == "hold", "who binds")
    check(events_with(relay.daemon, event="delivered") == [], "nothing may leave")

    relay.do("release", "--group", "bulk")
    wait_for_event(relay.daemon, event="delivered", id=by_group)
    relay.do("release", "--destination", "other.test")
    wait_for_event(relay.daemon, event="delivered", id=by_destination)
    check(relay.states(by_job) == {"a@third.test": "held"}, "the job was not released")
    relay.do("release", "--job", "spring")
    wait_for_event(relay.daemon, event="delivered", id=by_job)
    check(relay.do("holds") == {"groups": [], "destinations": [], "jobs": []}, "nothing is held")


def a_hold_takes_back_what_was_ready(bench):
    """Mail for a server that nobody reaches is ready, and its lane is down."""
    relay = Relay(bench, server=False)
    name = submit(relay.daemon, "a@bulk.test", JOB)
    wait_for("a deferred recipient", lambda: relay.states(name) == {"a@bulk.test": "deferred"})
    check(relay.do("hold", "--job", "spring")["recipients"] == 1, "one of that job")
    relay.open_server()
    relay.do("flush")
    check(relay.states(name) == {"a@bulk.test": "held"}, relay.states(name))
    relay.do("release", "--job", "spring")
    wait_for_event(relay.daemon, event="delivered", id=name)


def delete_is_durable_and_tells_nobody(bench):
    relay = Relay(bench)
    gone = submit(relay.daemon, ["a@kept.test", "b@kept.test"], JOB)
    rest = submit(relay.daemon, "c@kept.test", sender="other@sender.test")
    for selector in (["--job", "spring"], ["--id", gone], ["--sender", "News@sender.test"],
                     ["--group", "kept", "--job", "spring"],
                     ["--destination", "kept.test", "--job", "spring"]):
        change = relay.do("delete", *selector, "--dry-run")
        check(change == {"change": "delete", "dry_run": True, "messages": 1, "recipients": 2,
                         "in_flight": 0}, (selector, change))
    check(relay.do("delete", "--group", "bulk")["recipients"] == 0, "nothing is there")
    check(relay.do("delete", "--job", "spring")["recipients"] == 2, "two go")
    deleted = events_with(relay.daemon, event="deleted")
    check({event["recipient"] for event in deleted} == {"a@kept.test", "b@kept.test"}, deleted)
    check(all(event["id"] == gone and event["attempt"] is None for event in deleted), deleted)
    relay.restart_after_kill()
    check(relay.refused("show", gone)["code"] == "not_found", "it came back")
    check(relay.states(rest) == {"c@kept.test": "held"}, "the other one must stay")
    check(relay.do("delete", rest)["recipients"] == 1, "by id")
    check(relay.daemon.totals()["messages_queued"] == 0, "and no report about it")
    check(relay.daemon.totals()["deleted_total"] == 1, "since the start")


def a_flight_wins_over_delete(bench):
    may_end = threading.Event()
    bench.at_end(may_end.set)

    def answer(command, _):
        if command == ".":
            may_end.wait(30)
        return None
    relay = Relay(bench, answer)
    name = submit(relay.daemon, "a@bulk.test")
    wait_for("a flight", lambda: relay.states(name) == {"a@bulk.test": "in_flight"})
    change = relay.do("delete", name)
    check(change["recipients"] == 0 and change["in_flight"] == 1, change)
    may_end.set()
    wait_for_event(relay.daemon, event="delivered", id=name)
    check(events_with(relay.daemon, event="deleted") == [], "it was delivered")


def requeue_files_a_message_anew(bench):
    relay = Relay(bench, server=False)
    name = submit(relay.daemon, ["a@bulk.test", "b@kept.test"])
    wait_for("settled", lambda: relay.states(name) == {
        "a@bulk.test": "deferred", "b@kept.test": "held"})
    relay.open_server()
    relay.do("flush", "--group", "bulk")
    wait_for_event(relay.daemon, event="delivered", id=name)
    check(relay.do("requeue", name)["recipients"] == 1, "the one that is left")
    check(relay.states(name)["b@kept.test"] == "held", "its group holds it all the same")


def bad_orders_are_refused_with_a_remedy(bench):
    relay = Relay(bench)
    check(relay.refused("delete")["code"] == "bad_request", "delete without selector")
    check(relay.refused("hold")["code"] == "bad_request", "hold without selector")
    check(relay.refused("hold", "--group", "bulk", "--job", "x")["code"] == "bad_request", "two")
    check(relay.refused("hold", "--group", "nosuch")["code"] == "not_found", "no such group")
    check(relay.refused("release", "--group", "bulk")["code"] == "not_held", "not held")
    check("configuration" in relay.refused("release", "--group", "kept")["message"], "who holds")
    check(relay.refused("delete", "--id", "nonsense")["code"] == "bad_request", "no id")
    check(relay.refused("delete", "0000000000001")["code"] == "not_found", "no such message")
    check(relay.refused("requeue", "0000000000001")["code"] == "not_found", "no such message")
    check(relay.do("holds") == {"groups": [], "destinations": [], "jobs": []}, "nothing is held")


if __name__ == "__main__":
    ringpost.main(
        flush_tries_at_once_what_waits_for_its_next_attempt, holds_keep_new_mail_and_outlive_a_kill,
        a_hold_takes_back_what_was_ready, delete_is_durable_and_tells_nobody,
        a_flight_wins_over_delete, requeue_files_a_message_anew,
        bad_orders_are_refused_with_a_remedy)
