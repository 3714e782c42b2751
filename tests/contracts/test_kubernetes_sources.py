"""Content and policies out of mirrors that are filled by hand, without an API server."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from cluster.opened import canary, deployment
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.client import Client
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.companions import alert_now, companions_of, provider_now
from trimtab.adapters.kubernetes.configs import Configs
from trimtab.adapters.kubernetes.copies import Copies
from trimtab.adapters.kubernetes.kinds import ALERT_PROVIDER, CANARY, CONFIG_MAP, DEPLOYMENT, METRIC_TEMPLATE, ROLLOUT_POLICY, Kind
from trimtab.adapters.kubernetes.mirror import Mirror
from trimtab.adapters.kubernetes.rollouts import rollout_object
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.adapters.kubernetes.sources import ClusterSources
from trimtab.adapters.notify.alerts import wanted
from trimtab.config.digest import DigestKey
from trimtab.errors import InputError
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName
from trimtab.model.policy import AlertTarget, Provider
from trimtab.model.rollout import CanaryState, Rollout, RolloutKind
from trimtab.model.tellings import Telling, TellingKind
from trimtab.wiring.cluster import MIRRORED

KEY = CanaryKey("shop", "app")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
OWN = Settings(no_cross_namespace_refs=True)
Raw = dict[str, Any]


class Silent:
    """An API server that has nothing."""

    async def get(self, kind: Kind, namespace: str, name: str) -> None:
        return None


def put(mirrors: dict[Kind, Mirror], kind: Kind, found: Raw, namespace: str = "shop", version: str = "1") -> None:
    """As the watch brings it."""
    head = {**found["metadata"], "namespace": namespace, "uid": f"{kind.kind}-uid", "resourceVersion": f"{kind.kind}-{version}"}
    mirrors[kind].put({**found, "metadata": head})


def template(query: str) -> Raw:
    """A MetricTemplate of somebody else's namespace."""
    return {"metadata": {"name": "errors"}, "spec": {"provider": {"type": "prometheus", "address": "http://metrics:9090"}, "query": query}}


def sources(settings: Settings) -> tuple[ClusterSources, dict[Kind, Mirror]]:
    """Over a Canary whose RolloutPolicy names a template of another namespace."""
    made, cluster = over(settings)
    return made, dict(cluster.mirrors)


def over(settings: Settings) -> tuple[ClusterSources, Cluster]:
    """The same with the cluster itself."""
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
    return made, cluster


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


async def test_nothing_starts_while_the_rollout_policy_that_is_named_does_not_exist() -> None:
    made, mirrors = sources(replace(OWN, no_cross_namespace_refs=False))
    put(mirrors, CANARY, canary(annotations={"trimtab.dev/policy": "careful"}), version="2")
    source = await made.read(KEY)
    assert (source.revision, source.policy, source.policy_problem) == (None, None, "")
    assert source.problem.endswith("names RolloutPolicy 'careful', which does not exist; there are: extra")
    changes = made.changes()
    assert await anext(changes) == KEY, "the Canary itself"
    put(mirrors, ROLLOUT_POLICY, {"metadata": {"name": "careful"}, "spec": {"gates": {"approvals": ["confirm-promotion"]}}})
    assert await anext(changes) == KEY
    source = await made.read(KEY)
    assert source.revision is not None and source.policy is not None and source.policy.approvals and not source.problem
    put(mirrors, ROLLOUT_POLICY, {"metadata": {"name": "careful"}, "spec": {"gates": {"approvals": "all"}}}, version="3")
    source = await made.read(KEY)
    assert source.revision is not None and "RolloutPolicy careful" in source.policy_problem, "the last valid policy counts (R2)"


def named(address: str = "http://metrics:9090") -> tuple[ClusterSources, Cluster, dict[Kind, Raw]]:
    """A Canary that names a template and a chat of another namespace, with credentials, and these two."""
    made, cluster = over(Settings())
    measured: Raw = template("one")
    measured["spec"]["provider"] |= {"address": address, "headers": {"Authorization": ["Bearer IN-A-HEADER"]}}
    chat: Raw = {"metadata": {"name": "chat"}, "spec": {"type": "slack", "address": "http://chat/IN-AN-ADDRESS"}}
    chat["spec"]["proxy"] = "http://user:IN-A-PROXY@proxy:3128"
    metric = {"name": "errors", "templateRef": {"name": "errors", "namespace": "tools"}, "thresholdRange": {"max": 1}}
    alert = {"name": "chat", "providerRef": {"name": "chat", "namespace": "tools"}}
    analysis = {"interval": "10s", "threshold": 2, "iterations": 3, "metrics": [metric], "alerts": [alert]}
    companions = {METRIC_TEMPLATE: measured, ALERT_PROVIDER: chat}
    for kind, found in companions.items():
        put(dict(cluster.mirrors), kind, found, "tools", "2")
    put(dict(cluster.mirrors), CANARY, canary(analysis=analysis), version="2")
    return made, cluster, companions


