"""`trimtab monitor`: watches the canary of a repository until there is a verdict. Loaded by `main` when called."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import click
import msgspec

from trimtab.errors import InputError, OutsideError, TrimtabError
from trimtab.faces.cli.options import output_option, show_json
from trimtab.faces.exits import DONE, FAILED, INCONCLUSIVE, INTERRUPTED, TIMED_OUT
from trimtab.faces.outputs import write_outputs, write_summary
from trimtab.promotion.edges import refuse_pull_requests
from trimtab.promotion.evidence import Evidence, encode, name_of
from trimtab.promotion.text import verdict_summary
from trimtab.wiring import keeping, monitoring
from trimtab.wiring.monitoring import Finish
from trimtab.wiring.repository import repository
from trimtab.wiring.watched import Asked, Watch, noted, watch

CODES = {
    "pass": DONE, "fail": FAILED, "inconclusive": INCONCLUSIVE, "no-data": INCONCLUSIVE, monitoring.TIMED_OUT: TIMED_OUT,
    monitoring.WATCHING: DONE, monitoring.STOPPED: INTERRUPTED,
}  # fmt: skip
BACK = "`trimtab rollback --evidence {file}` puts {target} back by a commit, without an alert; its content may come again."
NEXT = {
    "pass": "`trimtab promote --evidence {file}` brings it into the next target.",
    "fail": "`trimtab rollback --evidence {file}` puts {target} back; its content is held then.",
    "inconclusive": BACK, "no-data": BACK, monitoring.TIMED_OUT: BACK,
}  # fmt: skip
"""What is to be done then; of a target that is a canary."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    asked: Asked
    repo: Path
    evidence: Path
    dotenv: Path | None
    output: str
    state: Path
    detach: bool
    resume: bool


