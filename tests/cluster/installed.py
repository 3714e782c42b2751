"""What is installed in a cluster, for tests: the manifests, tokens of ServiceAccounts, and the operator as a process with one."""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cluster.testbed.binaries import CannotBuild, build
from cluster.testbed.node import node_running
from cluster.testbed.plane import ControlPlane, PlaneError, free_ports
from cluster.testbed.process import Process
from trimtab.faces.cli.main import cli

Raw = dict[str, Any]
READY_AFTER = 0.1
HOME = "trimtab-system"
ACCOUNT = "trimtab"
USER = f"system:serviceaccount:{HOME}:{ACCOUNT}"
IMPOSSIBLE: Raw = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "impossible", "namespace": "default"},
    "spec": {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
        "service": {"port": 80},
        "analysis": {"interval": "10s", "threshold": 2, "stepWeights": [50, 10]},
    },
}


@contextmanager
def running(folder: Path) -> Iterator[ControlPlane]:
    """A control plane of one's own, with a node: what is installed for a whole cluster would be in the way of other tests."""
    try:
        build()
    except CannotBuild as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no control plane: {error}")
    with ControlPlane(folder) as plane, node_running(plane.kubeconfig_of("testbed"), READY_AFTER):
        yield plane
    shutil.rmtree(folder / "etcd-data", ignore_errors=True)


def manifests() -> str:
    """What is printed for kubectl."""
    done = CliRunner().invoke(cli, ["operator", "--print-manifests"])
    assert done.exit_code == 0, done.output
    return done.output


def token_of(plane: ControlPlane, namespace: str = HOME, account: str = ACCOUNT) -> Path:
    """A kubeconfig with a token of a ServiceAccount that is there."""
    token = plane.kubectl("create", "token", account, f"--namespace={namespace}", "--duration=3600s").strip()
    return plane.write_kubeconfig(f"{namespace}-{account}", token, namespace)


def is_refused(plane: ControlPlane, text: str, *, user: str = "") -> str:
    """What the API server says to who applies this; empty where it takes it."""
    try:
        plane.kubectl("create", "--dry-run=server", "-f", "-", *([f"--as={user}"] if user else []), given=text)
    except PlaneError as error:
        return str(error)
    return ""


@contextmanager
def operator_running(kubeconfig: Path, log: Path, flags: Sequence[str]) -> Iterator[Process]:
    """The operator, ended at the end."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "trimtab", "operator", f"--kubeconfig={kubeconfig}", f"--port={port}", *flags]
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    process = Process(command, log, environment=environment)
    try:
        yield process
    finally:
        process.stop()
