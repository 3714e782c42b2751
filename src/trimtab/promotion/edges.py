"""Which target of which app is meant, and where its content comes from. Called by `wiring`."""

from collections.abc import Mapping, Sequence

from trimtab.documents.pipeline import App, PipelineSpec, Target
from trimtab.errors import InputError
from trimtab.promotion.evidence import Run

RUNS = (
    ("GITHUB_RUN_ID", "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}", ("GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR")),
    ("CI_PIPELINE_ID", "{CI_PIPELINE_URL}", ("GITLAB_USER_LOGIN",)),
)
"""How pipelines name their run: its id, its page, who started it. Gitea's and Forgejo's say it as GitHub's does."""


def receiving(spec: PipelineSpec, name: str) -> tuple[App, Target, Target]:
    """For a promotion to APP or APP/TARGET: the app, whose content it is, and who gets it. InputError that lists what there is."""
    found = [(app, app_target(app, target.from_), target) for app in spec.apps for target in app.targets if target.from_ is not None]
    there = [_name(app, target) for app, _, target in found]
    return _only([one for one in found if _meant(name, one[0], one[2])], there, _unfit(spec, name, "nothing is promoted into"))


def giving_back(spec: PipelineSpec, name: str) -> tuple[App, Target, Target]:
    """For a rollback of APP or APP/TARGET: the app, what is put back, and whose content it gets. InputError that lists what there is."""
    found = [(app, app_target(app, target.from_), target) for app in spec.apps for target in app.targets if target.from_ is not None]
    first = {_name(app, source): (app, source, target) for app, source, target in reversed(found)}
    return _only([one for one in first.values() if _meant(name, one[0], one[1])], sorted(first), _unfit(spec, name, "nothing follows"))


def watched(spec: PipelineSpec, name: str) -> tuple[App, Target, Target | None]:
    """For APP/TARGET, or the only canary of APP: the app, whose pods are watched, and the target behind it that they are compared with."""
    for app in spec.apps:
        for target in app.targets:
            if name == _name(app, target):
                return app, target, next((one for one in app.targets if one.from_ == target.name), None)
    if any(name == app.name for app in spec.apps) or not name:
        return giving_back(spec, name)
    raise InputError(
        f"there is no {name!r} here. There are: {', '.join(_name(app, target) for app in spec.apps for target in app.targets)}"
    )


def app_target(app: App, name: str | None) -> Target:
    """A target by its name. InputError where the app has none of that name."""
    found = next((target for target in app.targets if target.name == name), None)
    if found is None:
        raise InputError(f"app {app.name} has no target {name}. There are: {', '.join(target.name for target in app.targets)}")
    return found


def run_of(environment: Mapping[str, str]) -> Run:
    """The run of a pipeline that the environment tells of; an empty one on somebody's own machine."""
    for key, url, actors in RUNS:
        if environment.get(key):
            names = {
                name: environment.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "CI_PIPELINE_URL")
            }
            actor = next((environment[name] for name in actors if environment.get(name)), "")
            return Run(id=environment[key], url=url.format(**names), actor=actor)
    return Run()


def refuse_pull_requests(environment: Mapping[str, str]) -> None:
    """InputError inside of a pull request's pipeline: what it holds was approved by nobody, and neither was its pipeline."""
    event = environment.get("GITHUB_EVENT_NAME", "")
    if event.startswith("pull_request") or environment.get("CI_PIPELINE_SOURCE") == "merge_request_event":
        raise InputError(
            "this is the pipeline of a pull request, in which nothing is promoted, rolled back or tried again. Run it for the protected "
            "branch; in pull requests there is `trimtab diff`"
        )


def _meant(name: str, app: App, target: Target) -> bool:
    return name in ("", app.name, _name(app, target))


def _name(app: App, target: Target) -> str:
    return f"{app.name}/{target.name}"


def _unfit(spec: PipelineSpec, name: str, why: str) -> str:
    """What is wrong with a name that does not stand for one of the targets in question; empty where none was given."""
    there = any(name in (app.name, _name(app, target)) for app in spec.apps for target in app.targets)
    return f"{why} {name}, by trimtab.yaml" if there else f"there is no {name!r} here" if name else ""


def _only(found: Sequence[tuple[App, Target, Target]], there: Sequence[str], unfit: str) -> tuple[App, Target, Target]:
    if len(found) == 1:
        return found[0]
    listed = ", ".join(there) or "none: no target in trimtab.yaml has a `from`"
    raise InputError(f"which target? There are: {listed}" if found or not unfit else f"{unfit}. There are: {listed}")
