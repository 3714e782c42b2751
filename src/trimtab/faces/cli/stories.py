"""One Canary, and one of its attempts, as text: calm, without colours. Called by `status`, `watch`, `show`.

On a terminal (`columns` is its width) everything is laid out to fit; elsewhere a field is one line, so that programs that search lines
find them, but for the judge's sentences.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from trimtab.faces.cli.tables import aligned, author, clock, took
from trimtab.faces.verdicts import VerdictView
from trimtab.faces.views import CheckView, EntryView, RolloutView, ShowView, StatusView

INDENT = 15
LATE = timedelta(seconds=30)
"""After which a look that did not come is told: a pass may take a while, and clocks differ."""
OVERDUE = ": overdue, so what is shown may be old. Does the operator, or `trimtab up`, still run?"
WIDE = 135
"""Columns at which the judge's sentences go on below, where there is no terminal that is narrower."""
LEAST = 40
TIMELINE = 31
"""Where the text of an entry begins."""
TOGETHER = re.compile(r"(?<=\d) (?=%|\d{3}\b)")
"""A space within a figure."""
LEGEND = "(scrape by scrape; | a new step; a full block: the odds have come to the bar)"


def status_text(view: StatusView, columns: int | None = None, now: datetime | None = None) -> str:
    """Everything about one Canary. With `now` it says where the next look is overdue."""
    lines = [f"{view.canary}: {view.phase}" + (f" since {clock(view.since)}" if view.since else "")]
    lines += hung(f"  {bar(view.weight)}  {view.exposure}", columns, 26)
    kept = f"; kept for undo: {', '.join(view.kept)}" if view.kept else ""
    facts = [("promoted", f"revision {view.promoted}{kept}")] if view.promoted else []
    if view.held:
        facts.append(("held", f"revision {view.held} until the source differs, or `trimtab retry`"))
        facts += [("", view.held_why)] if view.rollout is None or view.held_why != view.rollout.why else []
    facts += [("problem", problem) for problem in view.problems]
    if view.suspended:
        facts.append(("suspended", "nothing happens until spec.suspend is taken away"))
    if view.next_look is not None:
        late = OVERDUE if now is not None and not waits(view) and now - view.next_look > LATE else ""
        facts.append(("next", f"{view.next_question or 'step'} at {clock(view.next_look)}{late}"))
    lines += [line for name, text in facts for line in hung(f"  {name:12} {text}", columns, INDENT)]
    if view.rollout is not None:
        lines += ["", *rollout_lines(view.rollout, columns)]
    return "\n".join(lines)


def waits(view: StatusView) -> bool:
    """Does it wait for something else than a time?"""
    run = view.rollout
    return view.suspended or (run is not None and (run.gate is not None or bool(run.paused_by) or run.ready_by is not None))


def show_text(view: ShowView, columns: int | None = None) -> str:
    """One attempt with its story."""
    lines = [view.canary, *rollout_lines(view.rollout, columns)]
    lines += tipping_lines(view.rollout.compared, columns) if view.rollout.compared is not None else []
    lines += ["", "  timeline"]
    return "\n".join((*lines, *(line for entry in view.timeline for line in hung(f"    {entry_words(entry)}", columns, TIMELINE))))


def rollout_lines(run: RolloutView, columns: int | None = None) -> list[str]:
    """One attempt."""
    ending = f"{run.outcome} after {took(run.detected, run.ended)}" if run.ended else under_way(run)
    told = run.compared is not None and bool(run.compared.sentence) and run.compared.sentence in run.why
    lines = [f"  rollout {run.number} ({run.kind}): {ending}", *field("why", run.why, WIDE if told and columns is None else columns)]
    lines += [line for name, text in facts_of(run) for line in field(name, text, columns)]
    lines += wrapped("after", run.watch.text, columns) if run.watch is not None else []
    lines += listed("checks", check_lines(run.checks, run), columns)
    return lines + (compared_lines(run.compared, told, columns) if run.compared is not None else [])


