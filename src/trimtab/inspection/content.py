"""What a target's ConfigMaps and Secrets hold, by the checks of `validation`, under the names and places of files. Called by `inspect`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from trimtab.model.content import Content, ContentRules, Finding
from trimtab.model.names import ConfigName
from trimtab.model.rendered import RenderedObject
from trimtab.validation.checks import validate


def judged(after: Sequence[RenderedObject], before: Sequence[RenderedObject], rules: ContentRules) -> Iterator[Finding]:
    """The findings of content, compared with the same target's at another time, or with another target's."""
    for space in dict.fromkeys(one.namespace for one in after if one.content is not None):
        there = {str(name): one for one in after if one.namespace == space and (name := _name(one))}
        new = [_content(one) for one in there.values()]
        old = [_content(one) for one in before if one.namespace == space and one.content is not None]
        for finding in validate([content for content in new if content], [content for content in old if content], rules=rules):
            yield _placed(there[finding.name], finding)


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
