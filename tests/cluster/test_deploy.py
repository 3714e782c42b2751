"""What is installed in a cluster is enough and not more: pods start where pods are restricted, impossible Canaries are refused when they
are applied, and nobody wishes in the name of somebody else."""

import asyncio
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.installed import HOME, IMPOSSIBLE, is_refused, manifests, running
from cluster.opened import canary, until
from cluster.test_admission import VALUES, is_read
from cluster.testbed.api import Api, ApiError
from cluster.testbed.plane import ControlPlane
from trimtab.adapters.kubernetes.routers.choose import refusal
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.documents.decode import decode
from trimtab.documents.flagger import Canary
from trimtab.documents.translate import Companions, translate
from trimtab.documents.yaml import Document
from trimtab.errors import InputError
from unit.documents.test_schema_agrees import changed, places

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
TOP = Path(__file__).parents[2]
GOLDEN = TOP / "tests" / "golden"
ACTIVE = 30.0
SAYS = "ValidatingAdmissionPolicy 'trimtab-canaries'"
BY_WEIGHTS: Raw = {"interval": "10s", "threshold": 2, "stepWeight": 20}
BY_ITERATIONS: Raw = {"interval": "10s", "threshold": 2, "iterations": 3}
HEADER: Raw = {"headers": {"x-canary": {"exact": "yes"}}}
SAME_COOKIES = {"cookieName": "a", "primaryCookieName": "a"}
RICH: Raw = {
    "provider": "gatewayapi:v1",
    "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
    "service": {"port": 80, "gatewayRefs": [{"name": "public", "namespace": "edge"}]},
    "analysis": {
        **BY_ITERATIONS,
        "maxWeight": 50,
        "primaryReadyThreshold": 80,
        "match": [HEADER, {"queryParams": {"canary": {"exact": "yes"}}}],
        "sessionAffinity": {"cookieName": "a", "primaryCookieName": "b"},
    },
}
EACH, FEW = 400, 5
KNATIVE = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "app"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Its own control plane, for admission policies count everywhere. Two impossible Canaries were there before them."""
    with running(tmp_path_factory.mktemp("installed")) as plane:
        for name in ("older", "oldest"):
            plane.kubectl("create", "-f", "-", given=json.dumps({**IMPOSSIBLE, "metadata": {"name": name, "namespace": "default"}}))
        plane.kubectl("apply", "-f", "-", given=manifests())
        yield plane


@pytest.fixture
async def api(installed: ControlPlane) -> AsyncIterator[Api]:
    async with Api(installed.kubeconfig) as opened:
        yield opened


@pytest.fixture
async def guarded(installed: ControlPlane) -> ControlPlane:
    """The same, once the API server has begun to enforce the policies."""

    async def enforced() -> bool:
        refusals = [await asyncio.to_thread(is_refused, installed, json.dumps(one)) for one in (IMPOSSIBLE, a_wish("ann"))]
        return all("ValidatingAdmissionPolicy" in text for text in refusals)

    await until(enforced, "the policies refuse an impossible Canary and a wish in another name", ACTIVE)
    return installed


def a_wish(actor: str) -> Raw:
    """A command in somebody's name."""
    spec = {"canary": "app", "verb": "approve", "actor": actor, "at": "2026-01-01T00:00:00+00:00", "rollout": 1}
    return {"apiVersion": "trimtab.dev/v1alpha1", "kind": "RolloutCommand", "metadata": {"name": "x"}, "spec": spec}


def a_canary(**spec: Any) -> Raw:
    """One by weights, with these fields."""
    return canary(**{"provider": "istio", "analysis": BY_WEIGHTS, **spec})


def problem(document: Raw) -> str:
    """What the operator says to a Canary; empty where it would look after it."""
    try:
        found = decode(Document(document, "", 1, {}), strict=False).value
        assert isinstance(found, Canary)
        translate(found, Companions())
    except InputError as error:
        return str(error)
    return refusal(found, Settings())


