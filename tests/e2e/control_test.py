#!/usr/bin/python3
"""The operator's view: every command of `ringpost` against a running daemon, for people and for
programs: fields, exit codes, and what they say of mail that is on its way, held, or stuck."""

import os
import re
import socket
import stat
import subprocess

import ringpost
from clients import RawClient, submit, wait_for_event
from ringpost import check, wait_for

STATUS = ("version", "pid", "state", "uptime_ms", "events_log", "shards", "totals")
SHARD = ("shard", "messages_queued", "ready", "deferred", "held", "in_flight", "connections_open",
         "connections_idle", "accepted_total", "delivered_total", "deferred_total", "bounced_total",
         "expired_total", "in_doubt_total", "quarantined_total", "spool_live_bytes",
         "spool_free_bytes", "deleted_total", "suppressed_total", "reports_owed", "only_in_memory")
DESTINATION = ("destination", "group", "shard", "ready", "deferred", "held", "in_flight", "oldest",
               "next_attempt", "connections_open", "connections_idle", "last_error")
LAST_ERROR = ("time", "status", "reply")
GROUP = ("group", "shard", "runners", "runners_busy", "ready", "deferred", "held", "in_flight",
         "delivered_total", "connections_opened_total", "held_by",
         "durability", "possible_loss")
EXPLAIN = ("address", "matched", "group", "shard", "destination", "via", "tls", "mx", "limits", "binding")
MATCHED = ("kind", "pattern", "set_at")
MX = ("host", "preference", "addresses", "state", "until")
LIMIT = ("name", "value", "used", "set_at")
BINDING = ("limit", "since", "lifts_at")
SHOW = ("id", "arrived", "sender", "size", "tenant", "job", "envid", "recipients")
RECIPIENT = ("recipient", "part", "group", "shard", "destination", "state", "attempts",
             "next_attempt", "last_error")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

CONFIG = """\
[[queue_group]]
name = "bulk"
domains = ["bulk.test", "*.customers.test"]
shard = 0
runners = 20
rate = "1000/s"
[[queue_group]]
name = "kept"
domains = ["kept.test"]
shard = 1
delivery = "hold"
[[queue_group]]
name = "stuck"
domains = ["stuck.test"]
shard = 1
[[route]]
domain = "stuck.test"
hosts = ["127.0.0.1:{port}"]
"""


