"""The Helm chart: it lints, renders the same objects as the Kustomize base, refuses values that are wrong, and what it installs works."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.installed import HOME, manifests, operator_running, running, token_of
from cluster.opened import canary, config_map, deployment, until
from cluster.programs import HELM, program
from cluster.testbed.api import Api
from cluster.testbed.binaries import cache
from cluster.testbed.plane import ControlPlane

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
CHART = Path(__file__).parents[2] / "charts" / "trimtab"
LABELS = ("app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart")
"""Those that only Helm's objects have."""
ONE, TWO = "shop", "billing"
WITHIN = 60.0


class HelmRefused(Exception):
    """Helm ended with an error; the text says which."""


def helm(*arguments: str, kubeconfig: Path | None = None) -> str:
    """What Helm prints. HelmRefused where it refuses."""
    home = str(cache() / "helm-home")
    environment = {**os.environ, "HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home, "HELM_DATA_HOME": home}
    command = [program(HELM), *arguments, *(["--kubeconfig", kubeconfig] if kubeconfig else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False, env=environment)
    if done.returncode:
        raise HelmRefused(f"helm {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def rendered(*values: str, release: str = "trimtab", namespace: str = HOME) -> list[Raw]:
    """The chart's objects, without its CRDs."""
    words = [word for value in values for word in ("--set", value)]
    return objects(helm("template", release, str(CHART), "--namespace", namespace, *words))


def objects(text: str) -> list[Raw]:
    """The documents in a text that are not empty."""
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(kind: str, found: list[Raw]) -> list[Raw]:
    return [document for document in found if document["kind"] == kind]


def stripped(found: Any) -> Any:
    """The same without Helm's own labels."""
    if isinstance(found, dict):
        return {name: stripped(value) for name, value in found.items() if name not in LABELS}
    return [stripped(item) for item in found] if isinstance(found, list) else found


def refused(*values: str) -> str:
    with pytest.raises(HelmRefused) as error:
        rendered(*values)
    return str(error.value)


def test_the_chart_lints() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


def test_the_chart_renders_the_objects_of_the_base() -> None:
    base = [found for found in objects(manifests()) if found["kind"] not in ("CustomResourceDefinition", "Namespace")]
    assert sorted(map(stripped, rendered()), key=json.dumps) == sorted(base, key=json.dumps)
    crds = objects(helm("show", "crds", str(CHART)))
    assert crds == of_kind("CustomResourceDefinition", objects(manifests()))


def test_every_value_gets_where_it_belongs() -> None:
    found = rendered(
        "meshProvider=nginx", "namespace=shop", "configTracking.enabled=false", "slack.channel=ops", "eventWebhook=http://hook/x",
        "image.tag=9.1.0", "image.pullSecret=pull", "leaderElection.enabled=false", "podMonitor.enabled=true", "dashboard.enabled=true",
        "podDisruptionBudget.enabled=true", "serviceAccount.name=who", "podLabels.team=red", "podPriorityClassName=high",
    )  # fmt: skip
    (work,) = of_kind("Deployment", found)
    pod = work["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"] == [
        "operator", "--event-webhook=http://hook/x", "--mesh-provider=nginx", "--namespace=shop", "--slack-channel=ops",
        "--enable-config-tracking=false", "--enable-leader-election=false",
    ]  # fmt: skip
    assert pod["containers"][0]["image"] == "trimtab:9.1.0" and pod["imagePullSecrets"] == [{"name": "pull"}]
    assert (work["spec"]["replicas"], work["spec"]["strategy"]) == (1, {"type": "Recreate"})
    assert (pod["serviceAccountName"], pod["priorityClassName"]) == ("who", "high")
    assert work["spec"]["template"]["metadata"]["labels"]["team"] == "red"
    assert {"PodMonitor", "PodDisruptionBudget"} <= {document["kind"] for document in found}
    (board,) = of_kind("ConfigMap", found)
    assert json.loads(board["data"]["trimtab.json"])["uid"] == "trimtab"


def test_with_namespaces_no_right_is_cluster_wide() -> None:
    found = rendered(f"namespace={ONE}\\, {TWO}")
    assert not of_kind("ClusterRole", found) and not of_kind("ClusterRoleBinding", found)
    (wide,) = of_kind("ClusterRole", rendered())
    roles = {role["metadata"]["namespace"]: role["rules"] for role in of_kind("Role", found)}
    assert roles[ONE] == roles[TWO] == wide["rules"]
    named = [rule.get("resourceNames") for rule in roles[HOME] if "get" in rule["verbs"]]
    assert named == [["trimtab"], ["trimtab-key"]]
    for binding in of_kind("ValidatingAdmissionPolicyBinding", found):
        (where,) = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
        assert where["values"] == [ONE, TWO]


def test_two_releases_have_no_name_in_common() -> None:
    names = [
        {(found["kind"], found["metadata"].get("namespace"), found["metadata"]["name"]) for found in rendered(release=release)}
        for release in ("trimtab", "blue")
    ]
    assert not names[0] & names[1]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("meshProvider=contour", "/meshProvider"),
        ("meshProviderr=istio", "meshProviderr"),
        ("leaderElection.replicaCount=0", "/leaderElection/replicaCount"),
        ("logLevel=loud", "/logLevel"),
        ("minimumInterval=soon", "/minimumInterval"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
    ],
)
def test_values_that_are_wrong_are_refused_with_their_place(value: str, place: str) -> None:
    assert place in refused(value)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane on which the chart was installed for two namespaces."""
    with running(tmp_path_factory.mktemp("chart")) as plane:
        for name in (ONE, TWO):
            plane.kubectl("create", "namespace", name)
        helm(
            "install", "trimtab", str(CHART), "--namespace", HOME, "--create-namespace", "--set", f"namespace={ONE}\\,{TWO}",
            kubeconfig=plane.kubeconfig,
        )  # fmt: skip
        yield plane


async def test_the_operator_rolls_out_with_the_account_of_an_installed_chart(installed: ControlPlane, tmp_path: Path) -> None:
    installed.kubectl("rollout", "status", "deployment/trimtab", f"--namespace={HOME}", "--timeout=60s")
    installed.kubectl("scale", "deployment/trimtab", f"--namespace={HOME}", "--replicas=0")
    flags = (f"--namespace={ONE},{TWO}", "--mesh-provider=kubernetes", "--minimum-interval=1s")
    async with Api(installed.kubeconfig) as api:
        rules = {"interval": "1s", "threshold": 2, "iterations": 1}
        for made in (config_map(color="red"), deployment(), canary(analysis=rules)):
            await api.create(made, TWO)

        async def is_in(phase: str) -> bool:
            return bool((await api.get("Canary", TWO, "app")).get("status", {}).get("phase") == phase)

        with operator_running(token_of(installed), tmp_path / "log", flags):
            await until(lambda: is_in("Initialized"), "it is initialised", WITHIN)
            await api.patch("ConfigMap", TWO, "app-config", {"data": {"color": "blue"}})
            await until(lambda: is_in("Succeeded"), "it is promoted", WITHIN)
    asked = installed.audited(f"system:serviceaccount:{HOME}:trimtab")
    assert asked and not [entry["requestURI"] for entry in asked if entry["responseStatus"]["code"] == 403]
