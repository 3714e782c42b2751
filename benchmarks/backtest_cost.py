"""What does a backtest cost? Run it by hand: `python benchmarks/backtest_cost.py`.

10 000 rollouts of ten minutes and of one metric, replayed from a day of twenty pods: by the judge with a ramp paced by evidence, without a
regression and with one of 5x, and by Flagger's thresholds. Counted is processor time, from drawing the rollouts to the finished report.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time

import numpy as np

from trimtab.analysis.backtest.placebo import Regression
from trimtab.analysis.backtest.recording import Recorded, Recording, windows
from trimtab.analysis.backtest.reporting import report
from trimtab.analysis.backtest.runs import Plan, run
from trimtab.analysis.backtest.trialled import Candidate, Thresholds
from trimtab.model.judging import JudgeRules

ROLLOUTS, LIMIT = 10_000, 5.0
"""Seconds for 10 000 rollouts of ten minutes."""
WEIGHTS = (0.01, 0.05, 0.1, 0.25, 0.5)


def recording() -> Recording:
    """500 requests in a second, of which one in 1000 fails, in scrapes of 15 s."""
    chance = np.random.default_rng(1)
    total = chance.poisson(500 * 15 / 20, (5760, 20))
    bad = chance.binomial(total, 0.001)
    ends = 15.0 * (100_000_000 + np.arange(5760))
    names = tuple(f"pod-{place}" for place in range(20))
    errors = Recorded("errors", np.stack((total - bad, bad), axis=-1).astype(np.float64))
    return Recording((errors,), 15.0, ends, names, np.ones((5760, 20), dtype=np.bool_))


def main() -> None:
    """Prints each figure; ends with 1 where one is missed."""
    found = windows(recording(), 600, 4 * 3600)
    judge, flagger = Candidate("trimtab", WEIGHTS, JudgeRules()), Candidate("flagger", WEIGHTS, thresholds=Thresholds())
    missed = False
    for candidate, regression in ((judge, Regression("none")), (judge, Regression("5x", ratio=5)), (flagger, Regression("none"))):
        plan = Plan((candidate,), (regression,), ROLLOUTS, 3, 1)
        began = time.process_time()
        (cell,) = report(found, plan, list(run(found, plan))).cells
        took = time.process_time() - began
        missed |= took > LIMIT
        what = f"{ROLLOUTS} rollouts by {cell.policy}, {cell.regression}"
        print(f"{what}: {took:.2f} s (at most {LIMIT:g} s); rolled back {cell.rolled_back:.2%}")
    sys.exit(missed)


if __name__ == "__main__":
    main()
