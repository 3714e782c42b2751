"""Content and policies out of a real API server: what `ports.Sources` promises, copies, and what bad input says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from cluster.opened import canary, config_map, deployment, opened, secret, until
from cluster.testbed.api import Api, ApiError
from cluster.testbed.plane import ControlPlane
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.companions import alert_now, companions_of
from trimtab.adapters.kubernetes.configs import Configs, digest_key
from trimtab.adapters.kubernetes.copies import Copies
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.adapters.kubernetes.sources import ClusterSources
from trimtab.config.digest import DigestKey
from trimtab.config.references import copy_name
from trimtab.errors import Conflict, InputError
from trimtab.model.facts import Source
from trimtab.model.names import CanaryKey
from trimtab.model.revision import Revision
from trimtab.testing.contracts import sources

pytestmark = pytest.mark.cluster
SECRET = DigestKey("k1", b"k" * 32)
LATER = {sources.a_revision_stays_available_from_the_moment_it_is_told}
"""In a cluster the bytes are copied by `keep`, which raises Conflict where the source has moved on: see below."""
EVERY = tuple(check for check in (*sources.CHECKS, sources.a_change_is_noticed) if check not in LATER)


class Watching:
    """Sources over one namespace, and a person who edits there."""

    def __init__(self, plane: ControlPlane, api: Api, namespace: str, stack: AsyncExitStack) -> None:
        self.plane, self.api, self.namespace, self.stack = plane, api, namespace, stack
        self.key = CanaryKey(namespace, "app")
        self.settings = Settings()

    async def start(self) -> "Watching":
        self.sources = await self.restarted()
        return self

    async def restarted(self) -> ClusterSources:
        self.cluster = await self.stack.enter_async_context(opened(self.plane.kubeconfig, self.namespace))
        self.configs = Configs(self.cluster, SECRET)
        copies = Copies(self.cluster, self.settings, self.configs)
        return ClusterSources(self.cluster, self.settings, self.configs, copies, SystemClock())

    async def write(self, value: str) -> None:
        if await self.api.find("ConfigMap", self.namespace, "app-config") is None:
            await self.api.create(config_map(value=value), self.namespace)
        else:
            await self.api.patch("ConfigMap", self.namespace, "app-config", {"data": {"value": value}})
        await self.caught_up("ConfigMap", "app-config")

    async def spoil(self) -> None:
        await self.api.delete("ConfigMap", self.namespace, "app-config")
        await self.caught_up("ConfigMap", "app-config")

    async def apply(self, *made: dict[str, Any]) -> None:
        for one in made:
            await self.api.create(one, self.namespace)
            await self.caught_up(one["kind"], one["metadata"]["name"])

    async def caught_up(self, kind: str, name: str) -> None:
        """The mirrors have seen what was written."""
        mirror = next(mirror for known, mirror in self.cluster.mirrors.items() if known.kind == kind)

        def version(one: Any) -> Any:
            return one["metadata"]["resourceVersion"] if one is not None else None

        async def same() -> bool:
            return bool(version(await self.api.find(kind, self.namespace, name)) == version(mirror.get(self.namespace, name)))

        await until(same, f"{kind} {name} is seen")

    async def read(self) -> Source:
        return await self.sources.read(self.key)

    async def known(self) -> Revision:
        source = await self.read()
        assert source.revision is not None, source.problem
        return source.revision


@pytest.fixture
async def empty(plane: ControlPlane, api: Api, namespace: str) -> AsyncIterator[Watching]:
    async with AsyncExitStack() as stack:
        yield await Watching(plane, api, namespace, stack).start()


@pytest.fixture
async def watching(empty: Watching) -> Watching:
    await empty.apply(deployment(), canary())
    return empty


@pytest.mark.parametrize("check", EVERY, ids=[check.__name__ for check in EVERY])
async def test_the_sources_of_a_cluster(watching: Watching, check: Callable[[Any], Awaitable[None]]) -> None:
    await check(watching)


async def test_content_that_moved_on_before_it_was_copied_starts_another_pass(watching: Watching) -> None:
    await watching.write("one")
    first = await watching.known()
    await watching.write("two")
    with pytest.raises(Conflict, match=r"configmap/app-config.* has changed since it was read"):
        await watching.sources.keep(watching.key, [first])
    second = await watching.known()
    await watching.sources.keep(watching.key, [first, second])
    assert await watching.sources.contents(watching.key, first) == ()


async def test_a_copy_is_immutable_complete_and_belongs_to_its_users(watching: Watching, api: Api, namespace: str) -> None:
    made = {**config_map(value="one"), "binaryData": {"blob": "/w=="}}
    await watching.apply(made)
    revision = await watching.known()
    await watching.sources.keep(watching.key, [revision])
    name = copy_name("app-config", revision.configs[0].digest)
    found = await api.get("ConfigMap", namespace, name)
    assert (found["data"], found["binaryData"], found["immutable"]) == ({"value": "one"}, {"blob": "/w=="}, True)
    owner = (await api.get("Canary", namespace, "app"))["metadata"]["uid"]
    assert [(one["uid"], one.get("controller")) for one in found["metadata"]["ownerReferences"]] == [(owner, None)]
    assert found["metadata"]["annotations"]["trimtab.dev/digest"] == revision.configs[0].digest
    with pytest.raises(ApiError, match="immutable"):
        await api.patch("ConfigMap", namespace, name, {"data": {"value": "two"}})


async def test_keeping_what_is_kept_writes_nothing(watching: Watching, api: Api, namespace: str) -> None:
    await watching.write("one")
    revision = await watching.known()
    await watching.sources.keep(watching.key, [revision])
    before = await api.get("ConfigMap", namespace, copy_name("app-config", revision.configs[0].digest))
    await watching.sources.keep(watching.key, [revision])
    assert await api.get("ConfigMap", namespace, before["metadata"]["name"]) == before


async def test_copies_that_nobody_needs_go_and_one_that_a_pod_uses_stays(watching: Watching, api: Api, namespace: str) -> None:
    names, kept = [], []
    for value in ("one", "two", "three"):
        await watching.write(value)
        kept = [await watching.known()]
        names.append(copy_name("app-config", kept[0].configs[0].digest))
        await watching.sources.keep(watching.key, kept)
        if value == "one":
            await api.create(pod("old", names[0]), namespace)
    there = {one["metadata"]["name"] for one in await api.list("ConfigMap", namespace)}
    assert [name in there for name in names] == [True, False, True]


async def test_two_canaries_share_one_copy_until_neither_needs_it(watching: Watching, api: Api, namespace: str) -> None:
    await watching.write("one")
    await watching.apply(deployment("web"), canary("web"))
    web = CanaryKey(namespace, "web")
    revision = await watching.known()
    for key in (watching.key, web):
        found = (await watching.sources.read(key)).revision
        assert found is not None and found.configs == revision.configs
        await watching.sources.keep(key, [found])
    name = copy_name("app-config", revision.configs[0].digest)
    assert len((await api.get("ConfigMap", namespace, name))["metadata"]["ownerReferences"]) == 2
    await watching.sources.keep(watching.key, [])
    owners = (await api.get("ConfigMap", namespace, name))["metadata"]["ownerReferences"]
    assert [one["name"] for one in owners] == ["web"]
    await watching.sources.keep(web, [])
    assert await api.find("ConfigMap", namespace, name) is None


async def test_an_object_with_the_name_of_a_copy_is_never_overwritten(watching: Watching, api: Api, namespace: str) -> None:
    await watching.write("one")
    revision = await watching.known()
    name = copy_name("app-config", revision.configs[0].digest)
    await watching.apply(config_map(name, mine="yes"))
    with pytest.raises(InputError, match=f"configmap/{name}, which Trimtab did not make"):
        await watching.sources.keep(watching.key, [revision])
    assert (await api.get("ConfigMap", namespace, name))["data"] == {"mine": "yes"}


async def test_a_secret_is_tracked_by_a_keyed_digest_and_copied_with_its_type(empty: Watching, api: Api, namespace: str) -> None:
    login = secret(kind="kubernetes.io/basic-auth", username="ann", password="hunter2")
    await empty.apply(deployment(reads=(), secrets=("app-secret",)), canary(), login)
    revision = await empty.known()
    (ref,) = revision.configs
    assert ref.digest.startswith("hmac:k1:")
    await empty.sources.keep(empty.key, [revision])
    found = await api.get("Secret", namespace, copy_name("app-secret", ref.digest))
    assert found["type"] == "kubernetes.io/basic-auth" and set(found["data"]) == {"username", "password"}
    (content,) = await empty.sources.contents(empty.key, revision)
    assert content.data["password"] == b"hunter2" and "hunter2" not in repr(content)
    assert empty.configs.checksum(namespace, ref.name, ref.digest) != ""


async def test_other_types_of_secrets_and_what_says_disabled_are_shared(empty: Watching) -> None:
    shared = config_map("shared", a="1")
    shared["metadata"]["annotations"] = {"flagger.app/config-tracking": "disabled"}
    await empty.apply(deployment(reads=("shared",), secrets=("custom",)), canary(), shared, secret("custom", "example.com/custom", a="1"))
    revision = await empty.known()
    assert revision.configs == ()
    assert len(await empty.sources.contents(empty.key, revision)) == 2


async def test_what_is_missing_is_said_in_flaggers_words(empty: Watching, namespace: str) -> None:
    await empty.apply(canary())
    assert (await empty.read()).problem == f'deployment app.{namespace} get query error: deployments.apps "app" not found'
    await empty.apply(deployment())
    query = f"configmap app-config.{namespace} get query error"
    assert (await empty.read()).problem == f'GetTargetConfigs failed: {query}: {query}: configmaps "app-config" not found'


async def test_a_target_without_a_label_to_tell_copies_apart_is_a_problem(empty: Watching, namespace: str) -> None:
    made = deployment(reads=())
    made["spec"]["selector"]["matchLabels"] = made["spec"]["template"]["metadata"]["labels"] = {"team": "shop"}
    await empty.apply(made, canary())
    wanted = f"deployment app.{namespace} spec.selector.matchLabels must contain one of [app name app.kubernetes.io/name]"
    assert (await empty.read()).problem == f"getSelectorLabel failed: {wanted}"


async def test_an_optional_reference_that_does_not_exist_is_part_of_the_revision(empty: Watching) -> None:
    made = deployment()
    made["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["optional"] = True
    await empty.apply(made, canary())
    before = await empty.known()
    assert [ref.digest for ref in before.configs] == [""]
    await empty.write("one")
    assert await empty.known() != before


async def test_content_that_cannot_be_read_is_unknown_and_looked_at_again(plane: ControlPlane, api: Api, namespace: str) -> None:
    """A token that may list metadata but not read values."""
    await api.create(deployment(), namespace)
    await api.create(canary(), namespace)
    await api.create(config_map(value="one"), namespace)
    anything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["list", "watch"]}
    restricted = plane.account(namespace, "blind", [anything])
    async with opened(restricted, namespace) as cluster:
        configs = Configs(cluster, SECRET)
        blind = ClusterSources(cluster, Settings(), configs, Copies(cluster, Settings(), configs), SystemClock())
        found = await blind.read(CanaryKey(namespace, "app"))
        assert found.revision is None and "configmap app-config" in found.problem and "get" in found.problem
        again: asyncio.Queue[CanaryKey] = asyncio.Queue()
        cluster.wakers.append(again.put_nowait)
        reading = asyncio.ensure_future(anext(blind.changes()))
        async with asyncio.timeout(20):
            assert await again.get() == CanaryKey(namespace, "app")
        reading.cancel()
        await asyncio.wait([reading])


async def test_an_invalid_edit_is_a_problem_of_the_policy_and_the_target_counts_on(watching: Watching, api: Api, namespace: str) -> None:
    await watching.write("one")
    before = await watching.known()
    await api.patch("Canary", namespace, "app", {"spec": {"analysis": {"iterations": None, "stepWeights": [50, 10]}}})
    await watching.caught_up("Canary", "app")
    source = await watching.read()
    assert source.policy is None and source.policy_problem.startswith("spec.analysis.stepWeights [50, 10] must rise")
    assert source.revision == before


async def test_a_policy_that_queues_newer_changes_is_refused_in_a_cluster(watching: Watching, namespace: str) -> None:
    await watching.write("one")
    rules = {
        "apiVersion": "trimtab.dev/v1alpha1",
        "kind": "RolloutPolicy",
        "metadata": {"name": "calm"},
        "spec": {"onNewerChange": "queue"},
    }
    await watching.apply(rules, deployment("web"), canary("web", {"trimtab.dev/policy": "calm"}))
    source = await watching.sources.read(CanaryKey(namespace, "web"))
    assert source.policy is None and "spec.onNewerChange is queue" in source.policy_problem and "supersede" in source.policy_problem


async def test_a_canary_that_names_no_provider_has_the_operators(empty: Watching) -> None:
    unnamed = canary("unnamed")
    del unnamed["spec"]["provider"]
    await empty.apply(unnamed, canary("named"))
    found = [(await empty.sources.read(CanaryKey(empty.namespace, name))).policy for name in ("unnamed", "named")]
    assert [policy.provider for policy in found if policy] == ["istio", "kubernetes"]


async def test_the_address_of_a_chat_is_not_in_the_policy_which_everybody_who_reads_configrollouts_may_read(empty: Watching) -> None:
    metadata = {"name": "chat"}
    provider = {"apiVersion": "flagger.app/v1beta1", "kind": "AlertProvider", "metadata": metadata}
    provider["spec"] = {"type": "slack", "address": "http://chat.example/services/T0KEN"}
    told = {"interval": "10s", "threshold": 2, "iterations": 3, "alerts": [{"name": "chat", "providerRef": metadata}]}
    await empty.apply(provider, canary("web", analysis=told))
    policy = (await empty.sources.read(CanaryKey(empty.namespace, "web"))).policy
    assert policy is not None and "T0KEN" not in str(policy)
    (alert,) = policy.alerts
    assert (alert.provider, alert.problem) == ("chat", "")
    assert alert_now(companions_of(empty.cluster), alert).address == "http://chat.example/services/T0KEN"


async def test_of_two_canaries_with_one_target_the_older_counts(watching: Watching, namespace: str) -> None:
    await watching.write("one")
    await watching.apply(canary("other", targetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"}))
    other = CanaryKey(namespace, "other")
    await watching.read()
    source = await watching.sources.read(other)
    assert source.revision is None and f"is the target of Canary app.{namespace} too" in source.problem
    assert (await watching.read()).revision is not None


async def test_tracking_can_be_switched_off(plane: ControlPlane, api: Api, namespace: str) -> None:
    async with AsyncExitStack() as stack:
        watching = Watching(plane, api, namespace, stack)
        watching.settings = Settings(config_tracking=False)
        await watching.start()
        await watching.apply(deployment(), canary(), config_map(value="one"))
        assert (await watching.known()).configs == ()


async def test_neither_scaling_nor_status_wakes_and_an_edit_does(watching: Watching, api: Api, namespace: str) -> None:
    await watching.write("one")
    await watching.apply(deployment("web"), canary("web"))
    web, woken = CanaryKey(namespace, "web"), []

    async def listen() -> None:
        async for key in watching.sources.changes():
            woken.append(key)

    async def heard() -> bool:
        return web in woken

    async with asyncio.TaskGroup() as group:
        listening = group.create_task(listen())
        await until(heard, "the new Canary is noticed")
        for key in (watching.key, web):
            await watching.sources.read(key)
        woken.clear()
        await api.patch("Deployment", namespace, "app", {"spec": {"replicas": 0}})
        status = {"phase": "Initializing", "canaryWeight": 0, "failedChecks": 0, "iterations": 0}
        await api.patch("Canary", namespace, "app", {"status": status}, sub="status")
        await watching.caught_up("Deployment", "app")
        await watching.caught_up("Canary", "app")
        await api.patch("Deployment", namespace, "web", {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}})
        await until(heard, "the edit is noticed")
        listening.cancel()
    assert watching.key not in woken


async def test_who_made_a_change_is_known_from_annotations_or_managers(watching: Watching, api: Api, namespace: str) -> None:
    await watching.write("one")
    source = await watching.read()
    assert source.origin.author != "" and source.origin.at is not None
    await api.patch(
        "ConfigMap", namespace, "app-config", {"data": {"value": "two"}, "metadata": {"annotations": {"trimtab.dev/author": "ann"}}}
    )
    await watching.caught_up("ConfigMap", "app-config")
    assert (await watching.read()).origin.author == "ann"


async def test_the_key_for_digests_of_secrets_is_made_once(watching: Watching, namespace: str) -> None:
    first = await digest_key(watching.cluster.client, namespace)
    assert await digest_key(watching.cluster.client, namespace) == first
    await watching.api.patch("Secret", namespace, "trimtab-key", {"data": {"key": "c2hvcnQ="}})
    with pytest.raises(InputError, match=r"trimtab-key in namespace .* has no 32 bytes"):
        await digest_key(watching.cluster.client, namespace)


def pod(name: str, reads: str) -> dict[str, Any]:
    container = {"name": "app", "image": "registry.example/app:1.0.0", "envFrom": [{"configMapRef": {"name": reads}}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container]}}
