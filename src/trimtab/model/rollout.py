"""One attempt, and the running state of a Canary. Written by `rollout`, kept by stores, shown by the faces."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from trimtab.model.content import Finding
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Analysis, HookType, Policy
from trimtab.model.revision import Origin, Revision
from trimtab.model.tellings import Telling
from trimtab.model.verdict import Evidence
from trimtab.model.watching import Watch


class Phase(StrEnum):
    """Flagger's phases (flagger.md 1.5). Pausing is not a phase but a reason to wait."""

    INITIALIZING = "Initializing"
    INITIALIZED = "Initialized"
    WAITING = "Waiting"
    PROGRESSING = "Progressing"
    WAITING_PROMOTION = "WaitingPromotion"
    PROMOTING = "Promoting"
    FINALISING = "Finalising"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TERMINATING = "Terminating"


class Leaving(StrEnum):
    """How far the target of a Canary that is being deleted is given back (DEL-2)."""

    NO = "no"
    TO_PRIMARY = "traffic to primary"
    """An attempt that was under way exposes nobody any more."""
    TO_TARGET = "pods to target"
    """The target gets as many pods as the primary has, and has to be ready; the primary serves."""
    GIVING_BACK = "giving back"
    """Service and routes lead to where they led before."""
    GONE = "gone"
    """Nothing is left to do: the Canary may go, and with it what it owns."""


SETTLED = frozenset({Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED})


class Outcome(StrEnum):
    """How an attempt ended."""

    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    REFUSED = "Refused"
    INCONCLUSIVE = "Inconclusive"
    SUPERSEDED = "Superseded"
    WITHDRAWN = "Withdrawn"
    ABORTED = "Aborted"
    UNDONE = "Undone"
    PROMOTION_FAILED = "PromotionFailed"
    SKIPPED = "Skipped"


BACKWARDS = frozenset(
    {Outcome.ROLLED_BACK, Outcome.ABORTED, Outcome.SUPERSEDED, Outcome.WITHDRAWN, Outcome.REFUSED, Outcome.INCONCLUSIVE}
)  # fmt: skip
"""Outcomes that mean: away from the canary."""


class RolloutKind(StrEnum):
    """Why an attempt was made."""

    INITIALISATION = "initialisation"
    CHANGE = "change"
    UNDO = "undo"


class Ask(StrEnum):
    """The one kind of question that `observe` asks in a pass (P1)."""

    NOTHING = "nothing"
    PROVIDERS = "providers"
    ROLLBACK = "rollback"
    PRE_ROLLOUT = "pre-rollout"
    ROLLOUT = "rollout"
    METRICS = "metrics"
    SCRAPES = "scrapes"
    """What canary and primary counted since, between two checks; never in the record, since it is due by the evidence."""
    HISTORY = "history"
    """What the primary counted in the past."""
    AFTERWARDS = "afterwards"
    """How the promoted primary does: its restarts, and its metrics against their limits."""
    CONFIRM_ROLLOUT = "confirm-rollout"
    CONFIRM_TRAFFIC_INCREASE = "confirm-traffic-increase"
    CONFIRM_PROMOTION = "confirm-promotion"


@dataclass(frozen=True, slots=True)
class Exposure:
    """Who sees what. The primary's weight is what the canary's leaves of 100."""

    primary: Revision | None = None
    canary: Revision | None = None
    weight: int = 0
    """The canary's share in percent."""
    matched: bool = False
    """Requests that match the policy's conditions go to the canary."""
    mirrored: bool = False
    """Requests to the primary are copied to the canary, whose answers are thrown away."""
    routed: bool = True
    """False while the first primary is not ready: traffic is left as it was found."""
    leaving: Leaving = Leaving.NO
    """Past NO, the target belongs to its owner again, and then the traffic; the primary is left as it is."""


