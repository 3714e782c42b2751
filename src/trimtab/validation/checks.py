"""Content to findings: format, size, UTF-8, and whether a pod finds what it needs (C3).

Called by `control.observe` before anything is shown to anyone, and by `check`. Values of Secrets are in no finding, nor is their length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from trimtab.config.formats import named_format, parse
from trimtab.config.pairs import pairs
from trimtab.config.references import Reference
from trimtab.config.trees import Parsed
from trimtab.model.content import Content, Finding, Severity

BROKEN = "Correct the value; the promoted one parses."
DOUBTFUL = "Correct it, unless something fills or strips it before it is read."
LARGEST = 1024 * 1024
"""Bytes of all values of one ConfigMap or Secret, as the API server limits them; keys do not count."""


def validate(after: Sequence[Content], promoted: Sequence[Content], needed: Sequence[Reference] = ()) -> tuple[Finding, ...]:
    """The findings of new content, compared with what is promoted.

    `needed` is what the pod template reads (`config.references`); without it references are not looked at.
    """
    there = [(pair.new, pair.old) for pair in pairs(promoted, after) if pair.new]
    found = [_located(new, finding) for new, old in there for finding in _examine(new, old)]
    return (*found, *missing(after, needed))


def missing(contents: Sequence[Content], needed: Sequence[Reference]) -> Iterator[Finding]:
    """Objects and keys without which a pod does not start (`reference/missing`)."""
    there = {content.name: content for content in contents}
    for reference in needed:
        content = there.get(reference.name)
        read_by = f"read by {', '.join(reference.mandatory)}"
        if content is None:
            if reference.mandatory:
                fix = "Add it, or mark the reference as optional."
                yield Finding("reference/missing", Severity.ERROR, f"does not exist; {read_by}", str(reference.name), fix=fix)
            continue
        for key in sorted(reference.keys - {*content.data, *content.binary}):
            fix = f"Add it, or use one of: {', '.join(sorted({*content.data, *content.binary})) or 'none, there is no key'}."
            finding = Finding("reference/missing", Severity.ERROR, f"the key does not exist; {read_by}", key=key, fix=fix)
            yield _located(content, finding)


def _examine(content: Content, promoted: Content | None) -> Iterator[Finding]:
    values = [*content.data.items(), *content.binary.items()]
    size = sum(len(value) for _, value in values)
    if size > LARGEST:
        is_there = "has more than may be stored" if content.secret else f"has {size} bytes"
        problem = f"{is_there}; all values of a {content.name.kind} together may have {LARGEST}"
        largest = max(values, key=lambda item: len(item[1]))[0]
        yield Finding("content/size", Severity.ERROR, problem, fix=f"Split it, or mount {largest}, the largest, from elsewhere.")
    for key, value in sorted(content.data.items()):
        yield from _examine_value(content, key, value, promoted)


def _examine_value(content: Content, key: str, value: bytes, promoted: Content | None) -> Iterator[Finding]:
    """One value: text is UTF-8, and what the suffix promises is kept if it was before."""
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        if not content.secret:
            line = value.count(b"\n", 0, error.start) + 1
            problem = f"is not UTF-8: byte {error.start} cannot be read, line {line} of the value"
            yield _at(content, key, line, Finding("content/utf8", Severity.ERROR, problem, fix="Put binary values under binaryData."))
        return
    if named_format(key) is None:
        return
    parsed = parse(key, text)
    if parsed.problem:
        broken = promoted is not None and _parses(key, promoted.data.get(key))
        severity, fix = (Severity.ERROR, BROKEN) if broken else (Severity.WARNING, DOUBTFUL)
        yield _at(content, key, parsed.line, Finding("content/parses", severity, _problem(content, parsed), fix=fix))


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


def _at(content: Content, key: str, line: int, finding: Finding) -> Finding:
    """The finding with key and line of the file.

    A value of several lines is taken to begin below its key, as after `|`. A Secret's value may stand in the file as base64,
    which has other lines, so there the key's line has to do.
    """
    start = content.key_lines.get(key, 0)
    below = start and not content.secret and b"\n" in content.data[key].removesuffix(b"\n")
    return replace(finding, key=key, line=start + line if below else start)


def _located(content: Content, finding: Finding) -> Finding:
    """The finding with object and file; with the object's line where there is no better one."""
    return replace(finding, name=str(content.name), file=content.file, line=finding.line or content.line)
