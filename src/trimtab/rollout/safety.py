"""What must never happen (DESIGN §6): the laws S1 to S9 as predicates over one decision.

Checked in every test and simulation, and by `control.record` just before anything is written or touched. L1 needs a whole history; the
simulation checks it.
"""

from dataclasses import dataclass

from trimtab.model.content import Severity
from trimtab.model.facts import Facts
from trimtab.model.rollout import BACKWARDS, CanaryState, Exposure, Leaving, Outcome, Phase, Rollout, RolloutKind
from trimtab.model.ruling import Ruling
from trimtab.model.verdict import Judgement, Verdict
from trimtab.rollout.exposure import canary_left_alone, wanted
from trimtab.rollout.pinning import completed
from trimtab.rollout.transitions import allowed

AGAINST_GROWTH = frozenset({Ruling.ROLLBACK, Ruling.HOLD, Ruling.NO_DATA})


@dataclass(frozen=True, slots=True)
class Passage:
    """One decision, to be judged: the record before, what was looked at, and the record after."""

    before: CanaryState
    facts: Facts
    verdict: Verdict | None
    after: CanaryState


def broken_laws(passage: Passage) -> tuple[str, ...]:
    """The laws that this decision would break, each with how; empty for a decision that may be acted upon."""
    found = [f"{name}: {text}" for name, law in LAWS.items() if (text := law(passage))]
    return tuple(found)


def grows(before: Exposure, after: Exposure) -> bool:
    """Do more requests reach the canary?"""
    more = after.weight > before.weight or (after.matched and not before.matched)
    return after.routed and (more or (after.mirrored and not before.mirrored))


def stays_or_shrinks(before: CanaryState, after: CanaryState) -> bool:
    """Does nobody see more of anything new after this decision? Such a decision never depends on the disk (L8)."""
    old, new = wanted(before), wanted(after)
    number, other = (state.rollout.number if state.rollout is not None else 0 for state in (before, after))
    return number == other and old.primary == new.primary and new.canary in (old.canary, None) and not grows(old, new)


def same_attempt(passage: Passage) -> Rollout | None:
    """The attempt after the decision, where it was under way before it too."""
    before, after = passage.before.running, passage.after.rollout
    return after if before is not None and after is not None and before.number == after.number else None


def s1(passage: Passage) -> str:
    """Exposure never grows beyond what the recorded state wants: without an attempt none, but for a copy that was seen to serve (SM-27)."""
    state, exposure = passage.after, wanted(passage.after)
    if state.running is None and (exposure.matched or exposure.mirrored or (exposure.weight and state.fallback is None)):
        return "a settled Canary exposes people to its canary"
    if state.fallback is None or state.fallback == passage.before.fallback:
        return ""
    run, copy = passage.before.running, passage.facts.canary
    served = run is not None and run.position and run.to == state.fallback
    return (
        "" if served and copy.revision == state.fallback.id and copy.available else "everybody is sent to a copy that was not seen to serve"
    )


def s2(passage: Passage) -> str:
    """Once a rollback is recorded, exposure never grows until the end."""
    run = passage.before.running
    if run is None or run.outcome not in BACKWARDS or same_attempt(passage) is None:
        return ""
    return "exposure grows during a rollback" if grows(wanted(passage.before), wanted(passage.after)) else ""


def s3(passage: Passage) -> str:
    """Exposure grows only after clean validation, with the canary ready and a fresh pass; never while paused or ended."""
    before, after = wanted(passage.before), wanted(passage.after)
    run = same_attempt(passage)
    if not grows(before, after) or passage.after.fallback is not None:
        return ""
    if run is None or run.ready is None:
        return "exposure grows without a canary that was ready"
    was = passage.before.running
    assert was is not None
    if run.paused is not None or run.outcome is not None:
        return "exposure grows while paused or after the end"
    if run.kind is RolloutKind.UNDO or was.skip:
        return "exposure grows in an undo or without analysis"
    copy = passage.facts.canary
    if copy.revision != run.to.id or not copy.available:
        return "exposure grows while the canary is not ready"
    stale = was.grown is not None and (run.passed is None or run.passed <= was.grown)
    if was.position and stale:
        return "exposure grows without a check that passed after the last growth"
    ruling = passage.after.evidence.ruling
    judged = passage.before.evidence.step is not None and (ruling is None or ruling.ruling in AGAINST_GROWTH)
    return "exposure grows although the comparison speaks against it" if judged else ""


