"""`status`, `history`, `show`, `watch`: what runs on one machine or in a cluster, as recorded. Loaded by `main` when called."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click
import msgspec

from trimtab.errors import InputError
from trimtab.faces.cli import replays, stories, tables
from trimtab.faces.cli.options import canaries, canary_argument, duration, output_option
from trimtab.faces.cli.options import show_json as show_json
from trimtab.faces.cli.places import Asked, Place, at_place, in_repository, place_options
from trimtab.faces.cli.screen import Screen, columns
from trimtab.faces.exits import DONE, FAILED, INCONCLUSIVE, TIMED_OUT, WAITING
from trimtab.faces.verdicts import ReplayView
from trimtab.faces.views import show_view, status_view
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName
from trimtab.model.revision import Revision
from trimtab.model.rollout import CanaryState, Outcome

GOOD = frozenset({Outcome.PROMOTED, Outcome.SKIPPED, Outcome.UNDONE, Outcome.WITHDRAWN})


def chosen(keys: Sequence[CanaryKey], name: str | None) -> CanaryKey:
    """The Canary that is meant. InputError that lists what there is."""
    there = ", ".join(str(key) for key in keys) or "none yet"
    if name is None:
        if len(keys) == 1:
            return keys[0]
        raise InputError(f"which Canary? Name one (for `show`: --canary NAME): {there}")
    found = [key for key in keys if name in (key.name, str(key), f"{key.namespace}/{key.name}")]
    if len(found) != 1:
        raise InputError(
            f"there is no Canary {name!r}. There are: {there}" if not found else f"{name!r} could be any of: {', '.join(map(str, found))}"
        )
    return found[0]


@click.command("status")
@canary_argument
@click.option("-A", "--all-namespaces", is_flag=True, help="In a cluster: every namespace.")
@place_options
@output_option
def status_command(canary: str | None, asked: Asked, output: str) -> None:
    """Where every Canary stands, or everything about one CANARY.

    \b
    Example:
      trimtab status
      trimtab status shop -o json
    """

    async def work(place: Place) -> None:
        keys = await place.records.keys()
        names = [chosen(keys, canary)] if canary is not None else list(keys)
        views = [status_view((await place.records.load(key)).state) for key in names]
        if output == "json":
            show_json(views[0] if canary is not None else views)
        elif not views:
            click.echo("no Canary was seen here yet")
        else:
            now = datetime.now(UTC)  # noqa: TID251  # when it is read
            click.echo(stories.status_text(views[0], columns(), now) if len(views) == 1 else tables.status_table(views))

    at_place(asked, work)


@click.command("history")
@canary_argument
@click.option("--verify", is_flag=True, help="With --in repo: hold the journal against itself and against the protected branch.")
@click.option("--signatures", is_flag=True, help="With --verify: each entry must have a good signature, too, by git's settings here.")
@place_options
@output_option
def history_command(canary: str | None, verify: bool, signatures: bool, asked: Asked, output: str) -> None:
    """Every attempt, oldest first: how it ended, when, by whose commit, what changed. Of a repository: every entry of its journal.

    \b
    Example:
      trimtab history shop
      trimtab history --in repo shop/stable --verify

    \b
    With --verify it ends with 1 if the journal was changed, or lacks what commits of the protected branch name.
    """
    if in_repository(asked):
        from trimtab.faces.cli import journal

        sys.exit(journal.history(canary or "", output, verify=verify or signatures, signatures=signatures))
    if verify or signatures:
        raise InputError("--verify holds the journal of a repository against its history; give --in repo too")

    async def work(place: Place) -> None:
        keys = await place.records.keys()
        names = [chosen(keys, canary)] if canary is not None or len(keys) == 1 else list(keys)
        all_views = []
        for key in names:
            states = await place.records.history(key)
            all_views += [show_view(found, ()) for found in states if found.rollout is not None]
            if output == "text":
                click.echo(f"{key}" if len(names) > 1 else "", nl=len(names) > 1)
                click.echo(tables.history_table(states))
        if output == "json":
            show_json([{"canary": view.canary, **msgspec.to_builtins(view.rollout)} for view in all_views])

    at_place(asked, work)


@click.command("show")
@click.argument("rollout", type=int, required=False)
@click.option("--canary", shell_complete=canaries, help="Which Canary, where there are several.")
@click.option("--replay", is_flag=True, help="Compute the verdict of the comparison anew, from what was counted then.")
@place_options
@output_option
def show_command(rollout: int | None, canary: str | None, replay: bool, asked: Asked, output: str) -> None:
    """One ROLLOUT: what changed, who, the evidence, the timeline. Without a number, the newest. Of a repository: an entry of its journal.

    \b
    Example:
      trimtab show 3
      trimtab show 3 --replay
      trimtab show 3 --in repo -o json

    \b
    With --replay it ends with 0 if what was counted comes to the verdict on record, 1 if it does not, 3 if it is not stored any more.
    """
    if in_repository(asked):
        from trimtab.faces.cli import journal

        sys.exit(journal.show(rollout, canary or "", output, again=replay))

    async def work(place: Place) -> int:
        key = chosen(await place.records.keys(), canary)
        attempts = {found.rollout.number: found for found in await place.records.history(key) if found.rollout is not None}
        number = rollout if rollout is not None else max(attempts, default=0)
        if number not in attempts:
            raise InputError(f"{key} has no rollout {number}; there are: {', '.join(map(str, attempts)) or 'none'}")
        view = show_view(attempts[number], await place.records.journal(key, number))
        again = await replayed(place, attempts[number], number) if replay else None
        if output == "json":
            show_json(msgspec.structs.replace(view, replay=again))
        else:
            click.echo("\n\n".join([stories.show_text(view, columns()), *([replays.replay_text(again)] if again is not None else [])]))
        return replays.exit_code(again) if again is not None else DONE

    sys.exit(at_place(asked, work))


async def replayed(place: Place, state: CanaryState, number: int) -> ReplayView:
    """The verdict of an attempt, computed anew."""
    return replays.replay(state, await place.records.counted(state.key, number))


@click.command("watch")
@canary_argument
@click.option("--until-done", "--wait", "until_done", is_flag=True, help="End when no attempt is under way.")
@click.option("--commit", default="", help="With --until-done: the attempt that this commit leads to, and no older one.")
@click.option(
    "--content",
    default="",
    help="With --until-done: the attempt about this revision or digest, or about what configmap/NAME or secret/NAME holds now.",
)
@click.option("--timeout", default="", callback=duration, help="End with 5 after this time, for example 15m.")
@place_options
@output_option
def watch_command(
    canary: str | None, until_done: bool, commit: str, content: str, timeout: timedelta | None, asked: Asked, output: str
) -> None:
    """What happens to one CANARY, live: a screen on a terminal, else a line for each event.

    \b
    Example:
      trimtab watch shop
      trimtab watch shop --until-done --timeout 15m --commit $(git rev-parse HEAD)
      trimtab watch shop --in cluster --until-done --timeout 15m --content configmap/shop-config

    \b
    With --until-done it ends with 0 if the newest attempt was promoted, 1 if it was rolled back, refused or aborted,
    3 if it was inconclusive. When the timeout passes it ends with 4 if a person is waited for, else with 5.
    """
    if (commit or content) and not until_done:
        raise InputError("--commit and --content say what --until-done waits for; give it too")

    async def work(place: Place) -> int:
        key = chosen(await place.records.keys(), canary)
        return await watch(place, key, Watching(until_done, commit, await meant(place, key, content), timeout, output))

    sys.exit(at_place(asked, work))


async def meant(place: Place, key: CanaryKey, content: str) -> str:
    """The mark of the content that is waited for: as given, or that of an object as it is now."""
    kind, slash, name = content.partition("/")
    if not slash:
        return content
    kinds = {"configmap": ConfigKind.CONFIG_MAP, "secret": ConfigKind.SECRET}
    if kind not in kinds or not name:
        raise InputError(f"--content is {content!r}; give a digest, the id of a revision, configmap/NAME or secret/NAME")
    if place.checksum is None:
        raise InputError(f"--content {content} names an object of a cluster, and this is one machine. Give --commit, or a digest")
    return await place.checksum(key, ConfigName(kinds[kind], name))


class Watching(msgspec.Struct, frozen=True):
    """What `watch` was asked for."""

    until_done: bool
    commit: str
    """Full or short; empty for whichever attempt is the newest."""
    content: str
    """Id of a revision, or digest or Flagger's checksum of something that it reads; full or short."""
    limit: timedelta | None
    output: str


