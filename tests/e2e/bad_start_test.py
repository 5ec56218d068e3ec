#!/usr/bin/python3
"""What keeps a daemon from starting: another one on its spool, a wrong configuration, a machine that
does not give it what it needs. Each time: an exit code, the cause, and what to do."""

import errno
import json
import os
import socket
import subprocess

import ringpost
from clients import RawClient, routes, submit, wait_for_event
from ringpost import check
from scripted_mx import World


def run(bench, *arguments, prefix=()):
    """Exit code, standard output, standard error of a daemon that is expected to end by itself."""
    done = subprocess.run([*prefix, bench.programs.ringpostd, *arguments], capture_output=True,
                          text=True, timeout=20, check=False)
    return done.returncode, done.stdout, done.stderr


def spool_of(bench, name="spool"):
    return ["-O", f"spool.directory={bench.directory}/{name}", "-O", "shards.count=2",
            "-O", 'listener.smtp=["127.0.0.1:0"]', "-O", "identity.hostname=relay.test",
            "-O", 'dns.servers=["127.0.0.1:9"]']


def two_daemons_on_one_spool(bench):
    host = World().host()
    first = bench.daemon(routes(fine=host))
    with RawClient(first.port) as client:
        client.greet()
        client.submit(["reader@fine.test"])
        for _ in range(3):
            code, out, err = run(bench, *spool_of(bench, "ringpostd.spool"))
            check(code == 1 and "ready" not in out, f"exit {code}: {out}")
            check(str(first.pid) in err and "ringpostd.spool" in err, f"it names not the first: {err}")
            check(err.count("\n") == 1, f"more than one line: {err}")
        client.submit(["reader@fine.test"])  # the first is not disturbed: its connection goes on
    wait_for_event(first, event="delivered", count=2)
    check(first.totals()["messages_queued"] == 0, "and its control socket")
    # Also when the second comes by another way to the same directory.
    (bench.directory / "other").symlink_to(first.spool)
    code, _, err = run(bench, *spool_of(bench, "other"))
    check(code == 1 and str(first.pid) in err, f"through a symbolic link: {code} {err}")
    first.kill()
    first.start()  # a lock dies with its holder
    submit(first, "reader@fine.test")


def configuration_errors_have_a_place(bench):
    cases = {
        "unknown key": ('[listener]\nsmtpp = ["127.0.0.1:0"]\n', "2:1", "smtp"),
        "wrong type": ("[shards]\ncount = \"many\"\n", "2:9", ""),
        "out of range": ("[shards]\n\ncount = 4000\n", "3:9", "128"),
        "bad duration": ('[retry]\nfirst = "ten"\n', "2:9", ""),
        "bad network": ('[listener]\nrelay_from = ["10.0.0.1/8"]\n', "2:", ""),
        "bad endpoint": ('[listener]\nsmtp = ["127.0.0.1"]\n', "2:", ""),
        "no TOML": ("[listener\n", "1:", ""),
        "unknown table": ("[lisener]\nsmtp = []\n", "1:", "listener"),
        "not in this version": ('[timeouts]\nident = "1s"\n', "2:", ""),
        "domain twice": ('[[queue_group]]\nname = "a"\ndomains = ["x.test"]\n'
                         '[[queue_group]]\nname = "b"\ndomains = ["x.test"]\n', "6:", "x.test"),
        "bytes": ("[identity]\nhostname = \"\xff\xfe\"\n", "2:", ""),
    }
    path = bench.directory / "ringpost.toml"
    for name, (text, place, word) in cases.items():
        path.write_bytes(text.encode("latin-1"))
        for arguments in (["--check-config"], spool_of(bench)):
            code, out, err = run(bench, "-c", path, *arguments)
            check(code == 1, f"{name}: exit {code} {out} {err}")
            check(f"{path}:{place}" in err, f"{name}: no {place} in {err!r}")
            check(word in err, f"{name}: no {word!r} in {err!r}")
    path.write_text("[a]\n[b]\n[c]\nx = 1\n")
    code, _, err = run(bench, "-c", path, "--check-config")
    check(code == 1 and err.count(f"{path}:") >= 3, f"all of them at once: {err}")


def configuration_errors_without_a_file(bench):
    missing = bench.directory / "nowhere.toml"
    code, _, err = run(bench, "-c", missing)
    check(code == 1 and str(missing) in err and "No such file" in err, f"{code} {err}")
    code, _, err = run(bench, "-O", "shards.cuont=2", "--check-config")
    check(code == 1 and "shards.count" in err, f"a suggestion: {code} {err}")
    code, _, err = run(bench, "--no-such-option")
    check(code == 2 and err, f"bad usage: {code} {err}")
    code, out, err = run(bench, "--check-config", *spool_of(bench))
    check(code == 0 and out.strip() == "ok", f"{code} {out} {err}")