async def recorded(made: ClusterSources) -> tuple[str, Provider, AlertTarget]:
    """The ConfigRollout of an attempt by these rules, and whom they name."""
    source = await made.read(KEY)
    assert source.policy is not None and source.revision is not None
    run = Rollout(1, RolloutKind.CHANGE, None, source.revision, source.policy, datetime(2026, 1, 1, tzinfo=UTC))
    (metric,), (alert,) = source.policy.analysis.metrics, source.policy.alerts
    assert metric.provider is not None
    return json.dumps(rollout_object(CanaryState(KEY, policy=source.policy, rollout=run), (), {}, {})), metric.provider, alert


@pytest.mark.parametrize("address", ["http://metrics:9090", "http://reader:IN-USERINFO@metrics:9090"])
async def test_no_credential_of_a_metric_server_or_a_chat_is_in_a_record_and_all_are_looked_up_when_they_are_needed(address: str) -> None:
    made, cluster, companions = named(address)
    text, provider, alert = await recorded(made)
    assert '"errors.tools"' in text and [word for word in ("HEADER", "ADDRESS", "PROXY", "USERINFO") if f"IN-A-{word}" in text] == []
    assert "IN-AN-ADDRESS" not in text and "IN-USERINFO" not in text

    known = companions_of(cluster)
    now, asked = alert_now(known, alert), provider_now(known, provider)
    assert (now.address, now.proxy) == ("http://chat/IN-AN-ADDRESS", "http://user:IN-A-PROXY@proxy:3128")
    assert (asked.address, asked.headers, asked.document) == (address, (("Authorization", ("Bearer IN-A-HEADER",)),), "")
    companions[METRIC_TEMPLATE]["spec"]["provider"]["headers"] = {"Authorization": ["Bearer NEWER"]}
    put(dict(cluster.mirrors), METRIC_TEMPLATE, companions[METRIC_TEMPLATE], "tools", "3")
    assert provider_now(known, provider).headers == (("Authorization", ("Bearer NEWER",)),), "a token that was replaced"

    provider = replace(provider, namespace="elsewhere")
    with pytest.raises(InputError, match="MetricTemplate errors in namespace elsewhere is gone"):
        provider_now(known, provider)


async def test_a_metric_server_without_credentials_is_pinned_whole() -> None:
    made, cluster, companions = named()
    companions[METRIC_TEMPLATE]["spec"]["provider"] = {"type": "prometheus", "address": "http://metrics:9090"}
    put(dict(cluster.mirrors), METRIC_TEMPLATE, companions[METRIC_TEMPLATE], "tools", "3")
    _, provider, _ = await recorded(made)
    assert (provider.address, provider.document) == ("http://metrics:9090", "")


async def test_quirk_10_alerts_without_a_severity_are_sent_unless_flaggers_way_is_wanted() -> None:
    for quirks, severity in ((frozenset[int](), "info"), (frozenset({10}), "never")):
        made, mirrors = sources(Settings(quirks=quirks))
        provider = {"type": "slack", "address": "http://chat"}
        put(mirrors, ALERT_PROVIDER, {"metadata": {"name": "chat"}, "spec": provider})
        analysis = {"interval": "10s", "threshold": 2, "iterations": 3, "alerts": [{"name": "all", "providerRef": {"name": "chat"}}]}
        put(mirrors, CANARY, canary(analysis=analysis), version="2")
        policy = (await made.read(KEY)).policy
        assert policy is not None and [alert.severity for alert in policy.alerts] == [severity]
        assert wanted(policy.alerts[0], Telling("1", TellingKind.ALERT, NOW, "it failed", severity="error")) is (severity == "info")


class Holding(Silent):
    """An API server with ConfigMaps of any name. `asked` are the names that were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get(self, kind: Kind, namespace: str, name: str) -> Raw | None:  # type: ignore[override]
        if kind is CONFIG_MAP:
            self.asked.append(name)
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": name}, "data": {"a": "b"}}
        return None


async def test_of_names_that_nobody_reads_any_more_nothing_is_remembered_and_what_is_read_is_asked_for_once() -> None:
    """Generated names, with a hash of the content, are new with each change."""
    client = Holding()
    mirrors = {kind: Mirror(cast(Client, client), kind, ()) for kind in MIRRORED}
    cluster = Cluster(cast(Client, client), mirrors)
    configs = Configs(cluster, DigestKey("k1", b"k" * 32))
    made = ClusterSources(cluster, Settings(), configs, Copies(cluster, Settings(), configs), SystemClock())
    put(mirrors, CANARY, canary())
    names = [f"app-{number}" for number in range(3)]
    for name in names:
        put(mirrors, CONFIG_MAP, {"metadata": {"name": name}}, version=name)
        put(mirrors, DEPLOYMENT, deployment(reads=(name,)), version=name)
        for _ in range(2):
            assert (await made.read(KEY)).revision is not None
    known = [configs.known("shop", ConfigName(ConfigKind.CONFIG_MAP, name)) is not None for name in names]
    assert (known, client.asked) == ([False, False, True], names)
