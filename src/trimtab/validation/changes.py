"""What a change does to content that is worth a second look: keys emptied or gone, other types, amounts many times as large.

Called by `checks`, with an object before and after and what changed in it. Of a Secret only its keys are looked at, for the rest would
tell about its values.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from trimtab.config.difference import Change, ChangeKind
from trimtab.config.formats import parse
from trimtab.config.positions import Positions, line_of_change
from trimtab.config.showing import quoted
from trimtab.config.trees import Format
from trimtab.model.content import Content, Finding
from trimtab.validation.catalogue import found

NULL = "null"
"""A value that says nothing may become anything."""
MOST, MOST_OF_OBJECT = 10, 100
"""Findings of one check that are told of one value, and of one object."""
MORE = {"content/type": "another type", "content/factor": "an amount many times as large or small"}
OF_NOTHING = frozenset("{}[]nulNUL~.\"' \t")
"""Characters of which an empty mapping, list or text is written, and nothing at all. A value with others says something."""


def judged(before: Content, after: Content, changes: Sequence[Change], largest_factor: float) -> Iterator[Finding]:
    """The findings of one object that was changed, with lines of its values. `changes` are those of this object."""
    gone = sorted({*before.data, *before.binary} - {*after.data, *after.binary})
    for key in gone:
        yield found("content/deleted", "the key is gone", key, fix="Put it back, unless nobody reads it any more.")
    for key in sorted({*after.data, *after.binary} - {*gone}):
        if _value(before, key) != _value(after, key) and _says(before, key) and not _says(after, key):
            yield found("content/emptied", "says nothing any more", key, fix="Put its content back, or remove the key.")
    if not after.secret:
        yield from _within(after, changes, largest_factor)


def _within(after: Content, changes: Sequence[Change], largest: float) -> Iterator[Finding]:
    """What changed inside values: the first few with their lines, of the rest how many there are."""
    told, rest, read = Counter[tuple[str, str]](), Counter[tuple[str, str]](), dict[str, Positions]()
    for change in changes:
        for finding in _of_change(change, largest):
            here, everywhere = (change.key, finding.check), ("", finding.check)
            if told[everywhere] < MOST_OF_OBJECT and told[here] < MOST:
                told.update((here, everywhere))
                yield replace(finding, line=line_of_change(after, change, read))
            else:
                rest[here if told[everywhere] < MOST_OF_OBJECT else everywhere] += 1
    for (key, check), count in rest.items():
        yield found(check, f"{MORE[check]} in {count} more places", key, fix="See what else changed in it.")


def _value(content: Content, key: str) -> bytes:
    return content.data.get(key, content.binary.get(key, b""))


def _says(content: Content, key: str) -> bool:
    """Is there anything in a value, beyond blanks, comments and an empty mapping or list?"""
    try:
        text = _value(content, key).decode()
    except UnicodeDecodeError:
        return True
    lines = (line.partition(" #")[0].strip() for line in text.split("\n"))
    bare = "".join(line for line in lines if not line.startswith(("#", ";", "!", "---")))
    if not {*bare} <= OF_NOTHING:
        return True
    if not text.strip():
        return False
    parsed = parse(key, text)
    if parsed.problem or parsed.format is Format.TEXT:
        return True
    return any(document not in (None, {}, [], "") for document in parsed.documents)


def _of_change(change: Change, largest: float) -> Iterator[Finding]:
    """Without their lines."""
    if change.kind is ChangeKind.FORMAT_CHANGED:
        fix = "See to it that whoever reads it can read the new one."
        yield found("content/type", f"was {change.old} and is {change.new}", change.key, fix=fix)
    elif change.kind is ChangeKind.TYPE_CHANGED and change.old != NULL:
        fix = "Write it as before, unless whoever reads it takes both."
        yield found("content/type", f"{_place(change)}another type: {_both(change)}", change.key, fix=fix)
    factor = change.factor
    if factor is not None and not 1 / largest <= factor <= largest:
        times = f"{factor:.3g} times as much" if factor > 1 else f"{1 / factor:.3g} times less"
        fix = "Check the unit and the number of zeros; if it is meant, go there in steps."
        yield found("content/factor", f"{_place(change)}{times}: {_both(change)}", change.key, fix=fix)


def _place(change: Change) -> str:
    return f"{change.path}: " if change.path else ""


def _both(change: Change) -> str:
    """Before and after, which `difference` leaves out where one of them may be a credential."""
    return (
        f"{change.old or quoted('')} -> {change.new or quoted('')}" if change.old or change.new else "not shown, for it may be a credential"
    )