@dataclass(frozen=True, slots=True)
class Step:
    """One growth of exposure, and what has to be open before it."""

    weight: int = 0
    matched: bool = False
    mirrored: bool = False
    iteration: int = 0
    """From 1 in blue/green and A/B; 0 where weights count."""
    gates: tuple[HookType, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """A reason to wait: which gate is closed, which hook keeps it so (empty: a person's approval), since when."""

    type: HookType
    name: str
    since: datetime
    judge: bool = False
    """The judge asks a person whether to promote without the evidence it wanted."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A person stopped growth; checks and rollback go on (R9)."""

    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Rollout:
    """One attempt to take a target from one revision to another, with its policy pinned."""

    number: int
    kind: RolloutKind
    before: Revision | None
    to: Revision
    policy: Policy
    detected: datetime
    origin: Origin = Origin()
    changes: tuple[str, ...] = ()
    """What changed, one line per key; values of Secrets never appear."""
    findings: tuple[Finding, ...] = ()
    began: datetime | None = None
    """When the canary was first wanted; None before the confirm-rollout gate."""
    ready: datetime | None = None
    """When the canary was first seen ready in this run."""
    cleared: datetime | None = None
    """When the canary of the attempt before was gone: what was counted until then is not this one's (C6). None where there was none."""
    steps: tuple[Step, ...] = ()
    position: int = 0
    """How many steps were taken."""
    grown: datetime | None = None
    """When exposure last grew."""
    passed: datetime | None = None
    """When the last check was asked, if it passed; None after one that did not (S3)."""
    gate: Gate | None = None
    approved: tuple[HookType, ...] = ()
    """Gates that a person opened and that were not passed yet."""
    skip: bool = False
    """Promote without analysis, by policy or by a person's word."""
    waived: bool = False
    """Promote without the evidence that the judge wanted, by policy or by a person's word; limits and a rollback count all the same."""
    paused: Pause | None = None
    shifted: int = 0
    """The primary's share while traffic moves to it in promotion, beyond what it had before."""
    promoting: datetime | None = None
    """When promotion began: the primary's progress counts from here."""
    draining: bool = False
    """The canary may be scaled down: traffic was seen to have left it. At the first start: the target may be, for its primary is ready."""
    outcome: Outcome | None = None
    why: str = ""
    """Why it ended, in one sentence."""
    actor: str = ""
    """Who ended, approved or started it, where it was a person."""
    ended: datetime | None = None
    """When the world was seen to match the outcome."""
    watch: Watch | None = None
    """What is seen of the primary after promotion; None where nobody looks."""


@dataclass(frozen=True, slots=True)
class Held:
    """A revision of the source that is not started until the source differs or someone says retry (R7)."""

    revision: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command, for the CLI that waits for it."""

    command: str
    text: str
    done: bool


@dataclass(frozen=True, slots=True)
class CanaryState:
    """The one authoritative record of a Canary (R1). Replaced whole, by compare-and-swap on `serial`."""

    key: CanaryKey
    serial: int = 0
    phase: Phase = Phase.INITIALIZING
    policy: Policy | None = None
    """The newest valid policy; a rollout goes by its own."""
    promoted: Revision | None = None
    applied: Revision | None = None
    """The revision of the target that was last taken notice of: `lastAppliedSpec` and `trackedConfigs` in the status."""
    kept: tuple[Revision, ...] = ()
    """Promoted before, newest first; what `undo` can go back to."""
    fallback: Revision | None = None
    """After a failed promotion: what the canary goes on serving to everybody (SM-27)."""
    held: Held | None = None
    rollout: Rollout | None = None
    """The attempt under way, or the newest that ended."""
    asks: Ask = Ask.NOTHING
    due: datetime | None = None
    """When `asks` is to be asked."""
    grid: datetime | None = None
    """Where the interval grid starts (P2)."""
    evidence: Evidence = Evidence()
    suspended: bool = False
    leaving: Leaving = Leaving.NO
    phase_since: datetime | None = None
    spoken: frozenset[str] = frozenset()
    """Messages of this run that were told already: what stays the same is told once."""
    told: int = 0
    """How many tellings were ever made; gives them their ids."""
    to_tell: tuple[Telling, ...] = ()
    handled: tuple[Answer, ...] = field(default=())

    @property
    def running(self) -> Rollout | None:
        """The attempt under way, None while settled."""
        return self.rollout if self.rollout is not None and self.rollout.ended is None else None

    @property
    def rules(self) -> Policy | None:
        """The policy that counts now: pinned while an attempt is under way, else the newest valid one."""
        return self.running.policy if self.running is not None else self.policy

    @property
    def analysis(self) -> Analysis:
        """What `judge` goes by now."""
        return self.rules.analysis if self.rules is not None else Analysis()