def too_few_descriptors(bench):
    limit = ("prlimit", "--nofile=32:32")
    code, out, err = run(bench, *spool_of(bench), prefix=limit)
    check(code == 1 and "ready" not in out, f"{code} {out}")
    for word in ("descriptors", f"errno {errno.EMFILE}", "ulimit -n", "LimitNOFILE"):
        check(word in err, f"no {word!r} in {err!r}")
    check(not (bench.directory / "spool").exists(), "it made a spool all the same")
    code, out, _ = run(bench, "--check-system", prefix=limit)
    check(code == 1 and "BAD" in out and "remedy" in out, f"{code} {out}")


def no_locked_memory(bench):
    """Kernels since 5.12 count ring memory elsewhere: then it starts. Else: why, and what to do."""
    drop = ("setpriv", "--bounding-set=-ipc_lock") if os.geteuid() == 0 else ()  # exempt from limits
    limit = (*drop, "prlimit", "--memlock=0:0")
    code, out, err = run(bench, "--check-system", prefix=limit)
    rows = {line.split("  ")[0]: line for line in out.splitlines()}
    check("locked memory" in rows and "0 bytes" in rows["locked memory"], f"{code} {out} {err}")
    if code != 0:
        check("errno" in out and "remedy" in out and "memlock" in out.lower(), out)


# Answers io_uring_setup with EPERM, as containers and kernel.io_uring_disabled do.
REFUSE_IO_URING = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
SETUP, EPERM = 425, 1
def statement(code, yes, no, k):
    return struct.pack("HBBI", code, yes, no, k)
program = (statement(0x20, 0, 0, 0) + statement(0x15, 0, 1, SETUP)
           + statement(0x06, 0, 0, 0x00050000 | EPERM) + statement(0x06, 0, 0, 0x7fff0000))
buffer = ctypes.create_string_buffer(program)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
filter = Program(4, ctypes.addressof(buffer))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(filter), 0, 0):
    sys.exit(77)
os.execv(sys.argv[1], sys.argv[1:])
"""


def io_uring_is_refused(bench):
    refuse = ("/usr/bin/python3", "-c", REFUSE_IO_URING)
    code, out, err = run(bench, *spool_of(bench), prefix=refuse)
    if code == 77:
        return  # no seccomp here either
    check(code == 1 and "ready" not in out, f"{code} {out}")
    for word in ("io_uring", f"errno {errno.EPERM}", "kernel.io_uring_disabled"):
        check(word in err, f"no {word!r} in {err!r}")
    code, out, _ = run(bench, "--check-system", prefix=refuse)
    check(code == 1 and "BAD" in out and "remedy" in out, f"{code} {out}")


def check_system_is_a_table(bench):
    code, out, _ = run(bench, "--check-system")
    names = [line[:16].strip() for line in out.splitlines()]
    for name in ("kernel", "io_uring", "locked memory", "descriptors"):
        check(name in names, f"no row {name!r}: {out}")
    check(code == 0, out)


def addresses_and_paths_that_cannot_be_used(bench):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = run(bench, *spool_of(bench), "-O", f'listener.smtp=["127.0.0.1:{port}"]')
        check(code == 1 and f"127.0.0.1:{port}" in err and f"errno {errno.EADDRINUSE}" in err, err)
    code, _, err = run(bench, *spool_of(bench), "-O", 'listener.smtp=["192.0.2.1:2525"]')
    check(code == 1 and f"errno {errno.EADDRNOTAVAIL}" in err, f"{code} {err}")
    (bench.directory / "file").write_text("")
    code, _, err = run(bench, *spool_of(bench, "file/spool"))
    check(code == 1 and "file/spool" in err and "errno" in err, f"{code} {err}")
    code, _, err = run(bench, *spool_of(bench), "-O", "control.socket=/nowhere/at/all.socket")
    check(code == 1 and "/nowhere/at/all.socket" in err, f"{code} {err}")
    code, _, err = run(bench, *spool_of(bench), "-O", "log.events=/nowhere/at/all.log")
    check(code == 1 and "/nowhere/at/all.log" in err, f"{code} {err}")


def a_stale_control_socket_is_no_obstacle(bench):
    daemon = bench.daemon()
    daemon.kill()
    daemon.start()
    check(daemon.totals()["messages_queued"] == 0, "the control socket answers")
    code = daemon.stop()
    check(code == 0, f"TERM: exit {code}")
    command = [bench.programs.ringpost, "--socket", daemon.ready["control"], "status", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    check(done.returncode == 3, f"no daemon is exit 3, not {done.returncode}")
    error = json.loads(done.stdout or done.stderr)["error"]
    check(error["message"] and error["remedy"], f"{error}")


if __name__ == "__main__":
    ringpost.main(
        two_daemons_on_one_spool, configuration_errors_have_a_place,
        configuration_errors_without_a_file, too_few_descriptors, no_locked_memory,
        io_uring_is_refused, check_system_is_a_table, addresses_and_paths_that_cannot_be_used,
        a_stale_control_socket_is_no_obstacle)
