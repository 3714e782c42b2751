"""A repository on a real forge that `trimtab init` made, its cluster, its Prometheus, and the runner of its workflows."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cluster.testbed.plane import ControlPlane
from pipeline.testbed.actions import Job, Runner
from pipeline.testbed.gitea import BOT, REVIEWER, Gitea, Hosted

Raw = Any


@dataclass
class Measured:
    """A Prometheus that answers each query with one number; None is no answer at all."""

    percent: float | None = 0.2
    address: str = ""

    @contextmanager
    def serving(self) -> Iterator["Measured"]:
        """On loopback, until the block is left."""
        measured = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if measured.percent is None:
                    self.send_error(503)
                    return
                result = [{"metric": {}, "value": [1, str(measured.percent)]}]
                body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Nothing to the test's output."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            self.address = f"http://127.0.0.1:{server.server_port}"
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


@dataclass
class Scaffold:
    """The repository, people's clone of it, and everybody around it."""

    hosted: Hosted
    plane: ControlPlane
    measured: Measured
    runner: Runner
    namespace: str
    head: str = ""
    ran: dict[str, dict[str, Job]] = field(default_factory=dict)

    @property
    def clone(self) -> Path:
        return self.hosted.folder

    def init(self, *words: str) -> None:
        """`trimtab init`, then what people would set up: shorter times, and the first push, which starts what it starts."""
        self.trimtab("init", *words, "--yes", "--app", "shop", "--namespace", self.namespace, "--branch", "main", "--ci", "both")
        self.trimtab("check")
        text = (self.clone / "trimtab.yaml").read_text()
        for old, new in (("duration: 5m", "duration: 2s"), ("interval: 15s", "interval: 200ms"), ("  branch: main\n", FORGE)):
            assert old in text
            text = text.replace(old, new)
        (self.clone / "trimtab.yaml").write_text(text)

    def edit(self, path: str, old: str, new: str) -> None:
        """Somebody changes a file."""
        text = (self.clone / path).read_text()
        assert old in text, text
        (self.clone / path).write_text(text.replace(old, new))

    def push(self, subject: str) -> dict[str, dict[str, Job]]:
        """Somebody pushes to main; every workflow that this starts."""
        self.hosted.git("add", "--all", login=REVIEWER)
        self.hosted.git("commit", "--quiet", "--allow-empty", "--message", subject, login=REVIEWER)
        self.hosted.push("main", login=REVIEWER)
        return self.started()

    def started(self) -> dict[str, dict[str, Job]]:
        """What the newest commits on main start."""
        self.hosted.git("pull", "--quiet", "--rebase", self.hosted.url(REVIEWER), "main")
        before, self.head = self.head, self.hosted.git("rev-parse", "HEAD")
        self.ran = self.runner.pushed(before, self.head) if before != self.head else {}
        return self.ran

    def merge(self) -> dict[str, dict[str, Job]]:
        """The only pull request is merged; what that starts."""
        (request,) = self.hosted.ask("GET", "/pulls?state=open", REVIEWER)
        self.hosted.merge(request["number"], request["head"]["sha"])
        return self.started()

    def trimtab(self, *words: str) -> str:
        """A command at somebody's keyboard, which must end with 0."""
        command = [sys.executable, "-m", "trimtab", *words]
        done = subprocess.run(
            command, cwd=self.clone, env=dict(self.runner.variables), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def configuration(self, workload: str) -> str:
        """What the pods of a Deployment are configured with, as the cluster has it."""
        volumes = json.loads(self.plane.kubectl("-n", self.namespace, "get", "deployment", workload, "-o", "json"))["spec"]["template"][
            "spec"
        ]["volumes"]
        name = next(one["configMap"]["name"] for one in volumes if "configMap" in one)
        found: str = json.loads(self.plane.kubectl("-n", self.namespace, "get", "configmap", name, "-o", "json"))["data"]["config.yaml"]
        return found


FORGE = "  branch: main\n  forge: {type: gitea}\n"


def contexts(gitea: Gitea, plane: ControlPlane, measured: Measured) -> dict[str, Raw]:
    """What workflows get to know."""
    token = gitea.tokens[BOT]
    return {
        "github": {"token": token, "ref": "refs/heads/main", "base_ref": "main"},
        "secrets": {"KUBECONFIG": plane.kubeconfig.read_text()},
        "vars": {"TRIMTAB_PROMETHEUS": measured.address},
    }
