"""Content and policies out of mirrors that are filled by hand, without an API server."""

from dataclasses import replace
from typing import Any, cast

from cluster.opened import canary, deployment
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.client import Client
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.configs import Configs
from trimtab.adapters.kubernetes.copies import Copies
from trimtab.adapters.kubernetes.kinds import CANARY, DEPLOYMENT, METRIC_TEMPLATE, ROLLOUT_POLICY, Kind
from trimtab.adapters.kubernetes.mirror import Mirror
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.adapters.kubernetes.sources import ClusterSources
from trimtab.config.digest import DigestKey
from trimtab.model.names import CanaryKey
from trimtab.wiring.cluster import MIRRORED

KEY = CanaryKey("shop", "app")
OWN = Settings(no_cross_namespace_refs=True)
Raw = dict[str, Any]


class Silent:
    """An API server that has nothing."""

    async def get(self, kind: Kind, namespace: str, name: str) -> None:
        return None


def put(mirrors: dict[Kind, Mirror], kind: Kind, found: Raw, namespace: str = "shop", version: str = "1") -> None:
    """As the watch brings it."""
    head = {**found["metadata"], "namespace": namespace, "uid": f"{kind.kind}-1", "resourceVersion": f"{kind.kind}-{version}"}
    mirrors[kind].put({**found, "metadata": head})


def template(query: str) -> Raw:
    """A MetricTemplate of somebody else's namespace."""
    return {"metadata": {"name": "errors"}, "spec": {"provider": {"type": "prometheus", "address": "http://metrics:9090"}, "query": query}}


def sources(settings: Settings) -> tuple[ClusterSources, dict[Kind, Mirror]]:
    """Over a Canary whose RolloutPolicy names a template of another namespace."""
    client = cast(Client, Silent())
    mirrors = {kind: Mirror(client, kind, ()) for kind in MIRRORED}
    cluster = Cluster(client, mirrors, settings)
    configs = Configs(cluster, DigestKey("k1", b"k" * 32))
    made = ClusterSources(cluster, settings, configs, Copies(cluster, settings, configs), SystemClock())
    metric = {"name": "errors", "templateRef": {"name": "errors", "namespace": "tools"}, "thresholdRange": {"max": 1}}
    put(mirrors, DEPLOYMENT, deployment(reads=()))
    put(mirrors, ROLLOUT_POLICY, {"metadata": {"name": "extra"}, "spec": {"analysis": {"metrics": [metric]}}})
    put(mirrors, METRIC_TEMPLATE, template("one"), "tools")
    put(mirrors, CANARY, canary(annotations={"trimtab.dev/policy": "extra"}))
    return made, mirrors


async def test_a_rollout_policy_names_nothing_of_other_namespaces_where_that_is_not_allowed() -> None:
    refused, _ = sources(OWN)
    source = await refused.read(KEY)
    assert source.policy is None and source.policy_problem.startswith("RolloutPolicy extra: spec.analysis.metrics[0].templateRef.namespace")
    allowed, _ = sources(replace(OWN, no_cross_namespace_refs=False))
    assert (await allowed.read(KEY)).policy is not None


async def test_a_canary_is_woken_by_the_template_of_its_rollout_policy() -> None:
    made, mirrors = sources(Settings())
    await made.read(KEY)
    changes = made.changes()
    assert await anext(changes) == KEY, "the Canary itself"
    put(mirrors, METRIC_TEMPLATE, template("two"), "tools", "2")
    assert await anext(changes) == KEY
    policy = (await made.read(KEY)).policy
    assert policy is not None and policy.analysis.metrics[0].query == "two"
