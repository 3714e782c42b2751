"""Does an arm break an absolute objective at present (judge.md 5, analysis.md 3.3)? It holds a rollout and never rolls one back.

Called by `scoring` and `verdicts`, and for the watch after promotion, which counts the primary alone. Where both arms break it, the service
has an incident that is not the canary's; nothing should move then. The evidence is bounded below and above, so that it forgets: an incident
that is over holds nobody any longer.
"""

from collections.abc import Iterable
from datetime import datetime

import numpy as np

from trimtab.analysis.ledger import Array, total
from trimtab.model.judging import Constants, JudgeRules, Measured, MetricRule
from trimtab.model.ruling import Counts
from trimtab.model.scrapes import Arm, Scrape


def rates(limit: Array, constants: Constants) -> Array:
    """(..., K): the rates above the limit that are bet on."""
    most = np.maximum(0.99, (1 + limit) / 2)
    least = np.minimum(limit * constants.smallest, (limit + most) / 2)
    steps = np.linspace(0.0, 1.0, constants.ratios)
    return np.asarray(np.exp(np.log(least)[..., None] * (1 - steps) + np.log(most)[..., None] * steps))


def breached(state: Array, arm: Array, limit: Array, noise: Array, rules: JudgeRules) -> Array:
    """One more scrape: `state` is (..., K), `arm` (..., 2) bad and total, `noise` (...) what a count is divided by."""
    bets = rates(limit, rules.constants)
    good = arm[..., 1] - arm[..., 0]
    gained = arm[..., 0, None] * np.log(bets / limit[..., None]) + good[..., None] * np.log1p(
        (limit[..., None] - bets) / (1 - limit[..., None])
    )
    most = np.log(rules.rollback_odds * rules.cap)
    return np.asarray(np.clip(np.maximum(state, 0.0) + np.minimum(gained / noise[..., None], np.log(rules.cap)), 0.0, most))


def odds(state: Array, constants: Constants) -> Array:
    """(...): the logarithm of the mean over the rates bet on."""
    return total(state, np.full(constants.ratios, -np.log(constants.ratios)))


def of_primary(rules: JudgeRules | None, scrapes: Iterable[Scrape], since: datetime) -> tuple[tuple[MetricRule, Counts], ...]:
    """Each objective, and what the primary counted in scrapes that lie wholly after a moment."""
    whole = [scrape for scrape in scrapes if scrape.ended - scrape.length * (scrape.missed + 1) >= since]
    metrics = [metric for metric in rules.metrics if metric.kind is Measured.OBJECTIVE] if rules is not None else []
    found = []
    for metric in metrics:
        pods = [pod for scrape in whole if scrape.metric == metric.name for pod in scrape.counts if pod.arm is Arm.PRIMARY]
        found.append((metric, Counts(sum(pod.bad for pod in pods), sum(pod.total for pod in pods))))
    return tuple(found)
