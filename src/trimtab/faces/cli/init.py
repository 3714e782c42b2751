"""`trimtab init`: makes a repository one with a pipeline. Loaded by `main` when called.

Asks on a terminal what no option says; never replaces a file without having shown the difference.
"""

import asyncio
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from trimtab.errors import InputError
from trimtab.faces.cli.options import output_option, show_json
from trimtab.faces.scaffolds.earlier import Earlier, earlier
from trimtab.faces.scaffolds.files import files
from trimtab.faces.scaffolds.following import following
from trimtab.faces.scaffolds.layout import STRATEGIES, Answers, Layout, Strategy, usual
from trimtab.faces.scaffolds.recognising import charts, incomplete, overlays
from trimtab.faces.scaffolds.writing import Fate, Proposal, proposals, write
from trimtab.wiring.surroundings import Surroundings, surroundings

WORD = r"(?!(?i:true|false|yes|no|on|off|null|[yn])$)"
"""Not what YAML takes for something else than text."""
NAME = (rf"{WORD}[a-z]([-a-z0-9]{{0,51}}[a-z0-9])?", "a lower-case letter, then letters, digits and dashes, at most 53; no word of YAML")
IMAGE = (r"[\w][\w.:/@-]*", "an image, such as shop:1.0.0")
ADDRESS = (r"https?://[\w.:/%\[\]-]+", "an address, such as http://prometheus.monitoring:9090")
PORT = (r"[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5]", "1 to 65535")
BRANCH = (rf"{WORD}[A-Za-z][\w./-]*", "a letter, then letters, digits, dots, dashes and slashes; no word of YAML")
PLACE = re.compile(r"[\w][\w./-]*")
"""Paths that mean the same in YAML, in a shell, and in the filters of workflows."""
REMOTE = re.compile(r"[\w/][\w.+:/@~-]*")
FORGES = ("github", "gitlab", "gitea")
CI, PROMOTIONS = ("github", "gitlab", "both", "none"), ("pull-request", "push", "issue")
PROMETHEUS = "http://prometheus.monitoring:9090"
MEANINGS: dict[Strategy, str] = {
    "kustomize": "the pipeline applies overlays with kubectl, watches the canary, and promotes",
    "helm": "the pipeline upgrades releases with helm, watches the canary, and promotes",
    "argocd": "Argo CD follows the branch; the pipeline watches the canary, and promotes",
    "flagger": "the pipeline applies manifests; `trimtab operator` in the cluster shows them to a few, and promotes",
}


SOUGHT: dict[Strategy, str] = {
    **dict.fromkeys(("kustomize", "argocd"), "a pair of overlays (canary beside stable)"),
    "helm": "a chart with values-canary.yaml beside values-production.yaml",
}
"""What is recognised, where it is there."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What options say; empty where they say nothing."""

    app: str
    namespace: str
    image: str
    port: int | None
    branch: str
    ci: str
    promotion: str
    prometheus: str
    forge: str


@dataclass(frozen=True, slots=True)
class Asking:
    """Who answers what no option says: somebody at a terminal, or the default."""

    person: bool

    def text(self, given: str, question: str, default: str, form: tuple[str, str]) -> str:
        """An answer of a form; InputError, or another question, for one that is not."""
        pattern, means = form
        while True:
            found = given or (click.prompt(question, default=default or None, err=True) if self.person else default)
            if re.fullmatch(pattern, found):
                return found
            problem = f"{question}: {found!r} is not what it may be: {means}"
            if given or not self.person:
                raise InputError(problem)
            click.echo(problem, err=True)

    def choice(self, given: str, question: str, options: Sequence[str], default: str) -> str:
        """One of several."""
        if given or not self.person:
            return given or default
        found: str = click.prompt(question, type=click.Choice(options), default=default, err=True)
        return found


