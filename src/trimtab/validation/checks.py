"""Content to findings: format, size, UTF-8 (C3). Called by `control.observe` before anything is shown to anyone.

That what a pod needs is there at all is seen where references are resolved: by the source.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from trimtab.config.formats import named_format, parse
from trimtab.model.content import Content, Finding, Severity

LARGEST = 1024 * 1024
"""Bytes of one ConfigMap or Secret, as the API server limits them."""


def validate(after: Sequence[Content], promoted: Sequence[Content]) -> tuple[Finding, ...]:
    """The findings of new content, compared with what is promoted. Values of Secrets are in none of them."""
    before = {content.name: content for content in promoted}
    return tuple(finding for content in after for finding in examine(content, before.get(content.name)))


def examine(content: Content, promoted: Content | None) -> Iterator[Finding]:
    """One object."""
    size = sum(len(key.encode()) + len(value) for values in (content.data, content.binary) for key, value in values.items())
    if size > LARGEST:
        problem = f"has {size} bytes; a {content.name.kind} may have {LARGEST}"
        yield found(content, Finding("content/size", Severity.ERROR, problem, fix="Split it, or mount what is large from elsewhere."))
    for key, value in sorted(content.data.items()):
        yield from examine_value(content, key, value, promoted)


def examine_value(content: Content, key: str, value: bytes, promoted: Content | None) -> Iterator[Finding]:
    """One value: text is UTF-8, and what the suffix promises is kept if it was before."""
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        if not content.secret:
            problem = f"is not UTF-8: byte {error.start} cannot be read"
            yield found(content, Finding("content/utf8", Severity.ERROR, problem, key=key, fix="Put binary values under binaryData."))
        return
    if named_format(key) is None:
        return
    parsed = parse(key, text)
    if parsed.problem:
        parsed_before = promoted is not None and key in promoted.data and parses(key, promoted.data[key])
        severity = Severity.ERROR if parsed_before else Severity.WARNING
        problem = says_nothing(parsed.problem) if content.secret else parsed.problem
        where = f", line {parsed.line} of the value" if parsed.line else ""
        fix = "Correct the value; the promoted one parses." if parsed_before else ""
        yield found(content, Finding("content/parses", severity, f"{problem}{where}", key=key, fix=fix), parsed.line)


def says_nothing(problem: str) -> str:
    """The part of a problem that holds nothing of the value, not even a character that was met (C1)."""
    return problem.split(":")[0]


def parses(key: str, value: bytes) -> bool:
    """Was it in its format?"""
    try:
        return not parse(key, value.decode()).problem
    except UnicodeDecodeError:
        return False


def found(content: Content, finding: Finding, line: int = 0) -> Finding:
    """The finding with object, file and line, where they are known; `line` is one within the value."""
    start = content.key_lines.get(finding.key, 0) if finding.key else content.line
    return replace(finding, name=str(content.name), file=content.file, line=start + line if start and line else start)
