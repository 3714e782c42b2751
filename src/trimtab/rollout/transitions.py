"""The table: which phase may follow which. `decide` is held to it by tests and by `safety`; the diagram is made from it."""

from trimtab.model.rollout import Phase as P

TRANSITIONS: dict[P, frozenset[P]] = {
    P.INITIALIZING: frozenset({P.INITIALIZED, P.FAILED}),
    P.INITIALIZED: frozenset({P.WAITING, P.PROGRESSING, P.PROMOTING, P.FAILED}),
    P.WAITING: frozenset({P.PROGRESSING, P.SUCCEEDED, P.FAILED}),
    P.PROGRESSING: frozenset({P.WAITING, P.WAITING_PROMOTION, P.PROMOTING, P.SUCCEEDED, P.FAILED}),
    P.WAITING_PROMOTION: frozenset({P.PROGRESSING, P.PROMOTING, P.SUCCEEDED, P.FAILED}),
    P.PROMOTING: frozenset({P.FINALISING, P.FAILED}),
    P.FINALISING: frozenset({P.SUCCEEDED, P.FAILED}),
    P.SUCCEEDED: frozenset({P.WAITING, P.PROGRESSING, P.PROMOTING, P.FAILED}),
    P.FAILED: frozenset({P.INITIALIZING, P.WAITING, P.PROGRESSING, P.PROMOTING}),
    P.TERMINATING: frozenset(),
}
"""Staying is always allowed. Terminating may follow everything (DEL-2), so it does not stand in the table, and is never left.
 Succeeded after a run that was withdrawn says: what the source holds is what was promoted."""


def allowed(before: P, after: P) -> bool:
    """May `after` follow `before`?"""
    return before is after or after is P.TERMINATING or after in TRANSITIONS[before]


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = [f"    {before} --> {after}" for before, follow in TRANSITIONS.items() for after in sorted(follow)]
    return "\n".join(["stateDiagram-v2", "    [*] --> Initializing", *lines])
