"""The chain of the journal shows every change of what was written."""

from datetime import UTC, datetime

import pytest

from trimtab.promotion.evidence import name_of
from trimtab.promotion.journal import Entry, Kind, Mention, Record, about, chained, find_evidence, held, newest_evidence, problems

AT = datetime(2026, 1, 2, tzinfo=UTC)
PROOF = b'{"version":1}'


def entry(kind: Kind, content: str = "sha256:a", **more: str) -> Entry:
    return Entry(kind=kind, at=AT, app="shop", target=more.pop("target", "canary"), content=content, **more)


def chain(*entries: Entry) -> list[Record]:
    records: list[Record] = []
    for number, one in enumerate(entries):
        data = chained(one, records[-1] if records else None)
        records.append(Record(f"{number:040x}", data, PROOF if one.kind is Kind.VERDICT else b""))
    return records


WHOLE = (
    entry(Kind.VERDICT, evidence=name_of(PROOF)), entry(Kind.PROPOSED, target="stable"), entry(Kind.ROLLED_BACK), entry(Kind.RETRIED, ""),
)  # fmt: skip


def test_an_untouched_chain_has_no_problems() -> None:
    records = chain(*WHOLE)
    assert problems(records, [Mention("c" * 40, records[1].hash)]) == ()


@pytest.mark.parametrize("number", range(4))
def test_a_changed_entry_shows_unless_it_is_the_last_and_then_by_what_history_carries(number: int) -> None:
    records = chain(*WHOLE)
    mention = Mention("c" * 40, records[-1].hash)
    records[number] = Record(records[number].commit, records[number].data.replace(b"shop", b"shOp"), records[number].evidence)
    assert problems(records, [mention])


@pytest.mark.parametrize("number", range(4))
def test_an_entry_that_is_gone_shows(number: int) -> None:
    records = chain(*WHOLE)
    mention = Mention("c" * 40, records[-1].hash)
    assert problems([*records[:number], *records[number + 1 :]], [mention])


def test_evidence_that_was_exchanged_or_taken_away_shows() -> None:
    records = chain(*WHOLE)
    for other in (b'{"version":2}', b"", b"no json", PROOF + b"\n", b'{"version":2,"version":1}'):
        assert problems([Record(records[0].commit, records[0].data, other), *records[1:]]), other
    assert problems([records[0], Record(records[1].commit, records[1].data, b"no json"), *records[2:]])


def test_what_is_no_entry_is_said_to_be_none() -> None:
    assert "cannot be read" in problems([Record("c" * 40, b"[]")])[0]


def test_content_that_was_rolled_back_is_held_until_somebody_asks_for_it_again() -> None:
    entries = about(chain(entry(Kind.ROLLED_BACK)), "shop", "canary")
    assert held(entries, "sha256:a") == entries[0]
    assert held(entries, "sha256:b") is None
    assert held((entry(Kind.ROLLED_BACK, verdict="inconclusive"),), "sha256:a") is None
    assert held((*entries, entry(Kind.RETRIED)), "sha256:a") is None
    assert held((*entries, entry(Kind.RETRIED, "sha256:b")), "sha256:a") == entries[0]
    assert held((*entries, entry(Kind.RETRIED), entry(Kind.ROLLED_BACK)), "sha256:a") is not None


def test_the_newest_evidence_of_a_target_is_found() -> None:
    assert newest_evidence(chain(*WHOLE), "shop", "canary") == PROOF
    assert newest_evidence(chain(*WHOLE), "shop", "stable") is None


def test_evidence_counts_by_its_bytes_and_not_by_what_an_entry_says_of_it() -> None:
    records = chain(*WHOLE)
    assert find_evidence(records, name_of(PROOF)) == PROOF
    forged = Record(records[0].commit, records[0].data, b'{"version": 2}')
    assert find_evidence([forged], name_of(PROOF)) is None and find_evidence([forged], name_of(forged.evidence)) is None
