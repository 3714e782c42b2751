"""Moves Helm values from one target's own file to another's: changed keys only, comments and order kept. Called by `plan`.

What counts is what Helm gets from all values files of a target together; what is edited is the last one. Lists are values without parts,
as they are to Helm.
"""

from collections.abc import Mapping, Sequence

from trimtab.documents.yaml import read_yaml
from trimtab.errors import InputError
from trimtab.promotion.edits import Spot, removed, written
from trimtab.promotion.merging import Move, merge, same
from trimtab.promotion.sides import Edited, Keep, Side, Step, joined, listed, text_of
from trimtab.promotion.spans import Mapping as Node

Path = tuple[str, ...]
Leaves = dict[Path, object]


def move_values(source: Side, receiver: Side, base: Side | None, keep: Sequence[str], move: Move) -> Edited:
    """The receiver's own file with the source's values. InputError for files that cannot be read or edited."""
    kept = Keep([*keep, *source.fixed, *receiver.fixed])
    wanted, there = moving(source, kept), moving(receiver, kept)
    found = merge(wanted, there, moving(base, kept) if base is not None else None, move)
    own = receiver.values[-1]
    if found.conflicts or not (found.sets or found.removals):
        return Edited({}, (), _steps(own, found.conflicts), _steps(own, found.left))
    text = text_of(receiver, own)
    lower = effective(receiver, receiver.values[:-1])
    for path in found.removals:
        text = _removed(text, path, lower, effective(source, source.values))
    for path, value in found.sets.items():
        text = _set(text, path, value, source, lower)
    left = {*found.left}
    for path in sorted(_wrong(source, receiver, text, kept) - left):
        # What a null in this file kept away has come out again from a file below, and the source does not have it.
        text = _put(text, path, None, None) if path not in wanted else text
    wrong = _wrong(source, receiver, text, kept) - left
    if wrong:
        raise InputError(f"{own}: {listed(sorted(map(joined, wrong)))} cannot be brought over by an edit of this file. Change it by hand")
    if text == text_of(receiver, own):
        return Edited({}, (), (), _steps(own, found.left))
    return Edited({own: text.encode()}, _steps(own, [*found.removals, *found.sets]), (), _steps(own, found.left))


def moving(side: Side, kept: Keep) -> Leaves:
    """All values of a target that may move; not empty mappings, which Helm merges with what the chart has, so that they say nothing."""
    found = leaves(effective(side, side.values))
    return {path: value for path, value in found.items() if path not in kept and value != {}}


def kept_apart(source: Side, receiver: Side, keep: Sequence[str]) -> tuple[str, ...]:
    """The paths at which the two differ and are meant to."""
    kept = Keep([*keep, *source.fixed, *receiver.fixed])
    one, other = leaves(effective(source, source.values)), leaves(effective(receiver, receiver.values))
    paths = dict.fromkeys([*one, *other])
    differing = {joined(path) for path in paths if path in kept and not (path in one and path in other and same(one[path], other[path]))}
    return tuple(sorted(differing | {*source.fixed, *receiver.fixed}))


def effective(side: Side, files: Sequence[str]) -> dict[str, object]:
    """What Helm makes of several values files: mappings are merged, of everything else the last one counts."""
    found: dict[str, object] = {}
    for file in files:
        found = _over(found, values_of(text_of(side, file), file))
    return found


def values_of(text: str, file: str) -> dict[str, object]:
    """The values in one file. InputError where it is not one mapping."""
    documents = read_yaml(text, file)
    if not documents:
        return {}
    value = documents[0].value
    if len(documents) > 1 or not isinstance(value, dict):
        raise InputError(f"{file} must hold one mapping, as Helm's values files do")
    return value


def leaves(tree: Mapping[str, object], path: Path = ()) -> Leaves:
    """Every value without parts, by its path; an empty mapping is one, too."""
    found: Leaves = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            found |= leaves(value, (*path, key))
        else:
            found[(*path, key)] = value
    return found


def _over(lower: Mapping[str, object], upper: Mapping[str, object]) -> dict[str, object]:
    found = dict(lower)
    for key, value in upper.items():
        below = found.get(key)
        found[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return found


def _at(tree: Mapping[str, object], path: Path) -> tuple[bool, object]:
    found: object = tree
    for part in path:
        if not isinstance(found, dict) or part not in found:
            return False, None
        found = found[part]
    return True, found


def _removed(text: str, path: Path, lower: Mapping[str, object], wanted: Mapping[str, object]) -> str:
    gone = path
    if _written_here(text, path):
        # A mapping that would be left empty goes with its last value, unless the source has one there, too.
        while len(gone) > 1 and _only_child(text, gone) and not _at(wanted, gone[:-1])[0]:
            gone = gone[:-1]
        text = removed(Spot(text, 0, gone))
    # null takes away what a file below says.
    return _put(text, gone, None, None) if _at(lower, gone)[0] else text


def _only_child(text: str, path: Path) -> bool:
    parent = Spot(text, 0, path).parent
    return isinstance(parent, Node) and len(parent.pairs) == 1


def _set(text: str, path: Path, value: object, source: Side, lower: Mapping[str, object]) -> str:
    origins = [Spot(there, 0, path) for there in (text_of(source, file) for file in reversed(source.values)) if _written_here(there, path)]
    by_its_own = bool(origins) and origins[0].text == text_of(source, source.values[-1])
    below = _at(lower, path)
    if not by_its_own and below[0] and same(below[1], value) and _written_here(text, path):
        # The source says nothing of its own here, and neither need the receiver.
        return removed(Spot(text, 0, path))
    return _put(text, path, value, origins[0] if origins else None)


def _put(text: str, path: Path, value: object, origin: Spot | None) -> str:
    return written(Spot(text, 0, path), value, origin)


def _written_here(text: str, path: Path) -> bool:
    return bool(read_yaml(text)) and Spot(text, 0, path).node is not None


def _wrong(source: Side, receiver: Side, text: str, kept: Keep) -> set[Path]:
    """Where Helm would not get for the receiver what it gets for the source; what is kept does not count."""
    after = _over(effective(receiver, receiver.values[:-1]), values_of(text, receiver.values[-1]))
    now = _said({path: value for path, value in leaves(after).items() if path not in kept})
    wanted = _said(moving(source, kept))
    return {path for path in {*now, *wanted} if not same(now.get(path), wanted.get(path))}


def _said(found: Leaves) -> Leaves:
    """Without what says nothing to a chart: null takes a value away, and an empty mapping has none."""
    return {path: value for path, value in found.items() if value is not None and value != {}}


def _steps(file: str, paths: Sequence[Path]) -> tuple[Step, ...]:
    return tuple(Step(file, joined(path)) for path in paths)
