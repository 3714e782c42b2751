"""`Canary.status` as a Flagger user expects it: a projection of the record (flagger.md 1.5, CRD-7, CRD-8).

Called by stores and faces; the record stays the truth.
"""

from dataclasses import dataclass

from trimtab.model.revision import Revision
from trimtab.model.rollout import SETTLED, CanaryState, Phase
from trimtab.rollout.exposure import reached

CONDITIONS = {
    Phase.INITIALIZING: ("Unknown", "New {kind} detected, starting initialization."),
    Phase.INITIALIZED: ("True", "{kind} initialization completed."),
    Phase.WAITING: ("Unknown", "Waiting for approval."),
    Phase.WAITING_PROMOTION: ("Unknown", "Waiting for approval."),
    Phase.PROGRESSING: ("Unknown", "New revision detected, progressing canary analysis."),
    Phase.PROMOTING: ("Unknown", "Canary analysis completed, starting primary rolling update."),
    Phase.FINALISING: ("Unknown", "Canary analysis completed, routing all traffic to primary."),
    Phase.SUCCEEDED: ("True", "Canary analysis completed successfully, promotion finished."),
    Phase.FAILED: ("False", "Canary analysis failed, {kind} scaled to zero."),
    Phase.TERMINATING: ("Unknown", "New {kind} detected, starting initialization."),
}
"""The one condition, `Promoted`: its status and message by phase."""


@dataclass(frozen=True, slots=True)
class Status:
    """The fields of `Canary.status` that follow from the record alone."""

    phase: Phase
    weight: int
    iterations: int
    failed_checks: int
    promoted: str
    """Status of the condition `Promoted`: True, False or Unknown; its reason is the phase."""
    message: str
    applied: Revision | None
    """Whose fingerprint is `lastAppliedSpec` and whose checksums are `trackedConfigs`."""
    last_promoted: Revision | None


def status(state: CanaryState, kind: str = "Deployment") -> Status:
    """Projects the record. `kind` is the target's, for the condition's message."""
    condition, message = CONDITIONS[state.phase]
    weight, iterations = progress(state)
    failed = 0 if state.phase in (Phase.FAILED, Phase.TERMINATING) else state.evidence.failed_checks
    return Status(
        state.phase, weight, iterations, failed, condition, message.format(kind=kind), state.applied, state.promoted
    )  # fmt: skip


def progress(state: CanaryState) -> tuple[int, int]:
    """`canaryWeight` and `iterations` (P7): weights where weights count, else rounds, with Flagger's extra one."""
    run = state.rollout
    if state.fallback is not None:
        return 100, 0
    if run is None or state.phase in SETTLED or state.phase in (Phase.WAITING, Phase.FINALISING, Phase.INITIALIZING, Phase.TERMINATING):
        return 0, 0
    step = reached(run)
    if step.iteration:
        return 0, step.iteration
    return max(0, step.weight - run.shifted), 0
