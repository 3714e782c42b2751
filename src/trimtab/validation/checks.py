"""Content to findings: format, size, UTF-8, JSON Schema, what a change does, credentials, and whether a pod finds what it needs (C3).

Called by `control.observe` before anything is shown to anyone, and by `check`. Values of Secrets are in no finding, nor is their length.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import islice

from trimtab.config.difference import Change, difference
from trimtab.config.formats import named_format, parse
from trimtab.config.pairs import base_name, pairs
from trimtab.config.references import Reference
from trimtab.config.suspects import suspect_under, suspects
from trimtab.config.trees import Format, Parsed
from trimtab.model.content import Content, ContentRules, Finding, KeySchema, Severity
from trimtab.validation.catalogue import CHANGES, found, graded
from trimtab.validation.changes import MOST, judged
from trimtab.validation.schemas import misfits

BROKEN = "Correct the value; the promoted one parses."
DOUBTFUL = "Correct it, unless something fills or strips it before it is read."
LEAKED = "Move it to a Secret, and replace it: whoever can read the ConfigMap or its history has it."
USUAL = ContentRules()


def validate(
    after: Sequence[Content],
    promoted: Sequence[Content],
    needed: Sequence[Reference] = (),
    rules: ContentRules = USUAL,
    changes: Sequence[Change] | None = None,
) -> tuple[Finding, ...]:
    """The findings of new content, compared with what is promoted: its file and the file's line are in them where they are known.

    `needed` is what the pod template reads (`config.references`); without it references are not looked at. `changes` is what `difference`
    says of the two, for who has it already.
    """
    by_name: dict[str, list[Change]] = {}
    if any(dict(rules.severities).get(check) is not Severity.OFF for check in CHANGES):
        for change in changes if changes is not None else difference(promoted, after):
            by_name.setdefault(change.name, []).append(change)
    there = [(pair.new, pair.old, by_name.get(str(pair.name), ())) for pair in pairs(promoted, after) if pair.new]
    findings = [_located(new, finding) for new, old, changed in there for finding in _examine(new, old, changed, rules)]
    return tuple(graded([*findings, *missing(after, needed)], rules))


def missing(contents: Sequence[Content], needed: Sequence[Reference]) -> Iterator[Finding]:
    """Objects and keys without which a pod does not start (`reference/missing`)."""
    there = {content.name: content for content in contents}
    for reference in needed:
        content = there.get(reference.name)
        read_by = f"read by {', '.join(reference.mandatory)}"
        if content is None:
            if reference.mandatory:
                fix = "Add it, or mark the reference as optional."
                yield replace(found("reference/missing", f"does not exist; {read_by}", fix=fix), name=str(reference.name))
            continue
        for key, fix in lacking(reference.keys, content):
            yield _located(content, found("reference/missing", f"the key does not exist; {read_by}", key, fix=fix))


def lacking(keys: Set[str], content: Content) -> Iterator[tuple[str, str]]:
    """Of the keys that a pod needs those that an object does not have, each with what to do. Called by `inspection` too."""
    there = sorted({*content.data, *content.binary})
    for key in sorted(keys - {*there}):
        yield key, f"Add it, or use one of: {', '.join(there) or 'none, there is no key'}."


def _examine(content: Content, promoted: Content | None, changes: Sequence[Change], rules: ContentRules) -> Iterator[Finding]:
    """The findings of one object, with lines of its values."""
    yield from _too_large(content, rules.largest)
    for key, value in sorted(content.data.items()):
        yield from _examine_value(content, key, value, promoted)
    for rule in rules.schemas:
        if rule.kind is content.name.kind and fnmatchcase(base_name(content.name).name, rule.name):
            yield from _held_against(content, rule)
    if promoted is not None and any(dict(rules.severities).get(check) is not Severity.OFF for check in CHANGES):
        yield from judged(promoted, content, changes, rules.factor)


def _too_large(content: Content, largest: int) -> Iterator[Finding]:
    values = [*content.data.items(), *content.binary.items()]
    size = sum(len(value) for _, value in values)
    if size > largest:
        is_there = "has more than is allowed" if content.secret else f"has {size} bytes"
        problem = f"{is_there}; all values of a {content.name.kind} together may have {largest}"
        most = max(values, key=lambda item: len(item[1]))[0]
        yield found("content/size", problem, fix=f"Split it, or mount {most}, the largest, from elsewhere.")


def _examine_value(content: Content, key: str, value: bytes, promoted: Content | None) -> Iterator[Finding]:
    """One value: text is UTF-8, what the suffix promises is kept if it was before, and nothing secret has come in."""
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        if not content.secret:
            line = value.count(b"\n", 0, error.start) + 1
            problem = f"is not UTF-8: byte {error.start} cannot be read, line {line} of the value"
            yield found("content/utf8", problem, key, line, "Put binary values under binaryData.")
        return
    before = promoted.data.get(key) if promoted is not None else None
    parsed = parse(key, text) if named_format(key) is not None else Parsed(Format.TEXT)
    if parsed.problem:
        broken = _parses(key, before)
        finding = found("content/parses", _problem(content, parsed), key, parsed.line, BROKEN if broken else DOUBTFUL)
        yield finding if broken else replace(finding, severity=Severity.WARNING)
    if not content.secret and value != before:
        yield from _leaks(key, text)


def _leaks(key: str, text: str) -> Iterator[Finding]:
    """What looks like a credential. Never what it is."""
    whole = suspect_under(key, text)
    seen = suspects(text) if whole is None or "\n" in text.strip() else iter([whole])
    for suspect in islice(seen, MOST):
        yield found("content/secret", f"line {suspect.line} of the value looks like {suspect.what}", key, suspect.line, LEAKED)
    if next(seen, None) is not None:
        yield found("content/secret", f"more than {MOST} lines of the value look like credentials", key, fix=LEAKED)


def _held_against(content: Content, rule: KeySchema) -> Iterator[Finding]:
    """One object against one schema."""
    value = content.data.get(rule.key)
    if value is None:
        there = ", ".join(sorted(content.data)) or "none"
        fix = f"Correct the key in {rule.place}, or add it here; there are: {there}."
        yield found("content/schema-unused", "the key does not exist, and there is a JSON Schema for it", rule.key, fix=fix)
        return
    try:
        text = value.decode()
    except UnicodeDecodeError:
        fix = f"Correct it, or the schema in {rule.place}."
        yield found("content/schema", "cannot be held against its JSON Schema, since it is not UTF-8", rule.key, fix=fix)
        return
    yield from misfits(content, rule.key, text, rule)


def _problem(content: Content, parsed: Parsed) -> str:
    """What is wrong; of a Secret only where, for what was found there is part of the value (C1)."""
    why = "" if content.secret else f": {parsed.problem}"
    return f"is not {parsed.format}{why}" + (f", line {parsed.line} of the value" if parsed.line else "")


def _parses(key: str, value: bytes | None) -> bool:
    if value is None:
        return False
    try:
        return not parse(key, value.decode()).problem
    except UnicodeDecodeError:
        return False


def _located(content: Content, finding: Finding) -> Finding:
    """The finding with object, file and the file's line; with the object's line where there is no better one."""
    line = content.line_of(finding.key, finding.line) or content.line
    return replace(finding, name=str(content.name), file=content.file, line=line)
