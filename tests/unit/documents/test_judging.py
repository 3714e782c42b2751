"""`spec.judge` of a RolloutPolicy: what may be written, where it is refused, and what it means."""

from datetime import timedelta

import pytest

from trimtab.documents.decode import read_documents
from trimtab.documents.flagger import Canary
from trimtab.documents.onemachine import counted_by_envoy
from trimtab.documents.translate import Companions, translate
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.errors import DocumentError, InputError
from trimtab.model.counting import By, Counting
from trimtab.model.judging import Clumps, Ending, JudgeRules, Measured, MetricRule, Ramp, Role
from trimtab.model.policy import Analysis, Provider

HEAD = "apiVersion: trimtab.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {name: careful, namespace: shop}\nspec:\n"
CANARY = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: web, namespace: shop, annotations: {trimtab.dev/policy: careful}}
spec:
  PROVIDER
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  service: {port: 80}
  analysis: {interval: 1m, threshold: 5, HOW}
"""


def policy(text: str) -> RolloutPolicy:
    (decoded,) = read_documents(HEAD + text, "policy.yaml")
    assert isinstance(decoded.value, RolloutPolicy)
    return decoded.value


def analysis(text: str, provider: str = "istio", how: str = "stepWeights: [1, 10, 50]") -> Analysis:
    (decoded,) = read_documents(CANARY.replace("PROVIDER", f"provider: {provider}").replace("HOW", how))
    assert isinstance(decoded.value, Canary)
    return translate(decoded.value, Companions(policies={("shop", "careful"): policy(text)})).analysis


def rules(text: str, **around: str) -> JudgeRules:
    found = analysis(text, **around).judge
    assert found is not None
    return found


def test_without_a_judge_only_thresholds_count() -> None:
    found = analysis("  noData: hold")
    assert (found.judge, found.ramp, found.counted_at) == (None, Ramp.CLOCK, None)


def test_a_judge_without_anything_compares_errors_by_the_documented_defaults() -> None:
    assert rules("  judge: {}") == JudgeRules(metrics=(MetricRule("errors"),), bake=timedelta(0))
    assert rules("  ramp: evidence\n  judge: {}") == JudgeRules(metrics=(MetricRule("errors"),)), "the last step bakes for five minutes"


def test_everything_that_is_written_is_in_the_rules() -> None:
    found = analysis(
        """\
  ramp: evidence
  judge:
    metrics:
    - {name: errors, weight: 2, source: {requests: hits_total, bad: {label: code, matches: "5.."}, selector: 'app="web"'}}
    - {name: latency, kind: latency, role: guard, slo: 500ms, tolerance: 12.5%, source: {histogram: took, unit: milliseconds}}
    - {name: promise, kind: objective, role: info, limit: 1%}
    prometheus: {address: "http://prometheus:9090", secretRef: {name: token}}
    scrapeInterval: 30s
    history: 24h
    tolerance: {relative: 50%, absolute: 0.1%, latency: 20%}
    odds: {rollback: 200, tolerance: 30, withoutOnePod: 25, hold: 15, promote: 10}
    growth: 50%
    latencyBound: 40%
    grace: 4m
    warmup: 1m
    step: {minimum: 2m, deadline: 45m}
    bake: 10m
    deadline: 3h
    silence: {hold: 90s, deadline: 10m}
    onNoData: ask
    onInsufficient: promote
    onDoubt: ask
    askFor: 30m
    clumps: time
