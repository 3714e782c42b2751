"""A decision of the judge in words: one sentence, a row per metric, what would change it (judge.md 11). Called by faces and tellings.

Ratios and odds are rounded for people; the figures themselves are in `model.ruling`.
"""

from math import exp, log

from trimtab.model.judging import Ending, JudgeRules, Measured, Role
from trimtab.model.ruling import Counts, JudgeDecision, MetricReading, Reason, Ruling
from trimtab.model.spans import spoken

COLUMNS = ("metric", "canary", "primary", "ratio", "worse at all", "beyond tolerance", "without any pod", "good enough", "noise")
MANY = 1e6
"""Odds beyond this are all the same to people."""

CALLED = {
    Ruling.ROLLBACK: "Rolled back",
    Ruling.GO_ON: "Goes on",
    Ruling.HOLD: "Held",
    Ruling.COLLECTING: "Collecting",
    Ruling.INSUFFICIENT: "Not enough to decide",
    Ruling.NO_DATA: "No data",
}
ENDINGS: dict[Ending | None, str] = {
    Ending.STOP: "traffic goes back to the primary",
    Ending.PROMOTE: "the policy promotes it all the same",
}
"""That a person is asked is said by whoever asks: a pipeline asks nobody, and once nobody has answered it is not so any more."""


def sentence(decision: JudgeDecision, rules: JudgeRules) -> str:
    """What happened and why, for someone who sees nothing else."""
    called = CALLED[decision.ruling] if not (decision.ruling is Ruling.GO_ON and decision.step.last) else "Good enough to promote"
    parts = [f"{called} after {lasted(decision)}: {because(decision, rules)}"]
    if decision.final and decision.ending in ENDINGS:
        parts.append(f"Waiting is over: {ENDINGS[decision.ending]}.")
    return " ".join(parts)


def lasted(decision: JudgeDecision) -> str:
    """How long the canary has served, and how much of that at this step."""
    weight = decision.step.weight
    where = f"at {percent(weight)}" if weight else f"with {percent(decision.measured_share)} of the requests"
    whole, here = spoken(decision.exposed), spoken(min(decision.exposed, decision.at - decision.step.began))
    return f"{whole} {where}" if whole == here else f"{whole}, {here} of them {where}"


def because(decision: JudgeDecision, rules: JudgeRules) -> str:
    """The reason, with the figures it stands on."""
    subject = main_reading(decision)
    if decision.reason is Reason.SILENCE:
        return "canary and primary are not both being counted; missing data is never a success."
    if subject is None:
        return "nothing is measured."
    if decision.reason is Reason.SHARED_BREACH:
        return (
            f"canary and primary both break the objective of {subject.metric}; that is not the canary's doing, and nothing moves meanwhile."
        )
    if decision.ruling in (Ruling.COLLECTING, Ruling.INSUFFICIENT) and not subject.canary.total + subject.primary.total:
        return "canary and primary have not both been counted yet."
    facts = f"{compared(subject, alone=len(decision.readings) == 1)}."
    odds = {
        Reason.WORSE: rollback_odds,
        Reason.FAR_WORSE: lambda *_: f"It is more than {rules.constants.guard_ratio:g} times worse while it warms up.",
        Reason.DOUBT: doubt_odds,
        Reason.ONE_POD: one_pod_odds,
        Reason.REFUTED: going_on,
    }.get(decision.reason, still_needed)(decision, subject, rules)
    return f"{facts} {odds}"


def main_reading(decision: JudgeDecision) -> MetricReading | None:
    """The metric that the sentence is about: that which carries the decision, else that which keeps it waiting."""
    if decision.reason is Reason.SHARED_BREACH:
        return max((row for row in decision.readings if row.breach), key=lambda row: min(row.breach or (0, 0)), default=None)
    readings = [row for row in decision.readings if row.role is not Role.INFO and row.breach is None]
    if decision.culprits:
        return max((row for row in readings if row.metric in decision.culprits), key=lambda row: row.worse, default=None)
    gates = [row for row in readings if row.role is Role.GATE]
    return min(gates or readings or list(decision.readings), key=lambda row: row.refuted, default=None)


