"""`trimtab promote` and `trimtab rollback`: judged content moves between the targets of a repository. Loaded by `main` when called."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from trimtab.config.difference import line
from trimtab.errors import InputError
from trimtab.faces.cli.options import output_option, show_json
from trimtab.faces.exits import DONE, FAILED, INCONCLUSIVE, WAITING
from trimtab.faces.outputs import write_outputs, write_summary
from trimtab.promotion.edges import giving_back, receiving, refuse_pull_requests
from trimtab.promotion.journal import UNDECIDED
from trimtab.promotion.outcome import Outcome, Word
from trimtab.promotion.text import summary
from trimtab.wiring.argocd import notify
from trimtab.wiring.promoting import Promoting, Wish
from trimtab.wiring.repository import Repository, repository, workshop_for
from trimtab.wiring.rolling_back import Back, RollingBack

CODES = {
    Word.DECLINED: FAILED, Word.HELD: FAILED, Word.FAILED: FAILED, Word.INCONCLUSIVE: INCONCLUSIVE, Word.NO_DATA: INCONCLUSIVE,
    Word.WAITING: WAITING, Word.FOREIGN: WAITING,
}  # fmt: skip
"""How the program ends where it is not 0."""


class ChangeView(msgspec.Struct, frozen=True, kw_only=True):
    """One change of content, as `diff` shows it."""

    object: str
    text: str


class OutcomeView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An outcome as JSON."""

    outcome: str
    text: str
    app: str
    target: str
    content: str
    evidence: str
    verdict: str
    branch: str
    commit: str
    url: str
    number: int
    operation: str
    changes: tuple[ChangeView, ...]
    notes: tuple[str, ...]
    patch: str


def view(outcome: Outcome) -> OutcomeView:
    """Everything about an outcome, for programs."""
    return OutcomeView(
        outcome=outcome.word, text=outcome.text, app=outcome.app, target=outcome.target, content=outcome.content,
        evidence=outcome.evidence, verdict=outcome.verdict,
        branch=outcome.branch, commit=outcome.commit, url=outcome.url, number=outcome.number, operation=outcome.operation,
        changes=tuple(ChangeView(object=change.name, text=line(change)) for change in outcome.changes), notes=outcome.notes,
        patch=outcome.patch,
    )  # fmt: skip


def shared_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of both commands."""
    options = (
        click.argument("target", metavar="[APP[/TARGET]]", default="", required=False),
        click.option(
            "--evidence",
            type=click.Path(path_type=Path),
            help="The verdict on the content, as a file.  [default: the newest of the journal]",
        ),
        click.option("--dry-run", is_flag=True, help="Show what would be committed, from what is checked out; nothing is changed."),
        click.option(
            "--repo", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="A folder of the repository.  [default: .]"
        ),
        click.option("--dotenv", type=click.Path(path_type=Path), help="Write the outcome into this file, for GitLab's dotenv reports."),
        output_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("promote")
@shared_options
def promote_command(target: str, evidence: Path | None, dry_run: bool, repo: Path, dotenv: Path | None, output: str) -> None:
    """Bring exactly the judged content into TARGET of APP, as trimtab.yaml says: by pull request, push, or issue.

    The evidence must be of this run of the pipeline, or in the journal, and about exactly the files and bytes that are there now.
    One branch `trimtab/APP/TARGET` and one pull request for each target are updated in place; commits by others on it are respected,
    and closing it declines the content. With `by: issue`, `/approve` or the label `trimtab/approved` starts it at the next run.

    \b
    Example:
      trimtab promote shop/stable --evidence evidence.json
      trimtab promote --dry-run

    \b
    It ends with 0 if the content was promoted or a pull request asks for it, 1 if the verdict is fail, the content was declined or is
    held, 2 if the evidence is about something else, 3 if the verdict is inconclusive, 4 if a person is waited for.
    """

    async def work(found: Repository) -> Outcome:
        async with workshop_for(found, receiving, target, dry=dry_run) as (shop, edge, forge):
            return await Promoting(shop, edge, forge).run(Wish(read(evidence), str(evidence or ""), dry_run))

    end(asyncio.run(started(repo, work)), output, dotenv)


@click.command("rollback")
@click.option("--reason", default="", help="Why, where no verdict says it; it goes into the commit and the journal.")
@shared_options
def rollback_command(
    target: str, evidence: Path | None, dry_run: bool, repo: Path, dotenv: Path | None, output: str, reason: str
) -> None:  # fmt: skip
    """Put TARGET of APP, a canary, back to what the target behind it has, by a commit that names the verdict.

    Changes that are newer than the verdict stay; one of what the verdict is about is not taken back, and nothing is changed then.
    The content is held until `trimtab retry --in repo APP/TARGET`. TRIMTAB_SLACK_URL and TRIMTAB_WEBHOOK_URL say who is told.

    \b
    Example:
      trimtab rollback shop/canary --evidence evidence.json
      trimtab rollback shop --reason "customers complain"

    \b
    It ends with 0 if it was put back or nothing had to be, 2 if a newer change stands in the way, 4 if a pull request asks people,
    because the branch is protected.
    """

    async def work(found: Repository) -> Outcome:
        async with workshop_for(found, giving_back, target, dry=dry_run, spare=True) as (shop, edge, forge):
            outcome = await RollingBack(shop, edge, forge).run(Back(read(evidence), str(evidence or ""), reason, dry_run))
        problem = await notify(edge.source.argocd, outcome, os.environ)
        return replace(outcome, notes=(*outcome.notes, problem)) if problem else outcome

    end(asyncio.run(started(repo, work)), output, dotenv)


async def started(folder: Path, work: Callable[[Repository], Awaitable[Outcome]]) -> Outcome:
    """Says where it looks, and works there. People are told of rollbacks, and where one waits for them."""
    refuse_pull_requests(os.environ)
    found = await repository(folder)
    click.echo(f"in {found}", err=True)
    outcome = await work(found)
    asked = outcome.word is Word.WAITING and outcome.operation == "created" and bool(outcome.branch)
    if (outcome.word is Word.ROLLED_BACK or asked) and outcome.verdict not in UNDECIDED:
        from trimtab.wiring.people import tell

        for problem in await tell(outcome, os.environ):
            click.echo(f"trimtab: {problem}", err=True)
    return outcome


def read(file: Path | None) -> bytes:
    """A file of evidence; empty where none was given. InputError for one that cannot be read."""
    if file is None:
        return b""
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror}. Give a file of evidence, as `trimtab monitor --evidence FILE` writes it"
        ) from error


def end(outcome: Outcome, output: str, dotenv: Path | None) -> None:
    """Shows what came of it, tells later steps of the pipeline, and ends."""
    values = {
        "outcome": str(outcome.word), "operation": outcome.operation, "number": str(outcome.number or ""), "url": outcome.url,
        "branch": outcome.branch, "commit": outcome.commit, "content": outcome.content, "evidence": outcome.evidence,
        "verdict": outcome.verdict,
    }  # fmt: skip
    write_outputs(values, os.environ, dotenv)
    write_summary(summary(f"{outcome.app}/{outcome.target}: {outcome.text}", outcome.changes, outcome.notes), os.environ)
    if output == "json":
        show_json(view(outcome))
    else:
        click.echo(f"{outcome.app}/{outcome.target}: {outcome.text}")
        for change in outcome.changes:
            click.echo(f"  {change.name}: {line(change)}")
        for note in outcome.notes:
            click.echo(f"  {note}")
        if outcome.patch:
            click.echo(f"\n{outcome.patch}", nl=False)
    sys.exit(CODES.get(outcome.word, DONE))
