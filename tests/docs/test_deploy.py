"""What runs the operator in a cluster is one thing, said once: the base, the package's manifests, the chart, the dashboard, the image."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from click.testing import CliRunner

from trimtab.adapters.kubernetes.routers.choose import WORKING
from trimtab.faces.cli.main import cli
from trimtab.faces.cli.operator import operator_command
from trimtab.faces.exposition import Exposition

TOP = Path(__file__).parents[2]
BASE, CHART = TOP / "deploy" / "base", TOP / "charts" / "trimtab"
FLAGS = {option.lstrip("-") for parameter in operator_command.params for option in parameter.opts}
SECOND = 1.0
Raw = dict[str, Any]


def printed(*flags: str) -> list[Raw]:
    done = CliRunner().invoke(cli, ["operator", *flags, "--print-manifests"])
    assert done.exit_code == 0, done.output
    return list(yaml.safe_load_all(done.output))


def deployment(documents: list[Raw]) -> Raw:
    (found,) = (document for document in documents if document["kind"] == "Deployment")
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return dict(container)


def values(found: Any, prefix: str = "") -> set[str]:
    """The paths of all values that a chart has a place for."""
    if not isinstance(found, dict) or not found or prefix == "resources":
        return {prefix}
    return {path for name, value in found.items() for path in values(value, f"{prefix}.{name}".lstrip("."))}


def places(schema: Raw, prefix: str = "") -> set[str]:
    """The same, as a schema has it."""
    if "properties" not in schema:
        return {prefix}
    return {path for name, below in schema["properties"].items() for path in places(below, f"{prefix}.{name}".lstrip("."))}


def test_every_copy_is_true() -> None:
    done = subprocess.run([sys.executable, "tools/write_deploy.py", "--check"], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_print_manifests_prints_the_base() -> None:
    files = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    base = [document for name in files for document in yaml.safe_load_all((BASE / name).read_text())]
    assert len(base) > 10 and printed() == base


def test_flags_beside_print_manifests_become_the_operators() -> None:
    given = (
        "-mesh-provider=nginx",
        "--minimum-interval",
        "1m30s",
        "--enable-config-tracking=false",
        "--kubeconfig",
        "x",
        "--slack-user",
        "a: b",
    )
    args = deployment(printed(*given))["args"]
    assert args == [
        "operator",
        "--mesh-provider=nginx",
        "--minimum-interval=90000ms",
        "--enable-config-tracking=false",
        "--slack-user=a: b",
    ]
    context = operator_command.make_context("operator", args[1:])
    assert context.params["minimum_interval"].total_seconds() == 90 * SECOND


def test_a_flag_that_is_wrong_prints_no_manifests() -> None:
    done = CliRunner().invoke(cli, ["operator", "--minimum-interval", "soon", "--print-manifests"])
    assert done.exit_code == 2 and "kind:" not in done.output


def test_every_probe_and_scrape_goes_to_the_port_that_the_operator_serves() -> None:
    container = deployment(printed())
    (port,) = container["ports"]
    default = next(parameter.default for parameter in operator_command.params if parameter.name == "port")
    assert port["containerPort"] == int(str(default))
    podmonitor = yaml.safe_load((TOP / "deploy" / "monitoring" / "podmonitor.yaml").read_text())
    named = {probe["httpGet"]["port"] for name, probe in container.items() if name.endswith("Probe")}
    assert named | {endpoint["port"] for endpoint in podmonitor["spec"]["podMetricsEndpoints"]} == {port["name"]}


def test_the_chart_has_a_schema_for_every_value_and_a_value_for_every_field_of_it() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert values(yaml.safe_load((CHART / "values.yaml").read_text())) == places(schema) - {"global"}
    assert schema["properties"]["meshProvider"]["enum"] == ["", *WORKING]


def test_every_flag_that_the_chart_sets_exists() -> None:
    template = (CHART / "templates" / "operator.yaml").read_text()
    set_by_value = set(re.findall(r'^ +"([a-z-]+)" \.Values', template, re.MULTILINE))
    always = set(re.findall(r"^ +- --([a-z-]+)=", template, re.MULTILINE))
    assert len(set_by_value) > 10 and always and set_by_value | always <= FLAGS


def test_the_admission_policy_knows_the_providers_that_work() -> None:
    text = " ".join((BASE / "admission.yaml").read_text().split())
    (listed,) = re.findall(r"variables\.provider in \['', ([^\]]+)\]", text)
    assert re.findall(r"'([^']+)'", listed) == list(WORKING)
    assert f"It can be one of: {', '.join(WORKING)}'" in text


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    (version,) = re.findall(r'^version = "(.+)"$', (TOP / "pyproject.toml").read_text(), re.MULTILINE)
    assert (chart["version"], chart["appVersion"], deployment(printed())["image"]) == (version, version, f"trimtab:{version}")


def test_the_dashboard_asks_for_metrics_and_labels_that_are_there() -> None:
    board = json.loads((TOP / "deploy" / "monitoring" / "dashboard.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    labels = known_labels()
    assert len(asked) >= len(board["panels"])
    for expression in asked:
        promql_parser.parse(re.sub(r"\$(namespace|canary)", "x", expression))
        for series, selector in re.findall(r"\b((?:flagger|trimtab)_\w+)(?:\{([^}]*)\})?", expression):
            assert set(re.findall(r"(\w+)=~", selector)) <= labels[series], expression


def known_labels() -> dict[str, set[str]]:
    """The labels of each series that a Prometheus scrapes."""
    found: dict[str, set[str]] = {}
    for collector in Exposition("istio").registry._collector_to_names:
        for family in collector.describe():
            suffix = {"counter": "_total", "histogram": "_bucket"}.get(family.type, "")
            found[f"{family.name}{suffix}"] = set(vars(collector).get("_labelnames") or vars(family).get("_labelnames", ()))
    return found


def test_the_containerfile_is_clean() -> None:
    program = Path(sys.executable).parent / "hadolint"
    if not program.exists():
        pytest.skip("there is no hadolint for this kind of machine")
    done = subprocess.run([program, "Containerfile"], cwd=TOP, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_builds_from_what_is_let_into_its_context() -> None:
    let_in = {line[1:] for line in (TOP / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (TOP / "Containerfile").read_text(), re.MULTILINE)
    for name in (word for line in copied for word in line.split()):
        assert name.split("/")[0] in let_in and (TOP / name).exists(), name


def test_the_image_runs_as_the_user_that_the_deployment_says() -> None:
    (user,) = re.findall(r"^USER (\d+):(\d+)$", (TOP / "Containerfile").read_text(), re.MULTILINE)
    (found,) = (document for document in printed() if document["kind"] == "Deployment")
    context = found["spec"]["template"]["spec"]["securityContext"]
    assert user == (str(context["runAsUser"]), str(context["runAsGroup"]))
