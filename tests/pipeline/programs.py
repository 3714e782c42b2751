"""Kustomize, kubectl and helm for the tests of pipelines: each from the cache, built once per machine."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cluster.programs import HELM, KUSTOMIZE, built
from cluster.testbed import binaries
from trimtab.adapters.rendering.tool import Tools
from trimtab.wiring.pipeline import Rules


def linked(folder: Path, *names: str) -> str:
    """A folder with these programs, to be used as PATH; skips the test where one cannot be built, but never where CI is set."""
    makers = {"kustomize": lambda: built(*KUSTOMIZE), "helm": lambda: built(*HELM), "kubectl": binaries.build}
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            program = makers[name]()
        except binaries.CannotBuild as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"no {name}: {error}")
        (folder / name).symlink_to(program)
    return str(folder)


def rules(path: str, *, network: bool = False, deadline: float = 60.0) -> Rules:
    """Rendering with the programs of one folder only."""
    return Rules(network=network, deadline=deadline, tools=Tools(path, {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}))


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A web server on the loopback interface."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
