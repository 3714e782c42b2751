"""Differences of renderings as text, Markdown and JSON. Called by `trimtab diff`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec

from trimtab.config.difference import Change, line
from trimtab.config.renderings import Affected, Comparison, Differing
from trimtab.model.names import how_many, some
from trimtab.promotion.text import cell, fenced, one_line

LONGEST = 65_536
"""Characters that a comment on GitHub may have, which is the least of the forges."""
ROOM = 1_500
"""Of these, how many are left for what closes a comment, and for what others add."""
MOST_FIELDS = 10
"""Fields that are named as meant to differ."""
FOLD = 12
"""From how many lines on the changes of an object are folded."""


class ChangeView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One change. `old` and `new` are shortened for people; of a Secret they are keyed fingerprints, or empty."""

    namespace: str
    object: str
    key: str
    path: str
    kind: str
    old: str
    new: str
    factor: float | None
    by_design: bool
    """Are the two targets meant to differ in this? By `keep` in trimtab.yaml, or since it is about their names."""


class ObjectView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One object that differs."""

    object: str
    kind: str
    namespace: str
    old_name: str
    new_name: str
    file: str
    line: int
    changes: tuple[ChangeView, ...]


class AffectedView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A workload that notices. `restarts` is null between two different targets; `canary` is what rolls it out by itself, or empty."""

    workload: str
    namespace: str
    replicas: int | None
    restarts: bool | None
    reads: tuple[str, ...]
    canary: str


