"""Views as text: aligned, calm, without colours where there is no terminal. Called by the commands that show something."""

import textwrap
from collections.abc import Sequence
from datetime import datetime

from trimtab.faces.verdicts import VerdictView
from trimtab.faces.views import CheckView, EntryView, RolloutView, ShowView, StatusView, rollout_view
from trimtab.model.rollout import CanaryState, RolloutKind
from trimtab.model.spans import spoken

WIDEST = 60
LINE = 120
"""Characters of a sentence before it goes on below."""
INDENT = " " * 15
LEGEND = "(scrape by scrape; | a new step; a full block: the odds have come to the bar)"


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


def status_text(view: StatusView) -> str:
    """Everything about one Canary."""
    lines = [f"{view.canary}: {view.phase}" + (f" since {clock(view.since)}" if view.since else "")]
    lines.append(f"  {bar(view.weight)}  {view.exposure}")
    if view.promoted:
        lines.append(f"  promoted     revision {view.promoted}" + (f"; kept for undo: {', '.join(view.kept)}" if view.kept else ""))
    if view.held:
        lines += [f"  held         revision {view.held} until the source differs, or `trimtab retry`", f"               {view.held_why}"]
    lines += [f"  problem      {problem}" for problem in view.problems]
    if view.suspended:
        lines.append("  suspended    nothing happens until spec.suspend is taken away")
    if view.next_look is not None:
        lines.append(f"  next         {view.next_question or 'step'} at {clock(view.next_look)}")
    if view.rollout is not None:
        lines += ["", *rollout_lines(view.rollout)]
    return "\n".join(lines)


def rollout_lines(run: RolloutView) -> list[str]:
    """One attempt."""
    ending = f"{run.outcome} after {took(run.detected, run.ended)}" if run.ended else under_way(run)
    lines = [f"  rollout {run.number} ({run.kind}): {ending}"]
    told = run.compared is not None and bool(run.compared.sentence) and run.compared.sentence in run.why
    if run.why:
        lines += wrapped("why", run.why) if told else [f"    why        {run.why}"]
    if run.commit:
        message = f" {run.message.splitlines()[0]!r}" if run.message else ""
        lines.append(f"    commit     {run.commit[:10]} by {author(run)}{message}")
    lines += [f"    {'changed' if not index else '':10} {change}" for index, change in enumerate(run.changes)]
    lines += [f"    {'finding' if not index else '':10} {finding}" for index, finding in enumerate(run.findings)]
    if run.steps:
        lines.append(
            f"    steps      {' -> '.join(f'[{word}]' if number == run.step else word for number, word in enumerate(run.steps, 1))}"
        )
    if run.gate is not None:
        who = f" ({run.gate.hook})" if run.gate.hook else ""
        lines.append(f"    waits      at {run.gate.type}{who} since {clock(run.gate.since)}: {run.gate.todo}")
    if run.paused_by:
        lines.append(f"    paused     by {run.paused_by}: trimtab resume")
    lines += wrapped("after", run.watch.text) if run.watch is not None else []
    lines += check_lines(run.checks, run)
    lines += compared_lines(run.compared, told) if run.compared is not None else []
    return lines


def under_way(run: RolloutView) -> str:
    """How far it is."""
    return f"under way, step {run.step} of {len(run.steps)}" if run.steps else "under way"


def check_lines(checks: Sequence[CheckView], run: RolloutView) -> list[str]:
    """The newest check."""
    if not checks:
        return []
    lines = [f"    checks     {run.failed_checks} failed; {run.threshold} failed ones roll back"]
    return lines + [f"               {check_words(check)}" for check in checks]


def compared_lines(found: VerdictView, told: bool) -> list[str]:
    """The newest word of the comparison with the primary: its sentence, where nothing else has it, and the figures of every metric."""
    rows = aligned(found.table).splitlines()
    lines = [f"    judge      {rows.pop(0)}"] if told else wrapped("judge", found.sentence)
    lines += [f"{INDENT}{row}" for row in rows]
    lines += grown_lines(found.drawn) if found.drawn else []
    lines += wrapped("change", found.would_change) if found.would_change else []
    return lines


def grown_lines(drawn: Sequence[Sequence[str]]) -> list[str]:
    """The odds as they grew."""
    first, *rows = aligned(drawn).splitlines()
    return [f"    odds       {first}", *(f"{INDENT}{row}" for row in rows), f"{INDENT}{LEGEND}"]


def tipping_lines(found: VerdictView) -> list[str]:
    """What tipped it, what counts are worth, and what it was judged by."""
    lines = [line for text in found.tipped for line in wrapped("tipped" if text == found.tipped[0] else "", text)]
    lines += [line for text in found.noise for line in wrapped("noise" if text == found.noise[0] else "", text)]
    lines += [line for text in found.missing for line in wrapped("missing" if text == found.missing[0] else "", text)]
    return lines + (wrapped("inputs", found.inputs) if found.inputs else [])


def wrapped(name: str, text: str) -> list[str]:
    """A field whose text may be long."""
    lines = textwrap.wrap(text, LINE, break_long_words=False, break_on_hyphens=False)
    return [f"    {name:10} {lines[0]}", *(f"{INDENT}{line}" for line in lines[1:])] if lines else []


def check_words(check: CheckView) -> str:
    """`request-success-rate 99.2 % (at least 99 %): good`."""
    limits = " and ".join(
        text
        for text in (
            f"at least {amount(check.minimum, check.unit)}" if check.minimum is not None else "",
            f"at most {amount(check.maximum, check.unit)}" if check.maximum is not None else "",
        )
        if text
    )
    value = "no value" if check.value is None else amount(check.value, check.unit)
    problem = f", {check.problem}" if check.problem else ""
    return f"{check.metric} {value} ({limits or 'no limit'}): {'good' if check.good else 'bad'}{problem}"


def amount(value: float, unit: str) -> str:
    """`99.2 %`, `35 ms`, `1.2 s`, or the bare number."""
    if unit == "s" and abs(value) < 1:
        return f"{value * 1000:.4g} ms"
    return f"{value:.4g} {unit}".rstrip()


def show_text(view: ShowView) -> str:
    """One attempt with its story."""
    lines = [view.canary, *rollout_lines(view.rollout)]
    lines += tipping_lines(view.rollout.compared) if view.rollout.compared is not None else []
    lines += ["", "  timeline"]
    return "\n".join(lines + [f"    {entry_words(entry)}" for entry in view.timeline])


def entry_words(entry: EntryView) -> str:
    """One line of the audit trail."""
    checks = f" [{'; '.join(check_words(check) for check in entry.checks)}]" if entry.checks else ""
    return f"{entry.at.astimezone():%H:%M:%S}  {entry.phase:16} {entry.text}{checks}"


def bar(weight: int, width: int = 20) -> str:
    """The canary's share as a bar."""
    filled = round(weight * width / 100)
    return f"[{'#' * filled}{'.' * (width - filled)}]"


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
