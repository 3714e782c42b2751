"""`history`, `show` and `retry` with `--in repo`: what the journal of a repository says. Called by `rollouts` and `steering`."""

import asyncio
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from trimtab.analysis.replay import replayed
from trimtab.errors import InputError
from trimtab.faces.cli.options import show_json
from trimtab.faces.cli.replays import exit_code, replay_text
from trimtab.faces.cli.screen import columns
from trimtab.faces.cli.stories import field, listed
from trimtab.faces.cli.tables import aligned, cut
from trimtab.faces.exits import DONE, FAILED
from trimtab.faces.verdicts import ReplayView, replay_view
from trimtab.promotion.edges import refuse_pull_requests
from trimtab.promotion.evidence import Evidence, decode
from trimtab.promotion.journal import Entry, Kind, Record, find_evidence, held, problems
from trimtab.promotion.recounting import comparison
from trimtab.promotion.text import one_line, short
from trimtab.wiring.repository import Repository, repository


async def opened(*, newest: bool = False) -> tuple[Repository, Sequence[Record]]:
    """The repository here and its journal, as new as it can be had; says where that is. InputError where the journal cannot be read.

    With `newest` an older one will not do: OutsideError where the remote is out of reach.
    """
    found = await repository(Path())
    click.echo(f"in {found}", err=True)
    if newest:
        return found, await found.journal.read()
    records, old = await found.records()
    if old:
        click.echo(f"trimtab: {old}", err=True)
    return found, records


def chosen(records: Sequence[Record], name: str) -> list[Record]:
    """The entries about APP, APP/TARGET, or all. InputError where an entry cannot be read, or there is none of that name."""
    try:
        found = [record for record in records if name in ("", record.entry.app, f"{record.entry.app}/{record.entry.target}")]
    except msgspec.MsgspecError as error:
        raise InputError(f"the journal cannot be read: {error}. `trimtab history --in repo --verify` says where") from error
    if name and not found:
        there = sorted({f"{record.entry.app}/{record.entry.target}" for record in records})
        raise InputError(f"the journal says nothing about {name!r}. It does about: {', '.join(there) or 'nothing yet'}")
    return found


def history(name: str, output: str, *, verify: bool, signatures: bool) -> int:
    """Shows the entries, and what does not hold where that is asked; the exit code."""

    async def work() -> tuple[Sequence[Record], tuple[str, ...]]:
        found, records = await opened(newest=verify)
        wrong = problems(records, await found.mentions()) if verify else ()
        return records, (*wrong, *(await found.journal.unsigned(records) if signatures else ()))

    records, wrong = asyncio.run(work())
    shown = [] if wrong else [record.entry for record in chosen(records, name)]
    if output == "json":
        show_json({"entries": [plain(entry) for entry in shown], "verified": verify and not wrong, "problems": list(wrong)})
    elif not wrong:
        click.echo(table(shown) if shown else "nothing was promoted or rolled back here yet")
        click.echo("the journal holds, and has everything that the protected branch names" if verify else "", nl=verify)
    for problem in wrong:
        click.echo(f"trimtab: {problem}", err=True)
    return FAILED if wrong else DONE


def show(number: int | None, name: str, output: str, *, again: bool = False) -> int:
    """One entry with its evidence; without a number, the newest. `again`: with its verdict computed anew. The exit code."""
    _, records = asyncio.run(opened())
    among = chosen(records, name)
    found = next((one for one in among if one.entry.sequence == number), None) if number is not None else among[-1] if among else None
    if found is None:
        numbers = [record.entry.sequence for record in among]
        there = f"{numbers[0]} to {numbers[-1]}" if numbers else "none"
        if number is None:
            raise InputError("the journal is empty: nothing was judged, promoted or rolled back here yet")
        raise InputError(f"the journal has no entry {number}; there are: {there}")
    proof = find_evidence(records, found.entry.evidence)
    replay = recomputed(found.entry, proof) if again else None
    code = exit_code(replay) if replay is not None else DONE
    if output == "json":
        whole = {**plain(found.entry), "hash": found.hash, "proof": json.loads(proof) if proof is not None else None}
        show_json(whole | ({"replay": replay} if replay is not None else {}))
        return code
    rows = [(key, one_line(str(value))) for key, value in {**plain(found.entry), "hash": found.hash}.items() if value not in ("", None)]
    click.echo(aligned(rows))
    if proof is not None:
        click.echo(f"\n{proof_text(proof, found.entry, columns())}")
    if replay is not None:
        click.echo(f"\n{replay_text(replay)}")
    return code


