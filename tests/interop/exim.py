"""A real Exim. Its package pushes out every other mail server, so it is not installed: tools/test.sh downloads
it, and here it is unpacked and started in a mount and process namespace of its own, on a root
directory with accounts, hosts, resolv.conf and configuration of its own. What it logs is all that is seen of it."""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import ringpost  # noqa: E402

PACKAGES = pathlib.Path(__file__).resolve().parent.parent.parent / ".cache" / "packages"
USER = 9025  # in its own passwd only

CONFIGURATION = """exim_path = /exim/usr/sbin/exim4
exim_user = Debian-exim
exim_group = Debian-exim
primary_hostname = exim.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
spool_directory = /var/spool/exim4
log_file_path = /var/log/exim4/%slog
log_selector = +received_recipients +received_sender +pipelining +tls_cipher +smtp_protocol_error +smtp_syntax_error
host_lookup =
rfc1413_query_timeout = 0s
chunking_advertise_hosts = *
pipelining_advertise_hosts = *
tls_advertise_hosts = *
tls_certificate = /etc/exim4/certificate
tls_privatekey = /etc/exim4/key
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
smtp_max_synprot_errors = 3
acl_smtp_mail = check_mail
acl_smtp_rcpt = check_rcpt
acl_smtp_data = check_data
begin acl
check_mail:
{mail}
  accept
check_rcpt:
{rcpt}
  accept
check_data:
{data}
  accept
begin routers
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  directory = /var/mail
  create_directory
  directory_file = $message_exim_id.$local_part
  delivery_date_add = false
  envelope_to_add = false
  return_path_add = false
  user = Debian-exim
"""

# Nothing of the machine is seen but its programs and libraries, read only.
START = r"""set -e
mount --make-rprivate /
cd "$1"
for name in usr bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$name" ]; then
    ln -s "$(readlink "/$name")" "$name"
  elif [ -d "/$name" ]; then
    mkdir "$name"
    mount --bind "/$name" "$name"
    mount -o remount,ro,bind "$name"
  fi
done
mount --bind /dev dev
mount -t tmpfs tmpfs var/spool/exim4
chown "$2:$2" var/spool/exim4
# This shell, the first process of its namespace, dies with the test, and all others with it. Exim
# could not in its place: it is set-user-ID, which forgets such a wish.
chroot . /exim/usr/sbin/exim4 -bdf &
wait
"""


def need():
    """The package's path, or the whole script is skipped and says why."""
    found = sorted(PACKAGES.glob("exim4-daemon-light_*.deb"))
    if not found:
        ringpost.skip("Exim's package is not in .cache/packages: tools/test.sh downloads it")
    if os.geteuid() != 0:
        ringpost.skip("only root can give Exim a root directory of its own")
    if subprocess.run(["unshare", "-m", "-p", "-f", "true"], capture_output=True).returncode:
        ringpost.skip("this machine lets nobody make namespaces")
    return found[-1]


class Exim:
    """`mail`, `rcpt` and `data` are statements of its access control lists, before the last `accept`."""

    def __init__(self, bench, certificate, mail="", rcpt="", data=""):
        self.root = bench.directory / "exim"
        self.port = ringpost.free_port()
        for name in ("dev", "etc/exim4", "exim", "proc", "tmp", "var/log/exim4", "var/mail",
                     "var/spool/exim4"):
            (self.root / name).mkdir(parents=True)
        subprocess.run(["dpkg-deb", "-x", need(), self.root / "exim"], check=True)
        account = f"Debian-exim:x:{USER}:{USER}::/var/spool/exim4:/usr/sbin/nologin\n"
        self.write("etc/passwd", "root:x:0:0::/:/bin/sh\n" + account)
        self.write("etc/group", f"root:x:0:\nDebian-exim:x:{USER}:\n")
        self.write("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
        self.write("etc/hosts", "127.0.0.1 localhost exim.test relay.test\n")
        self.write("etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.write("etc/exim4/exim4.conf", CONFIGURATION.format(
            port=self.port, mail=mail, rcpt=rcpt, data=data))
        for source, name in ((certificate.certificate, "certificate"), (certificate.key, "key")):
            shutil.copy(source, self.root / "etc/exim4" / name)
            os.chown(self.root / "etc/exim4" / name, USER, USER)
        for name in ("var/log/exim4", "var/mail"):
            os.chown(self.root / name, USER, USER)
        bench.directory.chmod(0o755)
        self.process = bench.start(
            ["unshare", "-m", "-p", "-f", "--kill-child=KILL", "sh", "-c", START, "sh", self.root,
             USER], "exim")
        ringpost.wait_for(
            "Exim to listen",
            lambda: ringpost.port_answers(self.port) or not self.process.running())
        if not self.process.running():
            ringpost.fail(f"Exim did not start: {self.process.complaints()} {self.log()}")

    def write(self, name, text):
        (self.root / name).write_text(text)

    def log(self, name="mainlog"):
        path = self.root / "var/log/exim4" / name
        return path.read_text(errors="replace") if path.exists() else ""

    def taken(self):
        """id → (sender, [recipients], the line) of each message that it took."""
        found = {}
        for id, sender, rest, recipients in re.findall(
                r"(?m)^\S+ \S+ (\S{16}) <= (\S+) (.*) for (.*)$", self.log()):
            found[id] = ("" if sender == "<>" else sender, recipients.split(), rest)
        return found

    def delivered(self):
        """id → [recipients] of which it said that they were done with."""
        found = collections.defaultdict(list)
        for id, recipient in re.findall(r"(?m)^\S+ \S+ (\S{16}) [=-]> \S+ <(\S+)>", self.log()):
            found[id].append(recipient)
        return found

    def content(self, id):
        """What it stored of that message, its own header field taken off."""
        [path] = (self.root / "var/mail").glob(f"{id}.*")
        return path.read_bytes()
