"""What a target's ConfigMaps and Secrets hold, by the checks of `validation`, under the names and places of files. Called by `inspect`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from trimtab.config.formats import named_format
from trimtab.config.trees import Format
from trimtab.model.content import Content, ContentRules, Finding, Severity
from trimtab.model.names import ConfigName
from trimtab.model.rendered import RenderedObject
from trimtab.validation.checks import validate

CHECK = "content/parses"
TWICE = "is written twice"
"""What many readers take, the last one winning."""
FILLED = re.compile(r"\{[{%]|\$[({]|<%|@\w+@|__\w+__|%\(?\w+\)?%|^\s*(//|/\*|#)", re.MULTILINE)
"""What something fills or strips before a value is read: marks of templates, and comments where JSON has none."""
STRICT = frozenset({Format.YAML, Format.JSON, Format.TOML})
"""Formats without dialects of which only some readers know."""
WRONG = "Correct it. If something fills it before it is read, waive this."


def judged(
    after: Sequence[RenderedObject],
    before: Sequence[RenderedObject],
    rules: ContentRules,
    earlier: Sequence[RenderedObject] = (),
) -> Iterator[Finding]:
    """The findings of content, compared with the same target's at another time, or with another target's.

    `earlier` is the same target's at another time, which excuses what did not parse then.
    """
    excused = {(one.namespace, _name(one), key) for one in earlier if one.content is not None for key in one.content.data}
    wanted = CHECK not in dict(rules.severities)
    for space in dict.fromkeys(one.namespace for one in after if one.content is not None):
        there = {str(name): one for one in after if one.namespace == space and (name := _name(one))}
        new = [_content(one) for one in there.values()]
        old = [_content(one) for one in before if one.namespace == space and one.content is not None]
        for finding in validate([content for content in new if content], [content for content in old if content], rules=rules):
            one = there[finding.name]
            broken = wanted and finding.check == CHECK and (space, _name(one), finding.key) not in excused and _certain(one, finding)
            yield _placed(one, replace(finding, severity=Severity.ERROR, fix=WRONG) if broken else finding)


def _certain(one: RenderedObject, finding: Finding) -> bool:
    """Is a value that does not parse broken for whoever reads it, and no template?"""
    value = one.content.data.get(finding.key, b"") if one.content is not None else b""
    text, format = value.decode(errors="replace"), named_format(finding.key)
    marks = FILLED.search(text if format is Format.JSON else re.sub(r"^\s*#.*", "", text, flags=re.MULTILINE))
    return finding.severity is Severity.WARNING and format in STRICT and marks is None and TWICE not in finding.problem


def _name(one: RenderedObject) -> ConfigName | None:
    return ConfigName(one.content.name.kind, one.logical) if one.content is not None else None


def _content(one: RenderedObject) -> Content | None:
    """Under the logical name, which the same object has in all targets, and with the lines of its keys wherever they are written."""
    name = _name(one)
    if one.content is None or name is None:
        return None
    lines = {key: line for key, (_, line) in one.key_places.items()}
    return replace(one.content, name=name, key_lines=lines, value_lines=one.value_lines)


def _placed(one: RenderedObject, finding: Finding) -> Finding:
    """With the file that the key is written in."""
    file, _ = one.key_places.get(finding.key, (one.file, 0))
    return replace(finding, name=str(one), file=file)
