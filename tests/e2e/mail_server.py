"""A small SMTP server whose answers a test decides."""

import socketserver
import threading
import traceback


class MailServer:
    """A small SMTP server whose answers a test decides. `answer(command, session)` gives the reply to
    a command line (None: the usual one; "": no reply, close), where the end of the content is the
    command "."; it is called on the server's threads. What was accepted is in .taken, a list of
    (sender, [recipients], content bytes with dots taken out, connection, transaction)."""

    def __init__(self, bench, answer=None, extensions=("PIPELINING", "8BITMIME", "SIZE"),
                 address=("127.0.0.1", 0)):
        self.answer = answer or (lambda command, session: None)
        self.extensions = extensions
        self.taken = []
        self.connections = 0
        self.lock = threading.Lock()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self):
                try:
                    _Session(outer, self.rfile, self.connection).run()
                except OSError:
                    pass  # the peer was killed

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            allow_reuse_address = True
            request_queue_size = 512

            def handle_error(self, request, client_address):
                outer.errors.append(traceback.format_exc())

        self.errors = []  # of this server's own code: a test's mistake
        self.server = Server(address, Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        bench.at_end(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def override(self):
        return f"delivery.smarthost=127.0.0.1:{self.port}"


class _Session:
    def __init__(self, server, reader, connection):
        self.server, self.reader, self.socket = server, reader, connection
        self.sender = None
        self.recipients = []
        self.transaction = 0
        with server.lock:
            server.connections += 1
            self.number = server.connections

    def run(self):
        line = "(connect)"
        while line is not None and self.step(line):
            raw = self.reader.readline(4096)
            line = raw.decode("latin-1").rstrip("\r\n") if raw else None

    def step(self, line):
        """False: the connection is over."""
        reply = self.server.answer(line, self)
        if reply is None:
            reply = self.usual(line)
        if reply == "":
            return False
        self.socket.sendall((reply + "\r\n").encode())
        verb = line.upper()
        if reply.startswith("2") and verb.startswith("MAIL FROM:"):
            self.sender, self.recipients = line[10:].split()[0].strip("<>"), []
            self.transaction += 1
        elif reply.startswith("2") and verb.startswith("RCPT TO:"):
            self.recipients.append(line[8:].split()[0].strip("<>"))
        elif reply.startswith("354"):
            return self.content()
        elif verb.startswith(("RSET", "EHLO", "HELO")):
            self.sender, self.recipients = None, []
        return not (reply.startswith("421") or verb.startswith("QUIT"))

    def usual(self, line):
        verb = line.upper().split(" ")[0].split(":")[0]
        if verb == "(CONNECT)":
            return "220 sink.test ESMTP"
        if verb == "EHLO":
            lines = ["sink.test", *self.server.extensions]
            return "\r\n".join(f"250{'-' if i + 1 < len(lines) else ' '}{text}"
                               for i, text in enumerate(lines))
        if verb == "DATA":
            return "354 go on" if self.recipients else "554 5.5.1 no recipients"
        return "221 bye" if verb == "QUIT" else "250 2.0.0 fine"

    def content(self):
        lines = []
        while True:
            line = self.reader.readline(1 << 20)
            if not line:
                return False
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        taken = (self.sender, list(self.recipients), b"".join(lines), self.number, self.transaction)
        reply = self.server.answer(".", self) or "250 2.0.0 taken"
        if reply.startswith("2"):
            with self.server.lock:
                self.server.taken.append(taken)
        self.sender, self.recipients = None, []
        self.socket.sendall((reply + "\r\n").encode())
        return not reply.startswith("421")
