"""Canary against primary for real: pods on an API server, counters in a Prometheus, an operator that compares by a RolloutPolicy."""

import json
import socket
from pathlib import Path

import pytest

from cluster.closed_world import prometheus, serving
from cluster.opened import canary, config_map, deployment
from cluster.operating import Operating
from cluster.test_monitor import Users
from cluster.testbed.node import Node
from trimtab.adapters.kubernetes.counted import counted_of
from trimtab.adapters.kubernetes.rollouts import state_of
from trimtab.faces.cli.replays import replay
from trimtab.model.names import CanaryKey

pytestmark = pytest.mark.cluster
BAD = "log_level: trace"
"""Pods that run this fail twenty times as often."""


async def test_a_good_change_is_promoted_on_its_evidence_and_one_that_fails_more_goes_back(
    operating: Operating, node: Node, tmp_path: Path
) -> None:
    api, namespace = operating.api, operating.namespace
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    async with serving(Users(api, node, namespace).metrics) as port, prometheus(tmp_path, address, port):
        judge = {"prometheus": {"address": f"http://{address}"}, "scrapeInterval": "1s", "history": "5m", "bake": "1s"}
        policy = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "RolloutPolicy", "metadata": {"name": "compared"}}
        rules = {"interval": "1s", "threshold": 2, "stepWeights": [50]}
        compared = canary(analysis=rules, provider="smi:v1alpha2")
        compared["metadata"]["annotations"] = {"trimtab.dev/policy": "compared"}
        for made in ({**policy, "spec": {"ramp": "evidence", "judge": judge}}, config_map(color="red"), deployment(), compared):
            await api.create(made, namespace)
        await operating.phase("Initialized")

        await operating.edit(color="blue")
        run = await operating.outcome(2, "Promoted", within=90.0)
        said = [entry["text"] for entry in run["status"]["timeline"]]
        assert any("Good enough to promote" in text for text in said), said
        assert any("the canary has one pod" in text.lower() for text in said), "what cannot be told apart is said"

        await operating.edit(color=BAD)
        run = await operating.outcome(3, "RolledBack", within=90.0)
        assert "canary requests failed" in run["status"]["reason"] and "that it is worse at all" in run["status"]["reason"]
        evidence = json.loads(run["status"]["record"])["state"]["evidence"]
        assert evidence["history"]["metrics"][0]["pods"] == 1 and evidence["ruling"]["ruling"] == "rollback"
        assert len(json.dumps(evidence)) < 64 * 1024
        assert run["status"]["comparison"]["text"] in run["status"]["reason"]
        again = replay(state_of(run, CanaryKey(namespace, "app")), counted_of(run))
        assert again.same, again.differences
