"""Taking over from the real Flagger, where its program is on PATH: what it leaves is told apart from a change, settled and mid-run."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from cluster.opened import canary, config_map, deployment, opened, secret, until
from cluster.test_store_takeover import Legacy, Operator
from cluster.testbed.api import Api
from cluster.testbed.plane import ControlPlane, free_ports
from cluster.testbed.process import Process
from trimtab.model.rollout import Phase

FLAGGER = shutil.which("flagger")
pytestmark = [pytest.mark.cluster, pytest.mark.skipif(FLAGGER is None, reason="the program flagger is not on PATH")]
WITHIN = 90.0


def elaborate() -> dict[str, Any]:
    """A target with much that is rewritten for its primary."""
    made = deployment(secrets=("app-secret",))
    pods = made["spec"]["template"]
    pods["metadata"]["annotations"] = {"note": "kept", "kustomize.toolkit.fluxcd.io/reconcile": "enabled"}
    term = {"labelSelector": {"matchLabels": {"app": "app"}}, "topologyKey": "kubernetes.io/hostname"}
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}
    pods["spec"]["affinity"] = {"podAntiAffinity": preferred}
    sources = [{"configMap": {"name": "app-config"}}, {"secret": {"name": "app-secret"}}]
    pods["spec"]["volumes"] = [{"name": "all", "projected": {"sources": sources}}, {"name": "one", "configMap": {"name": "app-config"}}]
    return made


async def flagger_until(claim: Any, what: str, plane: ControlPlane, namespace: str, folder: Path) -> None:
    """Runs Flagger until something holds, then ends it."""
    (port,) = free_ports(1)
    flags = f"-kubeconfig={plane.kubeconfig} -mesh-provider=kubernetes -metrics-server=http://127.0.0.1:{port} -namespace={namespace}"
    line = [str(FLAGGER), *flags.split(), "-control-loop-interval=1s", f"-port={port}", "-enable-leader-election=false"]
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    process = Process(line, folder / "flagger.log", environment=environment)
    try:
        await until(claim, what, WITHIN)
    finally:
        process.stop()


async def test_trimtab_goes_on_where_flagger_stopped(plane: ControlPlane, api: Api, namespace: str, tmp_path: Path) -> None:
    legacy = Legacy(api, namespace)
    config = {**config_map(color="red"), "binaryData": {"blob": "/w=="}}
    for made in (config, secret(password="hunter2"), elaborate(), canary()):
        await api.create(made, namespace)

    async def status() -> dict[str, Any]:
        return (await api.get("Canary", namespace, "app")).get("status", {})  # type: ignore[no-any-return]

    async def initialized() -> bool:
        return (await status()).get("phase") == "Initialized"

    await flagger_until(initialized, "Flagger initialises", plane, namespace, tmp_path)
    before = await legacy.untouched()
    async with opened(plane.kubeconfig, namespace) as cluster:
        state = await Operator(cluster, namespace).after_a_pass()
        assert (state.phase, state.running, state.held) == (Phase.INITIALIZED, None, None)
        assert await legacy.untouched() == before

    await api.delete("ConfigRollout", namespace, "app-1")
    await api.patch("ConfigMap", namespace, "app-config", {"data": {"color": "blue"}})

    async def second_round() -> bool:
        return int((await status()).get("iterations", 0)) >= 2

    await flagger_until(second_round, "Flagger is in the middle of a run", plane, namespace, tmp_path)
    before = await legacy.untouched()
    async with opened(plane.kubeconfig, namespace) as cluster:
        state = await Operator(cluster, namespace).state()
        assert state.running is not None and state.running.position == before["status"]["iterations"]
        assert state.promoted is not None and state.promoted.fingerprint == state.running.to.fingerprint
        assert state.promoted != state.running.to
        assert await legacy.untouched() == before
