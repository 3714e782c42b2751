"""Every route that Flagger was seen to write (tests/golden), built anew from the Canary and the exposure that it stands for."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.testbed import shapes
from trimtab.adapters.kubernetes.cluster import decode_object
from trimtab.adapters.kubernetes.routers import cookies
from trimtab.adapters.kubernetes.routers.choose import choose
from trimtab.adapters.kubernetes.routers.drift import change, without_nothing
from trimtab.adapters.kubernetes.routers.provider import Provider
from trimtab.adapters.kubernetes.routers.routing import Routing
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.documents.flagger import Canary
from trimtab.documents.translate import Companions, translate
from trimtab.model.facts import Routes
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.revision import Revision
from trimtab.model.rollout import Exposure

Raw = dict[str, Any]
GOLDEN = Path(__file__).parents[2] / "golden"
KEY, UID = CanaryKey("test", "app"), "uid-of-app"
OWNER = {"kind": "Canary", "name": "app", "uid": UID, "controller": True}


def traces() -> list[str]:
    """The traces in which there are routes."""
    return sorted(path.stem for path in GOLDEN.glob("*.yaml") if "\n    routes:\n" in path.read_text())


class Recorded:
    """One trace: what was given, and the routes in their order."""

    def __init__(self, name: str) -> None:
        self.document: Raw = yaml.load((GOLDEN / f"{name}.yaml").read_text(), yaml.CSafeLoader)
        given = next(item for item in self.document["objects"] if item["kind"] == "Canary")
        found = decode_object({**given, "metadata": {**given["metadata"], "namespace": KEY.namespace}}).value
        assert isinstance(found, Canary)
        self.canary: Canary = found
        self.policy: Policy = translate(found, Companions())
        provider = choose(self.policy.provider, Settings())
        assert provider is not None
        self.provider: Provider = provider
        self.origin = next((item for item in self.document["objects"] if item["kind"] == "Ingress"), None)

    def entries(self) -> Iterator[Raw]:
        """The routes that lead to a primary or a canary."""
        for tick in self.document["expected"]["trace"]:
            yield from (entry for entry in tick.get("routes", ()) if "app-primary" in str(entry) or entry["kind"] == "Ingress")

    def exposure(self, entry: Raw, run: int) -> Exposure:
        """What an entry stands for, read from the trace alone. `run` numbers the attempts."""
        revision = Revision.of("{}", str(run), ())
        if entry["kind"] == "Ingress":
            found = entry["rules"][0]["annotations"]
            weight = int(found["nginx.ingress.kubernetes.io/canary-weight"])
            return Exposure(canary=revision, weight=weight, matched=any("canary-by" in name for name in found))
        first, last = entry["rules"][0], entry["rules"][-1]
        if "app-canary" not in last["to"]:
            return Exposure(canary=revision, matched=first["to"]["app-canary"] == 100)
        mirrored = "mirror" in last or any(one["type"] == "RequestMirror" for one in last.get("filters", ()))
        return Exposure(canary=revision, weight=last["to"]["app-canary"], mirrored=mirrored)


def played(recorded: Recorded) -> Iterator[tuple[Raw, Routing, Raw]]:
    """Each entry, the exposure that it stands for, and the object as it is after that was written over the one before."""
    live, run, before = None, 0, 0
    for entry in recorded.entries():
        weight = recorded.exposure(entry, run).weight
        run, before = run + (before == 0 and weight > 0), weight
        routing = Routing(KEY, UID, recorded.canary, recorded.policy, recorded.exposure(entry, run), serial=1)
        live = after(live, recorded.provider.route(routing, live, recorded.origin))
        yield entry, routing, live


@pytest.mark.parametrize("name", traces())
def test_routes_are_those_that_flagger_was_seen_to_write(name: str) -> None:
    recorded = Recorded(name)
    expected, found = [], []
    for entry, routing, live in played(recorded):
        exposure = routing.exposure
        expected.append({key: value for key, value in entry.items() if key not in ("name", "labels")})
        found.append({key: value for key, value in shapes.route(entry["kind"], live).items() if key != "labels"})
        assert recorded.provider.read(live, "app") == Routes(exposure.weight, exposure.matched, exposure.mirrored)
    assert named(found) == expected


@pytest.mark.parametrize("name", traces())
def test_the_objects_at_the_end_are_those_that_flagger_left(name: str) -> None:
    recorded = Recorded(name)
    left: Raw = recorded.document["expected"]["final"]["objects"]
    if "canaries" not in recorded.document["expected"]["final"]:
        return
    *_, (_, routing, _) = steps = list(played(recorded))
    place = f"{recorded.provider.kind.kind}/{recorded.provider.name(recorded.canary, recorded.policy)}"
    *_, found = named([{**shapes.about(live["metadata"]), **shapes.content("", live)} for _, _, live in steps])
    assert found == left[place]
    for kind, beside in recorded.provider.beside(routing):
        expected = left[f"{kind.kind}/{beside['metadata']['name']}"]
        assert shapes.content("", after(None, beside)) == {"spec": expected["spec"]}


def after(live: Raw | None, wanted: Raw) -> Raw:
    """The object once the change was written: made for its Canary, later changed as a merge patch does."""
    if live is None:
        made: Raw = as_json(without_nothing(wanted))
        return made | {"metadata": made["metadata"] | {"ownerReferences": [OWNER]}}
    return merge(live, as_json(change(live, wanted)))  # type: ignore[no-any-return]


def as_json(value: object) -> Raw:
    """As it comes back from an API server."""
    found: Raw = json.loads(json.dumps(value))
    return found


def merge(value: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    kept = {key: item for key, item in (value if isinstance(value, dict) else {}).items() if key not in patch}
    return kept | {key: merge((value or {}).get(key), item) for key, item in patch.items() if item is not None}


def named(entries: list[Raw]) -> list[Raw]:
    """Cookies numbered as in the traces, by first appearance."""
    text = json.dumps(entries)
    values = [cookies.value(UID, what) for what in (cookies.OF_PRIMARY, *(Revision.of("{}", str(run), ()).id for run in range(9)))]
    for number, value in enumerate(sorted((value for value in values if value in text), key=text.index), 1):
        text = text.replace(value, f"<cookie-{number}>")
    found: list[Raw] = json.loads(text)
    return found
