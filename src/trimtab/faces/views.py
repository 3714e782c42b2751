"""What a rollout looks like to a person: one story for the command line, the web and pull-request comments.

Pure: from records and journal entries to plain structs, which become tables or JSON (camelCase) elsewhere.
"""

from datetime import datetime

import msgspec

from trimtab.faces.verdicts import ReplayView, VerdictView, verdict_view
from trimtab.model.journal import Entry
from trimtab.model.policy import HookType, MetricKind
from trimtab.model.rollout import Ask, CanaryState, Phase, Rollout, RolloutKind
from trimtab.model.verdict import Result
from trimtab.rollout import watchwords
from trimtab.rollout.exposure import reached, wanted
from trimtab.rollout.reasons import STANDING
from trimtab.rollout.status import status

UNITS = {MetricKind.SUCCESS_RATE: "%", MetricKind.DURATION: "s"}


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=False):
    """Base of all views: camelCase in JSON, every field always there."""


class CheckView(View, frozen=True, kw_only=True):
    """One metric of the newest check."""

    metric: str
    unit: str
    """Of value and limits: `%`, `s`, or empty where only the query knows."""
    value: float | None
    minimum: float | None
    maximum: float | None
    good: bool
    problem: str


class GateView(View, frozen=True, kw_only=True):
    """What is waited for, and what to do."""

    type: HookType
    hook: str
    since: datetime
    todo: str


class WatchView(View, frozen=True, kw_only=True):
    """What is seen of the primary after promotion."""

    until: datetime
    ended: datetime | None
    """null while it is watched."""
    looks: int
    restarts: int
    broken: str
    """What was found broken; empty where nothing was."""
    text: str
    """How it stands, in words."""


class RolloutView(View, frozen=True, kw_only=True):
    """One attempt."""

    number: int
    kind: str
    phase: str
    outcome: str
    why: str
    revision: str
    before: str
    detected: datetime
    ended: datetime | None
    commit: str
    author: str
    message: str
    changes: tuple[str, ...]
    findings: tuple[str, ...]
    actor: str
    step: int
    steps: tuple[str, ...]
    failed_checks: int
    threshold: int
    checks: tuple[CheckView, ...]
    compared: VerdictView | None
    """The newest word of the comparison with the primary; null where there is none."""
    gate: GateView | None
    ready_by: datetime | None
    """Until when pods that are not ready yet are waited for; null where none are."""
    paused_by: str
    paused_why: str
    watch: WatchView | None
    """null where nobody looks after promotion."""


class StatusView(View, frozen=True, kw_only=True):
    """Where a Canary stands."""

    canary: str
    phase: str
    since: datetime | None
    weight: int
    exposure: str
    promoted: str
    kept: tuple[str, ...]
    held: str
    held_why: str
    problems: tuple[str, ...]
    """What is wrong with the source, which keeps newer changes from starting."""
    suspended: bool
    next_look: datetime | None
    next_question: str
    rollout: RolloutView | None


class EntryView(View, frozen=True, kw_only=True):
    """One line of the audit trail."""

    at: datetime
    rollout: int
    phase: str
    reason: str
    text: str
    severity: str
    actor: str
    verified: bool | None
    """Did the API server make sure that it was this actor? null where there is none, or no API server."""
    weight: int
    checks: tuple[CheckView, ...]


class ShowView(View, frozen=True, kw_only=True):
    """One attempt with its whole story."""

    canary: str
    rollout: RolloutView
    timeline: tuple[EntryView, ...]
    replay: ReplayView | None = None
    """The verdict computed anew; null where that was not asked."""


def check_view(result: Result) -> CheckView:
    """One metric."""
    # Limits of durations are written in milliseconds, their values come in seconds (MET-5).
    scale = 1000 if result.kind is MetricKind.DURATION else 1
    least, most = (None if limit is None else limit / scale for limit in (result.minimum, result.maximum))
    return CheckView(
        metric=result.metric, unit=UNITS.get(result.kind, ""), value=result.value, minimum=least, maximum=most,
        good=result.good, problem=result.problem,
    )  # fmt: skip


