"""The kinds of `trimtab.dev/v1alpha1`: RolloutPolicy, which says what a Canary cannot, ConfigRollout, the record of one attempt, and
RolloutCommand, a person's wish.

Read by `documents.decode`, translated into the model's Policy, and turned into CRDs by `documents.schema`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from trimtab.documents.analysis import CanaryMetric
from trimtab.documents.fields import Fields, LongDuration, ObjectMeta
from trimtab.documents.flagger import PhaseName
from trimtab.documents.judging import Judge, RampName
from trimtab.documents.validation import Validation
from trimtab.documents.watching import AfterPromotion, PrimaryWatch

API_VERSION = "trimtab.dev/v1alpha1"

Rules = tuple[tuple[str, str], ...]
"""What the API server checks of a part in CEL, each with what it says to those who break it."""

GateName = Literal["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"]
WhenUnknownName = Literal["fail", "hold"]
OutcomeName = Literal[
    "Promoted",
    "RolledBack",
    "Refused",
    "Inconclusive",
    "Superseded",
    "Withdrawn",
    "Aborted",
    "Undone",
    "PromotionFailed",
    "Skipped",
]


class Gates(Fields, frozen=True, kw_only=True):
    """The points at which a rollout waits for a person or a webhook to say yes."""

    approvals: Annotated[
        tuple[GateName, ...],
        Meta(description="Gates that a person opens with `trimtab approve`, besides those that a webhook of the Canary guards."),
    ] = ()
    deadline: (
        Annotated[
            LongDuration,
            Meta(
                description="How long a gate may stay closed before the attempt is aborted, for example 30m or 24h. Without it, for ever."
            ),
        ]
        | None
    ) = None
    ask_again: Annotated[
        bool,
        Meta(
            description=(
                "true: confirm-rollout is asked again when a newer change takes the place of a rollout that is under way. "
                "Without it only the first is asked for, as in Flagger."
            )
        ),
    ] = False


class Limits(Fields, frozen=True, kw_only=True):
    """What is measured and held against limits: in a pipeline, which has no Canary, and besides what a Canary says itself."""

    metrics: Annotated[tuple[CanaryMetric, ...], Meta(description="Written as in spec.analysis.metrics of a Canary.")] = ()
    threshold: Annotated[
        int, Meta(ge=1, description="In a pipeline: failed checks at which the verdict is fail. A Canary says its own.")
    ] = 1


class RolloutPolicySpec(Fields, frozen=True, kw_only=True):
    """What a Canary cannot say. Every default is what Flagger does, where Flagger does it at all."""

    on_newer_change: Annotated[
        Literal["supersede", "queue", "reject"],
        Meta(
            description=(
                "What a newer change does to a rollout that is under way: it ends it and takes its place, waits for its end, "
                "or is held. queue and reject exist on one machine only: in a cluster the target has the new content already."
            )
        ),
    ] = "supersede"
    gates: Gates | None = None
    no_data: Annotated[
        WhenUnknownName,
        Meta(description="What an empty answer to a metric query means: a failed check, or a reason to wait."),
    ] = "fail"
    provider_down: Annotated[
        WhenUnknownName,
        Meta(description="What a metric server that does not answer means: a failed check, or a reason to wait."),
    ] = "fail"
    analysis: Limits | None = None
    validation: Validation | None = None
    ramp: Annotated[
        RampName,
        Meta(
            description=(
                "What ends a step: the Canary's interval (clock), or that a regression which would matter at the next weight is refuted "
                "by data of this step (evidence; needs judge)."
            )
        ),
    ] = "clock"
    judge: Judge | None = None
    after_promotion: AfterPromotion = "alert"
    watch: PrimaryWatch | None = None
    keep_revisions: Annotated[int, Meta(ge=1, le=100, description="How many promoted revisions stay available for undo.")] = 5
    history: Annotated[int, Meta(ge=1, le=1000, description="How many finished rollouts are kept; the newest always is.")] = 20


class RolloutPolicy(Fields, frozen=True, kw_only=True):
    """What a Canary cannot say. A Canary names it in the annotation `trimtab.dev/policy`."""

    api_version: Literal["trimtab.dev/v1alpha1"]
    kind: Literal["RolloutPolicy"]
    metadata: ObjectMeta
    spec: RolloutPolicySpec


class RevisionRecord(Fields, frozen=True, kw_only=True):
    """One immutable content: the fingerprint of a pod template and the digest of everything it reads."""

    id: str
    template: str
    configs: Mapping[str, str] = {}


class ChangeSource(Fields, frozen=True, kw_only=True):
    """Where a change came from, as far as it is known."""

    commit: str | None = None
    author: str | None = None
    message: str | None = None
    at: datetime | None = None


class ConfigRolloutSpec(Fields, frozen=True, kw_only=True):
    """What is attempted. Written once, when the change is detected."""

    canary: str
    number: Annotated[int, Meta(ge=1)]
    kind: Literal["initialisation", "change", "undo"]
    from_: RevisionRecord | None = field(name="from", default=None)
    to: RevisionRecord
    changed_keys: tuple[str, ...] = ()
    policy: Annotated[Mapping[str, object], Meta(description="The rules of this attempt, as they were when it began.")] = {}
    source: ChangeSource | None = None

    RULES: ClassVar[Rules] = (("self == oldSelf", "what is attempted never changes; a newer change is an attempt of its own"),)


class CheckResult(Fields, frozen=True, kw_only=True):
    """One metric in one check. Numbers are text, since a metric may be infinite."""

    metric: str
    kind: str
    reading: str
    value: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    problem: str | None = None


class TimelineEntry(Fields, frozen=True, kw_only=True):
    """One thing that happened, as the journal has it."""

    at: Annotated[str, Meta(description="When, with fractions of a second.")]
    reason: str
    text: str
    phase: str | None = None
    weight: int | None = None
    severity: str | None = None
    actor: str | None = None
    verified: (
        Annotated[bool, Meta(description="Did the API server make sure that it was this actor? Without its admission policy nobody does.")]
        | None
    ) = None
    rollout: Annotated[int, Meta(description="The attempt that it is about, where that is another one.")] | None = None
    results: tuple[CheckResult, ...] = ()


class ComparedMetric(Fields, frozen=True, kw_only=True):
    """One metric of the comparison, ready to be shown."""

    metric: str
    canary: Annotated[str, Meta(description="Failed requests out of all.")]
    primary: str
    worse: Annotated[str, Meta(description="The odds that the canary is worse at all, and those that roll back.")]
    good_enough: Annotated[str, Meta(description="The odds that it is not much worse, and those that are needed to go on.")] | None = None
    implicated: bool = False


class ComparisonRecord(Fields, frozen=True, kw_only=True):
    """The newest word of the comparison of canary and primary."""

    ruling: str
    reason: str
    text: Annotated[str, Meta(description="The same in a sentence, with its figures.")]
    at: Annotated[str, Meta(description="When it was said.")]
    inputs: Annotated[str, Meta(description="A digest of every scrape that was counted.")] | None = None
    metrics: tuple[ComparedMetric, ...] = ()


class ConfigRolloutStatus(Fields, frozen=True, kw_only=True):
    """Where the attempt stands, and how it ended."""

    phase: PhaseName | None = None
    outcome: OutcomeName | None = None
    reason: str | None = None
    weight: int | None = None
    progress: Annotated[str, Meta(description="Phase and outcome in one word or two, for `kubectl get`.")] | None = None
    waiting_for: Annotated[str, Meta(description="The gate that is closed.")] | None = None
    actor: Annotated[str, Meta(description="Who started, approved or ended it, where that was a person.")] | None = None
    paused: Annotated[str, Meta(description="Who paused it, and why.")] | None = None
    failed_checks: int | None = None
    checks: int | None = None
    comparison: ComparisonRecord | None = None
    watch: Annotated[str, Meta(description="What is seen of the primary after promotion.")] | None = None
    counted: Annotated[Mapping[str, str], Meta(description="What the judge counted, look by look, for `trimtab show --replay`.")] = {}
    started_at: datetime | None = None
    ended_at: datetime | None = None
    timeline: tuple[TimelineEntry, ...] = ()
    record: Annotated[str, Meta(description="The whole running state as JSON, for Trimtab alone.")] | None = None


class ConfigRollout(Fields, frozen=True, kw_only=True):
    """One attempt to take a target from one revision to another: the audit record."""

    api_version: Literal["trimtab.dev/v1alpha1"]
    kind: Literal["ConfigRollout"]
    metadata: ObjectMeta
    spec: ConfigRolloutSpec
    status: ConfigRolloutStatus | None = None


class RolloutCommandSpec(Fields, frozen=True, kw_only=True):
    """The wish, bound to what that person looked at. Never changed."""

    canary: str
    verb: Literal["approve", "pause", "resume", "abort", "retry", "undo"]
    actor: str
    reason: str = ""
    at: Annotated[str, Meta(description="When it was wished.")]
    rollout: Annotated[int, Meta(ge=0, description="The number of the attempt that was looked at. If it moved on, the answer is too late.")]
    gate: GateName | None = None
    revision: (
        Annotated[str, Meta(description="For approve, the id of the revision that waits; for undo, the id of the one to go back to.")]
        | None
    ) = None
    skip_analysis: Annotated[bool, Meta(description="For approve: promote the pinned content now.")] = False

    RULES: ClassVar[Rules] = (("self == oldSelf", "a command never changes; make another one"),)


class RolloutCommandStatus(Fields, frozen=True, kw_only=True):
    """What became of it."""

    answer: str | None = None
    done: bool = False


class RolloutCommand(Fields, frozen=True, kw_only=True):
    """What a person wishes for a rollout; made by `trimtab approve` and its like, answered by the operator."""

    api_version: Literal["trimtab.dev/v1alpha1"]
    kind: Literal["RolloutCommand"]
    metadata: ObjectMeta
    spec: RolloutCommandSpec
    status: RolloutCommandStatus | None = None