@click.command("init")
@click.argument("strategy", required=False, type=click.Choice(STRATEGIES))
@click.option("--app", default="", help="The app.  [default: what the repository has, else its own name]")
@click.option("--namespace", default="", help="Where it runs.  [default: what the repository says, else production]")
@click.option("--image", default="", help="The image of a new app.  [default: APP:1.0.0]")
@click.option("--port", type=click.IntRange(1, 65535), help="The port that a new app listens on.  [default: 8080]")
@click.option("--branch", default="", help="The protected branch that the cluster follows.  [default: the remote's own, else main]")
@click.option("--ci", default="", type=click.Choice(["", *CI]), metavar=f"[{'|'.join(CI)}]", help="For whom workflows are written.")
@click.option(
    "--promotion", default="", type=click.Choice(["", *PROMOTIONS]), metavar=f"[{'|'.join(PROMOTIONS)}]",
    help="How judged content gets to everybody.  [default: pull-request]",
)  # fmt: skip
@click.option(
    "--forge", default="", type=click.Choice(["", *FORGES]), metavar=f"[{'|'.join(FORGES)}]",
    help="The kind of forge, where the remote's address does not say it.",
)  # fmt: skip
@click.option("--prometheus", default="", help=f"The address of Prometheus, as a runner reaches it.  [default: {PROMETHEUS}]")
@click.option("--repo", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="A folder of the repository.  [default: .]")
@click.option("--yes", is_flag=True, help="Ask nothing: take the defaults. Files that differ stay.")
@click.option("--force", is_flag=True, help="Replace files that differ.")
@click.option("--dry-run", is_flag=True, help="Show what would be written.")
@output_option
def init_command(
    strategy: Strategy | None, app: str, namespace: str, image: str, port: int | None, branch: str, ci: str, promotion: str,
    forge: str, prometheus: str, repo: Path, yes: bool, force: bool, dry_run: bool, output: str,
) -> None:  # fmt: skip
    """Make a repository one with a canary: trimtab.yaml, a policy, workflows, and the app's own files where there are none.

    STRATEGY says what brings changes into the cluster: kustomize (`kubectl apply` in the pipeline), helm (`helm upgrade` there), argocd
    (Argo CD follows the branch), flagger (`trimtab operator` in the cluster). Overlays and charts that are there already are recognised and
    left as they are. A file that differs is shown as a diff, and replaced only where you say so, or with --force.

    \b
    Example:
      trimtab init kustomize
      trimtab init helm --app shop --ci gitlab --yes
      trimtab init --yes --dry-run

    \b
    Run again it takes what trimtab.yaml says for granted. It ends with 0, or with 2 if a file that differs was left as it is.
    """
    around = asyncio.run(surroundings(repo))
    click.echo(f"in {'repository' if around.git else 'folder'} {around.root}", err=True)
    person = sys.stdin.isatty() and not yes and output == "text"
    if not person and not yes:
        raise InputError("there is no terminal to ask at. Give --yes to take the default of everything that no option says")
    before = earlier(around.root, app, strategy)
    wish = Wish(app, namespace, image, port, branch, ci, promotion, prometheus, forge)
    answers = asked(remembered(wish, before), before.strategy if before is not None else strategy, around, Asking(person))
    fates = write(around.root, proposals(around.root, files(answers)), deciding(person, force), dry=dry_run)
    end(answers, fates, () if dry_run else following(answers, git=around.git), output=output)


def remembered(wish: Wish, before: Earlier | None) -> Wish:
    """What options leave open is as it was chosen before."""
    if before is None:
        return wish
    return replace(
        wish, app=before.app, namespace=wish.namespace or before.namespace, branch=wish.branch or before.branch,
        promotion=wish.promotion or before.promotion, prometheus=wish.prometheus or before.prometheus, forge=wish.forge or before.forge,
    )  # fmt: skip


def asked(wish: Wish, strategy: Strategy | None, around: Surroundings, asking: Asking) -> Answers:
    """Everything that is needed, from options, from the repository, from a person, or from defaults, in this order."""
    there = {"kustomize": overlays(around.root), "helm": charts(around.root)}
    begun = incomplete(around.root)
    likely = next((name for name, found in there.items() if found), "helm" if begun else "kustomize")
    if strategy is None and asking.person:
        click.echo("\n".join(f"  {name:10} {meaning}" for name, meaning in MEANINGS.items()), err=True)
    chosen: Strategy = strategy or asking.choice("", "Strategy", STRATEGIES, likely)  # type: ignore[assignment]
    found = one(there["helm" if chosen == "helm" else "kustomize"] if chosen != "flagger" else (), wish.app, asking)
    useful(wish, chosen, new=found is None)
    if found is None:
        if chosen == "helm" and begun and not wish.app:
            raise InputError(
                f"there is a chart that is not complete for this: {'; '.join(begun)}. Add what it lacks, a file for each copy with the "
                "values in which they differ, or name a new app with --app"
            )
        if chosen in SOUGHT:
            click.echo(f"{SOUGHT[chosen]} is not here yet, so an app is written anew", err=True)
        app = asking.text(wish.app, "App", named(around), NAME)
        found = usual(chosen, app, asking.text(wish.namespace, "Namespace", "production", NAME))
    else:
        click.echo(f"found {found}", err=True)
        found = replace(found, namespace=asking.text(wish.namespace or found.namespace, "Namespace", "production", NAME))
    safe(found)
    new, judges = not found.there, chosen != "flagger"
    return Answers(
        chosen, found,
        asking.text(wish.image, "Image", f"{found.app}:1.0.0", IMAGE) if new else "",
        wish.port or int(asking.text("", "Port", "8080", PORT) if new else 0),
        asking.text(wish.branch, "Protected branch", around.branch, BRANCH),
        asking.choice(wish.ci, "Workflows for", CI, "gitlab" if "gitlab" in around.remote else "github"),
        asking.choice(wish.promotion, "How judged content gets to everybody", PROMOTIONS, "pull-request") if judges else "",
        asking.text(wish.prometheus, "Prometheus, as a runner reaches it", PROMETHEUS, ADDRESS) if judges else "",
        remote_of(around, chosen), wish.forge,
    )  # fmt: skip


