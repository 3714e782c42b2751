"""`Canary.status` as the record has it: what a Flagger user expects to see (flagger.md 1.5, CRD-7, CRD-8). Used by `store`.

The record stays the truth; a status is written after it, and only where it differs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import metadata_of
from trimtab.adapters.kubernetes.rollouts import stamp
from trimtab.adapters.kubernetes.routers.cookies import OF_PRIMARY, value
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.config.references import items, mapping
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName
from trimtab.model.revision import ConfigRef, Revision
from trimtab.model.rollout import CanaryState
from trimtab.rollout.exposure import wanted
from trimtab.rollout.status import Status, status

Checksum = Callable[[str, ConfigName, str], str]
"""Flagger's checksum of a content by its namespace, name and our digest; empty where it is not known."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the record does not say."""

    checksum: Checksum
    specs: Mapping[str, str] = field(default_factory=dict)
    """Flagger's hash by our fingerprint, of templates that Flagger has seen: it stays, so that going back starts nothing."""
    settings: Settings = Settings()


def change_of(state: CanaryState, canary: Object, known: Known, now: datetime) -> Object | None:
    """The merge patch that makes the status of `canary` what the record says; None where it says so already."""
    before, spec = mapping(canary.get("status")), mapping(canary.get("spec"))
    kind = str(mapping(spec.get("targetRef")).get("kind"))
    there = status(state, kind)
    wanted_status: Object = {
        "phase": there.phase.value,
        "canaryWeight": there.weight,
        "failedChecks": there.failed_checks,
        "iterations": there.iterations,
        **revision_fields(there, known.specs),
        **cookie_fields(state, canary, known.settings.provider),
    }
    if there.applied is not None:
        tracked = kind != "Service" and known.settings.config_tracking
        wanted_status["trackedConfigs"] = tracked_configs(state.key, there.applied, before, known.checksum) if tracked else None
    change = {name: text for name, text in wanted_status.items() if before.get(name) != text}
    if change.get("trackedConfigs") is not None:
        change["trackedConfigs"] = replaced(mapping(before.get("trackedConfigs")), mapping(change["trackedConfigs"]))
    conditions = conditions_of(there, before, now)
    if conditions is not None:
        change["conditions"] = conditions
    return {"status": {**change, "lastTransitionTime": stamp(now)}} if change else None


def cookie_fields(state: CanaryState, canary: Object, default: str) -> Object:
    """The cookies of session affinity while the canary has a share; afterwards its cookie is the previous one (RT-I7)."""
    spec = mapping(canary.get("spec"))
    analysis = mapping(spec.get("analysis"))
    affinity = mapping(analysis.get("sessionAffinity"))
    provider = str(spec.get("provider") or default)
    # An A/B test has none (QUIRK-27), nor have the other routers.
    if not affinity or (analysis.get("match") and analysis.get("iterations")) or not provider.startswith(("istio", "gatewayapi")):
        return {}
    exposure, last = wanted(state), mapping(canary.get("status")).get("sessionAffinityCookie")
    if exposure.canary is None or not exposure.weight:
        return {"sessionAffinityCookie": None, "previousSessionAffinityCookie": last} if last else {}
    uid = str(metadata_of(canary).get("uid"))
    return {
        "sessionAffinityCookie": f"{affinity.get('cookieName')}={value(uid, exposure.canary.id)}",
        "primarySessionAffinityCookie": f"{affinity.get('primaryCookieName') or ''}={value(uid, OF_PRIMARY)}",
    }


def revision_fields(there: Status, specs: Mapping[str, str]) -> Object:
    """`lastAppliedSpec` and `lastPromotedSpec`, where they are known."""
    revisions = {"lastAppliedSpec": there.applied, "lastPromotedSpec": there.last_promoted}
    return {name: specs.get(found.fingerprint, found.fingerprint) for name, found in revisions.items() if found is not None}


def tracked_configs(key: CanaryKey, applied: Revision, before: Mapping[str, object], checksum: Checksum) -> dict[str, str]:
    """Flagger's checksum of everything that the revision reads and that exists."""
    known = mapping(before.get("trackedConfigs"))
    found = {str(ref.name): checksum_of(key, ref, checksum) or str(known.get(str(ref.name), "")) for ref in applied.configs if ref.digest}
    return {name: text for name, text in found.items() if text}


def checksum_of(key: CanaryKey, ref: ConfigRef, checksum: Checksum) -> str:
    """Of a ConfigMap the record has it. Of a Secret it is in memory only, since a short secret can be guessed from it (DESIGN §7)."""
    return ref.checksum if ref.checksum and ref.name.kind is not ConfigKind.SECRET else checksum(key.namespace, ref.name, ref.digest)


def replaced(before: Mapping[str, object], after: Mapping[str, object]) -> Object:
    """The change by which a merge patch turns one map into another."""
    return {**dict.fromkeys(before), **after}


def conditions_of(there: Status, before: Mapping[str, object], now: datetime) -> list[Object] | None:
    """The one condition; None while status and reason stay the same (CRD-7)."""
    found = next((one for one in items(before.get("conditions")) if one.get("type") == "Promoted"), None)
    same = found is not None and found.get("status") == there.promoted
    if found is not None and same and found.get("reason") == there.phase.value:
        return None
    moved = found.get("lastTransitionTime") if found is not None and same else None
    return [
        {
            "type": "Promoted",
            "status": there.promoted,
            "reason": there.phase.value,
            "message": there.message,
            "lastUpdateTime": stamp(now),
            "lastTransitionTime": moved or stamp(now),
        }
    ]
