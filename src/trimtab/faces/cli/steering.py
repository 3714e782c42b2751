"""`approve`, `pause`, `resume`, `abort`, `retry`, `undo`: a person's wish, handed to the process that runs. Loaded by `main` when called.

A wish is bound to what that person could see; the answer says what became of it (R5).
"""

import asyncio
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from trimtab.errors import Unavailable
from trimtab.faces.cli.options import canary_argument, output_option, reason_option
from trimtab.faces.cli.places import Asked, Place, at_place, in_repository, place_options
from trimtab.faces.cli.rollouts import chosen, show_json
from trimtab.model.commands import Command, Verb
from trimtab.model.names import CanaryKey
from trimtab.model.rollout import Answer, CanaryState, Outcome, RolloutKind

PATIENCE = 5.0
"""Seconds that an answer is waited for."""
LOOK = 0.05


def wish(verb: Verb, actor: str, state: CanaryState, reason: str, *, skip_analysis: bool = False, to: str = "") -> Command:
    """A command about what the record says now."""
    run = state.running
    gate = run.gate.type.value if run is not None and run.gate is not None and verb is Verb.APPROVE else ""
    revision = run.to.id if run is not None and verb is Verb.APPROVE else to
    number = state.rollout.number if state.rollout is not None else 0
    now = datetime.now(UTC)  # noqa: TID251  # when it was said
    return Command(uuid.uuid4().hex, verb, actor, reason, now, number, gate, revision, skip_analysis)


async def say(place: Place, key: CanaryKey, command: Command) -> Answer:
    """Submits a command and waits for its answer. Unavailable, with nothing written, where nobody runs."""
    if place.nobody:
        raise Unavailable(f"nobody is there to {command.verb} {key}: {place.nobody}. Nothing was changed; start one first")
    await place.records.submit(key, command)
    seconds = asyncio.get_running_loop().time
    end = seconds() + PATIENCE
    while seconds() < end:
        answer = await place.records.answer(key, command.id)
        if answer is not None:
            return answer
        await asyncio.sleep(LOOK)
    problem = f"{place.obeys} has not answered within {PATIENCE:g} s; see what it says"
    raise Unavailable(f"{command.verb} {key} was handed over, but {problem}. It is obeyed as soon as it can be")


def steer(verb: Verb, canary: str | None, asked: Asked, output: str, **details: object) -> None:
    """One wish, from the command line to its answer; ends with 1 where it was refused."""

    async def work(place: Place) -> tuple[Answer, CanaryState, Sequence[CanaryState]]:
        key, records = chosen(await place.records.keys(), canary), place.records
        record = (await records.load(key)).state
        reason, skip, to = str(details.get("reason", "")), bool(details.get("skip_analysis")), str(details.get("to") or "")
        made = wish(verb, await place.actor(), record, reason, skip_analysis=skip, to=to)
        answer = await say(place, key, made)
        return answer, (await records.load(key)).state, await records.history(key)

    answer, record, history = at_place(asked, work)
    if output == "json":
        show_json({"canary": str(record.key), "answer": answer.text, "done": answer.done})
    else:
        click.echo(f"{record.key}: {answer.text}")
        if verb is Verb.UNDO and answer.done:
            show_revert(record, history)
    sys.exit(0 if answer.done else 1)


def show_revert(record: CanaryState, history: Sequence[CanaryState]) -> None:
    """How an undo is made to last: the source still says something else."""
    run = record.rollout
    if run is None or record.held is None:
        return
    back_to = run.to if run.kind is RolloutKind.UNDO else run.before
    commits = commits_since(back_to.id if back_to is not None else "", history)
    if commits:
        click.echo(f"the source still holds revision {record.held.revision}; to make the undo last:\n  git revert {' '.join(commits)}")


def commits_since(revision: str, history: Sequence[CanaryState]) -> list[str]:
    """The commits that brought what came after the promotion of a revision, newest first, without those that were taken back."""
    commits: list[str] = []
    for run in (state.rollout for state in history if state.rollout is not None and state.rollout.kind is not RolloutKind.UNDO):
        commit = run.origin.commit[:10]
        if run.to.id == revision:
            commits.clear()
        elif commit and commit not in commits and run.outcome is not Outcome.WITHDRAWN:
            commits.insert(0, commit)
    return commits


@click.command("approve")
@canary_argument
@click.option("--skip-analysis", is_flag=True, help="Promote what is being analysed now, without waiting for more checks.")
@reason_option
@place_options
@output_option
def approve_command(canary: str | None, skip_analysis: bool, reason: str, asked: Asked, output: str) -> None:
    """Open the gate at which a rollout waits, for this revision only.

    \b
    Example:
      trimtab approve shop --reason "looked at the dashboards"
    """
    steer(Verb.APPROVE, canary, asked, output, reason=reason, skip_analysis=skip_analysis)


@click.command("pause")
@canary_argument
@reason_option
@place_options
@output_option
def pause_command(canary: str | None, reason: str, asked: Asked, output: str) -> None:
    """Stop a rollout from growing; checks and rollback go on. A newer change begins a rollout of its own, without the pause.

    \b
    Example:
      trimtab pause shop
    """
    steer(Verb.PAUSE, canary, asked, output, reason=reason)


@click.command("resume")
@canary_argument
@reason_option
@place_options
@output_option
def resume_command(canary: str | None, reason: str, asked: Asked, output: str) -> None:
    """Let a paused rollout grow again.

    \b
    Example:
      trimtab resume shop
    """
    steer(Verb.RESUME, canary, asked, output, reason=reason)


@click.command("abort")
@canary_argument
@reason_option
@place_options
@output_option
def abort_command(canary: str | None, reason: str, asked: Asked, output: str) -> None:
    """Take all traffic back to the primary and hold the change.

    \b
    Example:
      trimtab abort shop --reason "not today"
    """
    steer(Verb.ABORT, canary, asked, output, reason=reason)


@click.command("retry")
@canary_argument
@reason_option
@place_options
@output_option
def retry_command(canary: str | None, reason: str, asked: Asked, output: str) -> None:
    """Start a change again that is held back after a rollback, a refusal, an abort or an undo.

    \b
    Example:
      trimtab retry shop
      trimtab retry shop/canary --in repo --reason "the database was down"
    """
    if in_repository(asked):
        from trimtab.faces.cli import journal

        journal.retry(canary or "", reason, output)
        return
    steer(Verb.RETRY, canary, asked, output, reason=reason)


@click.command("undo")
@canary_argument
@click.option("--to", help="The kept revision to go back to.  [default: the one before]")
@reason_option
@place_options
@output_option
def undo_command(canary: str | None, to: str | None, reason: str, asked: Asked, output: str) -> None:
    """Go back to a revision that was promoted before, without analysis. In the middle of a rollout: abort.

    \b
    Example:
      trimtab undo shop
    """
    steer(Verb.UNDO, canary, asked, output, reason=reason, to=to)
