"""What a pipeline of GitLab CI is made of, beside its template. Called by `files`."""

from trimtab.faces.scaffolds.layout import Answers
from trimtab.faces.scaffolds.steps import Deployment, watched

TOOLS = {"kustomize": ", and kubectl", "argocd": ", and kubectl or kustomize", "helm": ", and helm", "flagger": ", and kubectl"}
"""What a job needs beside git and Python."""
APPROVAL = """\
# A pipeline schedule looks whether somebody approved the issue: `/approve` in a comment, or the label trimtab/approved.
approval:
  stage: decision
  resource_group: {app}-promotion
  rules:
  - if: $CI_PIPELINE_SOURCE == "schedule"
  script:
  - trimtab promote {app}/{stable} || test $? -eq 4"""


def substitutes(answers: Answers, how: Deployment) -> dict[str, str]:
    """What stands for each name in the template."""
    layout = answers.layout
    again = () if layout.chart else (f"git fetch --quiet origin {answers.branch}", "git checkout --quiet FETCH_HEAD")
    return {
        "tools": TOOLS[answers.strategy],
        "canary_paths": watched(layout, layout.canary, "/**/*"), "stable_paths": watched(layout, layout.stable, "/**/*"),
        "script_lint": scripts(how.lint), "script_canary": scripts(how.canary), "script_stable": scripts(how.stable),
        "script_restore": scripts((*again, *how.restore)) if how.restore else "",
        "job_shared": job("shared", how.shared, "stage: canary", f"resource_group: {layout.app}-stable") if how.shared else "",
        "needs_shared": "- shared" if how.shared else "",
        "job_removal": job(
            "remove-canary", how.remove, "stage: afterwards", "needs: [stable]", f"resource_group: {layout.app}-canary"
        ) if how.remove else "",
        "job_approval": APPROVAL.format(app=layout.app, stable=layout.stable.name) if answers.promotion == "issue" else "",
    }  # fmt: skip


def scripts(lines: tuple[str, ...]) -> str:
    """Shell lines of a job."""
    return "\n".join(f"- {line}" for line in lines)


def job(name: str, lines: tuple[str, ...], *more: str) -> str:
    """A job that does nothing but change the cluster, whenever stable changes."""
    body = (*more, "rules:", "- *stable-changed", "script:", *(f"- {line}" for line in lines))
    return "\n".join([f"{name}:", *(f"  {line}" for line in body)])
