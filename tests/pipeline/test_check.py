"""`trimtab check` over the founding document's repositories, overlays and charts, with real kustomize and helm."""

from dataclasses import replace
from pathlib import Path

import pytest

from contracts.test_pipeline_project import written
from pipeline.trees import FOUNDING, MENDS, commit, founding
from trimtab.inspection.report import Report
from trimtab.wiring.checking import Asked, checked
from trimtab.wiring.pipeline import Rules

pytestmark = pytest.mark.pipeline

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: y}\n"


def told(report: Report, *, without: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{one.severity.value} {one.finding.file}:{one.finding.line} {one.finding.check}"
        for one in report.found
        if one.finding.check not in without
    ]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("strategy-1", [("info", "apps/myapp/base/deployment.yaml:1", "rollout/no-traffic")]),
        (
            "strategy-3",
            [
                ("error", "helm-charts/myapp/templates/deployment.yaml:2", "kubernetes/schema"),
                ("info", "helm-charts/myapp/templates/deployment.yaml:2", "rollout/no-traffic"),
            ],
        ),
        ("strategy-4", 2 * [("warning", "k8s/base/deployment.yaml:1", "kubernetes/overlap")]),
    ],
)
async def test_what_is_merely_unwise_in_the_founding_documents_repositories_is_found(
    strategy: str, expected: list[tuple[str, str, str]], tmp_path: Path, rendering: Rules
) -> None:
    report = await checked(Asked(founding(strategy, tmp_path), rules=rendering))
    assert told(report, without=("rollout/reload",)) == [" ".join(part) for part in expected]
    assert any(one.finding.check == "rollout/reload" for one in report.found) is (strategy != "strategy-3")


@pytest.mark.parametrize(
    ("strategy", "place"),
    [
        ("strategy-1", "apps/myapp/overlays/canary/configmap-patch.yaml"),
        ("strategy-3", "helm-charts/myapp/templates/configmap.yaml"),
        ("strategy-4", "k8s/overlays/production-canary/configmap.yaml"),
    ],
)
async def test_what_keeps_them_from_rendering_is_a_finding_at_its_place(
    strategy: str, place: str, tmp_path: Path, rendering: Rules
) -> None:
    assert MENDS[strategy]
    report = await checked(Asked(founding(strategy, tmp_path, ()), rules=rendering))
    assert not report.passes
    assert place in {one.finding.file for one in report.found if one.finding.check == "render/fails"}


async def test_a_bad_value_in_an_overlay_is_found_in_its_patch_and_only_if_this_change_brought_it(tmp_path: Path, rendering: Rules) -> None:
    folder = founding("strategy-1", tmp_path)
    patch = folder / "apps/myapp/overlays/canary/configmap-patch.yaml"
    patch.write_text(patch.read_text().replace("pool_size: 20", "pool_size: [20"))
    deployment = folder / "apps/myapp/overlays/canary/deployment-patch.yaml"
    deployment.write_text(deployment.read_text().replace("replicas: 1", 'replicas: "1"'))
    asked = Asked(folder, rules=rendering, base="HEAD")
    errors = ["error apps/myapp/overlays/canary/configmap-patch.yaml:9 content/parses"]
    errors.append("error apps/myapp/overlays/canary/deployment-patch.yaml:6 kubernetes/schema")
    report = await checked(asked)
    assert [line for line in told(report) if line.startswith("error")] == errors
    assert report.base.startswith("HEAD (")
    commit(folder, "it is there now")
    report = await checked(asked)
    assert [line.replace("warning", "error") for line in told(report) if line.startswith("warning")][:2] == errors
    assert report.passes


async def test_a_change_under_a_generator_reaches_pods_and_one_without_its_hash_does_not(tmp_path: Path, rendering: Rules) -> None:
    deployment = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: a, image: x, envFrom: [{configMapRef: {name: settings}}]}]}
