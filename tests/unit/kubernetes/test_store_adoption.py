"""What is made of a status that Flagger left, and of its primary: nothing starts, and a run goes on where it was."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trimtab.adapters.kubernetes.adoption import Left, adopted
from trimtab.adapters.kubernetes.kinds import DEPLOYMENT
from trimtab.adapters.kubernetes.primary import Plan, primary, template
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.adapters.kubernetes.undoing import alike, copies_in, undone
from trimtab.config.digest import canonical_json, template_fingerprint
from trimtab.config.references import references
from trimtab.model.facts import Capabilities, Copy, Facts, Routes, Source
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName, Target
from trimtab.model.policy import Analysis, Metric, MetricKind, Policy, Service
from trimtab.model.revision import ConfigRef, Revision
from trimtab.model.rollout import Ask, CanaryState, Outcome, Phase
from trimtab.rollout.decide import decide
from trimtab.rollout.exposure import wanted
from trimtab.rollout.safety import Passage, broken_laws

Raw = dict[str, Any]
NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
SINCE = "2026-01-02T11:59:00Z"
KEY = CanaryKey("shop", "app")
METRIC = Metric("request-success-rate", MetricKind.SUCCESS_RATE, minimum=99.0)
POLICY = Policy(Target("Deployment", "app"), Service("app"), weights=(10, 20, 30), max_weight=30, analysis=Analysis((METRIC,), threshold=3))
ROUNDS = replace(POLICY, weights=(), iterations=4)
NAME = ConfigName(ConfigKind.CONFIG_MAP, "config")
OLD = Revision.of("{}", "v1:old", (ConfigRef(NAME, "sha256:1", "1"),))
NEW = Revision.of("{}", "v1:new", (ConfigRef(NAME, "sha256:2", "2"),))
LABELS = Settings().selector_labels


def left(phase: str, to: Revision = NEW, *, same: bool = True, policy: Policy = POLICY, **status: Any) -> Left:
    found = {"phase": phase, "lastTransitionTime": SINCE, "lastAppliedSpec": "111", "lastPromotedSpec": "222", **status}
    return Left(KEY, found, policy, to, OLD, same, Capabilities(), NOW)


def passes(state: CanaryState, found: Left, count: int = 6) -> CanaryState:
    """Some passes later, in a world that is as the record says, at the same moment."""
    exposure = wanted(state)
    for _ in range(count):
        running = exposure.canary.id if exposure.canary is not None else ""
        first = exposure.primary.id if exposure.primary is not None else ""
        facts = Facts(
            NOW,
            Source(found.to, policy=found.policy),
            primary=Copy(first, 1, 1, 1, 1),
            canary=Copy(running, 1, 1, 1, 1) if running else Copy(),
            routes=Routes(exposure.weight, exposure.matched, exposure.mirrored),
        )
        decision = decide(state, facts, None)
        assert broken_laws(Passage(state, facts, None, decision.state)) == ()
        state = decision.state
    return state


def test_a_record_made_anew_comes_after_all_that_were_there_and_knows_what_undo_can_go_back_to() -> None:
    before = adopted(left("Succeeded", OLD)).state
    assert before.rollout is not None
    older = replace(before, serial=7, rollout=replace(before.rollout, number=4), kept=(Revision.of("{}", "v1:first", ()),))
    found = replace(left("Succeeded", NEW), promoted=NEW, older=older, marked=11)
    made = adopted(found)
    assert (made.state.serial, made.state.rollout.number if made.state.rollout is not None else 0) == (12, 5)
    assert made.state.kept == (OLD, *older.kept)
    assert [(entry.rollout, entry.reason) for entry in made.entries] == [(5, "MadeAnew")]
    assert adopted(replace(found, marked=3)).state.serial == 8
    assert adopted(replace(left("Succeeded", OLD), marked=11)).state.serial == 12


@pytest.mark.parametrize("phase", ["Initialized", "Succeeded"])
def test_a_settled_canary_stays_settled(phase: str) -> None:
    found = left(phase, OLD)
    state = adopted(found).state
    assert (state.phase.value, state.promoted, state.running, state.held) == (phase, OLD, None, None)
    assert passes(state, found) == state


def test_what_failed_under_flagger_is_not_started_again() -> None:
    found = left("Failed")
    state = adopted(found).state
    assert state.rollout is not None
    assert (state.rollout.to, state.rollout.outcome, state.held is not None) == (NEW, Outcome.ROLLED_BACK, True)
    assert passes(state, found) == state


def test_what_flagger_had_taken_notice_of_is_not_started_by_trimtab() -> None:
    """Content that changed while a promotion copied: Flagger's checksums have it, the primary does not (QUIRK-16)."""
    found = left("Succeeded")
    assert passes(adopted(found).state, found).running is None


