"""The rule's vectors: evidence after the last scrape to nine digits, and the decision after every scrape."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from trimtab.analysis.evidence import begin, update
from trimtab.analysis.verdicts import decide
from trimtab.model.evidence import Calibration
from trimtab.model.judging import JudgeRules, JudgeStep, MetricRule
from trimtab.model.ruling import JudgeDecision, Ruling
from unit.analysis.judging import BEGAN, SCRAPE, counted, history

RULES = JudgeRules(
    metrics=(MetricRule("errors"),),
    bake=timedelta(0),
    # What would be insufficient is collecting in the vectors, which know no deadline.
    step_deadline=timedelta(days=1000),
)
NO_HISTORY = Calibration()

Pods = tuple[tuple[int, int], ...]


def alike(bad: tuple[int, ...], total: int, other: tuple[int, int]) -> list[tuple[Pods, Pods]]:
    """Scrapes with one pod an arm, the same primary in each."""
    return [(((each, total),), (other,)) for each in bad]


@dataclass(frozen=True)
class Vector:
    scrapes: list[tuple[Pods, Pods]]
    refute: float
    worse: float
    beyond: float
    without_pod: float | None
    refuted: float
    noise: float
    noise_promote: float
    decisions: str
    known: Calibration = field(default=NO_HISTORY)
    new_step_after: int = 10**9


def primaries(*scrapes: tuple[int, ...]) -> list[Pods]:
    return [tuple((bad, 1687) for bad in pods) for pods in scrapes]


V5 = [
    (((bad, 750),), other)
    for bad, other in zip((3, 8, 0, 9), primaries((2, 1, 2, 2), (0, 12, 0, 0), (0, 0, 9, 1), (10, 0, 0, 0)), strict=True)
]
V6 = [(tuple((bad, 150) for bad in (6, 0, 0, 1, 0)), primaries((2, 1, 2, 2))[0])] * 6
C, D, ONE, R, P = "collecting", "doubt", "one-pod", "worse", "refuted"


def said(*runs: tuple[int, str]) -> str:
    return " ".join(word for times, word in runs for _ in range(times))


VECTORS = {
    "V1": Vector(alike((4,), 750, (7, 6750)), 11, 0.958267918, 0.506593119, None, -1.937932413, 1, 1, said((1, C))),
    "V2": Vector(alike((4, 4, 5), 750, (7, 6750)), 11, 6.141196328, 4.937337752, None, -6.973012125, 1, 1, said((1, C), (1, D), (1, R))),
    "V3": Vector(alike((60, 0, 0, 0), 750, (7, 6750)), 11, 1.045041431, 0.929101513, None, -80.141009868, 1, 1, said((4, C))),
    "V4": Vector(
        alike((4, 4, 5), 750, (7, 6750)),
        11,
        0.747397002,
        0.373856027,
        None,
        -2.556362275,
        3.896706554,
        2.931137703,
        said((3, C)),
        history(750, 2, 3),
    ),
    "V5": Vector(V5, 11, 1.490118911, 0.962047789, None, -2.650303684, 4.470089286, 3.313392857, said((4, C)), history(1687)),
    "V6": Vector(
        V6, 11, 6.096471525, 5.173087170, -0.702993928, -17.632967146, 4.873809524, 3.582539683, said((1, C), (5, ONE)), history(1687)
    ),
    "V7": Vector(
        alike((4,) * 8, 3750, (4, 3750)), 2, -1.932476981, -2.498126311, None, 3.612754404, 1, 1, said((6, C), (2, P)), history(3750)
    ),
    "V8": Vector(
        alike((15,) * 4, 750, (137, 6750)), 5, -2.546997179, -4.516705848, None, 9.939626599, 1, 1, said((1, C), (3, P)), history(750)
    ),
    "V9": Vector(
        alike((0,) * 6, 375, (7, 7125)) + alike((9,) * 3, 1875, (6, 5625)),
        3,
        6.688372836,
        5.950563925,
        None,
        -9.857594192,
        1,
        1,
        said((4, C), (2, P), (1, C), (1, D), (1, R)),
        history(1875),
        new_step_after=6,
    ),
    "V10": Vector(alike((1, 0, 0, 1), 75, (0, 675)), 11, 1.968639912, 1.521060165, None, -3.408298706, 1, 1, said((4, C))),
    "V11": Vector(
        alike((45,) * 40, 37_500, (37, 37_500)),
        2,
        12.479132918,
        -8.050145154,
        None,
        95.693546041,
        1,
        1,
        said((1, C), (12, P), (8, D), (19, P)),
        history(37_500, bad=40_000, total=40_000_000),
    ),
}


def play(vector: Vector) -> list[JudgeDecision]:
    evidence, said = begin(BEGAN), []
    step = JudgeStep(0, 0.1, 1 / (vector.refute - 1), BEGAN)
    for number, (canary, primary) in enumerate(vector.scrapes):
        now = BEGAN + SCRAPE * (number + 1)
        if number == vector.new_step_after:
            step = JudgeStep(1, 0.25, step.next_weight, BEGAN + SCRAPE * number)
        evidence = update(evidence, [counted(number, canary, primary)], RULES, vector.known, step)
        said.append(decide(evidence, RULES, vector.known, step, now))
    return said


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS.keys())
def test_evidence_and_decisions_are_those_of_the_vectors(vector: Vector) -> None:
    decisions = play(vector)
    assert " ".join(decision.reason for decision in decisions) == vector.decisions
    row = decisions[-1].readings[0]
    without_pod = vector.worse if vector.without_pod is None else vector.without_pod
    wanted = (vector.worse, vector.beyond, without_pod, vector.refuted, vector.noise, vector.noise_promote, vector.refute)
    found = (row.worse, row.beyond, row.without_pod, row.refuted, row.noise, row.noise_promote, row.to_refute)
    assert found == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("name", ["V2", "V9"])
def test_a_rollback_is_an_outcome_of_its_own(name: str) -> None:
    assert play(VECTORS[name])[-1].ruling is Ruling.ROLLBACK
