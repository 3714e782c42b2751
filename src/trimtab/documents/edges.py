"""What a Pipeline may not say although each of its fields is fine: names, edges between targets, paths. Called by `documents.decode`."""

from collections.abc import Iterator, Sequence

from trimtab.documents.fitting import Misfit, nearest
from trimtab.documents.nodes import Path
from trimtab.documents.pipeline import App, Pipeline, Smoke, Target

ONLY_HELM = ("values", "set", "release")


def violations(pipeline: Pipeline) -> Iterator[Misfit]:
    """Everything that keeps a Pipeline from being followed."""
    names: set[str] = set()
    for index, app in enumerate(pipeline.spec.apps):
        place: Path = ("spec", "apps", index)
        if app.name in names:
            yield Misfit((*place, "name"), f"there are two apps named {app.name}")
        names.add(app.name)
        yield from _of_app(app, place)
    if pipeline.spec.check is not None:
        for number, rule in enumerate(pipeline.spec.check.schemas):
            yield from _path(("spec", "check", "schemas", number, "schema"), rule.schema)


def _of_app(app: App, place: Path) -> Iterator[Misfit]:
    if app.rendering == "helm" and app.chart is None:
        yield Misfit((*place, "rendering"), "helm needs the field chart: the folder of the chart")
    if app.chart is not None and app.rendering not in (None, "helm"):
        yield Misfit((*place, "chart"), f"a chart is rendered by helm, not by {app.rendering}. Remove one of the two fields")
    yield from _path((*place, "chart"), app.chart)
    for number, smoke in enumerate(app.monitor.smoke if app.monitor is not None else ()):
        yield from _of_smoke(smoke, (*place, "monitor", "smoke", number))
    names: set[str] = set()
    for index, target in enumerate(app.targets):
        where: Path = (*place, "targets", index)
        if target.name in names:
            yield Misfit((*where, "name"), f"there are two targets named {target.name} in app {app.name}")
        names.add(target.name)
        yield from _of_target(app, target, where)
    yield from _edges(app.targets, place)


def _of_smoke(smoke: Smoke, place: Path) -> Iterator[Misfit]:
    if (smoke.url is None) == (smoke.command is None):
        yield Misfit(place, f"smoke check {smoke.name} must have either url or command")
    elif smoke.url is not None and not smoke.url.startswith(("http://", "https://")):
        yield Misfit((*place, "url"), f"{smoke.url!r} must begin with http:// or https://")
    elif smoke.command == ():
        yield Misfit((*place, "command"), "is empty; write the program and its arguments, as [./scripts/smoke.sh, canary]")


def _of_target(app: App, target: Target, place: Path) -> Iterator[Misfit]:
    if app.chart is None:
        if target.path is None:
            yield Misfit(place, f"target {target.name} needs the field path: the folder or overlay that it is rendered from")
        for name in ONLY_HELM:
            if getattr(target, name):
                yield Misfit((*place, name), "only a Helm chart has these. Name the app's chart, or remove the field")
    elif target.path is not None:
        yield Misfit((*place, "path"), "a target of a Helm chart has values files, not a path. Name them under values")
    for field in ("path", "policy"):
        yield from _path((*place, field), getattr(target, field))
    for field in ("values", "metrics"):
        for number, path in enumerate(getattr(target, field)):
            yield from _path((*place, field, number), path)


def _edges(targets: Sequence[Target], place: Path) -> Iterator[Misfit]:
    origin = {target.name: target.from_ for target in targets}
    for index, target in enumerate(targets):
        where: Path = (*place, "targets", index, "from")
        if target.from_ is None:
            continue
        if target.from_ not in origin:
            yield Misfit(where, f"there is no target {target.from_}; {nearest(target.from_, origin)}")
        elif _circular(target.name, origin):
            yield Misfit(where, f"content would go round in a circle through {target.name}")


def _circular(name: str, origin: dict[str, str | None]) -> bool:
    seen, at = set[str](), origin[name]
    while at is not None and at not in seen:
        if at == name:
            return True
        seen.add(at)
        at = origin.get(at)
    return False


def _path(place: Path, path: str | None) -> Iterator[Misfit]:
    if path is not None and (path.startswith("/") or ".." in path.replace("\\", "/").split("/") or "\0" in path):
        yield Misfit(place, f"{path!r} must lie within the repository: write it from the repository's root, without `..`")
