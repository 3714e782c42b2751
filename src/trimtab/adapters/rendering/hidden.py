"""Values, which may be passwords, taken out of what tools complain about. Called by `blame`.

Tools quote what they cannot use. What a template or an overlay says of itself stays: places, functions, types, names of fields.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from trimtab.adapters.rendering.kustomization import Tree, numbered, strings
from trimtab.adapters.rendering.objects import manifests
from trimtab.adapters.rendering.parts import of_file
from trimtab.adapters.rendering.request import Request
from trimtab.errors import InputError

UNSHOWN = "what helm says of it may hold a value, and is not shown"
GONE = "(not shown)"
SHORT = 8
"""Below so many characters a value is taken out only where it stands alone: it may well be part of a word."""
SHORTEST = 3
TPL = re.compile(r"(?<=error calling tpl:).*", re.DOTALL)
"""A value is the template there, so all that follows may be part of it."""
CALLING = re.compile(r"(?P<head>error calling \w+:)\s*(?P<said>.*)", re.DOTALL)
INCLUDED = "error calling include: "
PLACE = re.compile(r"(execution|parse) error at \([^)]*\):|YAML parse error on \S+:")
EXECUTING = re.compile(r'(?P<head>executing "[^"]*" at <.*?>:)\s+(?P<said>.*)', re.DOTALL)
TYPE = r"[\w.*{}\[\] ]+"
KNOWN = re.compile(
    rf"nil pointer evaluating {TYPE}|can't evaluate field \w+ in type {TYPE}|wrong type for value; expected {TYPE}; got {TYPE}"
    rf"|wrong number of args for \w+: {TYPE}|incompatible types for comparison(: {TYPE})?|value is nil; should be of type {TYPE}"
    rf"|index out of range: -?\d+|index of (untyped nil|nil pointer)|cannot index slice/array with type {TYPE}"
    rf"|can't index item of type {TYPE}"
    rf"|Cannot find \w+ on type {TYPE}|list should be type of slice or array but {TYPE}|non-function [\w.$]+ of type {TYPE}"
    r'|(template: )?no template "[^"]*" associated with template "[^"]*"|template "[^"]*" not defined'
    r"|(?i:invalid semantic version)|illegal base64 data at input byte \d+|exceeded maximum template depth \(\d+\)"
)
"""What the languages of templates say without a value in it."""
OF_YAML = re.compile(r"(?<=error converting YAML to JSON:).*|(?<=error unmarshaling JSON:).*|(?<=not YAML:).*", re.DOTALL)
IN_QUOTES = re.compile(r"'[^']*'|`[^`]*`")
BY_KUSTOMIZE = (
    (re.compile(r" with config: `.*`", re.DOTALL), ""),
    (re.compile(r" patch from \[.*\]", re.DOTALL), " patch"),
    (re.compile(r"line \[[\d ]*\] has invalid utf8 bytes.*", re.DOTALL), "a line is not UTF-8"),
    (re.compile(r"node contents:.*", re.DOTALL), "its contents are not shown"),
    (re.compile(r"(cannot unmarshal !!\w+) `[^`]*`"), r"\1"),
)
"""Where kustomize quotes what it was given, and what is said in its place."""


def in_helm(request: Request, text: str) -> str:
    """What helm says, without values: of a function or a loop only that it failed, unless it is known to tell no value.

    Of templates that include each other, outermost first, only the last is told; it is where it happened.
    """
    text = OF_YAML.sub(lambda found: IN_QUOTES.sub(_quoted, found[0]), TPL.sub(f" {UNSHOWN}", text)).rpartition(INCLUDED)[2]
    if text.endswith(UNSHOWN):
        return text
    for form in (CALLING, EXECUTING):
        if found := form.search(text):
            return text if KNOWN.fullmatch(found["said"].strip()) else f"{text[: found.end('head')]} {UNSHOWN}"
    place = PLACE.match(text)
    kept = place.end() if place else 0
    values, said = list(_of_values(request)), text[kept:].strip()
    # A value may be a template that fails in its own words.
    return f"{text[:kept]} {GONE}" if said and any(said in value for value in values) else text[:kept] + _without(text[kept:], values)


def in_kustomize(request: Request, tree: Tree, text: str) -> str:
    """What kustomize says, without what it was given to make Secrets of, and without the patches that it cannot read."""
    for quoted, instead in BY_KUSTOMIZE:
        text = quoted.sub(instead, text)
    return _without(text, [*_of_generators(request, tree), *_of_secrets(request, tree)])


def _quoted(found: re.Match[str]) -> str:
    """A value; or a sign that the language wants, as it is."""
    return "a value" if re.search(r"\w", found[0]) else found[0]


def _without(text: str, values: Iterable[str]) -> str:
    # Kustomize's complaints are told on one line.
    written = {form for value in values for form in (value, " ".join(value.split())) if len(form) >= SHORTEST}
    for value in sorted(written, key=len, reverse=True):
        if len(value) >= SHORT:
            text = text.replace(value, GONE)
        elif value in text:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", GONE, text)
    return text


def _of_values(request: Request) -> Iterator[str]:
    yield from request.set.values()
    for name in (*request.values, f"{request.path}/values.yaml"):
        yield from _scalars_of(request, request.root / name)


def _of_generators(request: Request, tree: Tree) -> Iterator[str]:
    for one in tree.kustomizations:
        for _, item in numbered(one.value.get("secretGenerator")):
            yield from _parts(strings(item.get("literals")))
            files = [text.partition("=")[2] or text for text in strings(item.get("files"))]
            for name in (*files, *strings(item.get("envs")), *strings([item.get("env")])):
                yield from _parts(_lines(one.folder / name))


def _parts(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield from (line, line.partition("=")[2])


def _of_secrets(request: Request, tree: Tree) -> Iterator[str]:
    """Whatever Secrets say that are written as such, or as a patch in a file."""
    for path in dict.fromkeys(tree.resources):
        try:
            found = of_file(request.root, path)
        except InputError:
            continue
        for document, kind, _ in manifests(found):
            if kind == "Secret" and isinstance(document.value, dict):
                yield from (text for part in ("data", "stringData") for text in _scalars(document.value.get(part)))


def _scalars_of(request: Request, path: Path) -> Iterator[str]:
    try:
        found = of_file(request.root, path)
    except (InputError, ValueError):
        return
    for document in found:
        yield from _scalars(document.value)


def _scalars(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _scalars(item)
    elif isinstance(value, list):
        for item in value:
            yield from _scalars(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode(errors="replace").splitlines()
    except OSError:
        return []
