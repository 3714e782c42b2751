"""Renders a chart with the user's `helm`, as `helm template` does: no cluster is asked. Called by `wiring`.

Post-renderers, plugins and DNS look-ups of templates stay off. Test hooks are left out.
"""

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path

from trimtab.adapters.rendering.blame import of_helm, source
from trimtab.adapters.rendering.chart import NEAR, Chart, completed, files, open_chart, read_by
from trimtab.adapters.rendering.objects import CONFIGS, Written, apart, made, manifests
from trimtab.adapters.rendering.parts import documents
from trimtab.adapters.rendering.request import Rendering, Request, inside, read, relative, shown
from trimtab.adapters.rendering.tool import Output, Tools, both, run
from trimtab.documents.yaml import Document
from trimtab.errors import DocumentError, InputError, Unavailable
from trimtab.model.rendered import Place, RenderedObject

MISSING = "there is no `helm` on PATH, and {label} is a Helm chart. Install helm 3.8 or newer"
RELEASE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,51}[a-z0-9])?")
SOURCE = re.compile(r"^# Source: (?P<file>.+)$", re.MULTILINE)
KEY = re.compile(r"""\s*["']?(?P<key>[-._a-zA-Z0-9]+)["']?:""")
BLOCK = re.compile(r":\s*\|[-+0-9]*\s*$")
ACTION = re.compile(r"\{\{-?\s*(if|else|range|with|end|include|template|tpl|block|\.Files|toYaml)\b|\bindent\b")
"""What may come to no line at all, or to several."""
BREAK = re.compile(r"^---(?:[ \t].*)?$", re.MULTILINE)
CHANGING = re.compile(
    r"\b(rand(Alpha|AlphaNum|Ascii|Numeric|Bytes|Int)|now|uuidv4|gen(CA|SelfSignedCert|SignedCert|PrivateKey)|htpasswd|bcrypt)\b"
)
"""Functions of templates that give something else each time."""

_versions: dict[str, str] = {}


async def render(request: Request, tools: Tools) -> Rendering:
    """What a chart renders to. DocumentError with file and line for what is wrong with it; InputError without helm."""
    chart, values = await asyncio.to_thread(_opened, request)
    program = tools.find("helm")
    if program is None:
        raise Unavailable(MISSING.format(label=request.label))
    with tempfile.TemporaryDirectory(prefix="trimtab-") as folder:
        home = Path(folder)
        place = await _complete(request, chart, home, tools, program)
        arguments = [*_options(request, values), "--", request.release, str(place)]
        environment = tools.variables(home, network=False)
        done, version = await both(
            run(program, ["template", *arguments], home, environment, request.deadline), _version(program, home, tools)
        )
    if done.code != 0:
        raise of_helm(request, chart.name, done.errors.replace(str(place), request.path))
    inputs = {relative(request.root, path) for path in (*read_by(request.root, chart), *values)}
    objects = await asyncio.to_thread(lambda: list(_objects(request, chart, done)))
    return Rendering(version, apart(objects), sorted(inputs), tuple(_warnings(request, chart)))


def _opened(request: Request) -> tuple[Chart, tuple[Path, ...]]:
    root = request.root
    if not RELEASE.fullmatch(request.release):
        raise InputError(f"{shown(request.release)} is no name of a Helm release: lower-case letters, digits, `-` and `.`, at most 53")
    chart = open_chart(root, root / request.path, written=request.path)
    values = tuple(inside(root, root / name, written=name) for name in request.values)
    for path in values:
        if path.is_dir():
            raise InputError(f"{relative(root, path)} is a folder, where a values file is needed")
        read(root, path)
    return chart, values


def _options(request: Request, values: tuple[Path, ...]) -> list[str]:
    options = ["--include-crds", "--skip-tests"]
    options += [f"--namespace={request.namespace}"] if request.namespace else []
    options += [f"--values={path}" for path in values]
    return options + [f"--set-string={name}={value}" for name, value in request.set.items()]