def test_a_change_that_came_while_nobody_ran_is_a_change() -> None:
    found = left("Succeeded", same=False)
    run = passes(adopted(found).state, found).running
    assert run is not None and (run.number, run.to) == (2, NEW)


def test_after_a_failed_promotion_everybody_stays_on_the_healthy_canary() -> None:
    found = left("Failed", canaryWeight=100)
    state = adopted(found).state
    assert (wanted(state).weight, wanted(state).canary) == (100, NEW)


@pytest.mark.parametrize(("weight", "position"), [(0, 0), (10, 1), (20, 2), (30, 3)])
def test_a_run_goes_on_at_its_step(weight: int, position: int) -> None:
    found = left("Progressing", canaryWeight=weight, failedChecks=2)
    state = adopted(found).state
    assert state.running is not None and state.running.position == position
    assert (wanted(state).weight, wanted(state).canary, wanted(state).primary) == (weight, NEW, OLD)
    assert state.evidence.failed_checks == 2
    if position:
        # The next check comes an interval later, as after any step. Before the first one readiness is all that counts.
        later = passes(state, found)
        assert (wanted(later).weight, later.asks, later.due) == (weight, Ask.METRICS, NOW + timedelta(seconds=60))


def test_a_run_of_iterations_goes_on_at_its_iteration() -> None:
    found = left("Progressing", policy=ROUNDS, iterations=3)
    run = adopted(found).state.running
    assert run is not None and run.steps[run.position - 1].iteration == 3


def test_traffic_stays_where_it_is_while_promotion_waits_for_approval() -> None:
    """The status says weight 0 and iteration -1 then (QUIRK-4)."""
    state = adopted(left("WaitingPromotion", canaryWeight=0, iterations=-1)).state
    assert (state.phase, wanted(state).weight) == (Phase.WAITING_PROMOTION, 30)
    rounds = adopted(left("WaitingPromotion", policy=ROUNDS, iterations=3)).state
    assert wanted(rounds).weight == 0


def test_an_approval_that_was_waited_for_is_still_waited_for() -> None:
    state = adopted(left("Waiting")).state
    assert state.running is not None and state.running.began is None
    assert (wanted(state).canary, state.applied) == (None, OLD)


def test_a_promotion_goes_on_and_traffic_stays_with_the_canary_until_the_primary_is_ready() -> None:
    found = left("Promoting", canaryWeight=30)
    state = adopted(found).state
    assert (wanted(state).primary, wanted(state).canary, wanted(state).weight) == (NEW, NEW, 30)
    stepped = adopted(left("Promoting", canaryWeight=10, policy=replace(POLICY, step_weight_promotion=20))).state
    assert wanted(stepped).weight == 10
    assert adopted(left("Finalising")).state.phase is Phase.FINALISING


def test_content_that_changed_meanwhile_begins_the_run_anew_without_traffic() -> None:
    for phase in ("Progressing", "WaitingPromotion"):
        state = adopted(left(phase, same=False, canaryWeight=20, failedChecks=2)).state
        assert (state.phase, wanted(state).weight, state.evidence.failed_checks) == (Phase.PROGRESSING, 0, 0)