class FinishView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How it ended, as JSON."""

    outcome: str
    text: str
    app: str
    target: str
    commit: str
    evidence: str
    """The SHA-256 of the evidence; empty where there is none."""
    file: str
    notes: tuple[str, ...]
    proof: Evidence | None


@click.command("monitor")
@click.argument("target", metavar="[APP[/TARGET]]", default="", required=False)
@click.option("--commit", default="HEAD", show_default=True, help="The commit that the pods should run.")
@click.option(
    "--evidence", type=click.Path(path_type=Path), default=Path("evidence.json"), show_default=True, help="Where the verdict is written."
)
@click.option("--detach", is_flag=True, help="Leave after the first look that decides nothing; --resume goes on.")
@click.option("--resume", is_flag=True, help="Go on with what was left, in this run or another one.")
@click.option(
    "--state", type=click.Path(path_type=Path), default=Path("monitor.json"), show_default=True, help="Where it is kept what was left."
)
@click.option("--repo", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="A folder of the repository.  [default: .]")
@click.option("--context", default="", help="The context of the kubeconfig.")
@click.option("--kubeconfig", default="", help="The kubeconfig.  [default: KUBECONFIG, or ~/.kube/config]")
@click.option("--dotenv", type=click.Path(path_type=Path), help="Write the outcome into this file, for GitLab's dotenv reports.")
@output_option
def monitor_command(
    target: str, commit: str, evidence: Path, detach: bool, resume: bool, state: Path,
    repo: Path, context: str, kubeconfig: str, dotenv: Path | None, output: str,
) -> None:  # fmt: skip
    """Watch TARGET of APP, a canary, until there is a verdict on the commit that is checked out.

    Waits until its pods run exactly what the commit renders to, asks the smoke checks of trimtab.yaml, and looks at the metrics of the
    target's RolloutPolicy for `monitor.duration`. The verdict goes into the file of --evidence, for `trimtab promote` and `rollback`, and
    into the journal. Nothing is changed in the cluster. Without TARGET the app's canary is meant; of another target, as after a
    promotion, it is seen that it runs the commit and answers.

    \b
    Example:
      trimtab monitor shop
      trimtab monitor shop/canary --evidence evidence.json
      trimtab monitor shop --detach; trimtab monitor --resume --detach; trimtab monitor --resume
      TRIMTAB_PROMETHEUS=http://localhost:9090 trimtab monitor shop/stable --commit origin/main

    \b
    It ends with 0 for a pass, 1 for a fail, 3 if it is inconclusive or data are missing, 5 if the commit did not run in time, 6 if the
    cluster or the metric server did not answer (then there is no verdict, and nothing should be changed), 130 if it was stopped. With
    --detach it is also 0 where nothing is decided yet; the output `outcome` is `watching` then.
    """
    asked = Asked(target, commit, kubeconfig, context)
    sys.exit(asyncio.run(work(Wish(asked, repo, evidence, dotenv, output, state, detach, resume))))


async def work(wish: Wish) -> int:
    """From the wish to the exit code."""
    refuse_pull_requests(os.environ)
    if not wish.evidence.absolute().parent.is_dir():
        raise InputError(f"--evidence {wish.evidence}: there is no folder {wish.evidence.parent}")
    kept = keeping.load(wish.state) if wish.resume else None
    asked = wish.asked if kept is None else replace(wish.asked, name=f"{kept.app}/{kept.target}", commit=kept.commit)
    found = await repository(wish.repo)
    click.echo(f"in {found}", err=True)
    async with watch(found, asked, say) as made:
        watching = made.monitoring
        if kept is not None:
            keeping.resume(kept, watching)
        click.echo(f"watching {watching.subject} at commit {watching.subject.commit[:10]}", err=True)
        try:
            finish = await stoppable(lambda: watching.watch(once=wish.detach), lambda: watching.unfinished(monitoring.STOPPED))
        except OutsideError:
            click.echo("there is no verdict: nothing was changed, and nothing should be on this account", err=True)
            raise
        if finish.word not in (monitoring.WATCHING, monitoring.STOPPED):
            keeping.forget(wish.state)
        elif keeping.save(wish.state, watching):
            finish = replace(finish, notes=(*finish.notes, f"`trimtab monitor --resume --state {wish.state}` goes on with it"))
        return await end(wish, made, finish)


def say(moment: datetime, text: str) -> None:
    """One line of progress."""
    click.echo(f"{moment:%H:%M:%S}  {text}", err=True)


async def stoppable(watching: Callable[[], Awaitable[Finish]], stopped: Callable[[], Finish]) -> Finish:
    """What comes of it; after Ctrl-C or TERM what is known by then."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(watching())
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return stopped()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def end(wish: Wish, made: Watch, finish: Finish) -> int:
    """Writes down what came of it, for people and for later steps; the exit code."""
    notes, name, subject = list(finish.notes), "", made.monitoring.subject
    if finish.evidence is not None:
        name = write(wish.evidence, finish.evidence)
        if finish.word != monitoring.STOPPED:
            try:
                await noted(made.shop, finish.evidence)
            except TrimtabError as problem:
                notes.append(f"the verdict is not in the journal, so only this run can use it: {problem}")
    judgement = finish.evidence.verdict.judgement if finish.evidence is not None and finish.word != monitoring.STOPPED else ""
    if made.canary and finish.word in NEXT:
        notes.append(NEXT[finish.word].format(file=wish.evidence, target=subject.target))
    view = FinishView(
        outcome=finish.word, text=finish.text, app=subject.app, target=subject.target, commit=subject.commit, evidence=name,
        file=str(wish.evidence) if name else "", notes=tuple(notes), proof=finish.evidence,
    )  # fmt: skip
    values = {"outcome": finish.word, "verdict": judgement, "commit": subject.commit, "evidence": name, "content": subject.judged.content}
    write_outputs(values, os.environ, wish.dotenv)
    first = f"{subject}: {finish.word}: {finish.text}"
    write_summary(verdict_summary(first, finish.evidence, notes), os.environ)
    if wish.output == "json":
        show_json(view)
    else:
        click.echo("\n".join([first, *(f"  {note}" for note in notes), *([f"evidence: {wish.evidence} ({name[:16]})"] if name else [])]))
    return CODES[finish.word]


def write(file: Path, evidence: Evidence) -> str:
    """The evidence into its file; its name. InputError where it cannot be written."""
    data = encode(evidence)
    try:
        keeping.whole(file, data)
    except OSError as error:
        raise InputError(f"--evidence {file} cannot be written: {error.strerror}") from error
    return name_of(data)
