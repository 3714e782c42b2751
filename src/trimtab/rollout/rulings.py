"""What the comparison of canary and primary leads to, in words. Called by `comparing`; the figures are in the judge's own sentence."""

from trimtab.model.ruling import JudgeDecision, Ruling
from trimtab.model.verdict import Evidence
from trimtab.rollout.reasons import Alarm, Message, Names

SPOKEN = frozenset({Ruling.HOLD, Ruling.NO_DATA, Ruling.INSUFFICIENT})
"""Rulings that people hear of; the others are in the journal."""
REASONS = {
    Ruling.GO_ON: "ComparisonPassed",
    Ruling.HOLD: "ComparisonHeld",
    Ruling.COLLECTING: "CollectingEvidence",
    Ruling.INSUFFICIENT: "InsufficientEvidence",
    Ruling.NO_DATA: "NoData",
    Ruling.ROLLBACK: "ComparisonFailed",
}


def sentence(evidence: Evidence) -> str:
    """What was said, with what was not to be had."""
    silent = evidence.ruling is not None and evidence.ruling.ruling is Ruling.NO_DATA
    return " ".join((evidence.said, *(f"{missing}." for missing in evidence.missing if silent)))


def news(names: Names, ruling: JudgeDecision, evidence: Evidence) -> Message:
    """The comparison says something else than before."""
    words = sentence(evidence)
    if ruling.ruling not in SPOKEN:
        return Message(REASONS[ruling.ruling], words)
    return Message(REASONS[ruling.ruling], f"Halt {names.canary} advancement. {words}", "warn")


def worse(names: Names, evidence: Evidence) -> tuple[Message, Alarm]:
    """The canary is worse than the primary."""
    return Message("ComparisonFailed", f"Rolling back {names.canary}. {evidence.said}", "warn"), Alarm(evidence.said, "error")


def stopped(names: Names, evidence: Evidence) -> tuple[Message, Alarm]:
    """Nobody can tell, and the policy wants no more time spent on it."""
    words = sentence(evidence)
    return Message("Inconclusive", f"Ending {names.canary} without a verdict. {words}", "warn"), Alarm(words, "warn")


def unanswered(names: Names, evidence: Evidence) -> tuple[Message, Alarm]:
    """Somebody was asked, and nobody said anything in time."""
    words = f"Nobody said in time whether to promote {names.canary} without a verdict. {sentence(evidence)}"
    return Message("Inconclusive", words, "warn"), Alarm(words, "warn")


def asking(names: Names, evidence: Evidence) -> tuple[Message, Alarm]:
    """A person has to say whether to promote all the same."""
    way = "`trimtab approve` promotes it all the same, `trimtab abort` takes it back"
    return Message("Waiting", f"Halt {names.canary} waiting for a person. {sentence(evidence)} {way}", "warn"), Alarm(
        f"{sentence(evidence)} {way}.", "warn"
    )


def waived(names: Names, evidence: Evidence) -> Message:
    """The policy promotes without evidence."""
    return Message(
        "EvidenceWaived", f"{names.canary} goes to promotion without a verdict, as the policy says. {sentence(evidence)}", "warn"
    )


def caution(text: str) -> Message:
    """What the judge cannot do here."""
    return Message("JudgeCaution", f"{text[:1].upper()}{text[1:]}", "warn")
