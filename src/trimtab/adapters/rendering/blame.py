"""From what a tool complains about to the file and line that somebody must change. Called by `kustomize` and `helm`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from trimtab.adapters.rendering.hidden import in_helm, in_kustomize
from trimtab.adapters.rendering.kustomization import Kustomization, Tree
from trimtab.adapters.rendering.objects import manifests
from trimtab.adapters.rendering.parts import of_file
from trimtab.adapters.rendering.request import Request, relative
from trimtab.errors import DocumentError, InputError

LONGEST = 600
"""Characters of a tool's complaint that are shown."""
PREFIX = re.compile(r'^([EF]\d{4} \S+ +\d+ \S+\] "command failed" err=)?[<"]?|^(error|Error): ', re.MULTILINE)
NESTED = re.compile(r"accumulat(ing|ion) (resources|err|components)[^:]*: |recursed accumulation of path '[^']*': ")
NOISE = re.compile(r"':? must build at directory: .*$|: '[^']*' must resolve to a file\b")
NAMED = re.compile(r"'(?P<path>[^'\s]+)'|\[path: \"(?P<patch>[^\"]+)\"\]|^path: (?P<config>\S+)$", re.MULTILINE)
OBJECT = re.compile(
    r"(?P<kind>[A-Z]\w+)\.[\w.-]*\.?\[no\w+\]/(?P<name>[a-z0-9.-]+)\.|(?P<kind2>[A-Z]\w+)\.(\[no\w+\]\.)+?\[no\w+\]/(?P<name2>[a-z0-9.-]+)\."
)
FIELD = re.compile(r'unknown field \\?"(?P<field>[^"\\]+)')
AT_TEMPLATE = re.compile(r"(?P<file>[\w.-]+/(?:[\w.-]+/)*[\w.-]+\.(?:ya?ml|tpl|txt|json))(?::(?P<line>\d+))?")
AT_VALUES = re.compile(r"(?:failed to parse|cannot load) (?P<file>\S+?): .*?(?:line (?P<line>\d+))?: (?P<problem>[^:]+)$", re.DOTALL)
POINTER = re.compile(r"^- at '(?P<path>/[^']+)': ", re.MULTILINE)
QUOTED = re.compile(r"^(- at '[^']*': )'(?:[^'\\]|\\.)*'", re.MULTILINE)
"""A value, which may be a password, in a complaint about a schema: `- at '/pin': '4711' does not match pattern`."""
IN_TEMPLATE = re.compile(r'^(template: )?\S+:\d+(:\d+)?:?\s+executing "[^"]*" (?=at <)')
NOTHING = re.compile(r"at <(?P<whole>\$?(?:\.\w+){2,}?)\.(?P<field>\w+)[\w.]*>: nil pointer evaluating [\w.*{}\[\] ]+?\.(?P=field)$")
"""A field of something that is not there."""
COUNTED = re.compile(r"resource with name (?P<name>\S+) does not match a config with the following GVK")
HINT = "\n\nUse --debug flag to render out invalid YAML"


def of_kustomize(request: Request, tree: Tree, said: str) -> InputError:
    """What kustomize says, at the place that it is about: a file that does not parse, a patch without an object, a field."""
    problem = _cut(in_kustomize(request, tree, _bare(said)).replace(f"{request.root}/", ""))
    for file, line, found in _places(request, tree, said):
        return DocumentError(found or problem, file=file, line=line)
    return DocumentError(problem, file=tree.kustomizations[0].file)


def of_helm(request: Request, chart: str, said: str) -> InputError:
    """What helm says, at the template or values file that it is about. `chart` is the name of the chart, which helm begins paths with."""
    whole = PREFIX.sub("", said).replace(HINT, "").replace(f"{request.root}/", "").strip()
    problem = _cut(in_helm(request, whole))
    if found := AT_VALUES.search(PREFIX.sub("", said)):
        file, line = found["file"].replace(f"{request.root}/", ""), int(found["line"] or 0)
        if file == "values.yaml":
            file = f"{request.path}/values.yaml"
        return DocumentError(in_helm(request, f"not YAML: {found['problem'].strip()}"), file=file, line=line)
    if "schema" in whole.split(":")[0]:
        file, line = _of_values(request, whole)
        return DocumentError(QUOTED.sub(r"\1a value", problem), file=file, line=line)
    mentions = list(AT_TEMPLATE.finditer(whole))[::-1]
    for found in sorted(mentions, key=lambda mention: mention["line"] is None):
        file = source(request, chart, found["file"])
        if file:
            # Of what is rendered, but no YAML, helm tells a line that is not the template's.
            written = 0 if "YAML parse error" in problem else int(found["line"] or 0)
            return DocumentError(_of_template(problem), file=file, line=written)
    return DocumentError(problem, file=f"{request.path}/Chart.yaml")


