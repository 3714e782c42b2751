"""What does the judge cost? Run it by hand: `python benchmarks/judge_cost.py`.

One decision: the scrapes of one moment of 10 metrics, each a histogram of 12 buckets, of 5 canary and 10 primary pods, are counted and
judged, with evidence unpacked from the record and packed again; and the arithmetic alone, for all 120 bounds as series. In batch: the rule
for counts over many series at once, as in a backtest.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from trimtab.analysis import counts
from trimtab.analysis.calibration import calibrate
from trimtab.analysis.evidence import begin, update
from trimtab.analysis.verdicts import calls, decide
from trimtab.model.judging import JudgeRules, JudgeStep, Measured, MetricRule
from trimtab.model.scrapes import Arm, PodBuckets, Scrape

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT_DECISION, LIMIT_UPDATES = 2.0, 500_000
"""Milliseconds; updates per second."""


def scrape(metric: str, number: int, chance: np.random.Generator) -> Scrape:
    """One scrape of one histogram."""
    shape = np.diff([0.0, *(1 / (1 + (0.06 / bound) ** 2) for bound in BOUNDS), 1.0])
    pods = [(Arm.CANARY, place, 10) for place in range(5)] + [(Arm.PRIMARY, place, 450) for place in range(10)]
    found = tuple(PodBuckets(f"{arm}-{place}", arm, tuple(map(int, chance.poisson(size * shape)))) for arm, place, size in pods)
    return Scrape(metric, BEGAN + timedelta(seconds=15) * (number + 1), buckets=found, bounds=BOUNDS)


def milliseconds(work: Callable[[], object]) -> float:
    """The processor time of one call: other work on the machine should not count."""
    begin_ = time.process_time_ns()
    work()
    return (time.process_time_ns() - begin_) / 1e6


def one_decision(metrics: int) -> tuple[list[float], int]:
    """Times of whole decisions, and the size of the evidence in the record, in characters."""
    chance = np.random.default_rng(1)
    rules = JudgeRules(metrics=tuple(MetricRule(f"m{place}", Measured.LATENCY, slo=1.0) for place in range(metrics)))
    names = [metric.name for metric in rules.metrics]
    known = calibrate([scrape(name, number, chance) for name in names for number in range(240)], rules)
    evidence, step, times = begin(BEGAN), JudgeStep(0, 0.1, 0.25, BEGAN), []
    for number in range(120):
        seen, now = [scrape(name, number, chance) for name in names], BEGAN + timedelta(seconds=15) * (number + 1)

        def work(before=evidence, seen=seen, now=now) -> object:
            after = update(before, seen, rules, known, step)
            return after, decide(after, rules, known, step, now)

        times.append(milliseconds(work))
        evidence = update(evidence, seen, rules, known, step)
    return times, len(evidence.numbers)


def arithmetic(shape: tuple[int, ...], pods: int, rounds: int) -> list[float]:
    """Processor times of one update and decision of so many series side by side."""
    rules, chance = JudgeRules(), np.random.default_rng(2)
    left_out = rules.constants.left_out_groups if pods >= rules.constants.least_pods else 0
    state = counts.start(shape, rules.constants, rules.constants.pod_groups, left_out)
    known, groups = counts.unknown(shape, rules), np.full(shape, left_out)
    arms = np.zeros((*shape, 2, rules.constants.pod_groups, 2))
    times = []
    for _ in range(rounds):
        arms[..., 0, :pods, 1], arms[..., 1, :, 1] = 150, 843
        arms[..., 0] = chance.poisson(arms[..., 1] * 0.001)
        each = np.full(shape, float(pods))
        begin_ = time.process_time_ns()
        state = counts.update(state, counts.seen(arms, each), known, 0.25, rules)
        calls(counts.odds(state, known, groups, rules.constants), np.asarray(True), np.asarray(True), rules)
        times.append((time.process_time_ns() - begin_) / 1e6)
    return times


def batch(series: int, pods: int) -> float:
    """Updates per second, in chunks that stay in the processor's cache."""
    times = arithmetic((series,), pods, 60)
    return series / (statistics.median(times) / 1000)


def main() -> int:
    """Measures and prints; 1 where a figure is missed."""
    whole, _ = one_decision(10)
    plain = arithmetic((120,), 5, 400)
    single, several = batch(1000, 1), batch(1000, 5)
    _, eight = one_decision(8)
    print("one decision, 10 histograms of 12 buckets, 5 + 10 pods")
    for what, times in (("record to record", whole), ("120 series in arrays", plain)):
        print(f"  {what:21} median {statistics.median(times):6.2f} ms, p99 {statistics.quantiles(times, n=100)[98]:6.2f} ms")
    print(f"in batch, series of counts: {single:,.0f} updates/s with one canary pod, {several:,.0f} with five, each left out in turn")
    print(f"evidence of 8 histograms in the record: {eight / 1024:.1f} KiB of 64")
    return int(statistics.median(plain) >= LIMIT_DECISION or single < LIMIT_UPDATES or eight >= 64 * 1024)


if __name__ == "__main__":
    sys.exit(main())
