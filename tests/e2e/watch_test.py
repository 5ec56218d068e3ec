"""What is watched from outside: Prometheus metrics and the event log as it is written."""

import shutil
import subprocess
import urllib.error
import urllib.request

import ringpost
from clients import submit, wait_for_event
from ringpost import check, wait_for


def metrics_are_served_and_well_formed(bench):
    sink = bench.sink()
    daemon = bench.daemon(*sink.overrides, 'metrics.listen="127.0.0.1:0"')
    address = daemon.ready["metrics"]
    check(address.startswith("127.0.0.1:") and not address.endswith(":0"), daemon.ready)
    name = submit(daemon, "a@bulk.test")
    wait_for_event(daemon, event="delivered", id=name)
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer:
        check(answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), "type")
        text = answer.read().decode()
    delivered = [line for line in text.splitlines()
                 if line.startswith("ringpost_recipients_ended_total") and "delivered" in line]
    check(len(delivered) == 2, text)
    check(sum(float(line.split()[-1]) for line in delivered) == 1, delivered)
    try:
        urllib.request.urlopen(f"http://{address}/status", timeout=20)
        ringpost.fail("orders and questions are not for the network")
    except urllib.error.HTTPError as error:
        check(error.code == 404, error.code)
    promtool = shutil.which("promtool")
    if promtool is None:
        print("        promtool is missing (Debian package prometheus): not checked by it")
        return
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True,
                          text=True, timeout=60, check=False)
    check(done.returncode == 0 and not done.stderr.strip(), done.stdout + done.stderr)


def the_event_log_is_followed_through_its_rotation(bench):
    sink = bench.sink()
    daemon = bench.daemon(*sink.overrides)
    tool = [bench.programs.ringpost, "--socket", daemon.ready["control"]]
    follower = bench.start([*tool, "events", "--follow", "--from-start", "--event", "delivered",
                            "--recipient", "@bulk.test"], "follower")

    def followed(count):
        def enough():
            follower._read(0)
            return len(follower.lines) >= count
        wait_for(f"{count} lines", enough)
    first = submit(daemon, ["a@bulk.test", "a@other.test"])
    followed(1)
    daemon.events_path.rename(daemon.events_path.with_suffix(".1"))
    daemon.ask("reload")
    second = submit(daemon, "b@bulk.test")
    followed(2)
    check(first in follower.lines[0] and second in follower.lines[1], follower.lines)
    follower.stop()
    done = subprocess.run([*tool, "events", "--id", second], capture_output=True, text=True,
                          timeout=60, check=False)
    lines = done.stdout.splitlines()
    check(done.returncode == 0 and len(lines) >= 2 and all(second in line for line in lines), lines)


if __name__ == "__main__":
    ringpost.main(metrics_are_served_and_well_formed,
                  the_event_log_is_followed_through_its_rotation)
