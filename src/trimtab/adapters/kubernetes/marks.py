"""What Trimtab notes on workloads and routes: its annotations. Used by `workloads`, `primary`, `scalers` and the routers."""

from collections.abc import Iterable

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import annotations_of, metadata_of
from trimtab.config.references import items

OURS = "trimtab.dev/"
SERIAL = "trimtab.dev/serial"
"""The record on whose behalf an object was last written: its serial, and on what outlives a Canary `/` and the Canary's uid."""
REVISION = "trimtab.dev/revision"
"""The revision that a primary, or its scaler, was made from."""
CANARY = "trimtab.dev/canary"
"""On a target: the revision that its pods are wanted for. Empty where Trimtab has put it to rest; absent where it never touched it."""
SINCE = "trimtab.dev/canary-since"
"""On a target: pods count as that revision only if they are younger than this. Absent where it had no pods when they were asked for."""
PENDING = "pending"
"""In place of that time while it is not known."""
FLUX_OFF = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled", "helm.toolkit.fluxcd.io/driftDetection": "disabled"}
"""On every generated Service and route: Flux leaves it alone (SVC-3)."""


def note(found: Object | None, name: str) -> str | None:
    """An annotation of an object; None where it is absent."""
    value = annotations_of(found).get(name) if found is not None else None
    return str(value) if value is not None else None


def newest(found: Iterable[Object | None], uid: str = "") -> int:
    """The newest record on whose behalf any of these was written, but for those of another Canary than the one with this uid."""
    written = [(note(one, SERIAL) or "").partition("/") for one in found]
    return max((int(number) for number, _, owner in written if number.isdecimal() and owner in ("", uid)), default=0)


def claim(found: Object | None, uid: str) -> str | None:
    """The note on a target which revision it is wanted for; None where none was made for this Canary: targets outlive Canaries."""
    owner = (note(found, SERIAL) or "").partition("/")[2]
    return note(found, CANARY) if owner in ("", uid) else None


def controlled(found: Object, uid: str) -> bool:
    """Is the object with this uid its controller?"""
    return any(owner.get("uid") == uid and owner.get("controller") is True for owner in owners(found))


def owners(found: Object) -> tuple[Object, ...]:
    """Its ownerReferences."""
    return tuple(dict(owner) for owner in items(metadata_of(found).get("ownerReferences")))
