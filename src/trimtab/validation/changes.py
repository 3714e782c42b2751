"""What a change does to content that is worth a second look: keys emptied or gone, other types, amounts many times as large.

Called by `checks`, with an object before and after. Of a Secret only its keys are looked at, for the rest would tell about its values.
"""

import re
from collections.abc import Iterator

from trimtab.config.difference import Change, ChangeKind, difference
from trimtab.config.formats import parse
from trimtab.config.positions import line_of
from trimtab.config.showing import quoted
from trimtab.config.trees import Format
from trimtab.model.content import Content, Finding
from trimtab.validation.catalogue import found

_LINE = re.compile(r"line ([0-9]+)")
NULL = "null"
"""A value that says nothing may become anything."""


def judged(before: Content, after: Content, largest_factor: float) -> Iterator[Finding]:
    """The findings of one object that was changed, with lines of its values."""
    gone = sorted({*before.data, *before.binary} - {*after.data, *after.binary})
    for key in gone:
        yield found("content/deleted", "the key is gone", key, fix="Put it back, unless nobody reads it any more.")
    for key in sorted({*after.data, *after.binary} - {*gone}):
        if _says(before, key) and not _says(after, key):
            yield found("content/emptied", "says nothing any more", key, fix="Put its content back, or remove the key.")
    if not after.secret:
        for change in difference([before], [after]):
            yield from _of_change(after, change, largest_factor)


def _says(content: Content, key: str) -> bool:
    """Is there anything in a value, beyond blanks, comments and an empty mapping or list?"""
    value = content.data.get(key, content.binary.get(key, b""))
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return True
    if not text.strip():
        return False
    parsed = parse(key, text)
    if parsed.problem or parsed.format is Format.TEXT:
        return True
    return any(document not in (None, {}, [], "") for document in parsed.documents)


def _of_change(after: Content, change: Change, largest: float) -> Iterator[Finding]:
    if change.kind is ChangeKind.FORMAT_CHANGED:
        fix = "See to it that whoever reads it can read the new one."
        yield found("content/type", f"was {change.old} and is {change.new}", change.key, fix=fix)
    elif change.kind is ChangeKind.TYPE_CHANGED and change.old != NULL:
        fix = "Write it as before, unless whoever reads it takes both."
        yield found("content/type", f"{_place(change)}another type: {_both(change)}", change.key, _line(after, change), fix)
    factor = change.factor
    if factor is not None and not 1 / largest <= factor <= largest:
        times = f"{factor:.3g} times as much" if factor > 1 else f"{1 / factor:.3g} times less"
        fix = "Check the unit and the number of zeros; if it is meant, go there in steps."
        yield found("content/factor", f"{_place(change)}{times}: {_both(change)}", change.key, _line(after, change), fix)


def _place(change: Change) -> str:
    return f"{change.path}: " if change.path else ""


def _both(change: Change) -> str:
    """Before and after, which `difference` leaves out where one of them may be a credential."""
    return (
        f"{change.old or quoted('')} -> {change.new or quoted('')}" if change.old or change.new else "not shown, for it may be a credential"
    )


def _line(after: Content, change: Change) -> int:
    """The line of what changed, within the value."""
    told = _LINE.fullmatch(change.path)
    if told is not None:
        return int(told[1])
    text = after.data[change.key].decode(errors="replace")
    return line_of(parse(change.key, text).format, text, change.steps) if change.steps else 0