"""
    generator = "resources: [web.yaml]\nconfigMapGenerator: [{name: settings, literals: [LOG=info]}]\n"
    fixed = generator + "generatorOptions: {disableNameSuffixHash: true}\n"
    written(tmp_path, {f"{name}/web.yaml": deployment for name in ("hashed", "fixed")})
    written(tmp_path, {"hashed/kustomization.yaml": generator, "fixed/kustomization.yaml": fixed})
    commit(tmp_path, "before")
    for name, text in (("hashed", generator), ("fixed", fixed)):
        written(tmp_path, {f"{name}/kustomization.yaml": text.replace("info", "debug")})
    report = await checked(Asked(tmp_path, rules=rendering, base="main"))
    assert told(report) == ["error fixed/web.yaml:8 rollout/unseen"]


async def test_folders_without_a_trimtab_yaml_overlays_components_and_charts_are_found(tmp_path: Path, rendering: Rules) -> None:
    folder = founding("strategy-1", tmp_path / "one")
    (folder / "trimtab.yaml").unlink()
    component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
    written(folder, {"apps/parts/kustomization.yaml": component, "apps/plain/a.yaml": CONFIG})
    report = await checked(Asked(folder, rules=rendering))
    assert [one.name for one in report.targets] == ["apps/myapp/overlays/canary", "apps/myapp/overlays/stable", "apps/plain"]
    folder = founding("strategy-3", tmp_path / "three")
    values = ("helm-charts/myapp/values-production.yaml", "helm-charts/myapp/values-canary.yaml")
    report = await checked(
        Asked(folder / "helm-charts", ("./myapp",), tuple(name.removeprefix("helm-charts/") for name in values), rules=rendering)
    )
    assert [(one.name, one.tool.split()[0]) for one in report.targets] == [("helm-charts/myapp", "helm")]


async def test_values_that_the_charts_schema_refuses_are_a_finding_of_their_own(tmp_path: Path, rendering: Rules) -> None:
    folder = founding("strategy-3", tmp_path)
    written(folder, {"helm-charts/myapp/values.schema.json": '{"properties": {"replicaCount": {"type": "string"}}}'})
    found = told(await checked(Asked(folder, rules=rendering)))
    assert "error helm-charts/myapp/values-production.yaml:1 helm/values" in found


async def test_the_schema_of_the_founding_documents_script_is_held_against_its_values(tmp_path: Path, rendering: Rules) -> None:
    folder, chart = founding("strategy-3", tmp_path), "helm-charts/myapp"
    written(folder, {f"{chart}/values.schema.json": (FOUNDING / "config-schema.json").read_text()})
    checks = ("helm/values", "render/fails")
    assert not [one for one in (await checked(Asked(folder, rules=rendering))).found if one.finding.check in checks]
    values = folder / chart / "values-canary.yaml"
    values.write_text(values.read_text().replace("poolSize: 30", "poolSize: 101"))
    (found,) = [one.finding for one in (await checked(Asked(folder, rules=rendering))).found if one.finding.check in checks]
    assert (found.check, found.file) == ("helm/values", f"{chart}/values-canary.yaml") and "poolSize" in found.problem, found


async def test_for_strangers_nothing_of_the_network_is_asked_for_and_what_reaches_out_is_a_finding(
    tmp_path: Path, rendering: Rules
) -> None:
    folder = founding("strategy-1", tmp_path)
    overlay = folder / "apps/myapp/overlays/canary/kustomization.yaml"
    text = overlay.read_text()
    for line in ("https://example.invalid/x.yaml", "../../../../../../../../etc/hostname"):
        overlay.write_text(text.replace("- ../../base", f"- ../../base\n- {line}"))
        report = await checked(Asked(folder, base="HEAD", untrusted=True, rules=replace(rendering, network=False)))
        (error,) = [one.finding for one in report.found if one.finding.check == "render/fails"]
        assert (error.file, error.line) == ("apps/myapp/overlays/canary/kustomization.yaml", 8)


BASE = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: side
        image: side
      - name: app
        image: app
        envFrom:
        - configMapRef:
            name: settings
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LOG: info}
"""
STRATEGIC = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - name: app
        imagePullPolicy: Alway
        env:
        - name: LOG
          valueFrom:
            configMapKeyRef:
              name: settings
              key: LGO
