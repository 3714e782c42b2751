"""Renders an overlay with the user's `kustomize`, or with `kubectl kustomize`. Called by `wiring`.

Exec plugins, Helm inside Kustomize and files outside of a kustomization's root stay off: these are the tools' defaults, and nothing
here turns them on.
"""

import asyncio
import json
import re
import tempfile
from pathlib import Path

from trimtab.adapters.rendering.blame import of_kustomize
from trimtab.adapters.rendering.kustomization import Tree, walk
from trimtab.adapters.rendering.objects import apart, made, manifests
from trimtab.adapters.rendering.origins import Origins
from trimtab.adapters.rendering.parts import documents
from trimtab.adapters.rendering.request import Rendering, Request, relative
from trimtab.adapters.rendering.tool import Tools, both, run
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


async def render(request: Request, tools: Tools) -> Rendering:
    """What an overlay renders to. DocumentError with file and line for what is wrong with it; InputError without a tool."""
    tree = await asyncio.to_thread(walk, request)
    name, program = find(request, tools)
    with tempfile.TemporaryDirectory(prefix="trimtab-") as home:
        environment = tools.variables(Path(home), network=request.network and tree.remote)
        command = (*COMMANDS[name], "--", str(request.root / request.path))
        done, version = await both(
            run(program, command, Path(home), environment, request.deadline),
            version_of(name, program, Path(home), tools),
        )
    if done.code != 0:
        raise of_kustomize(request, tree, done.errors)
    objects = await asyncio.to_thread(_objects, request, tree, done.out, version)
    return Rendering(version, apart(objects), sorted(relative(request.root, path) for path in tree.files))


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


async def version_of(name: str, program: str, home: Path, tools: Tools) -> str:
    """`kustomize v5.8.1`, or `kubectl v1.37.1 (Kustomize v5.8.1)`."""
    if program not in _versions:
        words = ("version",) if name == "kustomize" else ("version", "--client", "-o", "json")
        done = await run(program, words, home, tools.variables(home, network=False), 20.0)
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