def near(spec: Raw) -> list[Raw]:
    """Canaries with one value of `spec` replaced, the same ones each time."""
    chance = random.Random("near")
    specs = [
        changed(spec, chance.choice(list(places(spec))), chance.choice((*VALUES, "contour", [20, 10], [HEADER, {}]))) for _ in range(EACH)
    ]
    return [{**canary("near"), "spec": spec} for spec in specs]


async def test_its_pods_start_where_pods_are_restricted(installed: ControlPlane) -> None:
    labels = json.loads(installed.kubectl("get", "namespace", HOME, "-o", "json"))["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    installed.kubectl("rollout", "status", "deployment/trimtab", f"--namespace={HOME}", "--timeout=60s")


async def test_kubectl_builds_the_base_and_the_additions(installed: ControlPlane) -> None:
    base = list(yaml.safe_load_all(installed.kubectl("kustomize", str(TOP / "deploy" / "base"))))
    printed = list(yaml.safe_load_all(manifests()))
    assert sorted(base, key=json.dumps) == sorted(printed, key=json.dumps)
    board, monitor = yaml.safe_load_all(installed.kubectl("kustomize", str(TOP / "deploy" / "monitoring")))
    assert json.loads(board["data"]["trimtab.json"])["title"] == "Trimtab" and monitor["kind"] == "PodMonitor"
    (settings,) = yaml.safe_load_all(installed.kubectl("kustomize", str(TOP / "deploy" / "argocd")))
    assert settings["metadata"]["name"] == "argocd-cm" and len(settings["data"]) == 2


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"analysis": {**BY_WEIGHTS, "match": [HEADER]}}, "spec.analysis.match needs spec.analysis.iterations"),
        ({"analysis": {**BY_ITERATIONS, "match": [HEADER, {}]}}, "spec.analysis.match has an alternative without conditions"),
        ({"analysis": {"interval": "10s", "threshold": 2, "stepWeights": [10, 10]}}, "spec.analysis.stepWeights must rise"),
        ({"analysis": {"interval": "10s", "threshold": 2, "stepWeights": [50, 10]}}, "spec.analysis.stepWeights must rise"),
        ({"analysis": {"interval": "10s", "threshold": 2, "stepWeights": [0, 10]}}, "spec.analysis.stepWeights must rise"),
        ({"analysis": {"interval": "10s", "threshold": 2, "stepWeights": []}}, "spec.analysis.stepWeights must rise"),
        ({"analysis": {**BY_WEIGHTS, "stepWeight": 0}}, "spec.analysis.stepWeight must be at least 1"),
        ({"analysis": {"interval": "10s", "threshold": 2, "iterations": 0}}, "spec.analysis.iterations must be at least 1"),
        ({"analysis": {**BY_WEIGHTS, "maxWeight": 101}}, "spec.analysis.maxWeight"),
        ({"analysis": {**BY_WEIGHTS, "primaryReadyThreshold": -1}}, "spec.analysis.primaryReadyThreshold"),
        ({"analysis": {**BY_WEIGHTS, "canaryReadyThreshold": 101}}, "spec.analysis.canaryReadyThreshold"),
        ({"analysis": {**BY_WEIGHTS, "sessionAffinity": SAME_COOKIES}}, "spec.analysis.sessionAffinity.primaryCookieName"),
        ({"service": {"port": 0}}, "spec.service.port"),
        ({"service": None}, "spec.service.port"),
        ({"provider": "contour"}, "spec.provider contour"),
        ({"provider": "knative", "targetRef": KNATIVE}, "spec.provider knative"),
        ({"targetRef": KNATIVE}, "spec.targetRef"),
        ({"provider": "gatewayapi:v1"}, "spec.service.gatewayRefs"),
        ({"provider": "nginx"}, "spec.ingressRef"),
        ({"provider": "istio", "service": {"port": 80, "delegation": True, "hosts": ["a"]}}, "spec.service.delegation"),
    ],
)
async def test_an_impossible_canary_is_refused_when_it_is_applied_and_by_the_operator(guarded: ControlPlane, spec: Raw, field: str) -> None:
    document = a_canary(**spec)
    document["spec"] = {name: value for name, value in document["spec"].items() if value is not None}
    said = is_refused(guarded, json.dumps(document))
    assert SAYS in said and field in said
    assert problem(document)