async def watch(place: Place, key: CanaryKey, asked: Watching) -> int:
    """Shows what is new until there is a reason to end; the exit code."""
    seconds = asyncio.get_running_loop().time
    begin = seconds()
    screen, first = Screen(key, asked.output), None
    try:
        while True:
            state = (await place.records.load(key)).state
            newest = state.rollout.number if state.rollout is not None else 0
            # Only of attempts that were not over when last looked at: in a cluster the journal of all is as large as their records.
            attempts = range(newest if first is None else first, newest + 1)
            screen.show(state, [entry for number in attempts for entry in await place.records.journal(key, number)])
            first = newest
            code = exit_code(state, asked.commit, asked.content) if asked.until_done else None
            if code is not None:
                return code
            if asked.limit is not None and seconds() - begin > asked.limit.total_seconds():
                click.echo(f"{key} is {state.phase}; the timeout passed{missed(state, asked.commit)}", err=True)
                return WAITING if state.running is not None and state.running.gate is not None else TIMED_OUT
            await asyncio.sleep(place.pace)
    finally:
        screen.close()


def missed(state: CanaryState, commit: str) -> str:
    """Why waiting for a commit was in vain, where no attempt is about it; else empty."""
    if not commit or (state.rollout is not None and state.rollout.origin.commit.startswith(commit)):
        return ""
    return (
        f". Its newest attempt is not about commit {commit}. Give a hash, as `git rev-parse` prints it, of a commit that changes "
        "what this Canary reads"
    )


def exit_code(state: CanaryState, commit: str, content: str) -> int | None:
    """How the newest attempt ended; None while one is under way, or where the newest is not about this commit or content."""
    run = state.rollout
    if run is None or run.ended is None or not run.origin.commit.startswith(commit):
        return None
    if content and not about(run.to, content):
        # Content that is promoted already starts nothing, so there is nothing to wait for.
        return DONE if state.promoted is not None and about(state.promoted, content) else None
    if run.outcome is Outcome.INCONCLUSIVE:
        return INCONCLUSIVE
    return DONE if run.outcome in GOOD else FAILED


def about(revision: Revision, content: str) -> bool:
    """Is this the revision that is meant, or does it read what is meant?"""
    marks = (mark for ref in revision.configs for mark in (ref.digest, ref.digest.rpartition(":")[2], ref.checksum))
    return any(mark.startswith(content) for mark in (revision.id, *marks))
