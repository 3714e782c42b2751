"""Canaries, metric templates and policies: can they work?"""

import pytest

from unit.inspection.cases import findings, found

CANARY = """apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: web, namespace: shop, annotations: {trimtab.dev/policy: strict}}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  service: {port: 80}
  analysis:
    interval: 1m
    threshold: 1
    stepWeight: 10
    metrics:
    - name: errors
      templateRef: {name: errors}
      templateVariables: {code: "5.."}
      thresholdRange: {max: 1}
    - name: own
      query: sum(rate(errors_total{app="{{ target }}"}[{{ interval }}]))
      thresholdRange: {max: 1}
"""
DEPLOYMENT = """---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: x}]}}}
"""
TEMPLATE = """---
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: errors, namespace: shop}
spec:
  provider: {type: prometheus, address: "http://prometheus:9090"}
  query: sum(rate(http_requests_total{code=~"{{ variables.code }}", ns="{{ namespace }}"}[{{ interval }}]))
"""
POLICY = """---
apiVersion: trimtab.dev/v1alpha1
kind: RolloutPolicy
metadata: {name: strict, namespace: shop}
spec:
  validation:
    schemas:
    - configMap: settings
      key: config.yaml
      schemaFrom: {configMap: schemas, key: settings.json}
"""
SCHEMAS = """---
apiVersion: v1
kind: ConfigMap
metadata: {name: schemas, namespace: shop}
data: {settings.json: '{"type": "object"}'}
"""
WHOLE = CANARY + DEPLOYMENT + TEMPLATE + POLICY + SCHEMAS
CHECKS = ("document/invalid", "document/canary", "document/query", "document/template", "document/metric", "document/reference")


def told(text: str) -> dict[str, list[str]]:
    return {check: lines for check in CHECKS if (lines := found(text, check))}


def test_a_canary_with_all_that_it_names_is_fine() -> None:
    assert told(WHOLE) == {}


@pytest.mark.parametrize(
    ("old", "new", "check", "said"),
    [
        ("stepWeight: 10", "stepWeigth: 10", "document/invalid", "error 10: spec.analysis.stepWeigth: there is no such field"),
        ("stepWeight: 10", "stepWeight: 0", "document/canary", "error 10: spec.analysis.stepWeight is 0; it must be at least 1"),
        ("stepWeight: 10", "stepWeights: [50, 10]", "document/canary", "error 10: spec.analysis.stepWeights [50, 10] must rise"),
        ("[{{ interval }}]))\n      thresholdRange", "[{{ interval }}))\n      thresholdRange", "document/query", "error 17: "),
        ('{{ variables.code }}", ns="{{', '{{ variables.code }}", ns={{', "document/query", "error 30: spec.query: is not PromQL"),
        ("{{ namespace }}", "{{ nameSpace }}", "document/template", "error 30: spec.query: "),
        ("{{ variables.code }}", "{{ if }}", "document/template", "error 30: spec.query: "),
        ('{code: "5.."}', '{cod: "5.."}', "document/template", "error 14: spec.analysis.metrics[0].templateVariables: of template"),
        ("      templateRef: {name: errors}\n", "", "document/metric", "error 11: spec.analysis.metrics: metric errors is not built in"),
        ("type: prometheus", "type: datadog", "document/metric", "error 13: spec.analysis.metrics[0].templateRef: template"),
        ("Deployment, name: web}", "Deployment, name: wbe}", "document/reference", "error 5: "),
        ("templateRef: {name: errors}", "templateRef: {name: other}", "document/reference", "warning 13: spec.analysis.metrics[0]."),
        ("kind: Deployment\nmetadata: {name: web,", "kind: Deployment\nmetadata: {name: shop,", "document/reference", "warning 5: "),
        ("policy: strict", "policy: other", "document/reference", "warning 1: RolloutPolicy other of namespace shop is not rendered"),
        ("name: schemas,", "name: others,", "document/reference", "warning 1: key settings.json of ConfigMap schemas of namespace shop"),
        ('"object"', '"objekt"', "document/canary", "error 4: RolloutPolicy strict: spec.validation.schemas[0].schemaFrom"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_found_at_its_line(old: str, new: str, check: str, said: str) -> None:
    assert old in WHOLE
    lines = told(WHOLE.replace(old, new))
    assert list(lines) == [check]
    assert lines[check][0].startswith(said)


def test_what_was_probably_meant_is_named() -> None:
    for old, new in (
        ("name: web}\n  service", "name: wbe}\n  service"),
        ("Ref: {name: errors}", "Ref: {name: eror}"),
        ("policy: strict", "policy: stric"),
    ):
        fixes = [one.fix for one in findings(WHOLE.replace(old, new)) if one.check == "document/reference"]
        assert len(fixes) == 1 and fixes[0].startswith("Did you mean "), (old, fixes)


def test_a_workload_that_has_a_canary_of_its_own_is_not_meant_by_another_one() -> None:
    other = CANARY.replace("name: web", "name: wbe") + "---\n"
    assert found(other + WHOLE, "document/reference") == ["warning 5: spec.targetRef.name: Deployment wbe is not rendered with this Canary"]


def test_a_policy_that_is_here_but_cannot_be_read_is_not_said_to_be_missing() -> None:
    assert list(told(WHOLE.replace("  validation:", "  validatoin:"))) == ["document/invalid"]


def test_metrics_of_a_policy_are_looked_at_like_those_of_a_canary() -> None:
    metric = "spec:\n  analysis:\n    metrics: [{name: own, query: 'sum(', thresholdRange: {max: 1}}]\n  validation:"
    assert told(WHOLE.replace("spec:\n  validation:", metric)) == {
        "document/query": [found(WHOLE.replace("spec:\n  validation:", metric), "document/query")[0]]
    }


JUDGED = WHOLE.replace("  validation:", "  judge: {}\n  validation:").replace("spec:\n  targetRef", "spec:\n  provider: istio\n  targetRef")
THREE = JUDGED.replace("spec: {selector:", "spec: {replicas: 3, selector:")
STICKY = THREE.replace("    stepWeight: 10", "    stepWeight: 10\n    sessionAffinity: {cookieName: c}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WHOLE, []),
        (THREE, []),
        (JUDGED, ["warning 1: the canary has one pod: a bad node looks like a bad configuration; with 3 or more, no single pod can"]),
        (THREE.replace("provider: istio", "provider: nginx"), ["warning 1: the canary's pods cannot be told apart"]),
        (STICKY, []),
        (STICKY.replace("judge: {}", "judge: {clumps: pods}"), ["warning 1: users stay with one copy (session affinity)"]),
    ],
)
def test_what_the_judge_cannot_do_with_these_documents_is_a_warning(text: str, said: list[str]) -> None:
    lines = found(text, "document/judge")
    assert len(lines) == len(said) and all(line.startswith(start) for line, start in zip(lines, said, strict=True)), lines
    assert not found(text, "document/canary")