async def test_a_test_by_headers_is_refused_for_a_mesh_that_would_send_everybody_to_the_canary(guarded: ControlPlane) -> None:
    document = a_canary(provider="linkerd", analysis={**BY_ITERATIONS, "match": [HEADER]})
    assert "spec.provider linkerd cannot match requests" in is_refused(guarded, json.dumps(document))


async def test_every_canary_of_the_golden_traces_that_the_operator_takes_is_admitted(guarded: ControlPlane) -> None:
    traces = [yaml.safe_load(path.read_text()) for path in sorted(GOLDEN.glob("*.yaml"))]
    found = [item for trace in traces for item in trace["objects"] if item["kind"] == "Canary"]
    taken = [item for item in found if not problem(item)]
    assert len(taken) > 60
    listed = [{**item, "metadata": {**item["metadata"], "name": f"golden-{index}"}} for index, item in enumerate(taken)]
    filled = json.dumps({"apiVersion": "v1", "kind": "List", "items": listed}).replace("{ns}", "default").replace("{world}", "http://x")
    assert not is_refused(guarded, filled)


async def test_the_policy_refuses_what_the_operator_would_not_look_after_and_nothing_else(guarded: ControlPlane, api: Api) -> None:
    documents = [document for document in near(RICH) if is_read(document)]

    async def refused(document: Raw) -> bool:
        try:
            await api.create(document, "default", dryRun="All")
        except ApiError as error:
            assert SAYS in str(error), error
            return True
        return False

    answers = await asyncio.gather(*(refused(document) for document in documents))
    wrong = [document["spec"] for document, no in zip(documents, answers, strict=True) if no is not bool(problem(document))]
    assert FEW <= sum(answers) <= len(answers) - FEW and not wrong


async def test_an_impossible_canary_that_was_there_before_can_be_labelled_but_not_edited_and_can_go(
    guarded: ControlPlane, api: Api
) -> None:
    await api.patch("Canary", "default", "older", {"metadata": {"labels": {"team": "red"}, "finalizers": ["example.com/x"]}})
    with pytest.raises(ApiError, match="stepWeights must rise"):
        await api.patch("Canary", "default", "older", {"spec": {"skipAnalysis": True}})
    await api.delete("Canary", "default", "older")
    await api.patch("Canary", "default", "older", {"metadata": {"finalizers": None}})
    assert await api.find("Canary", "default", "older") is None


async def test_nobody_wishes_in_the_name_of_somebody_else(guarded: ControlPlane) -> None:
    said = is_refused(guarded, json.dumps(a_wish("ann")))
    assert "spec.actor is ann, but the API server knows you as admin" in said
    assert not is_refused(guarded, json.dumps(a_wish("admin")))


async def test_what_the_operators_page_applies_is_admitted(guarded: ControlPlane) -> None:
    for name in ("production", "flagger-system"):
        guarded.kubectl("create", "namespace", name)
    blocks = re.findall(r"^```yaml\n(.*?)^```", (TOP / "docs" / "operator.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 1
    for block in blocks:
        guarded.kubectl("create", "--dry-run=server", "-f", "-", given=block)


@pytest.mark.skipif(shutil.which("jq") is None, reason="no jq on PATH")
async def test_the_page_for_users_of_flagger_finds_the_canaries_that_have_to_change(guarded: ControlPlane, tmp_path: Path) -> None:
    (command,) = re.findall(r"kubectl get canaries .*?-f -$", (TOP / "docs" / "from-flagger.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "kubectl").symlink_to(guarded.folder / "kubectl")
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "KUBECONFIG": str(guarded.kubeconfig)}
    call = partial(subprocess.run, ["sh", "-c", command], capture_output=True, text=True, env=environment, timeout=60, check=False)
    done = await asyncio.to_thread(call)
    assert "oldest-judged" in done.stderr and "stepWeights must rise" in done.stderr, done
