"""What a person's commands see of a Canary that has no record yet."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from trimtab.adapters.kubernetes.client import Client, Listing
from trimtab.adapters.kubernetes.events import event
from trimtab.adapters.kubernetes.kinds import CANARY, EVENT, Kind
from trimtab.adapters.kubernetes.visitor import Visitor
from trimtab.errors import Denied
from trimtab.faces.views import status_view
from trimtab.model.names import CanaryKey
from trimtab.model.tellings import Telling, TellingKind
from trimtab.rollout.reasons import SOURCE_PROBLEM

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = CanaryKey("shop", "app")
OWN: dict[str, object] = {"metadata": {"namespace": "shop", "name": "app", "uid": "u"}}
MISSING = "Deployment nosuch is not there"


class Server:
    """An API server with a Canary and its events, which it may keep to itself."""

    def __init__(self, *tellings: Telling) -> None:
        self.events, self.denies = tuple(event(KEY, OWN, telling) for telling in tellings), False

    async def get(self, kind: Kind, namespace: str, name: str, *, metadata_only: bool = False) -> Any:
        return OWN if kind is CANARY else None

    async def list(self, kind: Kind, namespace: str = "", *, fields: str = "") -> Listing:
        if kind is not EVENT:
            return Listing((), "1")
        if self.denies:
            raise Denied("listing events is forbidden")
        assert fields == "involvedObject.kind=Canary,involvedObject.uid=u"
        return Listing(self.events, "1")


def said(after: int, text: str, reason: str = SOURCE_PROBLEM) -> Telling:
    """An event, so many seconds after the start."""
    return Telling(f"id-{after}", TellingKind.EVENT, START + timedelta(seconds=after), "", text, reason, "warn")


async def problems(server: Server) -> tuple[str, ...]:
    return status_view((await Visitor(cast(Client, server), "shop").load(KEY)).state).problems


async def test_what_keeps_a_canary_without_a_record_from_starting_is_a_problem_of_its_status() -> None:
    server = Server(said(5, MISSING), said(0, "ConfigMap nosuch is not there"))
    assert await problems(server) == (MISSING,)
    assert await problems(Server(said(0, MISSING), said(5, "Pods are not ready", "PrimaryNotReady"))) == ()
    assert await problems(Server()) == ()


async def test_who_may_not_read_events_sees_the_status_all_the_same() -> None:
    server = Server(said(0, MISSING))
    server.denies = True
    assert await problems(server) == ()
