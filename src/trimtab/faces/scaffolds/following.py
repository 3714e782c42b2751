"""What a person does after `trimtab init`: shell lines, and what has to be set in the forge. Called by `faces.cli.init`.

The lines are those under "Begin" on the strategy's page in docs/strategies.
"""

from collections.abc import Iterator

from trimtab import __version__
from trimtab.faces.scaffolds.gitlab import TOOLS
from trimtab.faces.scaffolds.layout import Answers

MESSAGE = "A canary for our configuration"


def following(answers: Answers, *, git: bool) -> tuple[str, ...]:
    """Everything in its order, one thing a line; what is no shell line begins with `#`. `git`: is there a repository already?"""
    return tuple(_lines(answers, git))


def _lines(answers: Answers, git: bool) -> Iterator[str]:
    layout = answers.layout
    yield "trimtab check"
    if answers.strategy != "argocd" and not layout.there:
        yield f"kubectl create namespace {layout.namespace}"
    if answers.strategy == "flagger":
        yield "# --mesh-provider and --metrics-server tell the operator which mesh or ingress and which Prometheus the cluster has"
        yield "trimtab operator --print-manifests | kubectl apply -f -"
    yield from (f"# {text}" for text in _settings(answers))
    if not git:
        yield f"git init --initial-branch {answers.branch}"
        yield "# give it the forge's repository as its remote: git remote add origin URL"
    yield "git add --all"
    yield f'git commit --message "{MESSAGE}"'
    yield f"git push origin HEAD:{answers.branch}"
    if answers.strategy == "argocd":
        yield "kubectl apply -f argocd/applications.yaml"


def _settings(answers: Answers) -> Iterator[str]:
    """What workflows find in the settings of the repository; names as docs/strategies/README.md has them."""
    watched = answers.strategy != "flagger"
    if answers.ci in ("github", "both"):
        tokens = " and TRIMTAB_FORGE_TOKEN (who opens pull requests; GitHub's own token starts no checks on them)" if watched else ""
        yield f"in the repository's settings: secrets KUBECONFIG (of the jobs that ask the cluster){tokens}"
    if answers.ci in ("gitlab", "both"):
        tokens = ", TRIMTAB_FORGE_TOKEN (who opens merge requests)" if watched else ""
        image = f"RUNNER_IMAGE (an image with git, Python 3.11{TOOLS[answers.strategy]})"
        yield f"in the project's CI/CD settings: variables KUBECONFIG (of type file){tokens}, {image}"
    if answers.ci == "none":
        return
    if watched:
        yield f"variable TRIMTAB_PROMETHEUS there, if runners do not reach it at {answers.prometheus}"
    yield f"jobs run `pip install trimtab=={__version__}`: put its wheel where the runners' pip finds it"
