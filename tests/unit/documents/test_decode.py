"""Our kinds out of files (strict) and out of a cluster (lenient), and what is said about mistakes."""

import pytest

from trimtab.documents.decode import Decoded, read_documents
from trimtab.documents.fitting import TRUTH
from trimtab.documents.flagger import AlertProvider, Canary, MetricTemplate
from trimtab.documents.rules import violations
from trimtab.documents.trimtab import ConfigRollout, RolloutPolicy
from trimtab.errors import DocumentError

CANARY = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata:
  name: app
  namespace: test
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: app}
  service:
    port: 80
%s
  analysis:
    interval: 1m
    threshold: 5
    stepWeight: 10
%s
"""


def canary(service: str = "", analysis: str = "", *, strict: bool = True) -> Decoded:
    (decoded,) = read_documents(CANARY % (service, analysis), "app.yaml", strict=strict)
    return decoded


def problem(service: str = "", analysis: str = "", *, strict: bool = True) -> str:
    with pytest.raises(DocumentError) as caught:
        canary(service, analysis, strict=strict)
    return str(caught.value)


def spec(text: str) -> str:
    return f"    {text}"


def test_a_canary_is_read_field_for_field() -> None:
    value = canary(
        spec("targetPort: http"),
        "    metrics:\n    - {name: x, thresholdRange: {min: 99}, templateVariables: {a: b}}\n"
        "    webhooks:\n    - {name: h, url: 'http://x', disableTLS: true, type: rollback}\n",
    ).value
    assert isinstance(value, Canary)
    assert value.spec.service is not None
    assert (value.spec.service.port, value.spec.service.target_port) == (80, "http")
    assert (value.spec.analysis.interval, value.spec.analysis.step_weight) == ("1m", 10)
    assert value.spec.analysis.metrics[0].threshold_range is not None
    assert value.spec.analysis.metrics[0].threshold_range.min == 99.0
    assert value.spec.analysis.webhooks[0].disable_tls


@pytest.mark.parametrize(
    ("service", "analysis", "expected"),
    [
        ("prot: 1", "", "app.yaml:10: spec.service.prot: there is no such field; did you mean port?"),
        ("", "webhook: []", "app.yaml:15: spec.analysis.webhook: there is no such field; did you mean webhooks?"),
        ("", "StepWeights: []", "app.yaml:15: spec.analysis.StepWeights: there is no such field; did you mean stepWeights?"),
        ("", "metrics:", "app.yaml:15: spec.analysis.metrics: has no value (null). Give it one, or remove the line"),
        ("", "maxWeight: '50'", "app.yaml:15: spec.analysis.maxWeight: expected a whole number, found text"),
        ("", "maxWeight: 50.5", "app.yaml:15: spec.analysis.maxWeight: expected a whole number, found 50.5"),
        ("", "mirror: 1", "app.yaml:15: spec.analysis.mirror: expected true or false, found 1"),
        ("", "metrics: abc", "app.yaml:15: spec.analysis.metrics: expected a list, found text"),
        ("", "metrics: {a: b}", "app.yaml:15: spec.analysis.metrics: expected a list, found a mapping"),
        ("headers: {request: []}", "", "app.yaml:10: spec.service.headers.request: expected a mapping, found a list"),
        ("timeout: 5", "", "app.yaml:10: spec.service.timeout: expected text, found a number. Quote it"),
        (
            "hosts: [a, on]",
            "",
            f"app.yaml:10: spec.service.hosts[1]: expected text, found {TRUTH}. Quote it",
        ),
        ("targetPort: 1.5", "", "app.yaml:10: spec.service.targetPort: expected a whole number or text, found 1.5"),
        (
            "gatewayRefs: [{name: x, port: 0}]",
            "",
            "app.yaml:10: spec.service.gatewayRefs[0].port: expected a whole number not below 1 and not above 65535, found 0",
        ),
        ("gatewayRefs: [{port: 1}]", "", "app.yaml:10: spec.service.gatewayRefs[0]: the field name is missing"),
        (
            "",
            "metrics: [{name: x, interval: 1h}]",
            "app.yaml:15: spec.analysis.metrics[0].interval: expected a duration in minutes or seconds such as 30s or 5m, found '1h'",
        ),
        (
            "",
            "webhooks: [{name: x, url: u, type: confirm-rolout}]",
            "app.yaml:15: spec.analysis.webhooks[0].type: 'confirm-rolout' is not allowed; did you mean confirm-rollout?",
        ),
        (
            "",
            "alerts: [{name: x, severity: zzz, providerRef: {name: p}}]",
            "app.yaml:15: spec.analysis.alerts[0].severity: 'zzz' is not allowed; allowed are (empty), error, info, warn",
        ),
        (
            "",
            "metrics: [{name: x, templateVariables: {a: b, c.d: 5}}]\n    alerts: 5",
            "app.yaml:15: spec.analysis.metrics[0].templateVariables[c.d]: expected text, found a number. Quote it",
        ),
        (
            "match: [{headers: {a: {exact: b}, c: {exact: b, regex: d}}}]",
            "",
            "app.yaml:10: spec.service.match[0].headers.c: needs at most one of exact, prefix, regex; has exact, regex",
        ),
        (
            "",
            "match: [{headers: {a: {}}}]",
            "app.yaml:15: spec.analysis.match[0].headers.a: needs exactly one of exact, prefix, suffix, regex; has none of them",
        ),
    ],
)
def test_a_mistake_says_where_what_was_found_and_what_is_allowed(service: str, analysis: str, expected: str) -> None:
    assert problem(spec(service), spec(analysis)) == expected


@pytest.mark.parametrize(
    "shape", ["iterations: 5", "stepWeights: [5]", "iterations: 5\n    stepWeights: [5]"], ids=["iterations", "stepWeights", "all"]
)
def test_crd_6_two_shapes_of_analysis_are_refused_with_the_line_of_analysis(shape: str) -> None:
    assert problem("", spec(shape)).startswith(
        "app.yaml:11: spec.analysis: needs interval, threshold and exactly one of iterations, stepWeight, stepWeights; has interval, "
    )


def test_crd_4_a_whole_number_may_be_written_with_a_point_and_a_fraction_is_refused() -> None:
    value = canary(analysis=spec("maxWeight: 50.0")).value
    assert isinstance(value, Canary)
    assert value.spec.analysis.max_weight == 50
    assert "expected a whole number, found 5.5" in problem(analysis=spec("canaryReadyThreshold: 5.5"))


@pytest.mark.parametrize("interval", ["10ms", "5s30", "1m30s"])
def test_crd_5_what_passes_admission_passes_here(interval: str) -> None:
    assert canary(analysis=spec(f"metrics: [{{name: x, interval: {interval}}}]")).value


def test_from_a_cluster_unknown_fields_are_kept_with_a_warning() -> None:
    decoded = canary(spec("tomorrow: {a: null}"), spec("new: 1\n    metrics:"), strict=False)
    assert isinstance(decoded.value, Canary)
    assert decoded.warnings == (
        "app.yaml:10: spec.service.tomorrow: there is no such field; " + decoded.warnings[0].partition("; ")[2],
        "app.yaml:15: spec.analysis.new: there is no such field; " + decoded.warnings[1].partition("; ")[2],
        "app.yaml:16: spec.analysis.metrics: has no value (null). Give it one, or remove the line",
    )
    raw = decoded.document.value
    assert isinstance(raw, dict)
    assert raw["spec"]["service"]["tomorrow"] == {"a": None}


def test_from_a_cluster_a_wrong_type_is_an_error_all_the_same() -> None:
    assert "expected a whole number" in problem(analysis=spec("maxWeight: x"), strict=False)


def test_metadata_may_hold_whatever_kubernetes_has() -> None:
    (decoded,) = read_documents(
        "apiVersion: flagger.app/v1beta1\nkind: MetricTemplate\n"
        "metadata: {name: m, creationTimestamp: null, managedFields: [{a: b}], labels: {a: b}}\n"
        "spec: {provider: {type: prometheus}, query: up}\n"
    )
    assert isinstance(decoded.value, MetricTemplate)
    assert decoded.value.metadata.labels == {"a": "b"}


def test_an_alert_provider_needs_an_address_or_a_secret() -> None:
    head = "apiVersion: flagger.app/v1beta1\nkind: AlertProvider\nmetadata: {name: a}\n"
    (decoded,) = read_documents(head + "spec: {type: slack, address: 'https://x'}\n")
    assert isinstance(decoded.value, AlertProvider)
    for body in ("type: slack", "address: x", "type: slack, address: x, secretRef: {name: s}"):
        with pytest.raises(DocumentError, match="needs type and exactly one of address, secretRef"):
            read_documents(f"{head}spec: {{{body}}}\n")


def test_an_error_never_shows_a_header_that_may_be_a_token() -> None:
    for headers in ("{Authorization: Bearer hunter2}", "{Authorization: [778899]}", "{Authorization: {hunter2: x}}"):
        with pytest.raises(DocumentError, match=r"spec\.provider\.headers\.Authorization") as caught:
            read_documents(
                "apiVersion: flagger.app/v1beta1\nkind: MetricTemplate\nmetadata: {name: m}\n"
                f"spec: {{query: up, provider: {{type: prometheus, headers: {headers}}}}}\n"
            )
        assert "hunter2" not in str(caught.value)
        assert "778899" not in str(caught.value)


def test_a_rollout_policy_has_flaggers_behaviour_as_default() -> None:
    (decoded,) = read_documents(
        "apiVersion: trimtab.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {name: p}\nspec: {gates: {deadline: 24h}}\n"
    )
    assert isinstance(decoded.value, RolloutPolicy)
    rules = decoded.value.spec
    assert (rules.no_data, rules.provider_down, rules.on_newer_change, rules.keep_revisions, rules.history) == (
        "fail",
        "fail",
        "supersede",
        5,
        20,
    )
    assert rules.gates is not None
    assert (rules.gates.deadline, rules.gates.approvals) == ("24h", ())
    with pytest.raises(DocumentError, match=r"p\.yaml:4: spec\.gates\.deadline: .*found '1d'"):
        read_documents(
            "apiVersion: trimtab.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {name: p}\nspec: {gates: {deadline: 1d}}\n", "p.yaml"
        )


def test_a_config_rollout_is_read_with_its_timeline() -> None:
    (decoded,) = read_documents(
        "apiVersion: trimtab.dev/v1alpha1\nkind: ConfigRollout\nmetadata: {name: app-2}\n"
        "spec: {canary: app, number: 2, kind: change, to: {id: abc, template: 'v1:x'}, from: {id: abd, template: 'v1:y'}}\n"
        "status: {phase: Succeeded, outcome: Promoted, endedAt: 2026-01-01T00:00:00Z,\n"
        " timeline: [{at: '2026-01-01T00:00:00Z', reason: Advanced, text: x, weight: 10}]}\n"
    )
    assert isinstance(decoded.value, ConfigRollout)
    assert decoded.value.status is not None
    assert decoded.value.status.timeline[0].weight == 10


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("apiVersion: flagger.app/v1alpha3\nkind: Canary", r"apiVersion: flagger.app/v1alpha3 is not known. Write flagger.app/v1beta1"),
        ("apiVersion: flagger.app/v1beta1\nkind: Canery", "kind: flagger.app/v1beta1 has no kind Canery; did you mean Canary?"),
        ("apiVersion: trimtab.dev/v1alpha1", "has no kind"),
    ],
)
def test_a_kind_that_our_groups_do_not_have_is_an_error_in_files_and_raw_from_a_cluster(head: str, words: str) -> None:
    with pytest.raises(DocumentError, match=words):
        read_documents(head)
    (decoded,) = read_documents(head, strict=False)
    assert decoded.value is None


def test_other_kinds_and_other_files_are_returned_as_they_are() -> None:
    decoded = read_documents("apiVersion: batch/v1\nkind: Job\nmetadata: {name: j, namespace: m}\n---\nreplicas: 3\n---\n- a\n", "x.yaml")
    assert [(item.kind, item.name, item.namespace, item.value) for item in decoded] == [
        ("Job", "j", "m", None),
        ("", "", "", None),
        ("", "", "", None),
    ]


def test_items_of_a_list_are_documents_with_their_own_lines() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n  data:\n    k: v\n"
        "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: b}\n  data:\n    k: 5\n"
    )
    with pytest.raises(DocumentError, match=r"app\.yaml:13: data\.k: expected text"):
        read_documents(text, "app.yaml")
    assert [item.name for item in read_documents(text.replace("5", "five"))] == ["a", "b"]


KNATIVE = (
    "apiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {name: a}\nspec:\n  provider: %s\n"
    "  targetRef: {apiVersion: %s, kind: Service, name: a}\n"
    "  analysis: {interval: 1m, threshold: 1, iterations: 1}\n%s"
)


@pytest.mark.parametrize(
    ("provider", "version", "more", "words"),
    [
        ("istio", "serving.knative.dev/v1", "", r"a\.yaml:5: spec\.provider: a Knative target needs provider knative"),
        ("knative", "v1", "", r"a\.yaml:6: spec\.targetRef: provider knative needs"),
        (
            "knative",
            "serving.knative.dev/v1",
            "  autoscalerRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: a}\n",
            r"a\.yaml:8: spec\.autoscalerRef: .*scales itself",
        ),
    ],
)
def test_what_flaggers_controller_refuses_about_knative_is_refused(provider: str, version: str, more: str, words: str) -> None:
    with pytest.raises(DocumentError, match=words):
        read_documents(KNATIVE % (provider, version, more), "a.yaml")


def test_two_cookies_need_two_names() -> None:
    assert problem(analysis=spec("sessionAffinity: {cookieName: a, primaryCookieName: a}")).startswith(
        "app.yaml:15: spec.analysis.sessionAffinity.primaryCookieName: is the same as cookieName"
    )
    assert canary(analysis=spec("sessionAffinity: {cookieName: a, primaryCookieName: b}")).value


def test_references_into_other_namespaces_are_refused_only_where_asked() -> None:
    value = canary(
        analysis="    metrics:\n    - {name: x, templateRef: {name: t, namespace: other}}\n"
        "    - {name: z, templateRef: {name: t, namespace: test}}\n"
        "    alerts:\n    - {name: x, providerRef: {name: p, namespace: third}}\n"
    ).value
    assert isinstance(value, Canary)
    assert not list(violations(value))
    assert [violation.path for violation in violations(value, cross_namespace=False)] == [
        ("spec", "analysis", "metrics", 0, "templateRef", "namespace"),
        ("spec", "analysis", "alerts", 0, "providerRef", "namespace"),
    ]
