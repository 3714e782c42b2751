"""The transition table: closed, without dead ends, and drawn from itself."""

from trimtab.model.rollout import Phase
from trimtab.rollout.transitions import TRANSITIONS, allowed, diagram


def test_every_phase_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(Phase)


def test_every_phase_but_terminating_has_a_way_to_a_settled_one() -> None:
    settled = {Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED}
    for phase in set(Phase) - settled - {Phase.TERMINATING}:
        assert TRANSITIONS[phase] & settled, phase


def test_progressing_never_follows_promoting() -> None:
    assert not allowed(Phase.PROMOTING, Phase.PROGRESSING)
    assert not allowed(Phase.FINALISING, Phase.PROGRESSING)


def test_staying_is_always_allowed() -> None:
    assert all(allowed(phase, phase) for phase in Phase)


def test_the_diagram_has_every_edge() -> None:
    assert diagram().count("-->") == sum(map(len, TRANSITIONS.values())) + 1
