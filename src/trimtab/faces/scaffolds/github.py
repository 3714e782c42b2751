"""What workflows of GitHub Actions are made of, beside their templates. Called by `files`."""

from trimtab.faces.scaffolds.layout import Answers
from trimtab.faces.scaffolds.steps import Deployment, watched

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
CHECKOUT = f"- uses: {ACTIONS['checkout']}\n  with:\n    persist-credentials: false"


def substitutes(answers: Answers, how: Deployment) -> dict[str, str]:
    """What stands for each name in these templates."""
    layout = answers.layout
    again = [] if layout.chart else [f"{CHECKOUT}\n    ref: {answers.branch}"]
    return {
        **ACTIONS, "kubeconfig": KUBECONFIG,
        "canary_paths": watched(layout, layout.canary, "/**"), "stable_paths": watched(layout, layout.stable, "/**"),
        # Only for the notice above the Application: the rollback itself is a commit.
        "noticing": KUBECONFIG if answers.strategy == "argocd" else "",
        "lint": runs(how.lint), "deploy_canary": runs(how.canary), "deploy_stable": runs(how.stable),
        "restore": "\n".join([*again, KUBECONFIG, runs(how.restore)]) if how.restore else "",
        "together": job("shared", how.shared) if how.shared else "", "needs_together": "needs: shared" if how.shared else "",
        "removal": job("remove-canary", how.remove, f"needs: stable\nconcurrency: {layout.app}-canary") if how.remove else "",
        "issues": "issues: write" if answers.promotion == "issue" else "",
    }  # fmt: skip


def runs(lines: tuple[str, ...]) -> str:
    """Shell lines as steps of a job."""
    return "\n".join(f"- run: {line}" for line in lines)


def job(name: str, lines: tuple[str, ...], more: str = "") -> str:
    """A job that does nothing but change the cluster."""
    head = (more, "runs-on: ubuntu-latest", "timeout-minutes: 15", "steps:", CHECKOUT, KUBECONFIG, runs(lines))
    body = [line for part in head for line in part.splitlines()]
    return "\n".join([f"{name}:", *(f"  {line}" for line in body)])