def compared(row: MetricReading, alone: bool) -> str:
    """The raw counts of both arms; the metric needs no name where it is the only one."""
    what = {
        Measured.LATENCY: "requests were slow",
        Measured.RESTARTS: "looks at its pods found a restart or one not ready",
    }.get(row.kind, "requests failed")
    canary, primary = row.canary, row.primary
    return (
        f"{'' if alone else row.metric + ': '}{number(canary.bad)} of {number(canary.total)} canary {what} ({percent(canary.rate)}), "
        f"{number(primary.bad)} of {number(primary.total)} on the primary ({percent(primary.rate)})"
    )


def rollback_odds(decision: JudgeDecision, row: MetricReading, rules: JudgeRules) -> str:
    """Why it was rolled back."""
    worse, beyond, without = decision.odds
    joint = " together" if len(decision.culprits) > 1 else ""
    slow = "slower" if row.kind is Measured.LATENCY else "worse"
    names = f" ({', '.join(decision.culprits)}{joint})" if len(decision.culprits) > 1 or decision.jointly else ""
    pods = f"{ratio(without)} whichever pod is left out" if without != worse else "no pod could be left out"
    return (
        f"Odds {ratio(worse)} that it is {slow} at all{names}, {ratio(beyond)} that it is {slow} than the tolerated "
        f"{tolerated(row)}; {pods}; no scrape counted for more than {rules.cap:g}:1."
    )


def doubt_odds(decision: JudgeDecision, row: MetricReading, rules: JudgeRules) -> str:
    """Why it is held."""
    left = decision.grace_left
    patience = f" If it stays within tolerance, doubt alone holds it for {spoken(left)} more." if left else ""
    return (
        f"Odds {ratio(decision.odds[0])} that it is worse at all (held from {rules.hold_odds:g}:1, rolled back from "
        f"{rules.rollback_odds:g}:1), {ratio(decision.odds[1])} that it is worse than the tolerated {tolerated(row)}.{patience}"
    )


def one_pod_odds(decision: JudgeDecision, row: MetricReading, rules: JudgeRules) -> str:
    """Why it is held although the odds are high."""
    surely = "deviates" if decision.odds[2] <= 0 else "may deviate"
    return (
        f"One pod {surely}: odds {ratio(decision.odds[0])} that the canary is worse, but {ratio(decision.odds[2])} without that pod. "
        f"A bad node looks like this; a bad configuration shows in the other pods as well."
    )


def going_on(decision: JudgeDecision, row: MetricReading, rules: JudgeRules) -> str:
    """Why it may go on."""
    within = ""
    if decision.overridden:
        within = f" It is a little worse (about {row.ratio:.2g} times), inside your tolerance of {tolerated(row)}."
    return f"Odds {ratio(row.refuted)} that {refuted_words(row)}.{within}"


def tolerated(row: MetricReading) -> str:
    """What is within tolerance."""
    return f"{row.tolerated:.3g} times" if row.rate_tolerated is None else f"{percent(row.rate_tolerated)}"


def refuted_words(row: MetricReading) -> str:
    """What is so where the regression that matters is refuted."""
    if row.kind is Measured.LATENCY:
        return f"it is less than {percent(row.to_refute - 1)} slower"
    if row.rate_to_refute is not None:
        return f"fewer than {percent(row.rate_to_refute)} of its requests fail"
    verb = "restarts" if row.kind is Measured.RESTARTS else "fails"
    return f"it {verb} less than {row.to_refute:.3g} times as often as the primary"


