"""Repositories for tests: an origin that people share, clones of it, and an origin behind HTTP with a password."""

import os
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PERSON = {
    "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org", "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
}  # fmt: skip
APP = """apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: app}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: app}
  service: {port: 80}
  analysis: {interval: 10s, threshold: 2, maxWeight: 50, stepWeight: 10}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec: {containers: [{name: main, image: "app:1", envFrom: [{configMapRef: {name: settings}}]}]}
"""
"""A Canary and its Deployment, which reads the ConfigMap `settings`."""
QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def git(folder: Path, *arguments: str) -> str:
    """Somebody at a keyboard."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env={**os.environ, **PERSON, **QUIET}, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, message: str, files: dict[str, str]) -> str:
    """A commit by hand, with these files written as they are; its id."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode())
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def shared(folder: Path, files: dict[str, str]) -> tuple[Path, Path]:
    """A bare origin with one commit on main, and a clone of it."""
    origin, clone = folder / "origin.git", folder / "clone"
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    git(folder, "clone", "--quiet", str(origin), str(clone))
    git(clone, "checkout", "--quiet", "-B", "main")
    commit(clone, "the beginning", files)
    git(clone, "push", "--quiet", "origin", "main")
    git(clone, "remote", "set-head", "origin", "main")
    return origin, clone


class Backend(BaseHTTPRequestHandler):
    """`git http-backend` behind a password."""

    root: Path
    password: str
    seen: list[str]

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to the test's output."""

    def do_GET(self) -> None:
        """What git asks first."""
        self.answer(b"")

    def do_POST(self) -> None:
        """What git sends."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline().strip(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.answer(body)

    def answer(self, body: bytes) -> None:
        """Whatever the program says, to those who know the password."""
        given = self.headers.get_all("Authorization") or []
        self.seen += given
        if given != ["Basic " + b64encode(self.password.encode()).decode()]:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        environment = {
            **os.environ, **QUIET, "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
            "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": "bot", "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }  # fmt: skip
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, check=True, capture_output=True)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in {**fields, "Content-Length": str(len(rest))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(rest)


@contextmanager
def over_http(root: Path, password: str) -> Iterator[tuple[str, list[str]]]:
    """Serves the repositories in a folder; the address, and the Authorization headers that came."""
    seen: list[str] = []
    handler = type("Handler", (Backend,), {"root": root, "password": password, "seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
