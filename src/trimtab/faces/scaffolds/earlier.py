"""What `trimtab.yaml` says where there is one already: choices made earlier are the defaults of today.

Called by `faces.cli.init`; reads that one file of the work tree.
"""

from dataclasses import dataclass
from pathlib import Path

from trimtab.documents.decode import read_documents
from trimtab.documents.pipeline import App, Pipeline
from trimtab.errors import InputError
from trimtab.faces.scaffolds.layout import Strategy

FILE = "trimtab.yaml"


@dataclass(frozen=True, slots=True)
class Earlier:
    """One app as it is written; empty where nothing is."""

    app: str
    strategy: Strategy
    namespace: str = ""
    branch: str = ""
    promotion: str = ""
    prometheus: str = ""
    forge: str = ""


def earlier(root: Path, app: str, strategy: Strategy | None) -> Earlier | None:
    """What the repository's `trimtab.yaml` says of the app that is meant; None where there is no such document.

    DocumentError where it cannot be read. InputError where it is about another app or strategy: two pipelines would deploy one app, or
    what is written would be used by nothing.
    """
    place = root / FILE
    if not place.is_file():
        return None
    documents = [part.value for part in read_documents(place.read_text(encoding="utf-8"), FILE) if isinstance(part.value, Pipeline)]
    if not documents:
        return None
    spec = documents[0].spec
    found = next((one for one in spec.apps if app in ("", one.name)), None)
    if found is None:
        names = ", ".join(one.name for one in spec.apps)
        raise InputError(f"{FILE} is about {names}, and `trimtab init` writes one app. Add {app} to it by hand, or move it away")
    before = strategy_of(found)
    if strategy not in (None, before):
        raise InputError(
            f"{FILE} is about {found.name} with the strategy {before}; with {strategy} beside it two pipelines would deploy one app. "
            f"Move {FILE} and its workflows away first"
        )
    by = next((target.promotion.by for target in found.targets if target.promotion is not None), "")
    spaces = [space for space in (found.namespace, *(target.namespace for target in found.targets)) if space]
    return Earlier(
        found.name, before, spaces[0] if spaces else "", spec.branch, by,
        (found.monitor.prometheus or "") if found.monitor is not None else "", spec.forge.type if spec.forge is not None else "",
    )  # fmt: skip


def strategy_of(app: App) -> Strategy:
    """What brings its changes into the cluster, as `trimtab init` would write it."""
    if any(target.argocd is not None for target in app.targets):
        return "argocd"
    if all(target.from_ is None for target in app.targets):
        return "flagger"
    return "helm" if app.chart or app.rendering == "helm" else "kustomize"
