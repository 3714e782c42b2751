"""The journal of a repository: what was judged, proposed, promoted, declined and rolled back, each entry bound to the one before.

Pure: `adapters.git.journal` keeps the entries in a ref of their own, `promote` and `rollback` ask what they say, `history` shows them.
Who rewrites an entry changes its hash, which the next entry holds and which promotions carry into protected history.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

from trimtab.config.digest import canonical_json

FIRST = ""
"""In the place of the hash of the entry before, in the first one."""


UNDECIDED = ("inconclusive", "no-data")


class Kind(StrEnum):
    """What an entry says."""

    VERDICT = "verdict"
    PROPOSED = "proposed"
    APPROVED = "approved"
    PROMOTED = "promoted"
    DECLINED = "declined"
    ROLLED_BACK = "rolled-back"
    RETRIED = "retried"


class Entry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One thing that happened. `target` is the one whose content it is about, for promotions the one that gets it."""

    version: int = 1
    sequence: int = 0
    previous: str = FIRST
    kind: Kind
    at: datetime
    app: str
    target: str
    actor: str = ""
    content: str = ""
    commit: str = ""
    """The judged commit; of a promotion and a rollback, that which they start from."""
    evidence: str = ""
    """The SHA-256 of the evidence file that lies beside the entry, or beside an older one."""
    verdict: str = ""
    request: str = ""
    """The address of the pull request or issue."""
    run: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """An entry as it is kept: its bytes count, its hash is theirs."""

    commit: str
    """The commit that holds it."""
    data: bytes = field(repr=False)
    evidence: bytes = field(default=b"", repr=False)

    @property
    def entry(self) -> Entry:
        """What it says. msgspec.ValidationError or DecodeError where it says nothing; `problems` finds that first."""
        return msgspec.json.decode(self.data, type=Entry)

    @property
    def hash(self) -> str:
        """The SHA-256 of its bytes."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Mention:
    """A commit of protected history that carries the head of the journal as it was when the commit was made."""

    commit: str
    hash: str


def chained(entry: Entry, last: Record | None) -> bytes:
    """The bytes of an entry that follows another; canonical JSON."""
    sequence, previous = (last.entry.sequence + 1, last.hash) if last is not None else (1, FIRST)
    return canonical_json(msgspec.to_builtins(msgspec.structs.replace(entry, sequence=sequence, previous=previous))).encode()


def problems(records: Sequence[Record], mentions: Iterable[Mention] = ()) -> tuple[str, ...]:
    """Everything that does not hold, oldest first: broken links, lost or changed entries, changed evidence."""
    found: list[str] = []
    previous, evidence = FIRST, set[str]()
    for number, record in enumerate(records, start=1):
        place = f"entry {number} (commit {record.commit[:10]})"
        try:
            entry = record.entry
        except msgspec.MsgspecError as error:
            return (*found, f"{place} cannot be read: {error}")
        if entry.sequence != number:
            found.append(f"{place} calls itself number {entry.sequence}: an entry was added or taken out")
        if entry.previous != previous:
            found.append(f"{place} does not follow the entry before it: one of them was changed")
        if record.evidence and evidence_name(record.evidence) != entry.evidence:
            found.append(f"the evidence beside {place} is not the one that it names")
        evidence |= {entry.evidence} if record.evidence else set()
        if entry.evidence and entry.evidence not in evidence:
            found.append(f"the evidence that {place} names is not in the journal")
        previous = record.hash
    known = {record.hash for record in records}
    for mention in mentions:
        if mention.hash not in known:
            found.append(
                f"commit {mention.commit[:10]} carries {mention.hash[:10]}, which the journal does not hold (any more): entries are gone, "
                "or somebody made the line up"
            )
    return tuple(found)


def evidence_name(text: bytes) -> str:
    """The SHA-256 of evidence as it lies in the journal, to the byte: it is written there in one form only (`evidence.encode`)."""
    return hashlib.sha256(text).hexdigest()


def about(records: Iterable[Record], app: str, target: str) -> tuple[Entry, ...]:
    """The entries about one target, oldest first."""
    return tuple(entry for entry in (record.entry for record in records) if (entry.app, entry.target) == (app, target))


def held(entries: Sequence[Entry], content: str) -> Entry | None:
    """The rollback after which this content is not tried again, unless somebody asked for it since; None where it may be.

    A rollback after which nothing was known for certain holds nothing: whoever brings the content again wants it judged again.
    """
    last: Entry | None = None
    for entry in entries:
        if entry.kind is Kind.ROLLED_BACK and entry.content == content and entry.verdict not in UNDECIDED:
            last = entry
        elif entry.kind is Kind.RETRIED and entry.content in ("", content):
            last = None
    return last


def find_evidence(records: Iterable[Record], name: str) -> bytes | None:
    """The evidence of a name, where the journal holds it; whatever an entry says of what lies beside it, its bytes count."""
    beside = (record.evidence for record in records if record.evidence and record.entry.evidence == name)
    return next((found for found in beside if evidence_name(found) == name), None)


def newest_verdict(records: Sequence[Record], app: str, target: str, content: str) -> Entry | None:
    """The last verdict on this content of a target; None where there is none."""
    verdicts = (entry for entry in reversed(about(records, app, target)) if entry.kind is Kind.VERDICT and entry.content == content)
    return next(verdicts, None)


def newest_evidence(records: Sequence[Record], app: str, target: str) -> bytes | None:
    """The evidence of the last verdict on a target."""
    for record in reversed(records):
        entry = record.entry
        if (entry.kind, entry.app, entry.target) == (Kind.VERDICT, app, target):
            return find_evidence(records, entry.evidence)
    return None
