"""`trimtab diff`: what changed inside ConfigMaps, Secrets and pod templates between two moments. Loaded by `main` when called."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from trimtab.config.difference import Change, difference, line, template_difference
from trimtab.errors import InputError
from trimtab.faces.cli.options import output_option, state_option
from trimtab.faces.cli.rollouts import show_json
from trimtab.wiring import local
from trimtab.wiring import state as state_of
from trimtab.wiring.local import Moment, Snapshot


class ChangeView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One change. `old` and `new` are shortened for people; of a Secret they are keyed fingerprints."""

    namespace: str
    object: str
    key: str
    path: str
    kind: str
    old: str
    new: str
    factor: float | None


@click.command("diff")
@click.argument("before")
@click.argument("after")
@click.option("--repo", type=click.Path(path_type=Path), help="The repository that commits are of.  [default: the one around here]")
@click.option("--path", default="", help="The folder of the repository that holds the manifests.")
@state_option
@output_option
def diff_command(before: str, after: str, repo: Path | None, path: str, state: Path | None, output: str) -> None:
    """What changed from BEFORE to AFTER, key by key, inside ConfigMaps, Secrets and pod templates.

    Both are commits, branches or tags of the repository, or revisions that `status` and `show` name. The order of keys and comments
    do not count. Of Secrets only fingerprints are shown.

    \b
    Example:
      trimtab diff main HEAD --path deploy
      trimtab diff 492e801b5c 96a2a83e88
    """
    moment = Moment(state_of.state_folder(state), repo, path)
    snapshots = asyncio.run(local.snapshots((before, after), moment))
    views = [view(namespace, change) for namespace, change in compared(*snapshots)]
    if output == "json":
        show_json({"before": snapshots[0].name, "after": snapshots[1].name, "changes": msgspec.to_builtins(views)})
        return
    click.echo(f"{snapshots[0].name} -> {snapshots[1].name}", err=True)
    click.echo("\n".join(blocks(compared(*snapshots))) or "nothing changed")


def compared(before: Snapshot, after: Snapshot) -> list[tuple[str, Change]]:
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


def view(namespace: str, change: Change) -> ChangeView:
    """A change as JSON."""
    return ChangeView(
        namespace=namespace, object=change.name, key=change.key, path=change.path, kind=change.kind, old=change.old, new=change.new,
        factor=change.factor,
    )  # fmt: skip
