"""One control plane with a node for all tests of this folder, and a namespace for each test."""

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cluster.faulty import Faulty, behind_a_proxy
from cluster.operating import Operating
from cluster.testbed.api import Api
from cluster.testbed.binaries import CannotBuild, build
from cluster.testbed.node import Node, node_running
from cluster.testbed.plane import ControlPlane

READY_AFTER = 0.2
"""Seconds after which pods are ready."""


@pytest.fixture(scope="session")
def built() -> None:
    """There is a control plane to start; skips where there is none, but never where CI is set."""
    try:
        build()
    except CannotBuild as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no control plane: {error}")


@pytest.fixture(scope="session")
def plane(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that runs; `plane.kubeconfig` is the administrator's."""
    folder = tmp_path_factory.mktemp("plane")
    with ControlPlane(folder) as running:
        yield running
    shutil.rmtree(folder / "etcd-data", ignore_errors=True)


@pytest.fixture(scope="session")
def node(plane: ControlPlane) -> Iterator[Node]:
    """The node that pods of all tests run on."""
    with node_running(plane.kubeconfig_of("testbed"), READY_AFTER) as running:
        yield running


@pytest.fixture
async def api(plane: ControlPlane, node: Node) -> AsyncIterator[Api]:
    """The API server, as its administrator sees it."""
    async with Api(plane.kubeconfig) as opened:
        yield opened


@pytest.fixture
async def namespace(api: Api) -> AsyncIterator[str]:
    """A namespace of the test's own."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await api.delete("Namespace", "", name)


@pytest.fixture
async def operating(plane: ControlPlane, api: Api, namespace: str, tmp_path: Path) -> AsyncIterator[Operating]:
    """A namespace with an operator that looks after it, and nobody else."""
    made = Operating(plane, api, namespace, tmp_path)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
async def faulty(plane: ControlPlane, node: Node, api: Api, namespace: str, tmp_path: Path) -> AsyncIterator[Faulty]:
    """A namespace for operators behind a proxy that has faults on command."""
    async with behind_a_proxy(plane, node, api, namespace, tmp_path) as made:
        yield made