def facts_of(run: RolloutView) -> Iterator[tuple[str, str]]:
    """What an attempt is about and what it waits for, field by field; a finding that is the reason is told there."""
    if run.commit:
        message = f" {run.message.splitlines()[0]!r}" if run.message else ""
        yield "commit", f"{run.commit[:10]} by {author(run)}{message}"
    yield from named("changed", run.changes)
    yield from named("finding", [finding for finding in run.findings if finding not in run.why])
    if run.steps and (run.step or run.ended is None):
        yield "steps", " -> ".join(f"[{word}]" if number == run.step else word for number, word in enumerate(run.steps, 1))
    if run.gate is not None:
        who = f" ({run.gate.hook})" if run.gate.hook else ""
        yield "waits", f"at {run.gate.type}{who} since {clock(run.gate.since)}: {run.gate.todo}"
    if run.ready_by is not None:
        yield "waits", f"for pods of the canary to become ready, until {clock(run.ready_by)} at the latest"
    if run.paused_by:
        yield "paused", f"by {run.paused_by}{f' ({run.paused_why})' if run.paused_why else ''}: trimtab resume"


def under_way(run: RolloutView) -> str:
    """How far it is."""
    return f"under way, step {run.step} of {len(run.steps)}" if run.steps else "under way"


def check_lines(checks: Sequence[CheckView], run: RolloutView) -> list[str]:
    """The newest check."""
    if not checks:
        return []
    return [f"{run.failed_checks} failed; {run.threshold} failed ones roll back", *map(check_words, checks)]


def compared_lines(found: VerdictView, told: bool, columns: int | None = None) -> list[str]:
    """The newest word of the comparison with the primary: its sentence, where nothing else has it, and the figures of every metric."""
    rows = figures(found.table, columns)
    lines = [] if told else wrapped("judge", found.sentence, columns)
    lines += [f"    {'judge' if not number and told else '':10} {row}" for number, row in enumerate(rows)]
    lines += grown_lines(found.drawn, columns) if found.drawn else []
    return lines + (wrapped("change", found.would_change, columns) if found.would_change not in found.sentence else [])


def figures(table: Sequence[Sequence[str]], columns: int | None) -> list[str]:
    """A line for each metric; where the terminal is too narrow for that, a block for each."""
    lines = aligned(table).splitlines()
    if columns is None or max(map(len, lines)) <= columns - INDENT:
        return lines
    head, *rows = table
    return [line for row in rows for line in aligned([(row[0], ""), *zip(head[1:], row[1:], strict=True)]).splitlines()]


def grown_lines(drawn: Sequence[Sequence[str]], columns: int | None = None) -> list[str]:
    """The odds as they grew."""
    return [*listed("odds", aligned(drawn).splitlines(), None), *wrapped("", LEGEND, columns)]


def tipping_lines(found: VerdictView, columns: int | None = None) -> list[str]:
    """What tipped it, what counts are worth, and what it was judged by."""
    fields = (*named("tipped", found.tipped), *named("noise", found.noise), *named("missing", found.missing), ("inputs", found.inputs))
    return [line for name, text in fields for line in wrapped(name, text, columns)]


def named(name: str, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The same field several times, named once."""
    for number, text in enumerate(texts):
        yield "" if number else name, text


def listed(name: str, texts: Iterable[str], columns: int | None) -> list[str]:
    """Lines of one field."""
    return [line for label, text in named(name, texts) for line in field(label, text, columns)]


def field(name: str, text: str, columns: int | None) -> list[str]:
    """A field in one line, or as many as a terminal needs; none where there is nothing to say."""
    return hung(f"    {name:10} {text}", columns, INDENT) if text else []


def wrapped(name: str, text: str, columns: int | None = None) -> list[str]:
    """A field with a sentence that is long everywhere."""
    return field(name, text, min(WIDE, columns or WIDE))


def hung(line: str, columns: int | None, indent: int) -> list[str]:
    """The line, cut at words to this width, and going on below its text; no figure is cut."""
    if columns is None or len(line) <= columns:
        return [line]
    room = max(LEAST, columns - indent)
    whole = TOGETHER.sub("\xa0", line[indent:])
    head, *rest = (part.replace("\xa0", " ") for part in textwrap.wrap(whole, room, break_long_words=False, break_on_hyphens=False) or [""])
    return [line[:indent] + head, *(" " * indent + part for part in rest)]


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


def entry_words(entry: EntryView) -> str:
    """One line of the audit trail."""
    checks = f" [{'; '.join(check_words(check) for check in entry.checks)}]" if entry.checks else ""
    return f"{entry.at.astimezone():%H:%M:%S}  {entry.phase:16} {entry.text}{checks}"


def bar(weight: int, width: int = 20) -> str:
    """The canary's share as a bar."""
    filled = round(weight * width / 100)
    return f"[{'#' * filled}{'.' * (width - filled)}]"
