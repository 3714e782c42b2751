"""One kind of object, listed and watched and kept in memory. Made by `wiring`, read by all adapters of this room.

Resource versions are opaque here: which of two versions of an object is newer follows from the order in which they come.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random
from sys import intern

from trimtab.adapters.kubernetes.client import Client, place_of
from trimtab.adapters.kubernetes.errors import Gone, NotServed
from trimtab.adapters.kubernetes.kinds import Kind
from trimtab.adapters.kubernetes.packing import Packing
from trimtab.adapters.kubernetes.watching import Change, Object
from trimtab.config.references import mapping
from trimtab.errors import Denied, InputError, OutsideError, Throttled, TrimtabError

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before the API server is asked again after a failure; doubled each time, with jitter."""
SHORT = 5.0
"""Seconds; a watch that ends sooner and brought nothing counts as a failure."""
REMEMBERED = 4096
"""Versions that have come and gone, to know an answer of ours that comes later than the watch."""

Place = tuple[str, str]
"""Namespace and name."""


@dataclass(slots=True)
class Scope:
    """One namespace, or all (an empty name), and how far it was followed."""

    name: str
    version: str = ""
    """From where the watch goes on; empty: list anew."""
    since: float | None = None
    """When the watch that runs was begun."""
    moved: bool = False
    """Did that watch bring anything?"""
    failures: int = 0
    trouble: str = ""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Was it listed, or is it known why it cannot be?"""
    fault: TrimtabError | None = None
    """What somebody must change before it can be listed."""
    put: set[Place] | None = None
    """While it is being listed: what was put meanwhile."""


class Mirror:
    """The objects of one kind in some namespaces; in all of them where none are named or one is empty.

    `trim` takes away more of each object before it is kept; managedFields and the last applied configuration always go,
    and with `metadata_only` everything but the metadata.
    """

    def __init__(
        self,
        client: Client,
        kind: Kind,
        namespaces: tuple[str, ...],
        *,
        metadata_only: bool = False,
        trim: Callable[[Object], Object] | None = None,
        chance: Random | None = None,
    ) -> None:
        self._client, self._kind, self._metadata_only = client, kind, metadata_only
        self._trim, self._chance = trim, chance or Random()
        self._scopes = [Scope(name) for name in (("",) if "" in namespaces or not namespaces else dict.fromkeys(namespaces))]
        self._found: dict[Place, bytes] = {}
        self._packing = Packing()
        self._awaited: dict[Place, str] = {}
        """Of objects that we wrote the version, until the watch brings it: what comes before it is older."""
        self._past: deque[str] = deque(maxlen=REMEMBERED)
        self._heard: list[Callable[[Object], None]] = []

    @property
    def trouble(self) -> str:
        """Why the mirror does not keep up; empty as long as it does."""
        return next((scope.trouble for scope in self._scopes if scope.trouble), "")

    async def run(self) -> None:
        """Keeps up with the API server for ever."""
        async with asyncio.TaskGroup() as group:
            for scope in self._scopes:
                group.create_task(self._follow(scope))

    async def ready(self) -> None:
        """Returns once everything was listed.

        Denied, NotServed or InputError where that cannot work until somebody changes something; `run` goes on trying.
        """
        for scope in self._scopes:
            await scope.settled.wait()
            if scope.fault is not None:
                raise scope.fault

    def get(self, namespace: str, name: str) -> Object | None:
        """One object; None where there is none."""
        kept = self._found.get((namespace, name))
        return self._packing.unpacked(kept) if kept is not None else None

    def all(self) -> Iterable[Object]:
        """All objects that there are when it is asked, one after the other."""
        return (self._packing.unpacked(kept) for kept in tuple(self._found.values()))

    def places(self) -> tuple[Place, ...]:
        """Where there are objects: namespaces and names, without unpacking anything."""
        return tuple(self._found)

    def listen(self, heard: Callable[[Object], None]) -> None:
        """Calls `heard` with each object that was added, changed or deleted, those that are put included."""
        self._heard.append(heard)

    def put(self, made: Object) -> None:
        """Takes over what the API server answered to a write of ours, unless the watch has brought it, or something newer.

        What lies outside the namespaces is not kept: nobody would say when it goes.
        """
        place, version = place_of(made), version_of(made)
        before = self.get(*place)
        if version in self._past or uid_of(made) in self._past or (before is not None and version_of(before) == version):
            return
        scopes = [scope for scope in self._scopes if holds(scope, place)]
        if not scopes:
            return
        for scope in scopes:
            if scope.put is not None:
                scope.put.add(place)
        self._awaited[place] = version
        self._keep(place, made)

    async def _follow(self, scope: Scope) -> None:
        """Lists and watches one scope, whatever comes in between."""
        seconds = asyncio.get_running_loop().time
        while True:
            failed, rest = False, 0.0
            try:
                await self._watch(scope)
            except Gone as error:
                scope.version, scope.trouble = "", str(error)
            except Throttled as error:
                rest, scope.trouble = error.after, str(error)
            except (OutsideError, InputError) as error:
                failed, scope.trouble = True, str(error)
                if isinstance(error, (Denied, NotServed, InputError)):
                    scope.fault = error
                    scope.settled.set()
            if scope.moved or (scope.since is not None and seconds() - scope.since > SHORT):
                scope.failures = 0
            # Ends without an error are part of every watch, so the first in a row is followed by a new one at once.
            scope.failures += 1
            await asyncio.sleep(max(rest, self._pause(scope.failures if failed else scope.failures - 1)))

    async def _watch(self, scope: Scope) -> None:
        """Follows one scope until the watch ends."""
        scope.since, scope.moved = None, False
        if not scope.version:
            await self._list(scope)
        scope.since = asyncio.get_running_loop().time()
        async with aclosing(self._client.watch(self._kind, scope.name, scope.version, metadata_only=self._metadata_only)) as changes:
            async for change in changes:
                version = version_of(change.object)
                scope.moved = scope.moved or version != scope.version
                scope.version, scope.trouble = version, ""
                if change.type != "BOOKMARK":
                    self._take(change)

    async def _list(self, scope: Scope) -> None:
        """Makes the mirror equal to what there is. Only what differs is told."""
        scope.put = set()
        try:
            listing = await self._client.list(self._kind, scope.name, metadata_only=self._metadata_only)
            # The list may be from before or after such a write; what is read now is from after it.
            newer: dict[Place, Object | None] = {}
            while scope.put:
                place = scope.put.pop()
                newer[place] = await self._client.get(self._kind, *place, metadata_only=self._metadata_only)
        finally:
            scope.put = None
        listed: dict[Place, Object | None] = {place_of(found): found for found in listing.items}
        for place in [place for place in self._found if holds(scope, place) and place not in listed]:
            self._drop(place)
        for place, found in (listed | newer).items():
            self._awaited.pop(place, None)
            if found is None:
                self._drop(place)
                continue
            older = listed.get(place)
            if place in newer and (older is None or version_of(older) != version_of(found)):
                self._awaited[place] = version_of(found)
            self._keep(place, found)
        scope.version, scope.trouble, scope.fault = listing.version, "", None
        scope.settled.set()

    def _take(self, change: Change) -> None:
        """What the watch brings, unless it is older than what we wrote."""
        found, place = change.object, place_of(change.object)
        version, deleted = version_of(found), change.type == "DELETED"
        awaited, before = self._awaited.get(place), self.get(*place)
        if uid_of(found) in self._past:
            return
        if awaited not in (None, version) and not (deleted and before is not None and uid_of(before) == uid_of(found)):
            self._past.append(version)
            return
        self._awaited.pop(place, None)
        if deleted:
            self._past.append(version)
            self._drop(place)
        else:
            self._keep(place, found)

    def _keep(self, place: Place, found: Object) -> None:
        """Puts an object in its place, and tells it if it is another than before."""
        before = self.get(*place)
        if before is not None:
            if version_of(before) == version_of(found):
                return
            self._past.append(version_of(before))
        kept = slim(found, metadata_only=self._metadata_only)
        if self._trim:
            kept = self._trim(kept)
        self._found[intern(place[0]), place[1]] = self._packing.packed(kept)
        self._tell(kept)

    def _drop(self, place: Place) -> None:
        """Forgets an object that is gone for good."""
        kept = self._found.pop(place, None)
        self._awaited.pop(place, None)
        if kept is not None:
            before = self._packing.unpacked(kept)
            self._past.extend((version_of(before), uid_of(before)))
            self._tell(before)

    def _tell(self, found: Object) -> None:
        for heard in self._heard:
            heard(found)

    def _pause(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 16)) if failures else 0.0
        return longest * self._chance.uniform(0.5, 1.0)


def slim(found: Object, *, metadata_only: bool) -> Object:
    """A copy without what nobody here reads: it is most of an object."""
    metadata = {name: value for name, value in mapping(found.get("metadata")).items() if name != "managedFields"}
    annotations = mapping(metadata.get("annotations"))
    if LAST_APPLIED in annotations:
        metadata["annotations"] = {name: value for name, value in annotations.items() if name != LAST_APPLIED}
    kept = {name: value for name, value in found.items() if not metadata_only or name in ("apiVersion", "kind")}
    return {**kept, "metadata": metadata}


def holds(scope: Scope, place: Place) -> bool:
    """Is the place in the scope?"""
    return scope.name in ("", place[0])


def version_of(found: Object) -> str:
    """Its resourceVersion."""
    return str(mapping(found.get("metadata")).get("resourceVersion") or "")


def uid_of(found: Object) -> str:
    """Its uid, which never comes again."""
    return str(mapping(found.get("metadata")).get("uid") or "")
