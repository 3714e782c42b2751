"""A real Prometheus that scrapes users of every pod of a testbed: how many of their requests fail is up to what a pod read at its start."""

import json
import os
import re
import shutil
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cluster.testbed.binaries import CannotBuild
from cluster.testbed.node import Node
from cluster.testbed.plane import free_ports
from cluster.testbed.process import Process

PROGRAM = "prometheus"
EVERY = "500ms"
"""How often it scrapes."""
EACH = 100.0
"""Requests that a pod gets in a second."""
SMALL = re.compile(r"^\s*pool_?size: \d$", re.MULTILINE | re.IGNORECASE)
"""A pool of less than ten connections, in what a pod reads: then FAILING of its requests fail."""
FAILING, USUAL = 0.4, 0.002
BUCKETS = {"10": 0.5, "100": 0.995, "500": 1.0, "+Inf": 1.0}
"""Share of the requests that take at most so many milliseconds."""
START_LIMIT = 30.0


class Users:
    """Requests to every pod of a node, counted whenever somebody looks: by pod as an application does, by workload as a mesh does."""

    def __init__(self, node: Node) -> None:
        self._node, self._lock, self._since = node, threading.Lock(), time.monotonic()
        self._good: dict[str, float] = defaultdict(float)
        self._bad: dict[str, float] = defaultdict(float)

    def metrics(self) -> str:
        """What has been counted of pods that live, and of every workload, in Prometheus' text format."""
        with self._lock:
            return "\n".join((*self._counted(), ""))

    def _counted(self) -> Iterator[str]:
        now = time.monotonic()
        sent, self._since = EACH * (now - self._since), now
        workloads = set[str]()
        for uid, (namespace, workload, read) in list(self._node.saw.items()):
            pod = f'namespace="{namespace}",pod="{self._node.names[uid]}"'
            mesh = f'namespace="{namespace}",deployment="{workload}",direction="inbound"'
            failed = sent * (FAILING if any(SMALL.search(str(text)) for data in read.values() for text in (data or {}).values()) else USUAL)
            for labels in (pod, mesh):
                self._good[labels] += sent - failed
                self._bad[labels] += failed
            yield f'http_requests_total{{{pod},status="200"}} {self._good[pod]}'
            yield f'http_requests_total{{{pod},status="500"}} {self._bad[pod]}'
            workloads.add(mesh)
        for mesh in sorted(workloads):
            good, bad = self._good[mesh], self._bad[mesh]
            yield f'response_total{{{mesh},classification="success"}} {good}'
            yield f'response_total{{{mesh},classification="failure"}} {bad}'
            yield from (f'response_latency_ms_bucket{{{mesh},le="{most}"}} {(good + bad) * share}' for most, share in BUCKETS.items())


@contextmanager
def counting(users: Users) -> Iterator[int]:
    """Tells on a loopback port, which it names, what was counted."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = users.metrics().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing to the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def prometheus_running(node: Node, folder: Path) -> Iterator[str]:
    """The address of a Prometheus that looks at the users of a node. CannotBuild where there is none on this machine."""
    if shutil.which(PROGRAM) is None:
        raise CannotBuild("there is no prometheus on this machine (Debian: prometheus)")
    with counting(Users(node)) as port:
        (own,) = free_ports(1)
        jobs = [{"job_name": "users", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]
        config = folder / "prometheus.json"
        config.write_text(json.dumps({"global": {"scrape_interval": EVERY, "scrape_timeout": EVERY}, "scrape_configs": jobs}))
        options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{own}"]
        process = Process([PROGRAM, *options], folder / "prometheus.log", environment=dict(os.environ))
        try:
            wait_until_ready(process, f"http://127.0.0.1:{own}/-/ready")
            yield f"http://127.0.0.1:{own}"
        finally:
            process.stop()
            shutil.rmtree(folder / "tsdb", ignore_errors=True)


def wait_until_ready(process: Process, address: str) -> None:
    """Until it answers with 200."""
    end = time.monotonic() + START_LIMIT
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            assert process.ended is None and time.monotonic() < end, process.last_lines()
            time.sleep(0.05)  # noqa: TID251