def test_flaggers_hashes_are_kept_for_the_templates_that_they_are_of() -> None:
    assert adopted(left("Failed")).specs == {"v1:new": "111", "v1:old": "222"}
    assert adopted(left("Succeeded", same=False)).specs == {"v1:old": "222"}
    ours = left("Succeeded", OLD, lastAppliedSpec="v1:old", lastPromotedSpec="v1:old")
    assert adopted(ours).specs == {}


def target() -> Raw:
    """A target with everything that is rewritten for a primary."""
    spread = {"maxSkew": 1, "topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "app", "tier": "app"}}}
    term = {"labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["app", "other"]}]}, "topologyKey": "host"}
    pods = {
        "metadata": {"labels": {"app": "app", "tier": "front"}, "annotations": {"note": "kept"}},
        "spec": {
            "affinity": {
                "podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [term],
                    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}],
                }
            },
            "topologySpreadConstraints": [spread],
            "containers": [
                {
                    "name": "app",
                    "envFrom": [{"configMapRef": {"name": "config"}}, {"secretRef": {"name": "shared-primary"}}],
                    "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "login", "key": "a"}}}],
                }
            ],
            "initContainers": [{"name": "init", "env": [{"name": "B", "valueFrom": {"configMapKeyRef": {"name": "config", "key": "b"}}}]}],
            "volumes": [
                {"name": "v", "projected": {"sources": [{"configMap": {"name": "config"}}, {"secret": {"name": "login"}}]}},
                {"name": "w", "secret": {"secretName": "login"}},
            ],
        },
    }
    metadata = {"name": "app", "namespace": "shop", "uid": "t"}
    return {"metadata": metadata, "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "app"}}, "template": pods}}


def plan(found: Raw) -> Plan:
    refs = (ConfigRef(NAME, "sha256:1"), ConfigRef(ConfigName(ConfigKind.SECRET, "login"), "hmac:k:2"))
    pods = found["spec"]["template"]
    revision = Revision.of(canonical_json(pods), template_fingerprint(pods), refs)
    return Plan(DEPLOYMENT, found, revision, {"uid": "c", "controller": True}, Settings(), 1)


def live(found: Raw, *, flagger: bool) -> Raw:
    """The primary of a target, as Flagger makes it or as we do."""
    made = json.loads(json.dumps(primary(plan(found), None)))
    if flagger:
        made["spec"]["template"] = json.loads(json.dumps(template(plan(found), None, flagger=True)))
        made["spec"]["template"]["metadata"].setdefault("annotations", {})["flagger-id"] = "3f1c"
    return made  # type: ignore[no-any-return]


@pytest.mark.parametrize("flagger", [True, False])
def test_what_a_primary_was_made_from_is_found_again(flagger: bool) -> None:
    found = target()
    made = live(found, flagger=flagger)
    read = [reference.name for reference in references(made["spec"]["template"])]
    shared = [reference.name for reference in references(found["spec"]["template"])]
    copies = copies_in(read, shared)
    if not flagger:
        copies = {name: name.name.partition("-primary-")[0] for name in read if "-primary-" in name.name}
    assert canonical_json(undone(made, "app", LABELS, copies)) == canonical_json(found["spec"]["template"])


def test_a_name_that_ends_in_primary_and_is_the_targets_own_is_no_copy() -> None:
    read = [reference.name for reference in references(live(target(), flagger=True)["spec"]["template"])]
    shared = [reference.name for reference in references(target()["spec"]["template"])]
    assert ConfigName(ConfigKind.SECRET, "shared-primary") not in copies_in(read, shared)


def test_what_is_for_flux_and_flaggers_mark_of_a_restart_do_not_count() -> None:
    one, other = target()["spec"]["template"], target()["spec"]["template"]
    other["metadata"]["annotations"] |= {"flagger-id": "3f1c", "kustomize.toolkit.fluxcd.io/x": "y"}
    assert alike(one, other)
    other["spec"]["containers"][0]["image"] = "new"
    assert not alike(one, other)
