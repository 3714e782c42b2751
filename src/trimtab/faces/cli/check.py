"""`trimtab check`: is what a repository says fit to be shown to anyone? Loaded by `main` when called."""

import asyncio
import os
import sys
from pathlib import Path

import click

from trimtab.errors import InputError
from trimtab.faces import findings
from trimtab.faces.cli.options import output_option, show_json
from trimtab.faces.exits import DONE
from trimtab.inspection.report import Report
from trimtab.wiring.checking import Asked, checked
from trimtab.wiring.pipeline import Rules


@click.command("check")
@click.argument("what", nargs=-1, metavar="[APP[/TARGET] | PATH]...")
@click.option(
    "--repo", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The repository.  [default: the one around here]"
)
@click.option("--values", "-f", multiple=True, help="A values file for charts that no trimtab.yaml names; may be given several times.")
@click.option("--network", is_flag=True, help="Let Kustomize and Helm fetch what is not in the repository.")
@click.option("--base", default="", help="Judge the change since this commit, branch or tag: only what it brought is an error.")
@click.option(
    "--untrusted", is_flag=True, help="The change is one by strangers: the rules of --base count.  [default: for pull requests from forks]"
)
@output_option
def check_command(
    what: tuple[str, ...], repo: Path | None, values: tuple[str, ...], network: bool, base: str, untrusted: bool, output: str
) -> None:
    """Is what the targets of trimtab.yaml render to fit to be shown to anyone?

    Looked at are YAML, the schemas of Kubernetes, Canaries and their queries, what pods need of ConfigMaps and Secrets, what is inside of
    these, whether a change of them reaches running pods, and whether a canary gets traffic. docs/checks.md lists every check.

    With --base what changed is judged, too: emptied and deleted keys, other types, amounts many times as large.

    Without a trimtab.yaml, or for a PATH, it looks at files, and in folders at overlays, charts and manifests.

    \b
    Example:
      trimtab check
      trimtab check web/canary
      trimtab check --base origin/main
      trimtab check overlays/canary deploy/app.yaml -o json

    \b
    It ends with 0 if nothing is an error, 2 if something is, 6 if a tool did not do its part.
    """
    asked = Asked(repo or Path.cwd(), what, values, base, untrusted, Rules(network=network), os.environ)
    report = asyncio.run(checked(asked))
    click.echo(f"in {report.place}" + (f", compared with {report.base}" if report.base else ""), err=True)
    show(report, output)
    sys.exit(DONE if report.passes else InputError.exit_code)


def show(report: Report, output: str) -> None:
    """The report as it was asked for."""
    if output == "json":
        show_json(findings.view(report))
        return
    for note in report.notes:
        click.echo(note, err=True)
    for text in findings.lines(report):
        click.echo(text)