async def _complete(request: Request, chart: Chart, home: Path, tools: Tools, program: str) -> Path:
    """The folder of the chart with everything in charts/; the chart's own where nothing is missing."""
    if not chart.missing():
        return chart.folder
    place = home / "chart" / chart.folder.name
    place.parent.mkdir()
    await asyncio.to_thread(completed, request, chart, place)
    fetched = [one for one in chart.missing() if not one.repository.startswith(NEAR)]
    if fetched:
        environment = tools.variables(home, network=True)
        for number, url in enumerate(sorted({one.repository for one in fetched if one.repository.startswith("http")})):
            await _must(request, chart, run(program, ["repo", "add", f"of-chart-{number}", url], home, environment, request.deadline))
        await _must(request, chart, run(program, ["dependency", "build", str(place)], home, environment, request.deadline))
    return place


async def _must(request: Request, chart: Chart, running: Awaitable[Output]) -> None:
    done = await running
    if done.code != 0:
        said = (done.errors.splitlines() or ["no message"])[-1]
        raise Unavailable(f"{request.label}: fetching what {chart.file} depends on failed: {said}")


async def _version(program: str, home: Path, tools: Tools) -> str:
    """`helm v4.3.1`."""
    if program not in _versions:
        done = await run(program, ["version", "--template", "{{.Version}}"], home, tools.variables(home, network=False), 20.0)
        _versions[program] = f"helm {done.out.strip() or 'of an unknown version'}"
    return _versions[program]


def _objects(request: Request, chart: Chart, done: Output) -> Iterator[RenderedObject]:
    texts: dict[str, list[str]] = {}
    for part in BREAK.split(done.out):
        found = SOURCE.search(part)
        file = source(request, chart.name, found["file"].strip()) if found else ""
        for document, kind, name in manifests(_read(request, part, file or chart.file)):
            if file not in texts:
                texts[file] = read(request.root, request.root / file).split("\n") if file else []
            written = _written(request, chart, (kind, name), file, texts[file])
            yield made(Document(document.value, written.file, written.line, {}), written, request.namespace)


def _read(request: Request, part: str, file: str) -> list[Document]:
    try:
        return documents(part, file)
    except DocumentError as error:
        # The line is one of what was rendered, which nobody can look at.
        raise DocumentError(f"{request.label} renders to what is no YAML: {error.problem}", file=file) from None


def _written(request: Request, chart: Chart, about: tuple[str, str], file: str, lines: list[str]) -> Written:
    """A template has no lines of its own objects, so the first that looks like it is taken."""
    kind, name = about
    line = _line(lines, rf"kind:\s*[\"']?{re.escape(kind)}\b")
    keys: dict[str, Place] = {}
    values: dict[str, Sequence[int]] = {}
    for number, text in enumerate(lines if kind in CONFIGS else (), start=1):
        found = KEY.match(text)
        if found is not None and found["key"] not in keys:
            keys[found["key"]] = (file, number)
            # A Secret may hold base64, which has other lines.
            if kind == "ConfigMap" and BLOCK.search(text):
                values[found["key"]] = range(number + 1, 2 + _plain_until(lines, number))
    return Written(logical(name, request.release, chart.name), file or chart.file, line, keys, values)


def _plain_until(lines: list[str], start: int) -> int:
    """The last line from an index on that is below it and no action of the template comes before: from there on lines move."""
    return next((number for number, text in enumerate(lines[start:], start) if ACTION.search(text)), len(lines) - 1)


def logical(name: str, release: str, chart: str) -> str:
    """The name without the release's, as charts put it together: `RELEASE-CHART`, or RELEASE where the chart's name is in it."""
    if name != release and not name.startswith(f"{release}-"):
        return name
    rest = name[len(release) :].removeprefix("-")
    if chart in release:
        return f"{chart}-{rest}" if rest else chart
    return rest or chart


def _line(lines: list[str], pattern: str) -> int:
    wanted = re.compile(pattern)
    return next((number for number, text in enumerate(lines, start=1) if wanted.search(text)), 0)


def _warnings(request: Request, chart: Chart) -> Iterator[str]:
    for path in files(request.root, chart.folder):
        if path.parent.name == "templates" and path.suffix in (".yaml", ".yml", ".tpl"):
            for number, text in enumerate(read(request.root, path).split("\n"), start=1):
                if "{{" in text and (found := CHANGING.search(text)) is not None:
                    yield f"{relative(request.root, path)}:{number}: {found[0]} gives something else each time it is rendered"