class ComparisonView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One target, or two of them."""

    title: str
    tools: tuple[str, ...]
    objects: tuple[ObjectView, ...]
    affected: tuple[AffectedView, ...]
    warnings: tuple[str, ...]


def change_view(namespace: str, change: Change) -> ChangeView:
    """A change as JSON."""
    return ChangeView(
        namespace=namespace, object=change.name, key=change.key, path=change.path, kind=change.kind, old=change.old, new=change.new,
        factor=change.factor, by_design=change.meant,
    )  # fmt: skip


def view(found: Comparison) -> ComparisonView:
    """A comparison as JSON."""
    affected = [
        AffectedView(
            workload=one.name, namespace=one.namespace, replicas=one.replicas, restarts=one.restarts, reads=one.reads, canary=one.canary
        )
        for one in found.affected
    ]  # fmt: skip
    objects = tuple(_object_view(one) for one in found.objects)
    return ComparisonView(title=found.title, tools=tools(found), objects=objects, affected=tuple(affected), warnings=warnings(found))


def _object_view(one: Differing) -> ObjectView:
    there = one.new or one.old
    namespace = there.namespace if there is not None else ""
    return ObjectView(
        object=one.name, kind=one.kind, namespace=namespace,
        old_name=one.old.name if one.old is not None else "", new_name=one.new.name if one.new is not None else "",
        file=there.file if there is not None else "", line=there.line if there is not None else 0,
        changes=tuple(change_view(namespace, change) for change in one.changes),
    )  # fmt: skip


def tools(found: Comparison) -> tuple[str, ...]:
    """What rendered the two sides."""
    return tuple(dict.fromkeys(side.tool for side in (found.before, found.after) if side is not None))


def warnings(found: Comparison) -> tuple[str, ...]:
    """What renderers warned of."""
    return tuple(dict.fromkeys(text for side in (found.before, found.after) if side is not None for text in side.warnings))


def text(found: Sequence[Comparison]) -> str:
    """For a terminal: each target that differs, each object below it, who notices."""
    blocks = [_block(one) for one in found if one.objects]
    return one_lines("\n\n".join(blocks)) if blocks else "nothing changed"


def one_lines(shown: str) -> str:
    """A text that cannot play tricks on a terminal; its lines stay."""
    return "\n".join(one_line(part) for part in shown.split("\n"))


def _block(found: Comparison) -> str:
    lines, objects = [f"{found.title} ({', '.join(tools(found))})"], told(found)
    for one in objects:
        lines += [f"  {_head(one)}", *(f"    {part}" for part in change_lines(one))]
    lines += [f"  {part}" for part in by_design(found)]
    return "\n".join([*lines, *(f"  affects {affected(one)}" for one in found.affected if objects)])


def told(found: Comparison) -> list[Differing]:
    """The objects that differ, with what they are not meant to differ in."""
    return [replace(one, changes=one.told) for one in found.objects if one.told]


def by_design(found: Comparison) -> list[str]:
    """One line about all the rest, if there is any."""
    meant = [(one, change) for one in found.objects for change in one.changes if change.meant]
    fields = dict.fromkeys(f"{one.name}[{change.key}]" if change.key else change.path or one.name for one, change in meant)
    alone = "" if told(found) else " alone"
    return [f"differs by design{alone}: {some(list(fields), MOST_FIELDS)}"] if fields else []


def _head(one: Differing) -> str:
    return one.name + (f" ({one.kind})" if one.old is None or one.new is None else "") + (f"  {one.place}" if one.place else "")


def change_lines(one: Differing) -> list[str]:
    """The changes of an object without its name, a line each."""
    if len(one.changes) == 1 and not one.changes[0].key and not one.changes[0].path:
        return []
    return [line(change).removeprefix(f"{change.name}: ") for change in one.changes]


def affected(one: Affected) -> str:
    """`deployment/web, 3 replicas, which restart`."""
    count = "" if one.replicas is None else ", 1 replica" if one.replicas == 1 else f", {one.replicas} replicas"
    if one.canary:
        return f"{one.name}{count}: rolled out by {one.canary}"
    if one.restarts is None:
        return one.name + count
    reads = f" although {' and '.join(one.reads)} changed" if one.reads else ""
    return f"{one.name}{count}: {'restarts' if one.restarts else f'does not restart{reads}'}"


def markdown(names: tuple[str, str], found: Sequence[Comparison], longest: int = LONGEST) -> str:
    """For a comment on a pull request. What does not fit is counted; the command that shows it is named."""
    differing = [one for one in found if one.objects]
    lines = [f"### Configuration: {cell(names[0])} → {cell(names[1])}", ""]
    if not differing:
        return "\n".join([*lines, "Nothing changed."])
    room = longest - ROOM - sum(len(part) + 1 for part in lines)
    left = 0
    for one in differing:
        for part in _parts(one):
            if len(part) + 1 > room:
                left += 1
                continue
            lines.append(part)
            room -= len(part) + 1
    if left:
        lines += ["", f"{left} more objects did not fit in here: `trimtab diff` shows all."]
    return "\n".join(lines)


def _parts(found: Comparison) -> Iterator[str]:
    """What goes into a comment as a whole or not at all."""
    objects = told(found)
    count = sum(len(one.changes) for one in objects)
    numbers = f"{how_many(count, 'change')} in {how_many(len(objects), 'object')}"
    affecting = found.affected if objects else ()
    meant = "".join(f"\n- {cell(part)}" for part in by_design(found))
    who = meant + "".join(f"\n- affects {cell(affected(one))}" for one in affecting[:20])
    more = f"\n- and {len(affecting) - 20} more workloads" if len(affecting) > 20 else ""
    yield f"**{cell(found.title)}**: {numbers}{chr(10) if who else ''}{who}{more}\n"
    for one in objects:
        yield _object(one)


def _object(one: Differing) -> str:
    lines = [one_line(part) for part in change_lines(one)]
    shown = [part if len(part) <= 500 else part[:500] + "..." for part in lines[:200]]
    if len(lines) > len(shown):
        shown.append(f"and {len(lines) - len(shown)} more changes")
    title = (
        f"{cell(one.name)}"
        + (f" {one.kind}" if one.old is None or one.new is None else "")
        + (f" · {cell(one.place)}" if one.place else "")
    )
    if not shown:
        return f"{title}\n"
    block = "\n".join(fenced(shown))
    if len(shown) < FOLD:
        return f"{title}\n{block}\n"
    return f"<details><summary>{_plain(one)}: {len(lines)} changes</summary>\n\n{block}\n\n</details>\n"


def _plain(one: Differing) -> str:
    """A name inside HTML."""
    return one_line(one.name).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u200b")