class Operator:
    """A daemon with a world to deliver to, and the tool."""

    def __init__(self, bench):
        self.bench = bench
        self.closed_port = ringpost.free_port()
        self.sink = bench.sink()
        self.daemon = bench.daemon(
            *self.sink.overrides, config=CONFIG.format(port=self.closed_port))

    def run(self, *command):
        """(exit code, standard output, standard error)"""
        done = subprocess.run(
            [self.bench.programs.ringpost, "--socket", self.daemon.ready["control"], *command],
            capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def get(self, *command):
        code, answer = self.daemon.ask(*command)
        check(code == 0, f"{command}: exit code {code}, {answer}")
        return answer

    def error(self, *command):
        code, answer = self.daemon.ask(*command)
        check(code == 1, f"{command}: exit code {code}, {answer}")
        error = answer["error"]
        check(set(error) == {"code", "message", "remedy"}, f"{command}: {error}")
        return error

    def deliver(self, recipient):
        name = submit(self.daemon, recipient)
        wait_for_event(self.daemon, event="delivered", id=name)
        return name


def check_fields(what, wanted, found):
    check(tuple(found) == wanted, f"{what}: wanted {wanted}, found {tuple(found)}")


def check_times(what, found, *names):
    for name in names:
        check(found[name] is None or TIME.fullmatch(found[name]), f"{what}: {name}: {found[name]}")


def limit(explanation, name):
    return next(limit for limit in explanation["limits"] if limit["name"] == name)


def status_counts_what_was_delivered_and_what_is_kept(bench):
    operator = Operator(bench)
    for number in range(3):
        operator.deliver(f"reader{number}@bulk.test")
    submit(operator.daemon, ["a@kept.test", "b@kept.test"])
    status = operator.get("status")
    check_fields("status", STATUS, status)
    check(len(status["shards"]) == 2, status["shards"])
    for number, shard in enumerate([*status["shards"], status["totals"]]):
        check_fields("shard", SHARD, shard)
        check(shard["shard"] == (number if number < 2 else None), shard)
    for key in SHARD[1:]:
        check(status["totals"][key] == sum(shard[key] for shard in status["shards"]), key)
    totals = status["totals"]
    wanted = {"messages_queued": 1, "held": 2, "ready": 0, "in_flight": 0, "accepted_total": 4,
              "delivered_total": 3, "bounced_total": 0, "quarantined_total": 0}
    check({key: totals[key] for key in wanted} == wanted, totals)
    check(totals["connections_open"] == totals["connections_idle"] > 0, totals)
    check(totals["spool_live_bytes"] > 0 and totals["spool_free_bytes"] > 0, totals)
    check(status["pid"] == operator.daemon.pid and status["state"] == "ready", status)
    check(isinstance(status["uptime_ms"], int) and status["uptime_ms"] > 0, status["uptime_ms"])


def queue_lists_destinations_the_longest_first(bench):
    operator = Operator(bench)
    submit(operator.daemon, ["one@kept.test"])
    submit(operator.daemon, ["one@stuck.test", "two@stuck.test"])
    refused = wait_for("a deferred destination", lambda: next(
        (line for line in operator.get("queue")["destinations"] if line["deferred"] == 2), None))
    check_fields("queue line", DESTINATION, refused)
    check(refused["destination"] == "stuck.test" and refused["group"] == "stuck", refused)
    check(refused["shard"] == 1 and refused["held"] == refused["connections_open"] == 0, refused)
    check(refused["oldest"] and refused["next_attempt"], refused)
    check_times("queue line", refused, "oldest", "next_attempt")
    check_fields("last error", LAST_ERROR, refused["last_error"])
    check_times("last error", refused["last_error"], "time")
    check("refused" in refused["last_error"]["reply"].lower(), refused["last_error"])

    queue = operator.get("queue")
    check_fields("queue", ("destinations", "truncated"), queue)
    names = [line["destination"] for line in queue["destinations"]]
    check(names == ["stuck.test", "kept.test"] and queue["truncated"] is False, queue)
    kept = queue["destinations"][1]
    check(kept["held"] == 1 and kept["last_error"] is None and kept["next_attempt"] is None, kept)

    cut = operator.get("queue", "--limit", "1")
    check(len(cut["destinations"]) == 1 and cut["truncated"] is True, cut)
    by_group = operator.get("queue", "--group", "kept")["destinations"]
    check([line["destination"] for line in by_group] == ["kept.test"], by_group)
    by_name = operator.get("queue", "--destination", "stuck.test")["destinations"]
    check([line["destination"] for line in by_name] == ["stuck.test"], by_name)
    check(operator.get("queue", "--destination", "no.test")["destinations"] == [], "not empty")
    check(operator.error("queue", "--group", "nosuch")["code"] == "not_found", "wrong code")


def groups_count_deliveries_and_connections(bench):
    operator = Operator(bench)
    operator.deliver("a@bulk.test")
    operator.deliver("b@bulk.test")
    answer = operator.get("group", "list")
    check_fields("groups", ("groups",), answer)
    groups = {line["group"]: line for line in answer["groups"]}
    check(list(groups) == ["bulk", *(f"default-{i}" for i in range(4)), "kept", "stuck"],
          list(groups))
    for line in groups.values():
        check_fields("group", GROUP, line)
    bulk = groups["bulk"]
    check(bulk["delivered_total"] == 2 and bulk["runners"] == 20 and bulk["shard"] == 0, bulk)
    check(bulk["connections_opened_total"] == 1, "the second message must find a connection")
    check(groups["kept"]["shard"] == 1 and groups["kept"]["delivered_total"] == 0, groups["kept"])


def explain_says_where_mail_goes(bench):
    operator = Operator(bench)
    operator.deliver("a@bulk.test")
    explanation = operator.get("explain", "Anybody@BULK.test")
    check_fields("explain", EXPLAIN, explanation)
    check_fields("matched", MATCHED, explanation["matched"])
    check(explanation["address"] == "Anybody@BULK.test", explanation["address"])
    config = operator.daemon.config
    check(explanation["matched"] == {
        "kind": "exact", "pattern": "bulk.test", "set_at": f"{config}:3"}, explanation["matched"])
    check(explanation["group"] == "bulk" and explanation["shard"] == 0, explanation)
    check(explanation["via"] == "dns" and explanation["destination"], explanation)
    check(explanation["mx"], "the MX hosts were asked for and must be known")
    for host in explanation["mx"]:
        check_fields("mx", MX, host)
        check(isinstance(host["preference"], int) and host["until"] is None, host)
        check(all(address.startswith("127.") for address in host["addresses"]), host)
    check("up" in [host["state"] for host in explanation["mx"]], explanation["mx"])
    for found in explanation["limits"]:
        check_fields("limit", LIMIT, found)
    runners = limit(explanation, "runners")
    check(runners["value"] == 20 and runners["set_at"] == f"{config}:5", runners)
    check(limit(explanation, "rate")["value"] == 1000, limit(explanation, "rate"))
    most = limit(explanation, "max_connections_per_destination")
    check(most["value"] == 10 and most["set_at"] == "default", most)
    check(explanation["binding"] is None, explanation["binding"])

    suffix = operator.get("explain", "shop.customers.test")
    check(suffix["matched"]["kind"] == "suffix", suffix["matched"])
    check(suffix["matched"]["pattern"] == "*.customers.test", suffix["matched"])
    unknown = operator.get("explain", "somebody@elsewhere.test")
    check(unknown["matched"]["kind"] == "default" and unknown["matched"]["pattern"] is None, unknown)
    check(unknown["destination"] is None and unknown["mx"] == [], unknown)


def explain_says_what_holds_mail_up(bench):
    operator = Operator(bench)
    held = operator.get("explain", "x@kept.test")
    check(held["binding"] == {"limit": "delivery", "since": None, "lifts_at": None}, held)

    routed = operator.get("explain", "x@stuck.test")
    check(routed["via"] == "route" and routed["destination"] == "stuck.test", routed)
    check(routed["mx"] == [{"host": "127.0.0.1", "preference": None, "addresses": [f"127.0.0.1:{operator.closed_port}"],
                            "state": None, "until": None}], routed["mx"])
    check(routed["binding"] is None, routed["binding"])

    submit(operator.daemon, "x@stuck.test")
    bound = wait_for("a binding", lambda: operator.get("explain", "x@stuck.test")["binding"])
    check_fields("binding", BINDING, bound)
    check(bound["limit"] in ("host_status", "retry"), bound)
    check_times("binding", bound, "since", "lifts_at")
    check(bound["since"] and bound["lifts_at"] and bound["since"] < bound["lifts_at"], bound)
    host = operator.get("explain", "x@stuck.test")["mx"][0]
    check(host["state"] == "down" and host["until"], host)
    check_times("mx", host, "until")


def show_gathers_the_parts_of_a_message(bench):
    operator = Operator(bench)
    # On both shards, so the parts are in two places, and one of them is delivered at once.
    name = submit(operator.daemon, ["a@bulk.test", "b@kept.test", "c@stuck.test"])
    wait_for_event(operator.daemon, event="delivered", id=name)

    def settled():
        message = operator.get("show", name)
        states = {one["recipient"]: one["state"] for one in message["recipients"]}
        return states.get("b@kept.test") == "held" and states.get("c@stuck.test") == "deferred" \
            and message
    message = wait_for("all parts in their places", settled)
    check_fields("show", SHOW, message)
    check(message["id"] == name and message["sender"] == "news@sender.test", message)
    check(message["size"] > 0 and message["envid"] is None, message)
    check_times("show", message, "arrived")
    seen = [one["recipient"] for one in message["recipients"]]
    check(len(seen) == len(set(seen)), f"told twice: {seen}")
    for one in message["recipients"]:
        check_fields("recipient", RECIPIENT, one)
        check_times("recipient", one, "next_attempt")
    by_name = {one["recipient"]: one for one in message["recipients"]}
    check(by_name["b@kept.test"]["group"] == "kept", by_name)
    check(by_name["b@kept.test"]["shard"] == 1, by_name)
    check(by_name["c@stuck.test"]["next_attempt"], by_name)

    done = operator.deliver("d@bulk.test")
    error = operator.error("show", done)
    check(error["code"] == "not_found" and error["remedy"], error)


def people_get_tables(bench):
    operator = Operator(bench)
    name = submit(operator.daemon, "a@kept.test")
    for command, wanted in (
            (["status"], ["ready", "delivered", "all"]),
            (["queue"], ["kept.test", "held"]),
            (["queue", "--group", "bulk"], ["Nothing is queued."]),
            (["group", "list"], ["bulk", "default-0", "runners"]),
            (["explain", "a@kept.test"], ["held up by", "delivery", "kept.test"]),
            (["show", name], [name, "a@kept.test", "held"])):
        code, text, errors = operator.run(*command)
        check(code == 0 and errors == "", f"{command}: {code}, {errors}")
        check("{" not in text, f"{command}: {text}")
        for word in wanted:
            check(word in text, f"{command}: no '{word}' in {text}")


def exit_codes_tell_refusals_from_mistakes_and_from_no_daemon(bench):
    operator = Operator(bench)
    for command in (["show", "0000000000001"], ["show", "nonsense"], ["explain", "not a domain"],
                    ["explain", "x@"], ["queue", "--group", "nosuch"]):
        code, text, errors = operator.run(*command)
        check(code == 1 and text == "" and errors.startswith("ringpost: "),
              f"{command}: {code}, {text!r}, {errors!r}")
        operator.error(*command)
    for command in ([], ["nosuch"], ["queue", "--limit", "0"], ["explain"], ["group"]):
        code, text, errors = operator.run(*command)
        check(code == 2 and text == "" and errors, f"{command}: {code}, {text!r}, {errors!r}")
    operator.daemon.stop()
    code, text, errors = operator.run("status")
    check(code == 3 and text == "" and errors, f"{code}, {text!r}, {errors!r}")
    code, answer = operator.daemon.ask("status")
    check(code == 3 and answer["error"]["code"] == "no_daemon", f"{code}, {answer}")


def the_socket_is_the_owners_and_goes_with_the_daemon(bench):
    operator = Operator(bench)
    path = operator.daemon.ready["control"]
    check(stat.S_IMODE(os.stat(path).st_mode) == 0o660, oct(os.stat(path).st_mode))
    operator.daemon.kill()
    check(os.path.exists(path), "nobody could have removed it")
    operator.daemon.start()  # in spite of the one left behind
    check(operator.get("status")["state"] == "ready", "not ready")
    check(operator.daemon.stop() == 0 and not os.path.exists(path), "it is still there")


def strangers_on_the_socket_do_not_hold_mail_up(bench):
    operator = Operator(bench)
    strangers = []
    for talk in (b"", b"GET /status", b"EHLO there\r\n\r\n", b"\0" * 20000,
                 b"GET /" + b"x" * 7000 + b" HTTP/1.1\r\n\r\n"):
        stranger = socket.socket(socket.AF_UNIX)
        stranger.connect(operator.daemon.ready["control"])
        stranger.sendall(talk)
        strangers.append(stranger)
    operator.deliver("a@bulk.test")
    check(operator.get("status")["totals"]["delivered_total"] == 1, "not delivered")
    for stranger, wanted in zip(strangers[2:], (b"400", b"431", b"404")):
        answer = stranger.recv(4096)
        check(answer.startswith(b"HTTP/1.1 " + wanted), answer)
    for stranger in strangers:
        stranger.close()


def status_goes_on_while_mail_flows(bench):
    operator = Operator(bench)
    with RawClient(operator.daemon.port) as client:
        client.greet()
        for number in range(50):
            client.submit([f"reader{number}@bulk.test"])
            if number % 10 == 0:
                for command in (["status"], ["queue"], ["group", "list"], ["explain", "bulk.test"]):
                    operator.get(*command)
    totals = operator.daemon.wait_until_empty()
    check(totals["delivered_total"] == totals["accepted_total"] == 50, totals)


if __name__ == "__main__":
    ringpost.main(
        status_counts_what_was_delivered_and_what_is_kept,
        queue_lists_destinations_the_longest_first,
        groups_count_deliveries_and_connections,
        explain_says_where_mail_goes,
        explain_says_what_holds_mail_up,
        show_gathers_the_parts_of_a_message,
        people_get_tables,
        exit_codes_tell_refusals_from_mistakes_and_from_no_daemon,
        the_socket_is_the_owners_and_goes_with_the_daemon,
        strangers_on_the_socket_do_not_hold_mail_up,
        status_goes_on_while_mail_flows)
