"""`trimtab diff` and `trimtab render`: what targets render to, and what changed in it. Loaded by `main` when called."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from trimtab.config.difference import Change, difference, line, template_difference
from trimtab.config.renderings import Comparison
from trimtab.errors import InputError
from trimtab.faces import comparison
from trimtab.faces.cli.options import output_option, state_option
from trimtab.faces.cli.rollouts import show_json
from trimtab.faces.rendering import documents, view
from trimtab.model.names import how_many
from trimtab.model.rendered import Rendered
from trimtab.promotion.text import one_line
from trimtab.wiring.check_base import from_a_fork
from trimtab.wiring.comparing import Asked, comparisons, targets
from trimtab.wiring.pipeline import Rules, find, rendered_all
from trimtab.wiring.repository import fingerprint_key
from trimtab.wiring.state import state_folder

if TYPE_CHECKING:
    from trimtab.wiring.local import Snapshot

network_option = click.option("--network", is_flag=True, help="Let Kustomize and Helm fetch what is not in the repository.")
repo_option = click.option(
    "--repo", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The repository.  [default: the one around here]"
)


@click.command("diff")
@click.argument("before")
@click.argument("after", default="")
@repo_option
@click.option("--path", default="", help="The folder with plain manifests to compare commits of, without rendering anything.")
@click.option("--chart", default="", help="A Helm chart: BEFORE and AFTER are then values files of it, several with commas between them.")
@click.option("--values", "-f", multiple=True, help="A values file that charts get in any case; may be given several times.")
@network_option
@state_option
@click.option("-o", "--output", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True, help="How it is shown.")
def diff_command(
    before: str,
    after: str,
    repo: Path | None,
    path: str,
    chart: str,
    values: tuple[str, ...],
    network: bool,
    state: Path | None,
    output: str,
) -> None:
    """What changed from BEFORE to AFTER: rendered objects, then key by key inside ConfigMaps and Secrets, and which workloads notice.

    Each of the two is a target of trimtab.yaml (APP/TARGET), a folder, overlay or chart, or one of these at a revision (NAME@REVISION);
    or a revision, for all targets of trimtab.yaml. Without AFTER it is the work tree. Where there is no trimtab.yaml, plain manifests of
    commits are compared, and revisions that `status` and `show` name.

    The order of keys and comments do not count. Of Secrets fingerprints are shown where TRIMTAB_FINGERPRINT_KEY is set, else only that
    they changed.

    \b
    Example:
      trimtab diff web/stable web/canary
      trimtab diff web/canary@main
      trimtab diff origin/main HEAD -o markdown
      trimtab diff overlays/stable overlays/canary
      trimtab diff values-stable.yaml values-canary.yaml --chart charts/web
      trimtab diff main HEAD --path deploy
    """  # fmt: skip
    asked = Asked(repo or Path.cwd(), chart, values, Rules(network=network), from_a_fork(os.environ))
    if path and (chart or values):
        raise InputError("--path is for plain manifests, --chart and --values are for charts: give one of them")
    if not path:
        say_where(asked.folder)
        found = asyncio.run(comparisons(before, after, asked, fingerprint_key(os.environ)))
        if found is not None:
            if asked.untrusted:
                click.echo(f"both sides by the trimtab.yaml of {found[0]}, for this comes from another repository", err=True)
            return show(found[:2], found[2], output)
    if chart or not after:
        raise InputError(_unknown(before, after, asked))
    # What `up` needs is loaded only where it is asked for.
    from trimtab.wiring.local import Moment, snapshots

    sides = asyncio.run(snapshots((before, after), Moment(state_folder(state), repo, path)))
    show_plain(sides[0], sides[1], output)


def say_where(folder: Path) -> None:
    """The first line of what is said: where the command looks."""
    file = find(folder)
    click.echo(one_line(f"in {file}" if file is not None else f"in {folder.resolve()}, which has no trimtab.yaml above it"), err=True)


def show(names: tuple[str, str], found: Sequence[Comparison], output: str) -> None:
    """Rendered comparisons."""
    if output == "json":
        views = [comparison.view(one) for one in found if one.objects]
        show_json({"before": names[0], "after": names[1], "comparisons": msgspec.to_builtins(views)})
        return
    for text in dict.fromkeys(text for one in found for text in comparison.warnings(one)):
        click.echo(f"warning: {one_line(text)}", err=True)
    if output == "markdown":
        click.echo(comparison.markdown(names, found))
        return
    if [f"{names[0]} -> {names[1]}"] != [one.title for one in found]:
        click.echo(f"{names[0]} -> {names[1]}", err=True)
    _say(comparison.text(found))


def _say(text: str) -> None:
    """Text for people; to the runner of GitHub's Actions, too, whatever stands in names and values."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from trimtab.faces.annotations import guarded

        text = "\n".join(guarded(text.split("\n")))
    click.echo(text)


