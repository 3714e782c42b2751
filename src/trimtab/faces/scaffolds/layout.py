"""Where the two copies of an app live in a repository, and what else is wanted for it.

Made by `recognising` for an app that is there, here for one that is not yet; read by `files` and its siblings.
"""

from dataclasses import dataclass
from typing import Literal

Strategy = Literal["argocd", "flagger", "helm", "kustomize"]
STRATEGIES: tuple[Strategy, ...] = ("kustomize", "helm", "argocd", "flagger")


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of the app: a target of `trimtab.yaml`."""

    name: str
    path: str
    """Its overlay; for Helm its own values file."""
    values: tuple[str, ...] = ()
    """All of its values files, for Helm."""
    release: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """An app with its copies. Paths are from the repository's root."""

    app: str
    namespace: str
    canary: Copy
    stable: Copy
    common: tuple[str, ...] = ()
    """Folders of which a change reaches both copies."""
    shared: str = ""
    """The folder with what belongs to neither copy: the Service. Empty where there is none."""
    chart: str = ""
    there: bool = False
    """Does the repository have all of it already? Then nothing of it is written."""

    def __str__(self) -> str:
        return f"{self.app}: {self.canary.path} and {self.stable.path}"


@dataclass(frozen=True, slots=True)
class Answers:
    """What is wanted, as asked or given."""

    strategy: Strategy
    layout: Layout
    image: str
    port: int
    branch: str
    ci: str
    """github, gitlab, both or none."""
    promotion: str
    prometheus: str
    remote: str = ""
    """The repository's address, for Argo CD."""
    forge: str = ""
    """Its kind, where the address does not say it."""


def chart_files(chart: str) -> tuple[str, ...]:
    """What all releases of a chart have in common."""
    return f"{chart}/templates", f"{chart}/values.yaml", f"{chart}/Chart.yaml"


def usual(strategy: Strategy, app: str, namespace: str) -> Layout:
    """The layout of an app that is written anew."""
    match strategy:
        case "helm":
            chart = f"charts/{app}"
            stable, canary = f"{chart}/values-production.yaml", f"{chart}/values-canary.yaml"
            return Layout(
                app, namespace, Copy("canary", canary, (stable, canary), f"{app}-canary"), Copy("production", stable, (stable,), app),
                chart_files(chart), chart=chart,
            )  # fmt: skip
        case "argocd":
            root, canary, stable = f"apps/{app}", "canary", "stable"
        case "flagger":
            return Layout(app, namespace, Copy("production", "k8s"), Copy("production", "k8s"))
        case _:
            root, canary, stable = "k8s", "production-canary", "production-stable"
    return Layout(
        app, namespace, Copy("canary", f"{root}/overlays/{canary}"), Copy("stable", f"{root}/overlays/{stable}"),
        (f"{root}/base",), f"{root}/shared",
    )  # fmt: skip
