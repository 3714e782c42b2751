"""Tables as text: aligned, without colours. Called by the commands that show something; `stories` has what is told of one."""

from collections.abc import Sequence
from datetime import datetime

from trimtab.faces.views import RolloutView, StatusView, rollout_view
from trimtab.model.rollout import CanaryState, RolloutKind
from trimtab.model.spans import spoken

WIDEST = 60


def history_table(states: Sequence[CanaryState]) -> str:
    """One line for each attempt, oldest first."""
    rows: list[tuple[str, ...]] = [("ROLLOUT", "KIND", "OUTCOME", "STARTED", "TOOK", "COMMIT", "AUTHOR", "CHANGED")]
    rows += [history_row(rollout_view(state, state.rollout)) for state in states if state.rollout is not None]
    return aligned(rows)


def history_row(run: RolloutView) -> tuple[str, ...]:
    """One attempt."""
    changed = "; ".join(run.changes) or (run.message.splitlines()[0] if run.message else "")
    number = str(run.number)
    return (
        number,
        run.kind,
        run.outcome or run.phase,
        clock(run.detected),
        took(run.detected, run.ended),
        run.commit[:10],
        author(run),
        cut(changed),
    )


def author(run: RolloutView) -> str:
    """Who wrote the change, without the address; of an undo, who wanted it."""
    return run.author.split("<")[0].strip() or (run.actor if run.kind == RolloutKind.UNDO else "")


def status_table(views: Sequence[StatusView]) -> str:
    """One line for each Canary."""
    rows = [("CANARY", "PHASE", "WEIGHT", "ROLLOUT", "STEP", "FAILED CHECKS", "PROMOTED", "NOTE")]
    for view in views:
        run = view.rollout
        step = f"{run.step}/{len(run.steps)}" if run is not None and run.ended is None else ""
        checks = f"{run.failed_checks}/{run.threshold}" if run is not None else ""
        number = str(run.number) if run is not None else ""
        rows.append((view.canary, view.phase, f"{view.weight} %", number, step, checks, view.promoted, cut(note(view))))
    return aligned(rows)


def note(view: StatusView) -> str:
    """What a person should know first."""
    run = view.rollout
    if run is not None and run.gate is not None:
        return f"waits at {run.gate.type}: {run.gate.todo}"
    if run is not None and run.paused_by:
        return f"paused by {run.paused_by}"
    if view.suspended:
        return "suspended"
    if view.problems:
        return view.problems[0]
    if view.held:
        return f"held: {view.held}"
    return run.watch.text if run is not None and run.watch is not None and (run.watch.ended is None or run.watch.broken) else ""


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest entry."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def cut(text: str) -> str:
    """At most WIDEST characters."""
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."


def clock(moment: datetime | None) -> str:
    """Local time, with the date."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" if moment is not None else ""


def took(start: datetime, end: datetime | None) -> str:
    """`2 min 10 s`; nothing while it is under way."""
    return spoken(end - start) if end is not None else ""
