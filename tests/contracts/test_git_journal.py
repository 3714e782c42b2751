"""The journal in a ref of its own: append-only, hash-chained, safe for two who write at once."""

import asyncio
import os
import subprocess
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from contracts.git_places import QUIET, commit, git, shared
from trimtab.adapters.git.branches import Branches
from trimtab.adapters.git.journal import REF, Journal
from trimtab.adapters.git.process import Git
from trimtab.errors import InputError
from trimtab.promotion.evidence import name_of
from trimtab.promotion.journal import Entry, Kind, problems

T = TypeVar("T")
AT = datetime(2026, 1, 2, tzinfo=UTC)
MAIN = "refs/heads/main"


def run(work: Coroutine[object, object, T]) -> T:
    return asyncio.run(work)


def journal(folder: Path) -> Journal:
    return Journal(Branches(folder / ".git", Git({**os.environ, **QUIET})))


def entry(text: str, kind: Kind = Kind.PROPOSED, evidence: str = "") -> Entry:
    return Entry(kind=kind, at=AT, app="shop", target="stable", text=text, evidence=evidence)


def test_entries_and_evidence_come_back_in_order_and_the_chain_holds(tmp_path: Path) -> None:
    _, clone = shared(tmp_path, {"a.yaml": ""})
    proof = b'{"a":1}'
    run(journal(clone).append(lambda _: [(entry("one", Kind.VERDICT, name_of(proof)), proof), (entry("two"), b"")], AT))
    run(journal(clone).append(lambda records: [(entry(f"after {len(records)}"), b"")], AT))
    records = run(journal(clone).read())
    assert [record.entry.text for record in records] == ["one", "two", "after 2"]
    assert [record.evidence for record in records] == [proof, b"", b""]
    assert problems(records) == ()
    assert run(journal(clone).append(lambda _: [], AT)) == records


def test_two_who_write_at_once_lose_nothing(tmp_path: Path) -> None:
    origin, first = shared(tmp_path, {"a.yaml": ""})
    folders = [first, *(tmp_path / f"clone{number}" for number in range(2))]
    for folder in folders[1:]:
        git(tmp_path, "clone", "--quiet", str(origin), str(folder))

    async def work() -> None:
        async def writer(folder: Path, who: int) -> None:
            for number in range(3):
                await journal(folder).append(lambda _, number=number: [(entry(f"{who}.{number}"), b"")], AT)  # type: ignore[misc]

        await asyncio.gather(*(writer(folder, who) for who, folder in enumerate(folders)))

    run(work())
    records = run(journal(first).read())
    assert sorted(record.entry.text for record in records) == sorted(f"{who}.{number}" for who in range(3) for number in range(3))
    assert problems(records) == ()


def test_a_journal_that_was_rewritten_is_trusted_no_more(tmp_path: Path) -> None:
    origin, clone = shared(tmp_path, {"a.yaml": ""})
    run(journal(clone).append(lambda _: [(entry("one"), b""), (entry("two"), b"")], AT))
    git(origin, "update-ref", REF, f"{REF}~1")
    for _ in range(2):
        with pytest.raises(InputError, match="rewritten"):
            run(journal(clone).read())
        with pytest.raises(InputError, match="rewritten"):
            run(journal(clone).append(lambda _: [(entry("three"), b"")], AT))
    git(clone, "update-ref", "-d", "refs/trimtab/seen/trimtab/journal")
    assert [record.entry.text for record in run(journal(clone).read())] == ["one"]


def test_what_others_wrote_is_seen_and_must_be_there_from_then_on(tmp_path: Path) -> None:
    origin, clone = shared(tmp_path, {"a.yaml": ""})
    git(tmp_path, "clone", "--quiet", str(origin), str(tmp_path / "other"))
    run(journal(clone).append(lambda _: [(entry("one"), b"")], AT))
    run(journal(tmp_path / "other").append(lambda _: [(entry("two"), b"")], AT))
    assert len(run(journal(clone).read())) == len(run(journal(clone).known())) == 2
    git(origin, "update-ref", REF, f"{REF}~1")
    with pytest.raises(InputError, match="rewritten"):
        run(journal(clone).read())


def test_a_fresh_clone_notices_by_protected_history_that_entries_are_gone(tmp_path: Path) -> None:
    origin, clone = shared(tmp_path, {"a.yaml": ""})
    records = run(journal(clone).append(lambda _: [(entry("one"), b""), (entry("two"), b"")], AT))
    ours = f"Trimtab-Promotion: shop/stable\nTrimtab-Journal: {records[-1].hash}"
    squashed = f"Promote shop (#4)\n\n* Promote\n\n{ours}\n\nCo-authored-by: Ada <ada@example.org>\n"
    commit(clone, squashed, {"a.yaml": "x"})
    git(clone, "push", "--quiet", "origin", "main")
    git(tmp_path, "clone", "--quiet", str(origin), str(tmp_path / "fresh"))

    async def found() -> tuple[str, ...]:
        fresh = journal(tmp_path / "fresh")
        head = await fresh.branches.newest(MAIN)
        assert head is not None
        return problems(await fresh.read(), await fresh.mentions(head))

    assert run(found()) == ()
    git(origin, "update-ref", REF, f"{REF}~1")
    git(tmp_path / "fresh", "update-ref", "-d", "refs/trimtab/seen/trimtab/journal")
    assert "does not hold" in " ".join(run(found()))


def test_a_hash_in_a_message_that_brings_no_content_is_no_entry_that_is_gone(tmp_path: Path) -> None:
    _, clone = shared(tmp_path, {"a.yaml": ""})
    head = commit(clone, f"docs\n\nTrimtab-Journal: {'0' * 64}", {"a.yaml": "x"})
    assert run(journal(clone).mentions(head)) == ()


def test_entries_without_a_good_signature_are_named(tmp_path: Path) -> None:
    _, clone = shared(tmp_path, {"a.yaml": ""})
    first = run(journal(clone).append(lambda _: [(entry("one"), b"")], AT))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    (tmp_path / "signers").write_text(f"ada@example.org {(tmp_path / 'key.pub').read_text()}")
    for name, value in {
        "gpg.format": "ssh",
        "user.signingKey": str(tmp_path / "key"),
        "commit.gpgSign": "true",
        "user.email": "ada@example.org",
        "user.name": "Ada",
    }.items():
        git(clone, "config", name, value)
    git(clone, "config", "gpg.ssh.allowedSignersFile", str(tmp_path / "signers"))
    records = run(journal(clone).append(lambda _: [(entry("two"), b"")], AT))
    assert run(journal(clone).unsigned(records)) == (f"entry 1 (commit {first[0].commit[:10]}) has no good signature",)
    (tmp_path / "signers").write_text("")
    assert len(run(journal(clone).unsigned(records))) == 2


def test_the_journal_is_read_offline(tmp_path: Path) -> None:
    origin, clone = shared(tmp_path, {"a.yaml": ""})
    records = run(journal(clone).append(lambda _: [(entry("one"), b"")], AT))
    run(journal(clone).read())
    origin.rename(tmp_path / "away.git")
    assert run(journal(clone).known()) == records