"""
SINGLE = "- op: replace\n  path: /spec/template/spec/containers/1/envFrom/0/configMapRef/name\n  value: setings\n"


async def overlay(tmp_path: Path, rendering: Rules, files: dict[str, str]) -> list[str]:
    written(tmp_path, {"base/kustomization.yaml": "resources: [all.yaml]\n", "base/all.yaml": BASE, **files})
    report = await checked(Asked(tmp_path, ("over",), rules=rendering))
    return [f"{line} {one.finding.fix}" for line, one in zip(told(report), report.found, strict=True) if line.startswith("error")]


def indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


@pytest.mark.parametrize("inline", [False, True])
async def test_what_a_patch_gets_wrong_is_told_at_its_line_in_the_patch(tmp_path: Path, rendering: Rules, inline: bool) -> None:
    patch = f"- patch: |\n{indented(STRATEGIC)}" if inline else "- path: patch.yaml\n"
    files = {"over/kustomization.yaml": f"resources: [../base]\nnamePrefix: a-\npatches:\n{patch}", "over/patch.yaml": STRATEGIC}
    file, above = ("over/kustomization.yaml", 4) if inline else ("over/patch.yaml", 0)
    assert await overlay(tmp_path, rendering, {name: files[name] for name in files if not inline or "patch.yaml" not in name}) == [
        f"error {file}:{9 + above} kubernetes/schema Did you mean Always?",
        f"error {file}:{15 + above} reference/missing Did you mean LOG?",
    ]


@pytest.mark.parametrize("inline", [False, True])
async def test_what_a_patch_of_a_single_field_gets_wrong_is_told_at_its_line(tmp_path: Path, rendering: Rules, inline: bool) -> None:
    patch = f"patch: |-\n{indented(SINGLE)}" if inline else "path: patch.yaml\n"
    kustomization = f"resources: [../base]\npatches:\n- target: {{kind: Deployment, name: web}}\n  {patch}"
    files = {"over/kustomization.yaml": kustomization, **({} if inline else {"over/patch.yaml": SINGLE})}
    place = "over/kustomization.yaml:6" if inline else "over/patch.yaml:2"
    assert await overlay(tmp_path, rendering, files) == [f"error {place} reference/missing Did you mean settings?"]


async def test_what_a_base_gets_wrong_is_told_at_its_line_whatever_is_laid_over_it(tmp_path: Path, rendering: Rules) -> None:
    files = {
        "over/kustomization.yaml": "resources: [../base]\npatches: [{path: patch.yaml}]\n",
        "over/patch.yaml": STRATEGIC.partition("        imagePull")[0],
    }
    files["base/all.yaml"] = BASE.replace("            name: settings", "            name: setings")
    assert await overlay(tmp_path, rendering, files) == ["error base/all.yaml:16 reference/missing Did you mean settings?"]


CHART = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: app
        imagePullPolicy: {{ .Values.image.pullPolicy }}
        envFrom:
        - configMapRef:
            name: {{ .Release.Name }}-setings
        env:
        - name: LOG
          valueFrom: {configMapKeyRef: {name: {{ .Release.Name }}-settings, key: LGO}}
"""
CHART_CONFIG = """apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-settings
data:
  LOG: info
  config.json: |
    {
      "a": 1,
      "b" 2
    }
"""


async def test_what_a_chart_gets_wrong_is_told_at_the_line_of_its_template_or_values(tmp_path: Path, rendering: Rules) -> None:
    chart = {"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "values.yaml": "image:\n  pullPolicy: Always\n"}
    chart |= {"templates/deployment.yaml": CHART, "templates/config.yaml": CHART_CONFIG}
    written(tmp_path, {f"chart/{name}": text for name, text in chart.items()})
    written(tmp_path, {"prod.yaml": "replicas: 1\nimage:\n  pullPolicy: Alway\n"})
    report = await checked(Asked(tmp_path, ("chart",), values=("prod.yaml",), rules=rendering))
    assert [line for line in told(report, without=("rollout/unseen",)) if line.startswith(("error", "warning"))] == [
        "error chart/templates/config.yaml:10 content/parses",
        "error chart/templates/deployment.yaml:16 reference/missing",
        "error chart/templates/deployment.yaml:19 reference/missing",
        "error prod.yaml:3 kubernetes/schema",
    ]