def still_needed(decision: JudgeDecision, row: MetricReading, rules: JudgeRules) -> str:
    """What is missing."""
    if decision.reason is Reason.BAKING:
        return "Nothing speaks against it; the step lasts a while longer, for what needs minutes to show."
    if decision.reason is Reason.WARM_UP:
        return "The canary warms up; only a far worse one is rolled back."
    so_far = f"Odds so far {ratio(row.refuted)} that {refuted_words(row)}; {rules.promote_odds:g}:1 count as proof."
    return f"{so_far} {change(decision, rules)}"


def change(decision: JudgeDecision, rules: JudgeRules) -> str:
    """What would change the decision."""
    if decision.ruling is Ruling.HOLD:
        return "It goes on when the odds fall, or within tolerance when the grace is over; it is rolled back when they rise to the bars."
    if decision.ruling not in (Ruling.COLLECTING, Ruling.INSUFFICIENT):
        return ""
    if decision.needed is None or decision.minutes is None:
        return "How long that takes is not known yet: no base rate of errors has been seen."
    share = decision.measured_share or decision.planned_share
    requests = f"{number(round(decision.needed))} requests, {number(round(decision.needed * share))} of them to the canary"
    wanted = f"A canary as good as the primary needs about {spoken(decision.minutes * 60)} more to prove that ({requests})"
    if decision.ruling is Ruling.COLLECTING:
        return f"{wanted}."
    return f"{wanted}. That is more than is left; a larger weight, a larger growth to refute or a later deadline would change it."


def rows(decision: JudgeDecision, rules: JudgeRules) -> tuple[tuple[str, ...], ...]:
    """A table row for each metric, in the order of `COLUMNS`."""
    return tuple(row_of(row, rules) for row in decision.readings)


def row_of(row: MetricReading, rules: JudgeRules) -> tuple[str, ...]:
    """Of one metric."""
    first = (row.metric + (" *" if row.implicated else ""), counts(row.canary), counts(row.primary))
    if row.breach is not None:
        return (*first, "-", f"breach {ratio(row.breach[0])}", f"primary's {ratio(row.breach[1])}", "-", "-", "-")
    if not row.canary.total + row.primary.total:
        return (*first, *("-" for _ in COLUMNS[len(first) :]))
    good = f"{ratio(row.refuted)} of {rules.promote_odds:g}" if row.role is Role.GATE else "-"
    seen = bool(row.canary.total)
    return (
        *first,
        times(row) if seen else "-",
        f"{ratio(row.worse)} of {rules.rollback_odds:g}",
        f"{ratio(row.beyond)} of {rules.tolerance_odds:g}",
        f"{ratio(row.without_pod)} of {rules.without_one_pod_odds:g}" if row.without_pod != row.worse else "-",
        good,
        f"{row.noise:.2g}",
    )


def times(row: MetricReading) -> str:
    """How many times the primary's the canary's rate is, as counted: evidence that hit the cap does not tell ratios apart. Of latency the
    likeliest factor in time."""
    if row.kind is Measured.LATENCY:
        return f"{row.ratio:.2g}" if row.worse > 0 else "-"
    return f"{row.canary.rate / row.primary.rate:.2g}" if row.primary.rate else "-"


def counts(found: Counts) -> str:
    """Bad, total and rate."""
    return f"{number(found.bad)} of {number(found.total)} ({percent(found.rate)})" if found.total else "-"


def ratio(evidence: float) -> str:
    """Odds from their logarithm."""
    if evidence >= log(MANY):
        return "over 1 000 000:1"
    odds = exp(max(evidence, -log(MANY)))
    if odds >= 10:
        return f"{number(round(odds))}:1"
    return f"{odds:.1f}:1" if odds >= 0.095 else "under 0.1:1"


def number(value: int) -> str:
    """Thousands set apart."""
    return f"{value:,}".replace(",", " ")


def percent(fraction: float) -> str:
    """Two digits that say something."""
    value = fraction * 100
    return f"{value:.3g} %" if value >= 1 or value == 0 else f"{value:.2g} %" if value >= 0.001 else f"{value:.1e} %"
