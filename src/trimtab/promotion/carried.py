"""What commits of protected history say of the journal: who may write a message may claim anything. Called by `wiring.promoting`."""

from collections.abc import Sequence

from trimtab.promotion.asking import Commit
from trimtab.promotion.journal import Kind, Record, about
from trimtab.promotion.text import trailers_of

BEFORE = (Kind.PROPOSED, Kind.APPROVED)
"""What is noted before a commit is made that brings content."""


def carriers(commits: Sequence[Commit], records: Sequence[Record], app: str, target: str) -> tuple[Commit, ...]:
    """Those that carry a head of the journal and content that it knows as asked for by then; newest first, as they are given.

    Of several with the same head only the oldest, for the others copied it.
    """
    asked: dict[str, set[str]] = {}
    contents = set[str]()
    for record in records:
        contents |= {entry.content for entry in about([record], app, target) if entry.kind in BEFORE}
        asked[record.hash] = {*contents}
    oldest: dict[str, Commit] = {}
    for commit in commits:
        said = trailers_of(commit.message)
        if said.get("Content") in asked.get(said.get("Journal", ""), ()):
            oldest[said["Journal"]] = commit
    return tuple(commit for commit in commits if commit in oldest.values())