def show_plain(before: "Snapshot", after: "Snapshot", output: str) -> None:
    """Plain manifests and recorded revisions."""
    changes = compared(before, after)
    if output == "json":
        views = [comparison.change_view(namespace, change) for namespace, change in changes]
        show_json({"before": before.name, "after": after.name, "changes": msgspec.to_builtins(views)})
        return
    if output == "markdown":
        raise InputError("Markdown is made of what trimtab.yaml, folders and charts render to, not of plain manifests and revisions")
    for text in dict.fromkeys((*before.warnings, *after.warnings)):
        click.echo(f"warning: {one_line(text)}", err=True)
    click.echo(f"{before.name} -> {after.name}", err=True)
    _say("\n".join(blocks(changes)) or "nothing changed")


def _unknown(before: str, after: str, asked: Asked) -> str:
    what = f"{before} or {after}" if after else before
    if asked.chart:
        return f"{what} is no values file below {asked.folder}"
    return f"{what} is neither a target of trimtab.yaml, nor a folder, nor a commit of a repository with a trimtab.yaml"


def compared(before: "Snapshot", after: "Snapshot") -> list[tuple[str, Change]]:
    """Every change with its namespace; InputError where two snapshots have no workload in common and so cannot be compared."""
    if not {*before.templates} & {*after.templates} and before.templates and after.templates:
        raise InputError(f"{before.name} and {after.name} are about different workloads, so they cannot be compared")
    found = []
    for namespace in sorted({*before.contents, *after.contents}):
        changes = difference(before.contents.get(namespace, ()), after.contents.get(namespace, ()))
        found += [(namespace, change) for change in changes]
    for place in sorted({*before.templates, *after.templates}):
        changes = template_difference(place[1], before.templates.get(place, "{}"), after.templates.get(place, "{}"))
        found += [(place[0], change) for change in changes]
    return found


def blocks(changes: Sequence[tuple[str, Change]]) -> list[str]:
    """The changes of each object below its name; namespaces are named where there are several."""
    several, shown, lines = len({namespace for namespace, _ in changes}) > 1, "", list[str]()
    for namespace, change in changes:
        name = f"{change.name} in {namespace}" if several else change.name
        if name != shown:
            lines.append(name)
            shown = name
        lines.append(f"  {line(change).removeprefix(f'{change.name}: ')}")
    return lines


@click.command("render")
@click.argument("target", default="", metavar="[APP[/TARGET]]")
@click.option("--at", "revision", default="", help="A commit, branch or tag.  [default: the work tree]")
@repo_option
@network_option
@output_option
def render_command(target: str, revision: str, repo: Path | None, network: bool, output: str) -> None:
    """What targets of trimtab.yaml render to: each object with the file and line where it is written.

    Values of Secrets are not shown; with TRIMTAB_FINGERPRINT_KEY set, their fingerprints are. Nothing is fetched from the network.

    \b
    Example:
      trimtab render
      trimtab render web/canary
      trimtab render web --at main -o json
    """
    asked = Asked(repo or Path.cwd(), rules=Rules(network=network), untrusted=from_a_fork(os.environ))
    place, found = asyncio.run(all_rendered(target, revision, asked))
    click.echo(one_line(f"in {place}"), err=True)
    secret = fingerprint_key(os.environ)
    if output == "json":
        click.echo(json.dumps({"targets": [msgspec.to_builtins(view(one, secret)) for one in found]}, indent=2, ensure_ascii=True))
        return
    for one in found:
        click.echo(f"{one.name}: {how_many(len(one.objects), 'object')} by {one.tool}", err=True)
        for text in one.warnings:
            click.echo(f"warning: {one_line(text)}", err=True)
        click.echo(documents(one, secret), nl=False)


async def all_rendered(target: str, revision: str, asked: Asked) -> tuple[str, Sequence[Rendered]]:
    """Where it was looked, and what each target renders to."""
    async with targets(target, revision, asked) as (project, chosen):
        return project.place, await rendered_all(project, chosen, asked.rules)
