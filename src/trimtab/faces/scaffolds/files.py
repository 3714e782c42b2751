"""Every file that `trimtab init` writes, as text. Called by `faces.cli.init`; the texts stand in `templates/`, what differs in `steps`.

In a template `[[name]]` is filled in. Alone on its line it may stand for several lines, or for none.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from trimtab import __version__
from trimtab.faces.scaffolds.layout import Copy, Layout, Strategy
from trimtab.faces.scaffolds.steps import deployment

TEMPLATES = Path(__file__).with_name("templates")
ACTIONS = {
    "checkout": "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
    "setup_python": "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0",
    "upload": "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0",
    "download": "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1",
}
"""Actions by their commits: a tag can be moved, a commit cannot."""
KUBECONFIG = """\
- name: Credentials of the cluster
  run: |
    umask 077
    printf '%s' "$CREDENTIALS" > "$RUNNER_TEMP/kubeconfig"
    echo "KUBECONFIG=$RUNNER_TEMP/kubeconfig" >> "$GITHUB_ENV"
  env:
    CREDENTIALS: ${{ secrets.KUBECONFIG }}"""
PLACE = re.compile(r"^(?P<indent> *)\[\[(?P<block>\w+)\]\]\n|\[\[(?P<name>\w+)\]\]", re.MULTILINE)
COUNTS = {"canary": "1", "stable": "9"}
"""Pods of each copy: the canary gets a tenth of the requests."""


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


def files(answers: Answers) -> dict[str, str]:
    """Texts by their paths from the root, in the order in which people would read them."""
    values = substitutes(answers)
    found = {"trimtab.yaml": "kustomize/trimtab.yaml", "trimtab/policy.yaml": "policy.yaml", "trimtab/error-rate.yaml": "error-rate.yaml"}
    texts = {path: fill(template(name), values) for path, name in found.items()}
    if not answers.layout.there:
        texts |= dict(manifests(answers, values))
    if answers.ci in ("github", "both"):
        names = ["check", "canary", "stable", *(["approve"] if answers.promotion == "issue" else [])]
        texts |= {f".github/workflows/{name}.yaml": fill(template(f"github/{name}.yaml"), values) for name in names}
    return texts


def manifests(answers: Answers, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The app itself."""
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
    """What stands for each name in templates."""
    layout, how = answers.layout, deployment(answers.strategy, answers.layout)
    asks = answers.promotion == "issue"
    credentials = KUBECONFIG if answers.strategy != "flagger" else ""
    again = f"- uses: {ACTIONS['checkout']}\n  with:\n    ref: {answers.branch}\n    persist-credentials: false\n{credentials}"
    return {
        **ACTIONS, "version": __version__, "app": layout.app, "namespace": layout.namespace,
        "image": answers.image, "port": str(answers.port),
        "branch": answers.branch, "promotion": answers.promotion, "prometheus": answers.prometheus, "environment": layout.namespace,
        "canary": layout.canary.name, "stable": layout.stable.name, "canary_path": layout.canary.path, "stable_path": layout.stable.path,
        "canary_paths": watched(layout, layout.canary), "stable_paths": watched(layout, layout.stable), "kubeconfig": credentials,
        "lint": runs(how.lint), "deploy_canary": runs(how.canary), "deploy_stable": runs(how.stable),
        "restore": f"{again}\n{runs(how.restore)}" if how.restore else "",
        "together": job("shared", how.shared, credentials) if how.shared else "", "needs_together": "needs: shared" if how.shared else "",
        "removal": job("remove-canary", how.remove, credentials, f"needs: stable\nconcurrency: {layout.app}-canary") if how.remove else "",
        "issues": "issues: write" if asks else "", "waiting": " || test $? -eq 4" if asks else "",
        "shared_target": f"- name: shared\n  path: {layout.shared}" if layout.shared else "",
        "canary_application": application(answers, layout.canary), "stable_application": application(answers, layout.stable),
    }  # fmt: skip


def application(answers: Answers, copy: Copy) -> str:
    """The Application of a target, where Argo CD follows it."""
    return f"argocd:\n  application: {answers.layout.app}-{copy.name}" if answers.strategy == "argocd" else ""


def runs(lines: tuple[str, ...]) -> str:
    """Shell lines as steps of a job."""
    return "\n".join(f"- run: {line}" for line in lines)


def job(name: str, lines: tuple[str, ...], credentials: str, more: str = "") -> str:
    """A job that does nothing but change the cluster."""
    head = [
        "runs-on: ubuntu-latest",
        "timeout-minutes: 15",
        "steps:",
        f"- uses: {ACTIONS['checkout']}",
        "  with:",
        "    persist-credentials: false",
    ]
    body = [*more.splitlines(), *head, *credentials.splitlines(), *runs(lines).splitlines()]
    return "\n".join([f"{name}:", *(f"  {line}" for line in body)])


def watched(layout: Layout, copy: Copy) -> str:
    """The paths of which a change concerns a copy."""
    named = (copy.path, *layout.common, *((layout.shared,) if copy is layout.stable and layout.shared else ()))
    return "\n".join(f"- {path if path.endswith(('.yaml', '.yml')) else f'{path}/**'}" for path in named)


def template(name: str) -> str:
    """The text of a template."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def fill(text: str, values: Mapping[str, str]) -> str:
    """A template with its names filled in; a name that nothing stands for is a KeyError."""

    def put(found: re.Match[str]) -> str:
        if found["name"]:
            return values[found["name"]]
        lines = values[found["block"]].splitlines()
        return "".join(f"{found['indent']}{line}\n" if line else "\n" for line in lines)

    return PLACE.sub(put, text)
