"""ConfigRollout objects: the record and the timeline of an attempt, and what people read of them. Pure; used by `store` (R1, R4).

`spec` says what is attempted and never changes. `status.record` is the whole running state; the rest of `status` is for people, but for
`status.timeline`, which is the journal.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime

import msgspec

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.kinds import CONFIG_ROLLOUT
from trimtab.analysis.explain import COLUMNS
from trimtab.analysis.explain import rows as table
from trimtab.config.references import items, mapping
from trimtab.documents.records import compact, from_text, to_plain
from trimtab.errors import InputError
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey
from trimtab.model.policy import MetricKind
from trimtab.model.revision import Revision
from trimtab.model.rollout import CanaryState, Rollout, RolloutKind
from trimtab.model.verdict import Evidence, Reading, Result
from trimtab.rollout.status import status
from trimtab.rollout.watchwords import line

LONGEST_NAME = 253
TIMELINE = 100
"""How many entries of the journal are kept with an attempt (R4)."""
REVISION = {field.name for field in fields(Revision)}
"""By these a revision is known in a record."""
FLAGGER_SPECS = "trimtab.dev/flagger-specs"
"""The annotation that says which fingerprints stand for which hashes of Flagger's, as a JSON object."""
FOLLOWS = "trimtab.dev/follows"
"""The annotation that says at which resourceVersion of the attempt before this one was decided."""


def rollout_name(key: CanaryKey, number: int) -> str:
    """`CANARY-N`."""
    return f"{key.name[: LONGEST_NAME - 1 - len(str(number))]}-{number}"


def rollout_object(state: CanaryState, entries: Iterable[Entry], owner: Object, specs: Mapping[str, str], follows: str = "") -> Object:
    """The object of the newest attempt of a record; `follows` is the resourceVersion of the attempt that it was decided from."""
    run = state.rollout
    assert run is not None
    name = rollout_name(state.key, run.number)
    annotations = {FLAGGER_SPECS: msgspec.json.encode(specs, order="sorted").decode()} if specs else {}
    annotations |= {FOLLOWS: follows} if follows else {}
    notes = {"annotations": annotations} if annotations else {}
    return {
        "apiVersion": CONFIG_ROLLOUT.api_version,
        "kind": CONFIG_ROLLOUT.kind,
        "metadata": {"namespace": state.key.namespace, "name": name, "ownerReferences": [owner], **notes},
        "spec": spec_of(state.key, run),
        "status": given(status_of(state, entries)),
    }


def spec_of(key: CanaryKey, run: Rollout) -> Object:
    """What is attempted."""
    return given(
        {
            "canary": key.name,
            "number": run.number,
            "kind": run.kind.value,
            "from": revision_record(run.before) if run.before is not None else None,
            "to": revision_record(run.to),
            "changedKeys": list(run.changes),
            "policy": msgspec.to_builtins(replace(run.policy, document="")),
            "source": source_of(run) or None,
        }
    )


def status_of(state: CanaryState, entries: Iterable[Entry]) -> Object:
    """Where the attempt stands, with None for what there is not."""
    run = state.rollout
    assert run is not None
    lines = list(entries)[-TIMELINE:]
    return {
        "phase": state.phase.value,
        "outcome": run.outcome.value if run.outcome is not None else None,
        "progress": progress_of(state, run),
        "reason": run.why or (lines[-1].text if lines else None),
        "weight": status(state).weight,
        "waitingFor": f"{run.gate.type.value} {run.gate.name}".strip() if run.gate is not None else None,
        "actor": run.actor or None,
        "paused": f"{run.paused.actor}: {run.paused.reason}" if run.paused is not None else None,
        "checks": state.evidence.checks,
        "failedChecks": state.evidence.failed_checks,
        "comparison": comparison_of(state.evidence, run),
        "watch": watch_of(run),
        "startedAt": stamp(run.detected),
        "endedAt": stamp(run.ended) if run.ended is not None else None,
        "timeline": [timeline_entry(line, run.number) for line in lines],
        "record": folded(state),
    }


def comparison_of(evidence: Evidence, run: Rollout) -> Object | None:
    """The newest word of the comparison with the primary; None where there is none."""
    rules, said = run.policy.analysis.judge, evidence.ruling
    if rules is None or said is None:
        return None
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in table(said, rules)]
    metrics = [
        given(
            {
                "metric": reading.metric,
                "canary": row["canary"],
                "primary": row["primary"],
                "worse": row["worse at all"],
                "goodEnough": row["good enough"] if row["good enough"] != "-" else None,
                "implicated": reading.implicated or None,
            }
        )
        for reading, row in zip(said.readings, rows, strict=True)
    ]
    words = {"ruling": said.ruling.value, "reason": said.reason.value, "text": evidence.said, "at": stamp(said.at)}
    return given({**words, "inputs": said.inputs or None, "metrics": metrics})


def watch_of(run: Rollout) -> str | None:
    """What is seen of the primary after promotion; None where nobody looks."""
    found, rules = run.watch, run.policy.watch
    return line(found, rules, f"{found.until:%H:%M} UTC") if found is not None and rules is not None else None


def progress_of(state: CanaryState, run: Rollout) -> str:
    """Phase and outcome in a word or two."""
    if run.ended is not None and run.outcome is not None:
        return run.outcome.value
    if run.outcome is not None:
        return f"{state.phase.value}, {run.outcome.value}"
    return f"{state.phase.value}, paused" if run.paused is not None else state.phase.value


def state_of(found: Object, key: CanaryKey) -> CanaryState:
    """The record in an object. InputError for one that cannot be read."""
    name = mapping(found.get("metadata")).get("name")
    text = mapping(found.get("status")).get("record")
    return from_text(text if isinstance(text, str) else "", CanaryState, f"the record of Canary {key} in ConfigRollout {name}", unfolded)