def rollout_view(state: CanaryState, run: Rollout) -> RolloutView:
    """An attempt, as the record had it when it was last written."""
    ended = run.ended is not None
    return RolloutView(
        number=run.number,
        kind=run.kind,
        phase=state.phase,
        outcome=run.outcome or "",
        why=run.why,
        revision=run.to.id,
        before=run.before.id if run.before else "",
        detected=run.detected,
        ended=run.ended,
        commit=run.origin.commit,
        author=run.origin.author,
        message=run.origin.message.strip(),
        changes=run.changes,
        findings=tuple(str(finding) for finding in run.findings),
        actor=run.actor,
        step=run.position,
        steps=step_words(run),
        failed_checks=state.evidence.failed_checks,
        threshold=run.policy.analysis.threshold,
        checks=tuple(check_view(result) for result in state.evidence.results),
        compared=verdict_view(state.evidence, run.policy.analysis.judge, over=ended),
        gate=None if ended else gate_view(state, run),
        ready_by=ready_by(state, run),
        paused_by=run.paused.actor if run.paused is not None else "",
        paused_why=run.paused.reason if run.paused is not None else "",
        watch=watch_view(run),
    )


def ready_by(state: CanaryState, run: Rollout) -> datetime | None:
    """The deadline of pods that the attempt under way waits for."""
    if run.began is None or run.ready is not None or run.outcome is not None or state.phase is not Phase.PROGRESSING:
        return None
    return run.began + run.policy.progress_deadline


def watch_view(run: Rollout) -> WatchView | None:
    """The watch after promotion."""
    found, rules = run.watch, run.policy.watch
    if found is None or rules is None:
        return None
    text = watchwords.line(found, rules, f"{found.until.astimezone():%H:%M}")
    return WatchView(until=found.until, ended=found.ended, looks=found.looks, restarts=found.restarts, broken=found.broken, text=text)


def step_words(run: Rollout) -> tuple[str, ...]:
    """Every step in a word or two; only a change takes any."""
    words = []
    if run.kind is not RolloutKind.CHANGE:
        return ()
    for step in run.steps:
        share = (
            f"{step.weight} %" if step.weight else "matched" if step.matched else "mirrored" if step.mirrored else f"round {step.iteration}"
        )
        words.append(share)
    return tuple(words)


def gate_view(state: CanaryState, run: Rollout) -> GateView | None:
    """The gate that is closed."""
    if run.gate is None:
        return None
    todo = f"trimtab approve {state.key.name}"
    return GateView(type=run.gate.type, hook=run.gate.name, since=run.gate.since, todo=todo)


def status_view(state: CanaryState) -> StatusView:
    """Where a Canary stands, and what comes next."""
    projected = status(state)
    exposure = wanted(state)
    asks = "" if state.asks is Ask.NOTHING else state.asks
    return StatusView(
        canary=str(state.key),
        phase=state.phase,
        since=state.phase_since,
        weight=exposure.weight,
        exposure=exposure_words(state),
        promoted=projected.last_promoted.id if projected.last_promoted else "",
        kept=tuple(revision.id for revision in state.kept),
        held=state.held.revision if state.held else "",
        held_why=state.held.why if state.held else "",
        problems=standing_problems(state),
        suspended=state.suspended,
        next_look=state.due if state.running is not None else None,
        next_question=asks if state.running is not None else "",
        rollout=rollout_view(state, state.rollout) if state.rollout is not None else None,
    )


def standing_problems(state: CanaryState) -> tuple[str, ...]:
    """What somebody has to change, as it was told."""
    told = (mark.partition(": ") for mark in state.spoken)
    return tuple(sorted(text for reason, _, text in told if reason in STANDING))


def exposure_words(state: CanaryState) -> str:
    """Who sees what."""
    exposure = wanted(state)
    if not exposure.routed:
        return "traffic is left as it was found until the first primary is ready"
    if exposure.matched:
        return "requests that match go to the canary, all others to the primary"
    if exposure.mirrored:
        return "all requests go to the primary and are mirrored to the canary"
    if exposure.weight:
        return f"{exposure.weight} % of the requests go to the canary, {100 - exposure.weight} % to the primary"
    run = state.running
    checked = run is not None and run.position and reached(run).iteration
    return "all requests go to the primary" + ("; the canary is checked beside it" if checked else "")


def entry_view(entry: Entry) -> EntryView:
    """One line."""
    return EntryView(
        at=entry.at, rollout=entry.rollout, phase=entry.phase, reason=entry.reason, text=entry.text, severity=entry.severity,
        actor=entry.actor, verified=entry.verified, weight=entry.weight, checks=tuple(check_view(result) for result in entry.results),
    )  # fmt: skip


def show_view(state: CanaryState, entries: tuple[Entry, ...]) -> ShowView:
    """An attempt with its whole story. The record must hold one."""
    assert state.rollout is not None
    return ShowView(canary=str(state.key), rollout=rollout_view(state, state.rollout), timeline=tuple(map(entry_view, entries)))
