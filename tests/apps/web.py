"""A pod of the tests: a small web server, steered by files in its temporary folder. Nothing but the standard library.

web.py [FILE] [--port N] [--stubborn]: answers the bytes of FILE at `/`, a variable at `/env/NAME`, its pid at `/pid`;
`/ready` and `/alive` are 200 unless there is a file `unready` or `dead`. Stubborn ones take no notice of TERM.
"""

import argparse
import os
import signal
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SCRATCH = Path(os.environ["TMPDIR"])


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        """Answers by path."""
        answers = {"/": lambda: Path(options.file).read_bytes(), "/pid": lambda: str(os.getpid()).encode()}
        if self.path.startswith("/env/"):
            body, status = os.environ.get(self.path[5:], "").encode(), 200
        elif self.path in ("/ready", "/alive"):
            sign = {"/ready": "unready", "/alive": "dead"}[self.path]
            body, status = b"", 503 if (SCRATCH / sign).exists() else 200
        else:
            body, status = answers[self.path](), 200
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: object) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    """Does not ask for the name of its host, which can take long."""

    def server_bind(self) -> None:
        """Listens, also right after another one did."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", self.server_address[1]


parser = argparse.ArgumentParser()
parser.add_argument("file", nargs="?", default=os.devnull)
parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "0")))
parser.add_argument("--stubborn", action="store_true")
options = parser.parse_args()
if options.stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
Server(("127.0.0.1", options.port), Handler).serve_forever()