def folded(state: CanaryState) -> str:
    """The record as text, with each pod template in it once: promoted, applied and kept revisions mostly share theirs."""
    templates: Object = {}

    def fold(value: object) -> object:
        if isinstance(value, list):
            return [fold(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == REVISION:
            templates[value["fingerprint"]] = value["template"]
            return {**value, "template": ""}
        return {name: fold(item) for name, item in value.items()}

    return compact({"state": fold(to_plain(state)), "templates": templates})


def unfolded(plain: object) -> object:
    """The record that `folded` took apart."""
    templates = mapping(mapping(plain).get("templates"))

    def unfold(value: object) -> object:
        if isinstance(value, list):
            return [unfold(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == REVISION:
            return {**value, "template": templates.get(value["fingerprint"])}
        return {name: unfold(item) for name, item in value.items()}

    return unfold(mapping(plain).get("state"))


def entries_of(found: Object) -> tuple[Entry, ...]:
    """The journal in an object, oldest first. InputError for one that cannot be read."""
    number = number_of(found)
    try:
        return tuple(entry_of(line, number) for line in items(mapping(found.get("status")).get("timeline")))
    except (KeyError, ValueError) as error:
        name = mapping(found.get("metadata")).get("name")
        raise InputError(
            f"the timeline of ConfigRollout {name} cannot be read: {error}. Another version of Trimtab wrote it, or something else changed "
            "it. Use the version that wrote it, or remove status.timeline."
        ) from None


def specs_of(found: Object) -> dict[str, str]:
    """Which fingerprints stand for which hashes of Flagger's."""
    text = mapping(mapping(found.get("metadata")).get("annotations")).get(FLAGGER_SPECS)
    try:
        return msgspec.json.decode(str(text), type=dict[str, str]) if text else {}
    except msgspec.MsgspecError:
        return {}


def number_of(found: Mapping[str, object]) -> int:
    """Which attempt it is; 0 for an object that says nothing of the kind."""
    number = mapping(found.get("spec")).get("number")
    return number if isinstance(number, int) else 0


def canary_of(found: Mapping[str, object]) -> CanaryKey:
    """Whose attempt, or whose command, it is."""
    return CanaryKey(str(mapping(found.get("metadata")).get("namespace")), str(mapping(found.get("spec")).get("canary")))


def trimmed(found: Object) -> Object:
    """What a mirror keeps: who and which, not the record, which is fetched when it is needed."""
    spec = mapping(found.get("spec"))
    return {"metadata": found.get("metadata"), "spec": {name: spec.get(name) for name in ("canary", "number")}}


def revision_record(revision: Revision) -> Object:
    """A revision by its fingerprint and digests."""
    return {
        "id": revision.id,
        "template": revision.fingerprint,
        "configs": {str(ref.name): ref.digest for ref in revision.configs},
    }


def source_of(run: Rollout) -> Object:
    """Where a change came from; of an undo, which has no change of its own, who made it."""
    origin = run.origin
    if run.kind is RolloutKind.UNDO:
        return {"author": run.actor} if run.actor else {}
    at = stamp(origin.at) if origin.at is not None else None
    found: Object = {"commit": origin.commit, "author": origin.author, "message": origin.message, "at": at}
    return {name: value for name, value in found.items() if value}


def timeline_entry(line: Entry, number: int) -> Object:
    """A line of the journal as people and `entry_of` read it."""
    return given(
        {
            "at": line.at.isoformat(),
            "reason": line.reason,
            "text": line.text,
            "phase": line.phase,
            "weight": line.weight or None,
            "severity": line.severity if line.severity != "info" else None,
            "actor": line.actor or None,
            "verified": line.verified,
            "rollout": line.rollout if line.rollout != number else None,
            "results": [result_entry(result) for result in line.results] or None,
        }
    )


def entry_of(line: Mapping[str, object], number: int) -> Entry:
    """The line of the journal that `timeline_entry` wrote."""
    rollout, weight = line.get("rollout"), line.get("weight")
    return Entry(
        datetime.fromisoformat(str(line["at"])),
        rollout if isinstance(rollout, int) else number,
        str(line.get("reason", "")),
        str(line.get("text", "")),
        str(line.get("phase", "")),
        str(line.get("severity", "info")),
        str(line.get("actor", "")),
        weight if isinstance(weight, int) else 0,
        tuple(result_of(result) for result in items(line.get("results"))),
        line["verified"] is True if "verified" in line else None,
    )


def result_entry(result: Result) -> Object:
    """One metric in one check."""
    numbers = {"value": result.value, "minimum": result.minimum, "maximum": result.maximum}
    return given(
        {
            "metric": result.metric,
            "kind": result.kind.value,
            "reading": result.reading.value,
            **{name: repr(number) if number is not None else None for name, number in numbers.items()},
            "problem": result.problem or None,
        }
    )


def result_of(entry: Mapping[str, object]) -> Result:
    """The result that `result_entry` wrote."""
    return Result(
        str(entry.get("metric", "")),
        MetricKind(str(entry.get("kind"))),
        Reading(str(entry.get("reading"))),
        number_in(entry.get("value")),
        number_in(entry.get("minimum")),
        number_in(entry.get("maximum")),
        str(entry.get("problem", "")),
    )


def number_in(text: object) -> float | None:
    """A number that was written as text; None for none."""
    if not isinstance(text, str):
        return None
    try:
        return float(text)
    except ValueError:
        return math.nan


def given(found: Mapping[str, object]) -> Object:
    """The fields that are there."""
    return {name: value for name, value in found.items() if value is not None}


def stamp(moment: datetime) -> str:
    """As Kubernetes writes times: whole seconds, UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
