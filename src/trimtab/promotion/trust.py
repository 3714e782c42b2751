"""May this evidence promote or roll back this content? Called by `wiring` before anything is planned.

Evidence counts if it comes from the run that uses it, or from the journal, which the bot alone may write; and if it is about exactly
the files and bytes that are there now.
"""

from collections.abc import Sequence

from trimtab.errors import InputError
from trimtab.promotion.content import Judged, moved
from trimtab.promotion.evidence import Evidence, decode, name_of
from trimtab.promotion.journal import Record, find_evidence, newest_verdict
from trimtab.promotion.sides import listed


def accepted(text: bytes, evidence: Evidence, records: Sequence[Record], run: str) -> None:
    """InputError where a file of evidence is neither of this run nor in the journal. `run` is empty outside of pipelines.

    Without a run nothing tells who wrote a file, so there only the journal counts.
    """
    if (run and evidence.run.id == run) or find_evidence(records, name_of(text)) is not None:
        return
    theirs = f"run {evidence.run.id}" if evidence.run.id else "no run of a pipeline"
    ours = f"this is run {run}" if run else "this is no run of a pipeline"
    how = "Judge it in this run" if run else "Judge it with `trimtab monitor`, which notes it in the journal"
    raise InputError(
        f"the evidence comes from {theirs}, {ours}, and the journal does not hold it: anybody could have written it. "
        f"{how}, or leave --evidence out to use the newest evidence of the journal"
    )


def newest(name: str, evidence: Evidence, records: Sequence[Record]) -> tuple[str, Evidence]:
    """The evidence, or what the journal holds about the same content and was judged later, with its name: the last word counts.

    Of what is in the journal its order says what is later; of a file that is not yet, the end of its window.
    """
    last = newest_verdict(records, evidence.app, evidence.target, evidence.content)
    data = find_evidence(records, last.evidence) if last is not None and last.evidence != name else None
    if last is None or data is None:
        return name, evidence
    found = decode(data, "the evidence in the journal")
    later = find_evidence(records, name) is not None or found.window.ended > evidence.window.ended
    return (last.evidence, found) if later else (name, evidence)


def about(evidence: Evidence, app: str, target: str) -> None:
    """InputError where evidence is about another app or target."""
    if (evidence.app, evidence.target) != (app, target):
        raise InputError(f"the evidence is about {evidence.app}/{evidence.target}, not about {app}/{target}")


def matching(evidence: Evidence, now: Judged) -> None:
    """InputError that names what moved, where the content is not exactly the judged one (S7)."""
    files = moved(evidence.source, now.source)
    if files:
        raise InputError(
            f"{listed(files)} changed since commit {evidence.commit[:10]} was judged. What is promoted is what was judged: "
            "judge what is there now"
        )
    if evidence.content != now.content:
        keys = moved(evidence.keys, now.keys) if evidence.keys else ()
        what = listed(keys) if keys else "what the pods read"
        raise InputError(
            f"{what} renders to other bytes than when commit {evidence.commit[:10]} was judged, although the target's own files are the "
            "same: something below them changed. Judge what is there now"
        )
