"""Certificates made on the spot, and an SMTP server that offers STARTTLS and can go wrong at it."""

import socket
import ssl
import subprocess
import threading


class Certificate:
    """P-256, signed by itself; `days` may be -1: expired."""

    def __init__(self, bench, host="mx.test", days=1, name=None):
        stem = bench.directory / (name or f"{host}.{days}")
        self.certificate, self.key = f"{stem}.crt", f"{stem}.key"
        request = f"{stem}.csr"
        extensions = bench.directory / "extensions"
        extensions.write_text(f"subjectAltName=DNS:{host}\n")
        for command in (
                ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", self.key, "-out", request, "-subj", f"/CN={host}"],
                ["x509", "-req", "-in", request, "-signkey", self.key, "-days", str(days),
                 "-extfile", str(extensions), "-out", self.certificate]):
            subprocess.run(["openssl", *command], check=True, capture_output=True, timeout=30)


class Talk:
    """One connection: what was said in plain text and under TLS."""

    def __init__(self):
        self.plain = []
        self.secret = []
        self.version = None
        self.resumed = None
        self.server_name = None
        self.end = None  # why it ended, where that was not QUIT


class TlsServer:
    """An SMTP server on a port of its own. `fault`, while it is set:
       not_offered, refused (454), injects (plain text behind the 220), garbage or hangs_up (instead of
       a handshake), cuts_data (ends the socket in the middle of DATA), notifies_data (close_notify
       there), late (hangs up after the handshake)."""

    def __init__(self, bench, certificate, fault=None, newest=None):
        self.fault = fault
        self.talks = []
        self.letters = []  # (recipients, content, talk)
        self.lock = threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.certificate, certificate.key)
        if newest:
            self.context.maximum_version = newest
        self.context.sni_callback = self._name
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        bench.at_end(self.listener.close)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def in_clear(self):
        return [letter for letter in self.letters if letter[2].version is None]

    @staticmethod
    def _name(sock, name, _context):
        sock.server_name_asked = name

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        talk = Talk()
        with self.lock:
            self.talks.append(talk)
        connection.settimeout(30)
        try:
            _Speaker(self, connection, talk).run()
        except (OSError, ValueError) as error:
            talk.end = str(error)
        connection.close()


class _Speaker:
    def __init__(self, server, connection, talk):
        self.server, self.connection, self.talk = server, connection, talk
        self.buffer = b""

    def line(self):
        while b"\r\n" not in self.buffer:
            more = self.connection.recv(65536)
            if not more:
                raise OSError("the client has closed")
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def say(self, text):
        self.connection.sendall(text.encode() + b"\r\n")

    def run(self):
        self.say("220 mx.test ESMTP")
        recipients = []
        while True:
            line = self.line().decode("latin-1")
            (self.talk.secret if self.talk.version else self.talk.plain).append(line)
            verb = line.split(" ")[0].split(":")[0].upper()
            if verb == "EHLO":
                offers = ["mx.test", "PIPELINING", "8BITMIME", "SIZE"]
                if self.talk.version:
                    offers.append("LIMITS RCPTMAX=100")
                elif self.server.fault != "not_offered":
                    offers.append("STARTTLS")
                self.say("\r\n".join(f"250{'-' if at + 1 < len(offers) else ' '}{offer}"
                                     for at, offer in enumerate(offers)))
            elif verb == "STARTTLS":
                if not self.start_tls():
                    return
            elif verb == "MAIL":
                recipients = []
                self.say("250 2.1.0 ok")
            elif verb == "RCPT":
                recipients.append(line.partition("<")[2].partition(">")[0])
                self.say("250 2.1.5 ok")
            elif verb == "DATA":
                self.say("354 go on")
                if not self.content(recipients):
                    return
            elif verb == "QUIT":
                self.say("221 2.0.0 bye")
                return
            else:
                self.say("250 2.0.0 fine")

    def start_tls(self):
        fault = self.server.fault
        if fault == "refused":
            self.say("454 4.7.0 TLS not available")
            return True
        if fault == "injects":
            self.connection.sendall(b"220 2.0.0 go ahead\r\n250-mx.evil\r\n250 CHUNKING\r\n")
            self.connection.recv(1000)  # until it has closed, which must come at once
            return False
        self.say("220 2.0.0 go ahead")
        if fault == "garbage":
            self.connection.sendall(b"451 4.3.0 what handshake?\r\n")
            self.connection.recv(1000)
            return False
        if fault == "hangs_up":
            return False
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.talk.version = self.connection.version()
        self.talk.resumed = self.connection.session_reused
        self.talk.server_name = getattr(self.connection, "server_name_asked", None)
        self.buffer = b""
        return fault != "late"

    def content(self, recipients):
        lines = []
        while True:
            line = self.line()
            if line == b".":
                break
            lines.append(line)
            if self.server.fault == "cuts_data":
                self.connection.shutdown(socket.SHUT_RDWR)
                return False
            if self.server.fault == "notifies_data":
                self.connection.settimeout(1)
                self.connection.unwrap()
                return False
        with self.server.lock:
            self.server.letters.append((list(recipients), b"\r\n".join(lines), self.talk))
        self.say("250 2.0.0 taken")
        return True