def _of_template(problem: str) -> str:
    """Without the place, which is told anyway, and with what is missing where a field of nothing is asked for."""
    bare = " ".join(IN_TEMPLATE.sub("", problem).split())
    missing = NOTHING.search(bare)
    return f"{bare}: {missing['whole']} is not set. Set it in a values file, or ask with `if` or `default`" if missing else bare


def _of_values(request: Request, problem: str) -> tuple[str, int]:
    """The values file that writes what does not fit a schema, and the line in it; the last file where none does."""
    names = (*request.values[::-1], f"{request.path}/values.yaml")
    found = POINTER.search(problem)
    steps = tuple(int(part) if part.isdigit() else part for part in found["path"].split("/")[1:]) if found else ()
    for name in names if steps else ():
        try:
            there = [one for one in of_file(request.root, request.root / name) if steps in one.lines]
        except InputError:
            continue
        if there:
            return name, there[0].lines[steps]
    return names[0], 0


def source(request: Request, chart: str, shown: str) -> str:
    """The file that helm calls `CHART/templates/x.yaml`, by its path from the repository's root; empty where it is packed in an archive."""
    inner = shown.removeprefix(f"{chart}/")
    if inner == shown:
        return ""
    path = Path(request.path) / inner
    return path.as_posix() if (request.root / path).is_file() else ""


def _places(request: Request, tree: Tree, said: str) -> Iterator[tuple[str, int, str]]:
    """Files, lines, and what is wrong there if that can be said better than the tool does; the likeliest first."""
    for path in dict.fromkeys(tree.resources):
        try:
            of_file(request.root, path)
        except DocumentError as error:
            yield error.file, error.line, error.problem
    yield from _counted(tree, said)
    for found in FIELD.finditer(said):
        for one in tree.kustomizations:
            if found["field"] in one.value:
                yield one.file, one.document.line_of((found["field"],)), ""
    named = [found["path"] or found["patch"] or found["config"] for found in NAMED.finditer(said)][::-1]
    yield from _files(request, tree, named)
    for found in OBJECT.finditer(said):
        yield from _mentions(request, tree, found["kind"] or found["kind2"], found["name"] or found["name2"])
    for written in named:
        for one in tree.kustomizations:
            yield from _lines(one, written)


def _counted(tree: Tree, said: str) -> Iterator[tuple[str, int, str]]:
    """Where `replicas` names a workload that is not there; kustomize says neither this nor where."""
    if (found := COUNTED.search(said)) is None:
        return
    empty = [one.file for one in tree.kustomizations if not any(one.value.get(field) for field in ("resources", "bases", "components"))]
    why = f". Nothing is among the resources of {', '.join(empty)}" if empty else ""
    for one in tree.kustomizations:
        written = one.value.get("replicas")
        for index, item in enumerate(written if isinstance(written, list) else []):
            if isinstance(item, Mapping) and item.get("name") == found["name"]:
                problem = f"replicas are given for {found['name']}, but there is no Deployment, StatefulSet or ReplicaSet of this name{why}"
                yield one.file, one.document.line_of(("replicas", index)), problem


def _files(request: Request, tree: Tree, named: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    """Files with objects or patches among what a complaint names."""
    for written in named:
        for one in tree.kustomizations:
            path = (one.folder / written).resolve()
            if path in tree.resources:
                yield relative(request.root, path), 1, ""


def _mentions(request: Request, tree: Tree, kind: str, name: str) -> Iterator[tuple[str, int, str]]:
    """Where an object of that name is written, patches first."""
    for path in dict.fromkeys(tree.resources):
        for document, of, called in manifests(of_file(request.root, path)):
            if (of, called) == (kind, name):
                yield document.file, document.line, ""


def _lines(one: Kustomization, written: str) -> Iterator[tuple[str, int, str]]:
    for section, items in one.value.items():
        for index, item in enumerate(items if isinstance(items, list) else []):
            if item == written or (isinstance(item, Mapping) and item.get("path") == written):
                yield one.file, one.document.line_of((section, index)), ""


def _bare(said: str) -> str:
    """Without what kustomize puts around a complaint at each kustomization that it came through."""
    text = PREFIX.sub("", said).strip().strip("<>").strip().removesuffix('"').replace('\\"', '"').replace("\\n", "\n")
    kept = text
    while (found := NESTED.search(kept)) is not None and kept[found.end() :].strip():
        kept = kept[found.end() :]
    return NOISE.sub("", " ".join(kept.split()))


def _cut(text: str) -> str:
    printable = "".join(character if character.isprintable() or character == "\n" else "?" for character in text)
    return printable if len(printable) <= LONGEST else printable[:LONGEST] + "..."
