"""`trimtab check`: is what a repository says fit to be shown to anyone? Loaded by `main` when called."""

import asyncio
import gc
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from trimtab.errors import InputError
from trimtab.faces import findings, junit, sarif
from trimtab.faces.annotations import annotations, guarded, harmless, summary
from trimtab.faces.exits import DONE
from trimtab.faces.outputs import write_outputs, write_summary
from trimtab.inspection.report import Report
from trimtab.model.content import Severity
from trimtab.promotion.text import one_line
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
@click.option(
    "--cache", type=click.Path(path_type=Path), help="Where findings of unchanged apps are kept.  [default: ~/.cache/trimtab/check]"
)
@click.option("--no-cache", is_flag=True, help="Look at everything anew.")
@click.option("--explain", default="", metavar="CHECK", help="Say what one check is about, and what to do; nothing is looked at.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "sarif", "junit", "github"]),
    default="text",
    show_default=True,
    help="How it is shown; github: annotations for GitHub Actions, where text brings them along.",
)
def check_command(
    what: tuple[str, ...],
    repo: Path | None,
    values: tuple[str, ...],
    network: bool,
    base: str,
    untrusted: bool,
    cache: Path | None,
    no_cache: bool,
    explain: str,
    output: str,
) -> None:
    """Is what the targets of trimtab.yaml render to fit to be shown to anyone?

    Looked at are YAML, the schemas of Kubernetes, Canaries and their queries, what pods need of ConfigMaps and Secrets, what is inside of
    these, whether a change of them reaches running pods, and whether a canary gets traffic. --explain CHECK says more about a check.

    With --base what changed is judged, too: emptied and deleted keys, other types, amounts many times as large.

    Without a trimtab.yaml, or for a PATH, it looks at files, and in folders at overlays, charts and manifests.

    \b
    Example:
      trimtab check
      trimtab check web/canary
      trimtab check --base origin/main
      trimtab check overlays/canary deploy/app.yaml -o json
      trimtab check --base origin/main -o sarif > check.sarif
      trimtab check --explain rollout/unseen

    \b
    It ends with 0 if nothing is an error, 2 if something is, 6 if a tool did not do its part.
    """
    if explain:
        click.echo(findings.explained(explain))
        return
    memory = None if no_cache else cache or usual_cache(os.environ)
    asked = Asked(repo or Path.cwd(), what, values, base, untrusted, Rules(network=network), os.environ, memory)
    with _uncollected():
        report = asyncio.run(checked(asked))
    where = f"in {report.place}" + (f", compared with {report.base}" if report.base else "")
    for line in (where, *report.notes):
        click.echo(one_line(line), err=True)
    show(report, output, os.environ)
    sys.exit(DONE if report.passes else InputError.exit_code)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for garbage: all that is rendered is kept to the end, and looking through it again and again takes long."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def usual_cache(environment: Mapping[str, str]) -> Path | None:
    """Where programs keep what they can find again; None for a user without a home."""
    place, home = environment.get("XDG_CACHE_HOME"), environment.get("HOME")
    if place:
        return Path(place) / "trimtab" / "check"
    return Path(home) / ".cache" / "trimtab" / "check" if home else None


def show(report: Report, output: str, environment: Mapping[str, str]) -> None:
    """The report as it was asked for; in GitHub Actions with annotations, and on the page of the run."""
    github = environment.get("GITHUB_ACTIONS") == "true"
    text = written(report, output)
    if output == "text" and github:
        text = "\n".join(guarded(text.split("\n")))
    click.echo(text)
    if github and output != "github":
        # What is asked for in another form may go into a file, where annotations would not belong.
        for line in annotations(report):
            click.echo(line, err=output != "text")
    if output == "text" and report.found:
        click.echo(f"more about a check: trimtab check --explain {report.found[0].finding.check}", err=True)
    write_summary(summary(report), environment)
    counts = {
        f"{word}s": str(len(report.having(severity))) for word, severity in (("error", Severity.ERROR), ("warning", Severity.WARNING))
    }
    write_outputs({"passes": str(report.passes).lower(), **counts}, environment, None)


def written(report: Report, output: str) -> str:
    """The report in one of its forms."""
    match output:
        case "json":
            return harmless(json.dumps(msgspec.to_builtins(findings.view(report)), indent=2, ensure_ascii=True))
        case "sarif":
            return harmless(json.dumps(sarif.document(report), indent=2, ensure_ascii=True))
        case "junit":
            return junit.document(report).replace("##[", "#&#35;[")
        case "github":
            return "\n".join(annotations(report))
    return "\n".join(findings.lines(report))