def proof_text(proof: bytes, entry: Entry, width: int | None) -> str:
    """The evidence as people read it; as it is, where another version of Trimtab wrote it."""
    try:
        return "\n".join(proof_lines(decode(proof), entry, width))
    except InputError:
        return json.dumps(json.loads(proof), indent=2, ensure_ascii=False)


def proof_lines(proof: Evidence, entry: Entry, width: int | None) -> list[str]:
    """The evidence as people read it, without what the entry says itself; `-o json` has all of it."""
    verdict, began, ended = proof.verdict, proof.window.began, proof.window.ended
    lines = field("verdict", f"{verdict.judgement}: {one_line(verdict.text)}" if verdict.text != entry.text else "", width)
    lines += field("judged", f"at commit {proof.commit[:10]} from {began:%Y-%m-%d %H:%M:%S} to {ended:%H:%M:%S} UTC", width)
    rows = [(one.metric, one.canary, one.stable, f"{one.judgement} {one.text}".strip()) for one in verdict.figures]
    table = aligned([("metric", "canary", "stable", ""), *(tuple(map(one_line, row)) for row in rows)]).splitlines() if rows else []
    lines += listed("figures", table, None)
    lines += listed("why", map(one_line, verdict.reasons), width)
    lines += listed("asked", (f"{one.metric}{f' of {one.of}' if one.of else ''}: {one_line(one.query)}" for one in proof.queries), width)
    lines += field("counted", f"sums of {len(proof.sums)} scrapes and copies, with `-o json`" if proof.sums else "", width)
    return lines + field("replay", "computes the verdict anew: `--replay`" if proof.counted else "", width)


def recomputed(entry: Entry, proof: bytes | None) -> ReplayView:
    """The verdict of an entry, computed anew from its evidence. InputError where it brings none, or nothing was compared."""
    if proof is None:
        raise InputError(f"entry {entry.sequence} of the journal brings no evidence, so there is no verdict to compute anew")
    found = comparison(decode(proof).counted)
    if found is None:
        raise InputError(
            f"the evidence of entry {entry.sequence} does not hold what its verdict was made from: canary and stable were not compared, "
            "something else than this Trimtab judged, or it was too long to be kept"
        )
    return replay_view(replayed(found.record, found.counted(), found.rules))


def retry(name: str, reason: str, output: str) -> None:
    """Lets content that was rolled back go on. InputError where none is held."""

    refuse_pull_requests(os.environ)

    async def work() -> Entry:
        found, records = await opened()
        entries = [record.entry for record in chosen(records, name)]
        waiting = [one for one in entries if one.kind is Kind.ROLLED_BACK and _still_held(entries, one)]
        targets = {(one.app, one.target) for one in waiting}
        if len(targets) != 1:
            there = ", ".join(sorted(f"{app}/{target}" for app, target in targets))
            raise InputError(f"which target? Content is held of {there}" if there else f"no content of {name or 'anything'} is held back")
        last = waiting[-1]
        now = datetime.now(UTC)  # noqa: TID251  # when it was said
        wish = Entry(kind=Kind.RETRIED, at=now, app=last.app, target=last.target, actor=found.actor(), content=last.content, text=reason)
        await found.journal.append(lambda _: [(wish, b"")], now)
        return wish

    wish = asyncio.run(work())
    if output == "json":
        show_json(plain(wish))
    else:
        click.echo(f"{wish.app}/{wish.target}: content {short(wish.content)} may be judged and promoted again")


def _still_held(entries: Sequence[Entry], one: Entry) -> bool:
    return held([entry for entry in entries if (entry.app, entry.target) == (one.app, one.target)], one.content) is not None


def plain(entry: Entry) -> dict[str, object]:
    """An entry as JSON has it."""
    found: dict[str, object] = msgspec.to_builtins(entry)
    return found


def table(entries: Sequence[Entry]) -> str:
    """One line for each entry."""
    rows: list[tuple[str, ...]] = [("NUMBER", "AT", "WHAT", "TARGET", "VERDICT", "CONTENT", "COMMIT", "BY", "NOTE")]
    for one in entries:
        at, content = f"{one.at.astimezone():%Y-%m-%d %H:%M:%S}", short(one.content)
        name, note = f"{one.app}/{one.target}", cut(one.text or one.request)
        row = (str(one.sequence), at, one.kind, name, one.verdict, content, one.commit[:10], one.actor, note)
        rows.append(tuple(one_line(part) for part in row))
    return aligned(rows)
