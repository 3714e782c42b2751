"""Renders an overlay with the user's `kustomize`, or with `kubectl kustomize`. Called by `wiring`.

Exec plugins, Helm inside Kustomize and files outside of a kustomization's root stay off: these are the tools' defaults, and nothing
here turns them on.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trimtab.adapters.rendering.blame import of_kustomize
from trimtab.adapters.rendering.kustomization import Tree, walk
from trimtab.adapters.rendering.objects import apart, made, manifests
from trimtab.adapters.rendering.origins import Origins
from trimtab.adapters.rendering.parts import documents
from trimtab.adapters.rendering.request import Rendering, Request, relative
from trimtab.adapters.rendering.tool import NO_HOME, Tools, both, run
from trimtab.documents.yaml import Document
from trimtab.errors import DocumentError, InputError, Unavailable
from trimtab.model.rendered import RenderedObject

MISSING = (
    "there is neither `kustomize` nor `kubectl` on PATH, and {label} is rendered by Kustomize. Install one of them: "
    "the program kustomize (5.0 or newer), or kubectl, which has Kustomize inside"
)
COMMANDS = {"kustomize": ("build",), "kubectl": ("kustomize",)}

_versions: dict[str, str] = {}
"""What each program says it is; asked once in each process."""


async def render(request: Request, tools: Tools, walked: Tree | None = None) -> Rendering:
    """What an overlay renders to. DocumentError with file and line for what is wrong with it; InputError without a tool.

    `walked` is what `walk` found for the same request, where somebody has asked already.
    """
    tree = walked if walked is not None else await asyncio.to_thread(walk, request)
    name, program = find(request, tools)
    command = (*COMMANDS[name], "--", str(request.root / request.path))
    with _home(request, tree) as home:
        building = run(program, command, request.root, tools.variables(home, network=request.network and tree.remote), request.deadline)
        if program in _versions:
            done, version = await building, _versions[program]
        else:
            done, version = await both(building, version_of(name, program, tools))
    if done.code != 0:
        raise of_kustomize(request, tree, done.errors)
    objects = await asyncio.to_thread(_objects, request, tree, done.out, version)
    return Rendering(version, apart(objects), sorted(relative(request.root, path) for path in tree.files))


@contextmanager
def _home(request: Request, tree: Tree) -> Iterator[Path]:
    """Where a tool may write: nowhere, unless it fetches something."""
    if not (request.network and tree.remote):
        yield NO_HOME
        return
    with tempfile.TemporaryDirectory(prefix="trimtab-") as home:
        yield Path(home)


def _objects(request: Request, tree: Tree, out: str, version: str) -> list[RenderedObject]:
    origins = Origins(request.root, tree)
    try:
        found = documents(out, f"what {request.label} renders to")
    except DocumentError as error:
        raise InputError(f"{version} rendered {request.label} to what is no YAML: {error}") from None
    objects = []
    for document, kind, called in manifests(found):
        written = origins.of(kind, called)
        objects.append(made(Document(document.value, written.file, written.line, {}), written, request.namespace))
    return objects


def find(request: Request, tools: Tools) -> tuple[str, str]:
    """The tool and its program. InputError that says what to install where there is none."""
    for name in COMMANDS:
        program = tools.find(name)
        if program is not None:
            return name, program
    raise Unavailable(MISSING.format(label=request.label))


async def version_of(name: str, program: str, tools: Tools) -> str:
    """`kustomize v5.8.1`, or `kubectl v1.37.1 (Kustomize v5.8.1)`."""
    if program not in _versions:
        words = ("version",) if name == "kustomize" else ("version", "--client", "-o", "json")
        done = await run(program, words, Path("/"), tools.variables(NO_HOME, network=False), 20.0)
        _versions[program] = _named(name, done.out)
    return _versions[program]


def _named(name: str, said: str) -> str:
    if name == "kubectl":
        try:
            about = json.loads(said)
            return f"kubectl {about['clientVersion']['gitVersion']} (Kustomize {about['kustomizeVersion']})"
        except (ValueError, KeyError, TypeError):
            return "kubectl of an unknown version"
    found = re.search(r"v?\d+\.\d+\.\d+\S*", said)
    return f"kustomize {found[0]}" if found else "kustomize of an unknown version"
