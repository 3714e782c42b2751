"""What of an object has to change, where others may write into it too (QUIRK-12). Pure; called by `router` and the providers.

Only fields that we write are compared, so that a label, an annotation or a setting of somebody else is neither a reason to write nor lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import annotations_of, metadata_of
from trimtab.adapters.kubernetes.marks import SERIAL
from trimtab.config.references import items, mapping


@dataclass(frozen=True, slots=True)
class Shape:
    """Which fields of a rule and of its backends are ours."""

    rule: frozenset[str]
    backends: str = ""
    """The field of a rule that lists its backends; empty where it has no such thing."""
    backend: frozenset[str] = frozenset()


def rules_over(live: object, wanted: Sequence[Object], shape: Shape) -> list[Object]:
    """The wanted rules, with what others said in them, where the rules are as many as before."""
    before = tuple(items(live))
    if len(before) != len(wanted):
        return list(wanted)
    return [_rule_over(old, new, shape) for old, new in zip(before, wanted, strict=True)]


def _rule_over(live: Mapping[str, object], wanted: Object, shape: Shape) -> Object:
    ours = tuple(items(wanted.get(shape.backends)))
    before = tuple(items(live.get(shape.backends)))
    rule = {**_others(live, shape.rule), **wanted}
    if ours and len(ours) == len(before):
        rule[shape.backends] = [{**_others(old, shape.backend), **new} for old, new in zip(before, ours, strict=True)]
    return rule


def _others(live: Mapping[str, object], ours: frozenset[str]) -> Object:
    return {name: value for name, value in live.items() if name not in ours}


def change(live: Object, wanted: Object) -> Object:
    """A merge patch that makes of `live` what is wanted in labels, annotations and spec; empty where nothing has to change.

    Maps inside the spec become exactly what is wanted; fields of the spec that are not mentioned stay.
    """
    metadata = {
        part: found
        for part in ("labels", "annotations")
        if (found := _differing(mapping(metadata_of(live).get(part)), mapping(metadata_of(wanted).get(part))))
    }
    before = mapping(live.get("spec"))
    spec = {name: _exactly(before.get(name), value) for name, value in mapping(wanted.get("spec")).items() if before.get(name) != value}
    return {**({"metadata": metadata} if metadata else {}), **({"spec": spec} if spec else {})}


def _differing(live: Mapping[str, object], wanted: Mapping[str, object]) -> Object:
    return {name: value for name, value in wanted.items() if live.get(name) != value}


def _exactly(live: object, wanted: object) -> object:
    """A merge patch for one value: in maps, what is not wanted is taken away."""
    if not isinstance(live, Mapping) or not isinstance(wanted, Mapping):
        return wanted
    gone = dict.fromkeys(name for name in live if name not in wanted)
    return {**gone, **{name: _exactly(live.get(name), value) for name, value in wanted.items()}}


def without_nothing(wanted: Mapping[str, object]) -> Object:
    """A new object cannot say that a field is taken away."""
    return {name: without_nothing(value) if isinstance(value, Mapping) else value for name, value in wanted.items() if value is not None}


def serial_of(live: Object, uid: str) -> int:
    """The record that the object was last changed for; 0 where it was not by this Canary.

    A route may outlive its Canary (RT-I6), and records of the next one begin anew, so the mark names both: `NUMBER/UID`.
    """
    number, _, owner = str(annotations_of(live).get(SERIAL, "")).partition("/")
    return int(number) if owner == uid and number.isdecimal() else 0


def marked(part: Object, serial: int, uid: str) -> Object:
    """An object or a patch that says which record it comes from."""
    metadata = mapping(part.get("metadata"))
    annotations = {**mapping(metadata.get("annotations")), SERIAL: f"{serial}/{uid}"}
    return {**part, "metadata": {**metadata, "annotations": annotations}}