"""
    )
    judge = found.judge
    assert judge is not None
    errors, latency, promise = judge.metrics
    assert errors == MetricRule("errors", weight=2, counting=Counting("hits_total", bad_label="code", bad="5..", selector='app="web"'))
    assert latency == MetricRule(
        "latency", Measured.LATENCY, Role.GUARD, slo=0.5, tolerance=0.125, counting=Counting(durations="took", unit=0.001)
    )
    assert promise == MetricRule("promise", Measured.OBJECTIVE, Role.INFO, limit=0.01)
    assert (judge.rollback_odds, judge.tolerance_odds, judge.without_one_pod_odds, judge.hold_odds, judge.promote_odds) == (
        200,
        30,
        25,
        15,
        10,
    )
    assert (judge.tolerance_relative, judge.tolerance_absolute, judge.latency_tolerance) == (0.5, 0.001, 0.2)
    assert (judge.growth, judge.latency_bound, judge.interval, judge.history) == (0.5, 0.4, timedelta(seconds=30), timedelta(hours=24))
    assert (judge.grace, judge.warmup, judge.bake) == (timedelta(minutes=4), timedelta(minutes=1), timedelta(minutes=10))
    assert (judge.step_minimum, judge.step_deadline, judge.rollout_deadline) == (
        timedelta(minutes=2),
        timedelta(minutes=45),
        timedelta(hours=3),
    )
    assert (judge.silence_hold, judge.silence_deadline, judge.ask_for) == (
        timedelta(seconds=90),
        timedelta(minutes=10),
        timedelta(minutes=30),
    )
    assert (judge.on_no_data, judge.on_insufficient, judge.on_doubt) == (Ending.ASK, Ending.PROMOTE, Ending.ASK)
    assert judge.clumps is Clumps.TIME
    assert (found.ramp, found.counted_at) == (
        Ramp.EVIDENCE,
        Provider("prometheus", "http://prometheus:9090", secret="token", namespace="shop"),
    )


def test_errors_clump_in_time_where_users_stick_or_pods_are_not_known() -> None:
    assert rules("  judge: {}").clumps is Clumps.PODS
    assert rules("  judge: {}", provider="nginx").clumps is Clumps.TIME
    arms = "arms: {by: service, label: backend, canary: '{service}-canary', primary: '{service}-primary'}"
    by_service = rules(f"  judge: {{metrics: [{{name: errors, source: {{{arms}}}}}]}}")
    assert (by_service.clumps, by_service.metrics[0].counting.by) == (Clumps.TIME, By.SERVICE)
    sticky = "stepWeights: [10, 50], sessionAffinity: {cookieName: c}"
    assert analysis("  judge: {}", how=sticky).sticky
    assert rules("  judge: {}", how=sticky).clumps is Clumps.TIME
    assert rules("  judge: {clumps: pods}", how=sticky).clumps is Clumps.PODS, "what is written counts"


def test_a_canary_that_gets_no_requests_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="in blue/green the canary gets none"):
        rules("  judge: {}", how="iterations: 5")
    assert rules("  judge: {}", how="iterations: 5, mirror: true")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("  ramp: evidence", r"policy.yaml:5: spec.ramp: evidence needs spec.judge"),
        ("  judge: {tolerance: {relative: 25}}", r"spec.judge.tolerance.relative: expected a percentage such as 25% or 0.02%, found 25"),
        ("  judge: {tolerances: {}}", r"spec.judge.tolerances: there is no such field; did you mean tolerance\?"),
        ("  judge: {grace: 120}", r"spec.judge.grace: expected a duration such as 30s, 5m or 1h30m, found 120, which lacks a unit"),
        ("  judge: {odds: {rollback: 10}}", r"spec.judge.odds.rollback: is 10, below hold \(20\)"),
        ("  judge: {odds: {hold: 0.5}}", r"spec.judge.odds.hold: expected a number not below 1"),
        ("  judge: {metrics: []}", r"spec.judge.metrics: none of them gates"),
        ("  judge: {metrics: [{name: a, role: info}]}", r"spec.judge.metrics: none of them gates"),
        ("  judge: {metrics: [{name: a}, {name: a}]}", r"spec.judge.metrics\[1\].name: 'a' is there twice"),
        ("  judge: {metrics: [{name: a, slo: 1s}]}", r"spec.judge.metrics\[0\].slo: belongs to metrics of kind latency"),
        ("  judge: {metrics: [{name: a}, {name: b, kind: objective}]}", r"spec.judge.metrics\[1\]: needs limit"),
        ("  judge: {metrics: [{name: a}, {name: b, kind: objective, limit: 100%}]}", r"spec.judge.metrics\[1\].limit: is 100%"),
        ("  judge: {metrics: [{name: a, kind: errrors}]}", r"did you mean errors\?"),
        ("  judge: {metrics: [{name: a, source: {bad: {label: code, matches: '5('}}}]}", r"bad.matches: is not a regular expression"),
        ("  judge: {metrics: [{name: a, source: {arms: {by: service}}}]}", r"source.arms: by service needs label, canary and primary"),
        ("  judge: {step: {deadline: 4m}, bake: 5m}", r"spec.judge.bake: is 5m, not less than step.deadline \(4m\)"),
        ("  judge: {scrapeInterval: 0s}", r"spec.judge.scrapeInterval: must be longer than nothing"),
        ("  ramp: evidence\n  judge: {promoteWithoutEvidence: true}", r"promoteWithoutEvidence: contradicts ramp: evidence"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_at_its_line(text: str, complaint: str) -> None:
    with pytest.raises(DocumentError, match=complaint):
        policy(text)


def test_more_than_eight_metrics_are_refused() -> None:
    metrics = ", ".join(f"{{name: m{number}}}" for number in range(9))
    with pytest.raises(DocumentError, match=r"spec.judge.metrics: expected a list of at most 8 items"):
        policy(f"  judge: {{metrics: [{metrics}]}}")


def test_on_one_machine_envoy_counts_by_backend_and_no_counter_can_be_named_without_a_prometheus() -> None:
    here = counted_by_envoy(analysis("  judge: {}"), timedelta(seconds=5)).judge
    assert here is not None and (here.clumps, here.interval) == (Clumps.TIME, timedelta(seconds=5))
    own = counted_by_envoy(analysis("  judge: {scrapeInterval: 2s}"), timedelta(seconds=5)).judge
    assert own is not None and own.interval == timedelta(seconds=2)
    with pytest.raises(InputError, match=r"spec.judge.metrics\[0\].source of the RolloutPolicy names counters of a Prometheus"):
        counted_by_envoy(analysis("  judge: {metrics: [{name: a, source: {requests: hits_total}}]}"), timedelta(seconds=5))
    assert counted_by_envoy(analysis("  noData: hold"), timedelta(seconds=5)).judge is None
