"""The arrays of a rollout's evidence, and their form in its record. Called by `evidence` and `verdicts`.

In the record they are one text: base64 of zlib of float64, bytes of equal weight side by side because most numbers are small and whole.
"""

import base64
import binascii
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from trimtab.analysis import counts, ridit
from trimtab.analysis.counts import CountState
from trimtab.analysis.layout import Layout
from trimtab.analysis.ledger import Array
from trimtab.analysis.ridit import ShiftState
from trimtab.errors import SafetyError
from trimtab.model.judging import Constants

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """All evidence of one rollout."""

    counts: CountState
    """(rows,)"""
    shifts: ShiftState
    """(latency metrics,)"""
    tallies: Array
    """(rows, 2, 2, pod groups, 2): bad and total of canary and primary, since the start and since the last new bet."""
    breaches: Array
    """(objectives, 2, ratios): evidence that the canary, the primary break an objective."""
    sums: Array
    """(objectives, 2, 2): bad and total of canary and primary."""


def blank(found: Layout, constants: Constants) -> Table:
    """Before the first scrape."""
    rows, shifts, objectives = len(found.rows), len(found.shifts), len(found.objectives)
    groups, left_out = constants.pod_groups, constants.left_out_groups
    return Table(
        counts.start((rows,), constants, groups, left_out),
        ridit.start((shifts,), constants, groups, left_out),
        np.zeros((rows, 2, 2, groups, 2)),
        np.zeros((objectives, 2, constants.ratios)),
        np.zeros((objectives, 2, 2)),
    )


def leaves(tree: object) -> Iterator[Array]:
    """The arrays of nested dataclasses, in order."""
    if is_dataclass(tree):
        for each in fields(tree):
            yield from leaves(getattr(tree, each.name))
    else:
        yield cast(Array, tree)


def rebuilt(tree: T, arrays: Iterator[Array]) -> T:
    """The same dataclasses with other arrays."""
    if is_dataclass(tree) and not isinstance(tree, type):
        return cast(T, replace(tree, **{each.name: rebuilt(getattr(tree, each.name), arrays) for each in fields(tree)}))
    return cast(T, next(arrays))


def taken(tree: T, places: NDArray[np.int64] | Array) -> T:
    """Some of the series, by their places in order."""
    if all(each.shape[0] == places.size for each in leaves(tree)):
        return tree
    return rebuilt(tree, (each[places] for each in leaves(tree)))


def placed(tree: T, places: Array, part: T) -> T:
    """With some of the series replaced."""
    if all(each.shape[0] == places.size for each in leaves(tree)):
        return part

    def mixed(whole: Array, some: Array) -> Array:
        found = whole.copy()
        found[places] = some
        return found

    return rebuilt(tree, (mixed(*both) for both in zip(leaves(tree), leaves(part), strict=True)))


def packed(table: Table) -> str:
    """As text for the record."""
    numbers = np.concatenate([np.ravel(each) for each in leaves(table)]).astype("<f8")
    return base64.b64encode(zlib.compress(numbers.view(np.uint8).reshape(-1, 8).T.tobytes(), 1)).decode("ascii")


def unpacked(text: str, found: Layout, constants: Constants) -> Table:
    """From the record. SafetyError if it does not fit the rules it was gathered under: rules and history are pinned with the rollout."""
    table = blank(found, constants)
    if not text:
        return table
    wanted = sum(each.size for each in leaves(table))
    try:
        raw = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), np.uint8)
    except (zlib.error, binascii.Error) as problem:
        raise SafetyError(f"the evidence in the record cannot be read: {problem}") from problem
    if raw.size != wanted * 8:
        raise SafetyError(f"the evidence in the record has {raw.size // 8} numbers, its rules need {wanted}")
    numbers = np.ascontiguousarray(raw.reshape(8, -1).T).view("<f8").ravel()
    places = np.cumsum([0] + [each.size for each in leaves(table)])
    cut = (
        numbers[start:end].reshape(each.shape)
        for each, start, end in zip(leaves(table), places[:-1], places[1:], strict=True)
    )  # fmt: skip
    return rebuilt(table, cut)
