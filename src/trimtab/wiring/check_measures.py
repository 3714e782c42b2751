"""Can `trimtab monitor` judge what `trimtab.yaml` promotes: is something measured, and can it be asked? Called by `wiring.checking`.

Policies and metric templates are files that targets name, which need not be rendered. They are read as monitor reads them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from trimtab.adapters.rendering import plain
from trimtab.adapters.rendering.lines import WrittenLines
from trimtab.adapters.rendering.request import Request
from trimtab.documents.analysis import CanaryMetric
from trimtab.documents.checks import unmeasured
from trimtab.documents.decode import decode
from trimtab.documents.fitting import did_you_mean, meant
from trimtab.documents.flagger import MetricTemplate
from trimtab.documents.monitoring import Reach, limits
from trimtab.documents.pipeline import App, Target
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.errors import DocumentError, InputError
from trimtab.inspection.catalogue import severity_of
from trimtab.inspection.ours import PROMETHEUS, examined
from trimtab.inspection.places import Lines, at
from trimtab.model.content import Finding
from trimtab.model.rendered import Rendered, RenderedObject
from trimtab.wiring.pipeline import Project

CHECK, SPACE = "document/monitor", "default"
SOMEWHERE = Reach("http://prometheus", token=True)
"""What the runner's environment gives is not known here, so it counts as given."""
NOTHING = "nothing is measured of {}/{}, so it could never pass"
ANYTHING = "Name a RolloutPolicy with spec.judge or spec.analysis.metrics in `policy` of the target."


@dataclass(frozen=True, slots=True)
class Named:
    """The documents of the files that targets name, by these files, and where they are written."""

    project: Project
    objects: Mapping[str, Sequence[RenderedObject]]
    lines: Lines

    def policy(self, file: str) -> tuple[RenderedObject, RolloutPolicy] | None:
        """The policy of a file; None where it cannot be read, which has checks of its own."""
        for one in self.objects.get(file, ()):
            value = _decoded(one, self.lines)
            if isinstance(value, RolloutPolicy):
                return one, value
        return None

    def templates(self, target: Target) -> dict[str, MetricTemplate]:
        """The metric templates of a target by their files. In which namespace they are asked is known of what is rendered only."""
        there = [(file, _decoded(one, self.lines)) for file in target.metrics for one in self.objects.get(file, ())]
        return {
            file: replace(value, metadata=replace(value.metadata, namespace=None))
            for file, value in there
            if isinstance(value, MetricTemplate)
        }


def named(project: Project | None) -> Iterator[Finding]:
    """What is wrong with the policies and metric templates that targets name. InputError for a file that cannot be read."""
    files = tuple(dict.fromkeys((*project.policies, *project.metrics))) if project is not None else ()
    objects = {file: plain.render(Request(project.root, file, file)).objects for file in files} if project is not None else {}
    if project is None:
        return
    lines = WrittenLines(project.root, Rendered(project.file, "plain", plain.TOOL, inputs=files))
    if files:
        yield from examined([one for some in objects.values() for one in some], lines)
    there, told = Named(project, objects, lines), set[tuple[str, int, str]]()
    for app in project.document.spec.apps:
        for target in app.targets:
            if any(other.from_ == target.name for other in app.targets):
                for finding in _watched(there, app, target):
                    # Targets share their policies.
                    if (mark := (finding.file, finding.line, finding.problem)) not in told:
                        told.add(mark)
                        yield finding


def _watched(there: Named, app: App, target: Target) -> Iterator[Finding]:
    """A target whose content goes on once monitor says that it is good."""
    if target.policy is None:
        # Where nothing is said of monitor, it may be judged by something else.
        if app.monitor is not None:
            file, line = there.project.written_at(app, target)
            yield Finding(CHECK, severity_of(CHECK), NOTHING.format(app.name, target.name), file=file, line=line, fix=ANYTHING)
        return
    found, templates = there.policy(target.policy), there.templates(target)
    if found is None or len(templates) < len(target.metrics):
        return
    one, policy = found
    metrics = policy.spec.analysis.metrics if policy.spec.analysis is not None else ()
    if not metrics and policy.spec.judge is None and app.monitor is not None:
        yield at(CHECK, one, there.lines, ("spec",), NOTHING.format(app.name, target.name), "Write spec.judge or spec.analysis.metrics.")
        return
    meant_ones = set[str]()
    for index, metric in enumerate(metrics):
        if problem := _fault(policy, metric, templates):
            near = _meant(metric, templates)
            meant_ones.add(near)
            field = ("templateRef",) if metric.template_ref is not None else ()
            where = ("spec", "analysis", "metrics", index, *field)
            yield at(CHECK, one, there.lines, where, problem, did_you_mean(near))
    yield from _unused(there, (app, target), templates, metrics, meant_ones)


def _fault(policy: RolloutPolicy, metric: CanaryMetric, templates: Mapping[str, MetricTemplate]) -> str:
    """Why monitor cannot ask a metric by itself; empty where it can. `document/metric` says what nobody measures."""
    if policy.spec.analysis is None or next(unmeasured([metric]), None) is not None:
        return ""
    name = metric.template_ref.name if metric.template_ref is not None else ""
    if any(one.spec.provider.type not in PROMETHEUS for one in templates.values() if one.metadata.name == name):
        return ""
    alone = replace(policy, spec=replace(policy.spec, analysis=replace(policy.spec.analysis, metrics=(metric,))))
    try:
        limits(alone, {file: one for file, one in templates.items() if one.metadata.name == name}, SPACE, SOMEWHERE)
    except InputError as error:
        return str(error)
    return ""


def _meant(metric: CanaryMetric, templates: Mapping[str, MetricTemplate]) -> str:
    """The template that was probably meant by a name that leads nowhere."""
    names = [one.metadata.name for one in templates.values()]
    wanted = metric.template_ref.name if metric.template_ref is not None else ""
    return meant(wanted, names) if wanted and wanted not in names else ""


def _unused(
    there: Named,
    whose: tuple[App, Target],
    templates: Mapping[str, MetricTemplate],
    metrics: Sequence[CanaryMetric],
    suspected: set[str],
) -> Iterator[Finding]:
    """Templates that are held against no limit, which monitor refuses."""
    used = {metric.template_ref.name for metric in metrics if metric.template_ref is not None} | suspected
    for index, name in enumerate(whose[1].metrics):
        if templates[name].metadata.name not in used:
            file, line = there.project.written_at(*whose, "metrics", index)
            problem = f"MetricTemplate {templates[name].metadata.name} of {name} is held against no limit, which monitor refuses"
            fix = "Name it in spec.analysis.metrics of the policy, or leave it out of `metrics` of the target."
            yield Finding(CHECK, severity_of(CHECK), problem, file=file, line=line, fix=fix)


def _decoded(one: RenderedObject, lines: Lines) -> object:
    try:
        return decode(lines.document(one)).value
    except DocumentError:
        return None
