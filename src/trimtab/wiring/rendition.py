"""How commits that `up` follows are rendered: by Kustomize or Helm where the folder asks for it, or as a `trimtab.yaml` says.

Handed to `adapters.git` by `local`. Nothing is fetched from the network.
"""

from trimtab.adapters.git.clone import Clone
from trimtab.adapters.git.repository import Place
from trimtab.adapters.rendering.request import Request
from trimtab.documents.kubernetes import KUSTOMIZATIONS
from trimtab.errors import InputError
from trimtab.model.rendered import Rendered
from trimtab.wiring.pipeline import RELEASE, Rules, files_of, project_in, render, rendered

MARKS = ("Chart.yaml", *KUSTOMIZATIONS)
"""A folder that holds one of these is rendered."""


async def rendition(clone: Clone, commit: str, place: Place, rules: Rules | None = None) -> Rendered | None:
    """What a commit renders to at a place; None for a folder of plain manifests. InputError for what does not render."""
    if not place.target:
        marks = {f"{place.path}/{name}".lstrip("/") for name in MARKS}
        if not any(file.path in marks for file in await clone.files(commit, place.path)):
            return None
    async with files_of(clone, commit) as root:
        if not place.target:
            return await render(Request(root, place.path or "the root", place.path, release=RELEASE), "", rules, commit)
        project = project_in(root, commit, place.path)
        chosen = project.chosen(place.target)
        if len(chosen) != 1:
            names = ", ".join(f"{app.name}/{target.name}" for app, target in chosen)
            raise InputError(f"{place.target} has several targets, and `up` runs one. Name one of {names}")
        return await rendered(project, *chosen[0], rules)
