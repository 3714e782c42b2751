"""Every file that `trimtab init` writes, as text. Called by `faces.cli.init`; the texts stand in `templates/`."""

from collections.abc import Iterator, Mapping

from trimtab import __version__
from trimtab.faces.scaffolds import github, gitlab
from trimtab.faces.scaffolds.filling import fill, template
from trimtab.faces.scaffolds.layout import Answers, Copy, Layout
from trimtab.faces.scaffolds.steps import deployment

CHART = (
    "values.schema.json", "templates/configmap.yaml", "templates/deployment.yaml", "templates/service.yaml",
    "templates/tests/test-config.yaml",
)  # fmt: skip
COUNTS = {"canary": "1", "stable": "9"}
"""Pods of each copy: the canary gets a tenth of the requests."""


def files(answers: Answers) -> dict[str, str]:
    """Texts by their paths from the root, in the order in which people would read them."""
    values = substitutes(answers)
    if answers.strategy == "flagger":
        texts = dict(watched_by_operator(answers.layout, values))
        names = ["check", "deploy"]
    else:
        found = {"trimtab.yaml": "trimtab.yaml", "trimtab/policy.yaml": "policy.yaml", "trimtab/error-rate.yaml": "error-rate.yaml"}
        texts = {path: fill(template(name), values) for path, name in found.items()}
        names = ["check", "canary", "stable", *(["approve"] if answers.promotion == "issue" else [])]
    if answers.strategy != "flagger" and not answers.layout.there:
        texts |= dict(chart(answers, values) if answers.layout.chart else overlays(answers, values))
    if answers.strategy == "argocd":
        texts["argocd/applications.yaml"] = applications(answers, values)
    how = deployment(answers.strategy, answers.layout)
    if answers.ci in ("github", "both"):
        own = {**values, **github.substitutes(answers, how)}
        texts |= {f".github/workflows/{name}.yaml": fill(template(f"github/{name}.yaml"), own) for name in names}
    if answers.ci in ("gitlab", "both"):
        name = "gitlab-operator" if answers.strategy == "flagger" else "gitlab"
        texts[".gitlab-ci.yml"] = fill(template(f"{name}.yaml"), {**values, **gitlab.substitutes(answers, how)})
    return texts


def watched_by_operator(layout: Layout, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The app with its Canary, for `trimtab operator`."""
    yield "trimtab.yaml", fill(template("flagger/trimtab.yaml"), values)
    for name in ("configmap", "deployment", "canary"):
        yield f"{layout.stable.path}/{name}.yaml", fill(template(f"flagger/{name}.yaml"), values)


def chart(answers: Answers, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The app as a Helm chart. What is in `templates/` is for Helm to fill in, not for us."""
    layout = answers.layout
    for path in ("Chart.yaml", "values.yaml"):
        yield f"{layout.chart}/{path}", fill(template(f"helm/{path}"), values)
    yield layout.stable.path, template("helm/values-stable.yaml")
    yield layout.canary.path, template("helm/values-canary.yaml")
    for name in CHART:
        yield f"{layout.chart}/{name}", template(f"helm/{name}")


def applications(answers: Answers, values: Mapping[str, str]) -> str:
    """What Argo CD follows: one Application for each copy, and one for what they share."""
    layout = answers.layout
    places = [(copy.name, copy.path) for copy in (layout.canary, layout.stable)] + ([("shared", layout.shared)] if layout.shared else [])
    text = template("argocd/application.yaml")
    return "---\n".join(fill(text, {**values, "target": name, "path": path}) for name, path in places)


def overlays(answers: Answers, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The app as a base with two overlays."""
    layout = answers.layout
    (base,) = layout.common
    for name in ("kustomization", "deployment"):
        yield f"{base}/{name}.yaml", fill(template(f"kustomize/base/{name}.yaml"), values)
    for copy in (layout.canary, layout.stable):
        own = {**values, "target": copy.name, "count": COUNTS[copy.name]}
        for name in ("kustomization", "config"):
            yield f"{copy.path}/{name}.yaml", fill(template(f"kustomize/overlay/{name}.yaml"), own)
    for name in ("kustomization", "service"):
        yield f"{layout.shared}/{name}.yaml", fill(template(f"kustomize/together/{name}.yaml"), values)


def substitutes(answers: Answers) -> dict[str, str]:
    """What stands for each name in templates of every kind."""
    layout = answers.layout
    return {
        "version": __version__, "app": layout.app, "namespace": layout.namespace, "environment": layout.namespace,
        "image": answers.image, "port": str(answers.port), "branch": answers.branch, "promotion": answers.promotion,
        "prometheus": answers.prometheus, "remote": answers.remote, "canary": layout.canary.name, "stable": layout.stable.name,
        "forge": f"forge: {{type: {answers.forge}}}" if answers.forge else "", "stable_path": layout.stable.path,
        "rendering": f"chart: {layout.chart}" if layout.chart else "rendering: kustomize",
        "canary_place": place(layout.canary), "stable_place": place(layout.stable),
        "shared_target": f"- name: shared\n  path: {layout.shared}" if layout.shared else "",
        "canary_application": application(answers, layout.canary), "stable_application": application(answers, layout.stable),
        "waiting": " || test $? -eq 4" if answers.promotion == "issue" else "",
    }  # fmt: skip


def place(copy: Copy) -> str:
    """Where a target's content is."""
    if not copy.values:
        return f"path: {copy.path}"
    return "\n".join([f"release: {copy.release}", "values:", *(f"- {path}" for path in copy.values)])


def application(answers: Answers, copy: Copy) -> str:
    """The Application of a target, where Argo CD follows it."""
    return f"argocd:\n  application: {answers.layout.app}-{copy.name}" if answers.strategy == "argocd" else ""
