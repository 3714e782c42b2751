"""The parts of workflows that differ from strategy to strategy: what brings a copy into the cluster. Called by `files` and its siblings."""

from dataclasses import dataclass

from trimtab.faces.scaffolds.layout import Copy, Layout, Strategy


@dataclass(frozen=True, slots=True)
class Deployment:
    """Shell lines, each a step of a job."""

    lint: tuple[str, ...] = ()
    canary: tuple[str, ...] = ()
    stable: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()
    """After a rollback: what brings the content that the canary was put back to."""
    remove: tuple[str, ...] = ()
    """After a promotion: takes the canary away, where it is of no more use."""


def deployment(strategy: Strategy, layout: Layout) -> Deployment:
    """How the copies get into the cluster. Argo CD does it by itself."""
    match strategy:
        case "kustomize":
            shared = (f"kubectl apply -k {layout.shared}",) if layout.shared else ()
            canary, stable = ((f"kubectl apply -k {copy.path}",) for copy in (layout.canary, layout.stable))
            return Deployment((), canary, stable, shared, canary)
        case "helm":
            remove = f"helm uninstall {layout.canary.release} --namespace {layout.namespace} --ignore-not-found --wait"
            lint = tuple(f"helm lint {layout.chart} {_values(copy)}" for copy in (layout.canary, layout.stable))
            return Deployment(lint, released(layout, layout.canary), released(layout, layout.stable), (), (remove,), (remove,))
        case _:
            return Deployment()


def released(layout: Layout, copy: Copy) -> tuple[str, ...]:
    """A Helm release of a copy, and its own tests."""
    where = f"--namespace {layout.namespace}"
    upgrade = f"helm upgrade --install {copy.release} {layout.chart} {_values(copy)} {where} --wait --timeout 5m"
    return upgrade, f"helm test {copy.release} {where}"


def _values(copy: Copy) -> str:
    return " ".join(f"-f {path}" for path in copy.values)


def watched(layout: Layout, copy: Copy, below: str) -> str:
    """The paths of which a change concerns a copy, as items of a list; `below` is how a CI says everything in a folder."""
    named = (copy.path, *layout.common, *((layout.shared,) if copy is layout.stable and layout.shared else ()))
    return "\n".join(f"- {path if path.endswith(('.yaml', '.yml')) else f'{path}{below}'}" for path in named)
