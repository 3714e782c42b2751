"""`trimtab show --replay`: the verdict on record, computed anew from what was counted. Called by `rollouts`."""

from collections.abc import Sequence
from math import log

from trimtab.analysis.explain import ratio
from trimtab.analysis.replay import replayed
from trimtab.errors import InputError
from trimtab.faces.cli.stories import wrapped
from trimtab.faces.cli.tables import aligned, clock
from trimtab.faces.exits import DONE, FAILED, INCONCLUSIVE
from trimtab.faces.verdicts import PointView, ReplayView, replay_view
from trimtab.model.counted import Counted
from trimtab.model.rollout import CanaryState

MOST = 40
"""Moments shown of the series; a longer one is thinned out, and JSON has all."""


def replay(state: CanaryState, looks: Sequence[Counted]) -> ReplayView:
    """The replay of an attempt. InputError where nothing was compared in it."""
    run = state.rollout
    assert run is not None
    rules = run.policy.analysis.judge
    if rules is None or state.evidence.ruling is None:
        raise InputError(
            f"in rollout {run.number} of {state.key} canary and primary were not compared, so there is no verdict to compute anew"
        )
    return replay_view(replayed(state.evidence, looks, rules))


def exit_code(found: ReplayView) -> int:
    """0 if it is the same, 1 if not, 3 if nobody can tell any more."""
    return INCONCLUSIVE if found.gone else DONE if found.same else FAILED


def replay_text(found: ReplayView) -> str:
    """What it came to, and the evidence as it grew."""
    if found.gone:
        kept = f"only {found.scrapes} scrapes of it are" if found.scrapes else "nothing of it is"
        lines = wrapped("replay", f"cannot be told: {kept} stored (any more) of what the record was made from")
    elif found.same:
        lines = wrapped("replay", f"the same: {found.scrapes} stored scrapes come to the verdict on record, word for word")
    else:
        lines = wrapped("replay", f"NOT the same: {found.scrapes} stored scrapes come to another verdict than is on record")
        lines += [line for text in found.differences for line in wrapped("", text)]
    return "\n".join([*lines, *series_lines(found.series)])


def series_lines(series: Sequence[PointView]) -> list[str]:
    """The odds at each moment."""
    if not series:
        return []
    every = -(-len(series) // MOST)
    shown = [one for place, one in enumerate(series, 1) if place % every == 0 or place == len(series)]
    rows: list[tuple[str, ...]] = [("AT", "STEP", "WORSE AT ALL", "BEYOND TOLERANCE", "GOOD ENOUGH", "RULING")]
    rows += [(clock(one.at), str(one.step), *(ratio(log(each)) for each in told(one)), one.ruling) for one in shown]
    return ["", *(f"    {line}" for line in aligned(rows).splitlines())]


def told(one: PointView) -> tuple[float, float, float]:
    """The odds of a moment, in the order of the columns."""
    return one.worse, one.beyond_tolerance, one.good_enough