def s4(passage: Passage) -> str:
    """A fail while Progressing leads to rollback in the same decision."""
    verdict, run = passage.verdict, same_attempt(passage)
    if verdict is None or verdict.judgement is not Judgement.FAIL or run is None or passage.facts.source.suspended:
        return ""
    if passage.before.phase not in (Phase.PROGRESSING, Phase.WAITING_PROMOTION):
        return ""
    return "" if run.outcome in BACKWARDS else "a fail does not lead to rollback at once"


def s5(passage: Passage) -> str:
    """No pod sees a revision with an open finding of severity error."""
    run = passage.after.rollout
    if run is None or not any(finding.severity is Severity.ERROR for finding in run.findings):
        return ""
    exposure = wanted(passage.after)
    shown = run.began is not None or run.to in (exposure.primary, exposure.canary)
    return "content with errors is shown to pods" if shown else ""


def s6(passage: Passage) -> str:
    """A phase ends because the world is seen to match."""
    before, after, facts = passage.before.phase, passage.after.phase, passage.facts
    if not allowed(before, after):
        return f"{after} may not follow {before}"
    if passage.after.leaving is Leaving.GIVING_BACK is not passage.before.leaving and not (facts.canary.available or facts.canary.absent):
        return "traffic is given back to a target that is not ready"
    if before is after or passage.before.running is None:
        return ""
    if after is Phase.FINALISING and not facts.primary.available:
        return "promotion went on without a ready primary"
    if before in (Phase.PROGRESSING, Phase.WAITING_PROMOTION) and after in (Phase.FAILED, Phase.SUCCEEDED):
        return "" if canary_left_alone(facts) and not facts.canary.desired else "the end is told before the canary is left alone"
    if after is Phase.SUCCEEDED and before is Phase.FINALISING and not canary_left_alone(facts):
        return "promotion is told before traffic has left the canary"
    return ""


def s7(passage: Passage) -> str:
    """What is promoted is byte for byte what was judged: an attempt never changes what it is about (but for a late template, ADR 11)."""
    before, after = passage.before.running, same_attempt(passage)
    if before is None or after is None:
        return ""
    if before.to != after.to or completed(before.policy, after.policy) != after.policy:
        return "an attempt changed its content or its policy"
    if passage.before.phase is not Phase.PROMOTING is passage.after.phase and not judged(after):
        return "what was not judged to the end is promoted"
    promoted = passage.after.promoted
    return "something else was promoted than was judged" if promoted not in (passage.before.promoted, after.to) else ""


def judged(run: Rollout) -> bool:
    """Was every step taken, and did a check pass after the last one? Or did somebody decide that this is not asked for?"""
    if run.skip or run.waived or run.kind is RolloutKind.UNDO:
        return True
    fresh = run.passed is not None and run.grown is not None and run.passed > run.grown
    return 0 < len(run.steps) == run.position and fresh


def s8(passage: Passage) -> str:
    """Weights always add up to 100."""
    weight = wanted(passage.after).weight
    return "" if 0 <= weight <= 100 else f"the canary's weight is {weight}"


def s9(passage: Passage) -> str:
    """Trouble of the primary never cuts off a healthy canary."""
    before, after, facts = wanted(passage.before), wanted(passage.after), passage.facts
    if after.weight >= before.weight or before.canary is None or passage.before.promoted is None:
        return ""
    run = passage.after.rollout
    # What fails its checks does not serve well, and a person may know better.
    if run is not None and (run.outcome is Outcome.ROLLED_BACK or (run.outcome is Outcome.ABORTED and facts.commands)):
        return ""
    unserved = not facts.primary.available and facts.canary.available and facts.canary.revision == before.canary.id
    return "a canary that serves well is cut off for a primary that does not" if unserved else ""


LAWS = {"S1": s1, "S2": s2, "S3": s3, "S4": s4, "S5": s5, "S6": s6, "S7": s7, "S8": s8, "S9": s9}
"""Every law by its name in DESIGN §6."""
