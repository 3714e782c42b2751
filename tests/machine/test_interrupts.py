"""The table, enumerated: whatever interrupts whatever phase, the next phase is in the table and no law is broken."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest

from trimtab.model.commands import Verb
from trimtab.model.facts import Capabilities
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Analysis, Hook, HookType
from trimtab.model.rollout import CanaryState, Outcome, Phase
from trimtab.testing.memory import Memory
from trimtab.testing.policies import BASE, SUCCESS
from trimtab.testing.story import Story
from trimtab.testing.world import START, World

from .lab_facts import REVISIONS, Outlook, decided, wish

HOOKS = tuple(Hook(kind.value, kind, "http://hook") for kind in HookType if kind is not HookType.EVENT)
APPROVED = frozenset({HookType.CONFIRM_ROLLOUT, HookType.CONFIRM_PROMOTION})
TOLD = (
    {"hooks": HOOKS},
    {"approvals": APPROVED},
    {"weights": (), "iterations": 1},
    {"skip_analysis": True},
    {"gate_deadline": timedelta(1)},
)
"""Policies under which every kind of record comes up."""


@pytest.fixture(scope="module")
def lives() -> tuple[CanaryState, ...]:
    """Records of every kind, one of each."""
    found: dict[tuple[object, ...], CanaryState] = {}
    for rules in TOLD:
        for life in (promoted, rolled_back, failed_promotion, undone, initialisation_failed):
            policy = replace(BASE, **{"weights": (20, 40), "analysis": Analysis((SUCCESS,), 2), **rules})
            story = Story(Memory(World(CanaryKey("test", "app"), policy)))
            story.until_settled()
            life(story)
            for state in story.states:
                run = state.rollout
                mark = (
                    state.phase,
                    state.asks,
                    run and (run.kind, run.outcome, run.position, run.began is None, run.ended is None, run.gate),
                )
                found.setdefault((*mark, state.fallback is None), state)
    return tuple(found.values())


def goes_through(story: Story) -> None:
    """Time passes and people say yes."""
    for _ in range(4):
        story.go_on(timedelta(minutes=5))
        story.say(Verb.APPROVE)


def promoted(story: Story) -> None:
    """A good change."""
    story.memory.world.edit(color="blue")
    goes_through(story)


def rolled_back(story: Story) -> None:
    """A bad change, taken back by its metrics, and one that is newer."""
    story.turn_bad()
    story.memory.world.edit(color="bad")
    goes_through(story)
    story.memory.world.edit(color="green")
    story.look()
    story.memory.world.edit(color="black")
    goes_through(story)


def failed_promotion(story: Story) -> None:
    """A primary that does not get ready with the new content, and the fix."""
    story.memory.world.edit(color="blue")
    story.memory.world.stuck.add(f"primary/{story.memory.world.revision().id}")
    goes_through(story)
    story.memory.world.edit(color="green")
    goes_through(story)


def undone(story: Story) -> None:
    """A good change that somebody does not like."""
    promoted(story)
    story.say(Verb.UNDO)
    goes_through(story)


def initialisation_failed(story: Story) -> None:
    """A first primary that never gets ready."""
    story.memory.forget_record()
    story.memory.world.stuck.add("primary")
    story.memory.world.kill("primary")
    story.memory.world.serials.clear()
    goes_through(story)


def interrupts(state: CanaryState, now: datetime) -> dict[str, Outlook]:
    """Every fact that may come between, on top of a world that matches the record."""
    run, policy = state.rollout, state.rules
    base = Outlook(run.to if run is not None else REVISIONS[0], policy)
    found = {
        "nothing": base,
        "suspended": replace(base, suspended=True),
        "newer": replace(base, revision=REVISIONS[1]),
        "taken back": replace(base, revision=state.promoted or REVISIONS[2]),
        "source unreadable": replace(base, problem="configmap app-config not found"),
        "policy unreadable": replace(base, policy=None),
        "skip switched on": replace(base, skip=True),
        "metrics fail": replace(base, metrics=50.0),
        "metrics silent": replace(base, metrics=None),
        "hooks the other way": replace(base, hooks=False),
        "primary down": replace(base, primary="down"),
        "primary stalled": replace(base, primary="stalled"),
        "primary gone": replace(base, primary="gone"),
        "canary down": replace(base, canary="down"),
        "canary stalled": replace(base, canary="stalled"),
        "canary gone": replace(base, canary="gone"),
        "canary of another revision": replace(base, canary="other"),
        "routes drifted": replace(base, routes="drifted"),
        "no routes": replace(base, routes="none"),
        "a router without weights": replace(base, able=Capabilities(weights=False, match=False, mirror=False)),
        "nobody can be told": replace(base, away=True),
        "deleted": replace(base, leaving=True),
        "deleted while only the canary serves": replace(base, leaving=True, primary="down", canary="still there"),
    }
    wishes = {verb.value: replace(base, commands=(wish(state, verb, 1, now),)) for verb in Verb}
    skipped = replace(base, commands=(wish(state, Verb.APPROVE, 1, now, skip=True),))
    return {**found, **wishes, "approve, skip analysis": skipped}


def last_known(state: CanaryState) -> datetime:
    """The newest moment that a record speaks of, but for what is still to come."""
    run = state.rollout
    moments = [state.phase_since, state.evidence.upto, *((run.detected, run.began, run.ready, run.grown) if run is not None else ())]
    return max((moment for moment in moments if moment is not None), default=START)


def test_every_phase_and_every_outcome_that_a_run_can_have_is_enumerated(lives: tuple[CanaryState, ...]) -> None:
    assert {state.phase for state in lives} == set(Phase) - {Phase.TERMINATING}
    outcomes = {state.rollout.outcome for state in lives if state.rollout is not None}
    assert {
        Outcome.PROMOTED,
        Outcome.ROLLED_BACK,
        Outcome.PROMOTION_FAILED,
        Outcome.SUPERSEDED,
        Outcome.UNDONE,
        Outcome.SKIPPED,
    } <= outcomes


@pytest.mark.parametrize("seconds", [0, 10, 90_000], ids=["at once", "an interval later", "past every deadline"])
def test_whatever_interrupts_whatever_phase_the_next_phase_is_in_the_table(lives: tuple[CanaryState, ...], seconds: int) -> None:
    count = 0
    for state in lives:
        now = last_known(state) + timedelta(seconds=seconds)
        for name, outlook in interrupts(state, now).items():
            try:
                decided(state, outlook, now)
            except AssertionError as problem:
                raise AssertionError(f"{state.phase}, {name}: {problem}") from problem
            count += 1
    assert count > 1000


PAIRS = list(product(("suspended", "metrics fail", "deleted"), ("newer", "abort", "primary down", "canary gone")))


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_interrupts_at_once_keep_the_table_too(lives: tuple[CanaryState, ...], one: str, other: str) -> None:
    for state in lives:
        now = state.due or last_known(state)
        first, second = (interrupts(state, now)[name] for name in (one, other))
        well = interrupts(state, now)["nothing"]
        changed = {name: getattr(second, name) for name in Outlook.__dataclass_fields__ if getattr(second, name) != getattr(well, name)}
        decided(state, replace(first, **changed), now)
