"""What a promotion or a rollback comes to: which files change and how. Called by `wiring`, which has the files and renders both sides.

The edit is planned from the sources; that it leads to exactly the judged content, and to nothing else, is seen by rendering what came
out (`proof`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.documents.kubernetes import KUSTOMIZATIONS
from trimtab.errors import InputError
from trimtab.promotion.content import blob_id
from trimtab.promotion.manifests import move_manifests
from trimtab.promotion.merging import Move
from trimtab.promotion.places import places
from trimtab.promotion.sides import Edited, Rules, Side, Step, listed
from trimtab.promotion.values import kept_apart, move_values


@dataclass(frozen=True, slots=True)
class Plan:
    """New contents of the receiver's files, and what is worth saying about it."""

    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    steps: tuple[Step, ...] = ()
    left: tuple[Step, ...] = ()
    """Newer changes on the receiving side that stay."""
    apart: tuple[str, ...] = ()
    """Values at which the two sides differ and are meant to, by `keep` or `set`."""


def planned(source: Side, receiver: Side, base: Side | None, rules: Rules, move: Move) -> Plan:
    """The edit that gives the receiver the source's content. InputError that names every conflict, or what cannot be edited."""
    if (source.rendering == "helm") != (receiver.rendering == "helm"):
        raise InputError(f"{source.target} and {receiver.target} are rendered by different tools, so content cannot move between them")
    if source.rendering == "helm":
        edited, apart = move_values(source, receiver, base, rules.keep, move), kept_apart(source, receiver, rules.keep)
    else:
        edited, apart = move_manifests(source, receiver, base, rules, move), ()
    if edited.conflicts:
        raise InputError(_conflict(edited, source, receiver, move))
    return Plan(edited.files, edited.steps, edited.left, apart)


def _conflict(edited: Edited, source: Side, receiver: Side, move: Move) -> str:
    where = named(edited.conflicts)
    if move is Move.PROMOTE:
        return (
            f"{receiver.target} was changed by hand since the last promotion, and {source.target} was not judged with that: {where}. "
            f"Bring that change into {source.target} first, or take it back; nothing was changed"
        )
    return (
        f"{receiver.target} was changed again since it was judged, where the verdict is about it: {where}. "
        "A newer change is not taken back; judge it, or put it back by hand. Nothing was changed"
    )


def promoted_files(side: Side, shared: Collection[str] = ()) -> tuple[str, ...]:
    """The files that a target's content is written in: those that evidence names in `source`, without those that others share."""
    if side.rendering == "helm":
        return tuple(file for file in dict.fromkeys(side.values) if file not in shared)
    found = {side.outside(place.file) for place in places(side)}
    tops = {path for path in side.files if side.inside(path) in KUSTOMIZATIONS and side.rendering == "kustomize"}
    return tuple(sorted(found | tops))


def source_ids(side: Side, shared: Collection[str] = (), algorithm: str = "sha1") -> dict[str, str]:
    """Git's blob id of each of these files. InputError for one that is missing."""
    files = promoted_files(side, shared)
    missing = [path for path in files if path not in side.files]
    if missing:
        raise InputError(f"{missing[0]} is not in the repository, but trimtab.yaml names it for target {side.target}")
    return {path: blob_id(side.files[path], algorithm) for path in files}


def named(steps: Sequence[Step]) -> str:
    """Steps in a line."""
    return listed([f"{step.file}: {step.what}" for step in steps])
