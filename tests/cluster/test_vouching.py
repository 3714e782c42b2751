"""Whose wish a RolloutCommand is: certain where the shipped admission policy was in force before it was made, and nowhere else."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from cluster.installed import manifests, running
from cluster.opened import until
from cluster.testbed.api import Api, ApiError
from cluster.testbed.plane import ControlPlane
from trimtab.adapters.kubernetes.client import connected
from trimtab.adapters.kubernetes.connection import connection
from trimtab.adapters.kubernetes.vouching import PROBE, Vouching

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
WITHIN = 60.0
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Its own: admission policies count everywhere."""
    with running(tmp_path_factory.mktemp("vouching")) as made:
        yield made


def policy() -> str:
    """What is shipped about commands."""
    found = [one for one in yaml.safe_load_all(manifests()) if one["metadata"]["name"] == "trimtab-commands"]
    assert {one["kind"] for one in found} == {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    return yaml.safe_dump_all(found)


async def wish(api: Api, actor: str = "admin") -> Raw:
    """A new command."""
    spec = {"canary": "app", "verb": "pause", "actor": actor, "at": "2026-01-01T00:00:00+00:00", "rollout": 1}
    made = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "RolloutCommand", "metadata": {"name": f"app-{next(NUMBERS)}"}, "spec": spec}
    return await api.create(made, "default")


async def refused(api: Api) -> bool:
    """Is a wish in somebody else's name refused?"""
    try:
        await wish(api, "ann")
    except ApiError:
        return True
    return False


async def test_only_what_was_made_under_the_policy_is_vouched_for(plane: ControlPlane) -> None:
    async with Api(plane.kubeconfig) as api, connected(connection(str(plane.kubeconfig))) as client:
        unguarded = Vouching(client)
        await unguarded.begin("default")
        forged = await wish(api, "ann")
        assert not await unguarded.verified(forged), "without the policy anybody may write anything"

        plane.kubectl("apply", "-f", "-", given=policy())
        await until(lambda: refused(api), "the policy is in force", WITHIN)
        assert not await unguarded.verified(await wish(api)), "whether it was in force when this was made is not known"

        guarded = Vouching(client)
        await guarded.begin("default")
        assert not await guarded.verified(forged), "it was made before anybody looked"

        async def vouched() -> bool:
            # The API server counts in whole seconds.
            return await guarded.verified(await wish(api))

        await until(vouched, "what is made now is vouched for", WITHIN)
        await until(lambda: verified(unguarded, api), "also by who saw the policy come", WITHIN)

        plane.kubectl("delete", "validatingadmissionpolicybinding", "trimtab-commands")

        async def off() -> bool:
            return not await refused(api)

        await until(off, "the policy is not in force any more", WITHIN)
        assert not await guarded.verified(await wish(api))
        commands = await api.list("RolloutCommand", "default")
        assert not [found for found in commands if found["metadata"]["name"].startswith(PROBE)], "nothing is made to find that out"


async def verified(vouching: Vouching, api: Api) -> bool:
    """Is a new command vouched for?"""
    return await vouching.verified(await wish(api))


async def test_who_may_not_ask_vouches_for_nobody(plane: ControlPlane) -> None:
    kubeconfig = plane.account("default", "reader", [{"apiGroups": ["trimtab.dev"], "resources": ["rolloutcommands"], "verbs": ["get"]}])
    async with Api(plane.kubeconfig) as api, connected(connection(str(kubeconfig))) as client:
        vouching = Vouching(client)
        await vouching.begin("default")
        assert not await vouching.verified(await wish(api))
