"""Does what was counted in an attempt come to the verdict on record? Called by faces for `trimtab show --replay`.

The evidence is made anew from the first scrape to the last, by the rules and the history that were pinned with the attempt.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import isclose

from trimtab.analysis.evidence import begin, new, update
from trimtab.analysis.explain import ratio, sentence
from trimtab.analysis.turning import BARS
from trimtab.analysis.verdicts import decide
from trimtab.model.counted import Counted
from trimtab.model.evidence import Calibration, JudgeEvidence
from trimtab.model.judging import JudgeRules, JudgeStep, Role
from trimtab.model.ruling import JudgeDecision
from trimtab.model.verdict import Evidence, Samples

CLOSE = 1e-6
"""Evidence, in logarithms, that differs by no more is the same: another processor may add in another order."""


@dataclass(frozen=True, slots=True)
class Point:
    """The evidence after one moment's scrapes, in natural logarithms of odds."""

    at: datetime
    step: int
    ruling: str
    worse: float
    """That the canary is worse at all, over all metrics."""
    beyond: float
    """That it is worse than tolerated."""
    refuted: float
    """That it is not much worse, of the gating metric with the least."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What the stored scrapes come to. `decision` is None where none are stored."""

    scrapes: int
    series: tuple[Point, ...] = ()
    decision: JudgeDecision | None = None
    said: str = ""
    differences: tuple[str, ...] = ()
    """From what is on record; none: it is the same."""
    gone: bool = False
    """The record was made from scrapes that are not stored, or not any more."""

    @property
    def same(self) -> bool:
        """Is the verdict on record what they come to?"""
        return self.decision is not None and not self.differences and not self.gone


def made_of(before: Evidence, after: Evidence, samples: Samples, rules: JudgeRules) -> Counted | None:
    """What of these samples made the new evidence of the old; None where nothing did."""
    was, now = before.compared, after.compared
    if was is None or now is None or after.step is None:
        return None
    known = was if was.began == now.began else begin(now.began)
    fresh = tuple(sorted(new(known, samples.scrapes, rules), key=lambda scrape: (scrape.ended, scrape.metric)))
    return Counted(now.began, after.step, fresh) if fresh or known.step != now.step else None


def replayed(record: Evidence, looks: Sequence[Counted], rules: JudgeRules) -> Replay:
    """The verdict of a record, computed anew."""
    ruling, known = record.ruling, record.history or Calibration()
    scrapes = sum(len(look.scrapes) for look in looks)
    wanted = record.compared.inputs if record.compared is not None else ""
    if ruling is None or not looks:
        return Replay(scrapes, gone=True)
    state, series = None, list[Point]()
    for look in looks:
        if state is None or state.began != look.began:
            state = replace(begin(look.began), interval=rules.interval or begin(look.began).interval)
        state = update(state, look.scrapes, rules, known, look.step)
        if look.scrapes:
            series.append(point(state, look.step, rules, known))
    assert state is not None
    found = decide(state, rules, known, ruling.step, ruling.at)
    said = sentence(found, rules)
    # What is cut off at the end, or was never stored, shows in the digest alone; everything else follows from it.
    gone = found.inputs != wanted
    return Replay(scrapes, tuple(series), found, said, () if gone else tuple(differing(ruling, found, said, record.said)), gone)


def point(state: JudgeEvidence, step: JudgeStep, rules: JudgeRules, known: Calibration) -> Point:
    """The evidence at its newest scrape."""
    at = state.upto or state.began
    found = decide(state, rules, known, step, at)
    refuted = min((row.refuted for row in found.readings if row.role is Role.GATE and row.breach is None), default=0.0)
    return Point(at, step.number, found.ruling.value, found.odds[0], found.odds[1], refuted)


def differing(record: JudgeDecision, found: JudgeDecision, said: str, recorded: str) -> Iterable[str]:
    """In what the two differ, in words."""
    if (record.ruling, record.reason) != (found.ruling, found.reason):
        yield f"on record is {record.ruling.value} ({record.reason.value}), they come to {found.ruling.value} ({found.reason.value})"
    for name, old, now in zip(BARS, record.odds, found.odds, strict=True):
        if not isclose(old, now, rel_tol=CLOSE, abs_tol=CLOSE):
            yield f"the odds that it is {name} are {ratio(old)} on record, they come to {ratio(now)}"
    if said != recorded:
        yield f"they are told as: {said}"
