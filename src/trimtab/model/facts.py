"""Everything one decision may look at, with its time. Gathered by `observe`, read by `decide` and `safety`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from trimtab.model.commands import Command
from trimtab.model.content import Finding
from trimtab.model.policy import Hook, Policy
from trimtab.model.revision import Origin, Revision
from trimtab.model.rollout import Ask
from trimtab.model.verdict import History, Samples
from trimtab.model.watching import Look


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the router of a Canary can do."""

    weights: bool = True
    match: bool = True
    mirror: bool = True


@dataclass(frozen=True, slots=True)
class Routes:
    """Where traffic goes, as the router itself says."""

    weight: int
    matched: bool = False
    mirrored: bool = False
    in_force: bool = True
    """False while the data plane has not taken over what is written there."""
    problem: str = ""
    """What the data plane says is wrong with it, with what to change; empty where nothing is."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of the workload as seen. Pods that are on their way out are not counted."""

    revision: str = ""
    """The id of the revision that its newest pods are made from; empty where there is none."""
    desired: int = 0
    total: int = 0
    updated: int = 0
    """Pods of `revision` that are certain to run exactly its bytes (S7)."""
    available: int = 0
    observed: bool = True
    """False while the runtime has not taken notice of the newest change."""
    stalled: bool = False
    """The runtime itself says that its progress deadline has passed."""
    since: datetime | None = None
    """Since when it has made no progress; None where that is not known."""
    kind: str = "Deployment"
    absent: bool = False
    """The target of a Canary that is being deleted has no pods and will not get any."""


@dataclass(frozen=True, slots=True)
class Source:
    """What the source says now. Either a revision, or the problem that keeps it from being known."""

    revision: Revision | None = None
    problem: str = ""
    policy: Policy | None = None
    """None where the Canary is invalid; `policy_problem` says why, and the last valid one counts (R2)."""
    policy_problem: str = ""
    suspended: bool = False
    skip_analysis: bool = False
    origin: Origin = Origin()
    replicas: int | None = None
    """Pods that the target asks for; None where it leaves that to others."""
    leaving: bool = False
    """The Canary is being deleted, and everything is to be put back before it is gone (DEL-2)."""


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """What a webhook answered. `text` is at most 256 printable characters of its answer, or the error."""

    hook: Hook
    open: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything one decision may look at. Nothing in it holds a value of a Secret."""

    now: datetime
    source: Source
    primary: Copy = Copy()
    canary: Copy = Copy()
    routes: Routes | None = None
    """None where traffic is not routed by us yet."""
    refused: str = ""
    """Why the last pass could not be carried out until somebody changes something; empty where it could."""
    capabilities: Capabilities = Capabilities()
    findings: tuple[Finding, ...] = ()
    """Of the source's revision, where it is not known already."""
    changes: tuple[str, ...] = ()
    """From the promoted revision to the source's, one line per key."""
    asked: Ask = Ask.NOTHING
    answers: tuple[HookAnswer, ...] = ()
    probe: tuple[str, ...] = ()
    """Problems of metric providers, where they were asked."""
    samples: Samples | None = None
    history: History | None = None
    """The primary's past, where it was asked for."""
    cautions: tuple[str, ...] = ()
    """What the judge cannot do here, by that."""
    look: Look | None = None
    """At the promoted primary, where that was asked."""
    commands: tuple[Command, ...] = ()
    told: Mapping[str, str] = field(default_factory=dict)
    """Ids of tellings that are done with: an empty text where one was delivered, else why it was given up."""
