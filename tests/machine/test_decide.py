"""`decide` alone, under histories that Hypothesis makes up: it never raises, keeps laws and table, and comes to rest."""

import random
from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.documents.records import from_text, to_text
from trimtab.model.commands import Verb
from trimtab.model.facts import Capabilities
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.rollout import CanaryState, Phase
from trimtab.testing.policies import any_policy, compared
from trimtab.testing.world import START

from .lab_facts import REVISIONS, Outlook, at_rest, decided, facts_of, wish

KEY = CanaryKey("test", "app")
COPY = st.sampled_from(("ready", "ready", "ready", "down", "gone", "stalled", "other"))


@dataclass(frozen=True)
class Move:
    """Time passes, the world changes, and perhaps a person says something."""

    seconds: float
    outlook: Outlook
    verb: Verb | None


OUTLOOKS = st.builds(
    Outlook,
    revision=st.sampled_from(REVISIONS),
    problem=st.sampled_from(("", "", "", "configmap app-config not found")),
    suspended=st.sampled_from((False, False, False, False, True)),
    skip=st.sampled_from((False, False, False, False, True)),
    primary=COPY,
    canary=COPY,
    routes=st.sampled_from(("wanted", "wanted", "wanted", "drifted", "full", "none")),
    metrics=st.sampled_from((100.0, 100.0, 100.0, 50.0, None)),
    requests=st.sampled_from(("good", "good", "good", "bad", "none")),
    hooks=st.sampled_from((True, True, False)),
    away=st.booleans(),
)
MOVES = st.lists(
    st.builds(Move, st.sampled_from((0.0, 1.0, 10.0, 10.0, 61.0, 400.0)), OUTLOOKS, st.sampled_from((None, None, None, *Verb))),
    min_size=5,
    max_size=30,
)


def any_rules(seed: int) -> tuple[Policy, Capabilities]:
    """A policy of any kind; some of them compare canary and primary."""
    policy, able = any_policy(random.Random(seed))
    return (compared(policy, able, random.Random(seed)), able) if seed % 4 == 0 else (policy, able)


POLICIES = st.integers(0, 10_000).map(any_rules)


def histories(count: int) -> settings:
    """How many histories, without a deadline for each: a machine may be busy."""
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def play(rules: tuple[Policy, Capabilities], moves: list[Move]) -> list[CanaryState]:
    """Every record of a history; `decided` asserts laws and table at each decision."""
    policy, able = rules
    state, now, states = CanaryState(KEY), START, []
    for number, move in enumerate(moves):
        now += timedelta(seconds=move.seconds)
        commands = (wish(state, move.verb, number, now, skip=number % 5 == 0),) if move.verb is not None else ()
        state = at_rest(state, replace(move.outlook, policy=policy, able=able, commands=commands), now).state
        states.append(state)
    return states


@histories(300)
@given(POLICIES, MOVES)
def test_any_history_keeps_the_laws_and_the_table_and_comes_to_rest(rules: tuple[Policy, Capabilities], moves: list[Move]) -> None:
    play(rules, moves)


@histories(60)
@given(POLICIES, MOVES)
def test_an_unchanged_world_writes_nothing(rules: tuple[Policy, Capabilities], moves: list[Move]) -> None:
    policy, able = rules
    state = play(rules, moves)[-1]
    outlook = replace(moves[-1].outlook, policy=policy, able=able)
    now = START + timedelta(days=1)
    # Twice, so that what was told by the first is struck off.
    resting = at_rest(at_rest(state, outlook, now).state, outlook, now)
    later = now + timedelta(milliseconds=1)
    again = decided(resting.state, outlook, later)
    assert again.state == resting.state and not again.entries
    assert again.wake is None or again.wake > later


@histories(60)
@given(POLICIES, MOVES)
def test_every_record_survives_being_written_and_read(rules: tuple[Policy, Capabilities], moves: list[Move]) -> None:
    for state in play(rules, moves):
        assert from_text(to_text(state), CanaryState, "the record") == state


@histories(60)
@given(POLICIES, MOVES)
def test_a_decision_is_a_function_of_what_it_may_look_at(rules: tuple[Policy, Capabilities], moves: list[Move]) -> None:
    policy, able = rules
    state, outlook = play(rules, moves)[-1], replace(moves[-1].outlook, policy=policy, able=able)
    now = START + timedelta(days=1)
    assert facts_of(state, outlook, now) == facts_of(state, outlook, now)
    assert decided(state, outlook, now) == decided(state, outlook, now)


@histories(100)
@given(POLICIES, MOVES)
def test_l1_left_alone_in_a_working_world_every_history_ends(rules: tuple[Policy, Capabilities], moves: list[Move]) -> None:
    policy, able = rules
    state = play(rules, moves)[-1]
    well = Outlook(moves[-1].outlook.revision, replace(policy, approvals=frozenset()), able)
    now = START + timedelta(days=1)
    for number in range(40):
        wishes = tuple(wish(state, verb, 1000 + 2 * number + second, now) for second, verb in enumerate((Verb.RESUME, Verb.APPROVE)))
        decision = at_rest(state, replace(well, commands=wishes), now)
        state = decision.state
        if state.running is None and decision.wake is None:
            break
        now = max(decision.wake or now, now + timedelta(seconds=1))
    assert state.running is None and state.phase in (Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED)
