"""What tipped a decision of the judge, and what would change it (judge.md 11). Called by faces; `explain` has the sentence.

Figures are those of the decision; nothing is computed anew.
"""

from collections.abc import Sequence
from math import log

from trimtab.analysis.explain import change, number, percent, ratio
from trimtab.analysis.series import drawn, moments
from trimtab.model.evidence import JudgeEvidence, PodGroup
from trimtab.model.judging import JudgeRules, Role
from trimtab.model.names import some
from trimtab.model.ruling import JudgeDecision, MetricReading, Reason, Ruling
from trimtab.model.spans import spoken

BARS = ("worse at all", "beyond tolerance", "without any pod")


def tipped(decision: JudgeDecision, rules: JudgeRules, evidence: JudgeEvidence | None = None) -> tuple[str, ...]:
    """A line for each thing that decided it; none where nothing has yet. `evidence` has the names of pods."""
    pods = loudest(decision, rules, evidence.groups if evidence is not None else ())
    return tuple(line for line in (carried(decision), nearest_bar(decision, rules), pods, *bursts(decision)) if line)


def carried(decision: JudgeDecision) -> str:
    """Which metrics speak against the canary."""
    if not decision.culprits:
        return ""
    together = " together, none of them alone" if decision.jointly else ""
    return f"{', '.join(decision.culprits)} carried it{together}"


def nearest_bar(decision: JudgeDecision, rules: JudgeRules) -> str:
    """Of a rollback, the bar that came last; of a hold, the first that a rollback lacks."""
    bars = rules.bars
    over = [odds - log(bar) for odds, bar in zip(decision.odds, bars, strict=True)]
    place = over.index(min(over))
    said = f"{BARS[place]}, odds {ratio(decision.odds[place])} against a bar of {bars[place]:g}:1"
    if decision.reason is Reason.WORSE:
        return f"the bar that came last: {said}"
    return f"what a rollback lacks most: {said}" if decision.reason in (Reason.DOUBT, Reason.ONE_POD) else ""


def loudest(decision: JudgeDecision, rules: JudgeRules, dealt: Sequence[PodGroup]) -> str:
    """The pods whose absence lowers the odds most, where one of them decided it."""
    groups = {row.loudest_group for row in decision.readings if row.implicated and row.loudest_group is not None}
    if decision.reason is not Reason.ONE_POD or not groups:
        return ""
    names = sorted(each.pod for each in dealt if each.canary and each.group % rules.constants.left_out_groups in groups)
    return f"most of it comes from {some(names, 4)}" if names else ""


def bursts(decision: JudgeDecision) -> tuple[str, ...]:
    """The scrapes that brought most."""
    if decision.ruling not in (Ruling.ROLLBACK, Ruling.HOLD):
        return ()
    return tuple(
        f"scrape until {each.ended:%H:%M:%S} UTC: {number(each.bad)} of {number(each.total)} canary requests in {each.metric}, counted as "
        f"{ratio(log(each.odds))}{', the most a scrape may count for' if each.capped else ''}"
        for each in decision.top
        if each.odds > 1
    )


def alters(decision: JudgeDecision, rules: JudgeRules) -> str:
    """What would change it."""
    if decision.ruling is Ruling.ROLLBACK:
        return "Nothing any more: evidence that was won stays true. Other content, or `trimtab retry`, is another attempt."
    if decision.ruling is Ruling.NO_DATA:
        return f"A complete scrape of canary and primary. Without one for {spoken(rules.silence_deadline)} it ends as the policy says."
    if decision.reason is Reason.SHARED_BREACH:
        return "The primary within its objective again."
    if decision.reason in (Reason.BAKING, Reason.WARM_UP):
        return f"Time, unless the odds that it is worse come to {rules.hold_odds:g}:1."
    if decision.ruling is Ruling.GO_ON:
        return f"It would be held if the odds that it is worse at all came to {rules.hold_odds:g}:1."
    return change(decision, rules)


def grown(evidence: JudgeEvidence | None, rules: JudgeRules) -> tuple[tuple[str, str, str], ...]:
    """The odds as they grew, a row for each kind: its name, a drawing, the first and the newest; none where none are on record."""
    found = moments(evidence) if evidence is not None else ()
    if not found:
        return ()
    kinds = (
        (BARS[0], [each.worse for each in found], rules.rollback_odds),
        (BARS[1], [each.beyond for each in found], rules.tolerance_odds),
        ("good enough", [each.refuted for each in found], rules.promote_odds),
    )
    return tuple((name, drawn(found, odds, bar), f"{ratio(odds[0])} to {ratio(odds[-1])} of {bar:g}") for name, odds, bar in kinds)


def noise(row: MetricReading) -> str:
    """What a count is worth, and where that was learned."""
    single, lasting, load, rate = row.noise_parts
    gates = f", {row.noise_promote:.2g} for going on" if row.role is Role.GATE else ""
    return (
        f"{row.metric}: evidence is divided by {row.noise:.2g}{gates} (noise {single:.2g} within a scrape, {lasting:.2g} over minutes; "
        f"load {load:.2g}, rate {rate:.2g}; from {row.history}); the canary got {percent(row.share)}"
    )