def useful(wish: Wish, strategy: Strategy, *, new: bool) -> None:
    """InputError for an option that would change nothing."""
    if strategy == "flagger" and (wish.promotion or wish.prometheus):
        raise InputError(
            "--promotion and --prometheus are for pipelines that judge; here the operator does. Tell it of Prometheus with "
            "`trimtab operator --metrics-server`"
        )
    if not new and (wish.image or wish.port):
        raise InputError("--image and --port are for an app that is written anew; this one is there already, and is left as it is")


def remote_of(around: Surroundings, strategy: Strategy) -> str:
    """The address that Argo CD follows. InputError where there is none, or where YAML would take it for something else."""
    if strategy == "argocd" and not REMOTE.fullmatch(around.remote):
        found = (
            f"the address of origin, {around.remote!r}, cannot be written into YAML as it is"
            if around.remote
            else "there is no remote origin"
        )
        raise InputError(f"{found}. Argo CD follows a remote: add it with `git remote add origin URL`")
    return around.remote


def one(found: Sequence[Layout], app: str, asking: Asking) -> Layout | None:
    """The app that is meant, of those that are there. InputError where nothing says which one."""
    fitting = [each for each in found if app in ("", each.app)]
    if len(fitting) < 2:
        return fitting[0] if fitting else None
    places = [each.canary.path for each in fitting]
    if not asking.person:
        raise InputError(f"there is more than one: {'; '.join(map(str, fitting))}. Say --app, or give --repo one that has a single one")
    return fitting[places.index(asking.choice("", "Canary", places, places[0]))]


def named(around: Surroundings) -> str:
    """What a new app is called: as the repository."""
    name = re.split(r"[/:]", around.remote)[-1].removesuffix(".git") if around.remote else around.root.name
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).lstrip("-0123456789")[:40].strip("-") or "app"


def safe(layout: Layout) -> None:
    """InputError for names that would mean something else in a workflow, or in a shell."""
    if not re.fullmatch(NAME[0], layout.app):
        raise InputError(f"the app is called {layout.app!r}, which a target cannot be. Give it a name with --app: {NAME[1]}")
    for path in (layout.canary.path, layout.stable.path, *layout.common, *layout.canary.values):
        if not PLACE.fullmatch(path):
            raise InputError(f"workflows cannot name the path {path!r} safely. Rename it: letters, digits, dots, dashes and slashes")


def deciding(person: bool, force: bool) -> Callable[[Proposal], bool]:
    """Whether a file that differs is replaced; its difference is shown first, beside JSON too."""

    def decide(proposal: Proposal) -> bool:
        click.echo(proposal.diff, err=True, nl=False)
        return force or (person and click.confirm(f"Replace {proposal.path}?", default=False, err=True))

    return decide


def end(answers: Answers, fates: dict[str, Fate], then: Sequence[str], *, output: str) -> None:
    """Says what became of each file and what comes `then`, and ends; without that it was a dry run."""
    dry = not then
    if output == "json":
        layout = answers.layout
        show_json(
            {"strategy": answers.strategy, "app": layout.app, "namespace": layout.namespace, "recognised": layout.there, "dryRun": dry,
             "files": [{"path": path, "fate": fate} for path, fate in fates.items()], "next": list(then)}
        )  # fmt: skip
    else:
        for path, fate in fates.items():
            click.echo(f"{'would be ' if dry and fate in (Fate.WRITTEN, Fate.REPLACED) else ''}{fate:9} {path}")
        kept = [path for path, fate in fates.items() if fate is Fate.KEPT]
        if kept:
            click.echo(f"left as they are: {', '.join(kept)}. Give --force to replace them")
        elif not dry:
            click.echo("\n".join(("next:", *(f"  {line}" for line in then))))
            click.echo(f"docs/strategies/{answers.strategy}.md in Trimtab's repository says what happens then")
    sys.exit(InputError.exit_code if Fate.KEPT in fates.values() else 0)
