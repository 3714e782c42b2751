"""Record, journal and commands in a cluster: `ports.Store`. Made by `wiring` for the operator; faces read it too.

The newest ConfigRollout of a Canary holds its whole record. For an attempt that is new the compare-and-swap is creating its object,
else it is replacing it by its resourceVersion; a new one seals the one before, so that of two operators one is told (R1, ADR 17).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from trimtab.adapters.kubernetes import finalizer
from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import Cluster, annotations_of, key_of, metadata_of
from trimtab.adapters.kubernetes.commands import answer_of, answered, command_name, command_object, command_of, next_wishes
from trimtab.adapters.kubernetes.counted import Kept, added, counted_of, kept_of
from trimtab.adapters.kubernetes.errors import Absent, NamespaceEnds
from trimtab.adapters.kubernetes.held import Held
from trimtab.adapters.kubernetes.kinds import CANARY, CONFIG_ROLLOUT, ROLLOUT_COMMAND, Kind
from trimtab.adapters.kubernetes.links import Links
from trimtab.adapters.kubernetes.projection import Checksum, Known, change_of
from trimtab.adapters.kubernetes.rollouts import (
    TIMELINE,
    canary_of,
    entries_of,
    number_of,
    rollout_name,
    rollout_object,
    specs_of,
    state_of,
    status_of,
)
from trimtab.adapters.kubernetes.seals import FOLLOWED_BY, Seals
from trimtab.adapters.kubernetes.upkeep import Upkeep
from trimtab.adapters.kubernetes.vouching import Vouching
from trimtab.config.references import items
from trimtab.errors import Conflict, InputError, OutsideError, Unavailable
from trimtab.model.commands import Command
from trimtab.model.counted import Counted
from trimtab.model.decision import Decision
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey
from trimtab.model.rollout import Answer, CanaryState, Leaving
from trimtab.ports import Clock, Stored

AGAIN = timedelta(seconds=5)
"""After which a status or an answer is written again that could not be."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A record made from what Flagger left behind, with its hashes by our fingerprints."""

    state: CanaryState
    specs: Mapping[str, str]
    entries: tuple[Entry, ...] = ()


Adopt = Callable[[CanaryKey, CanaryState | None], Awaitable[Adopted | None]]
"""The record of a Canary that has none, from its status, in an attempt after the record that is left of an older one.

None where there is nothing to take over, and no older one."""


class ClusterStore:
    """`ports.Store` over ConfigRollouts and RolloutCommands."""

    def __init__(self, cluster: Cluster, adopt: Adopt, checksum: Checksum, clock: Clock, vouching: Vouching | None = None) -> None:
        self._cluster, self._adopt, self._checksum, self._clock, self._vouching = cluster, adopt, checksum, clock, vouching
        self._upkeep, self._seals = Upkeep(cluster), Seals(cluster)
        self._held: dict[CanaryKey, Held] = {}
        self._attempts: Links[CanaryKey, CanaryKey] = Links()
        self._wishes: Links[CanaryKey, CanaryKey] = Links()
        self._behind: dict[CanaryKey, str] = {}
        self._woken: set[CanaryKey] = set()
        self._rings = asyncio.Event()
        cluster.forgetters.append(self._gone)
        for kind, heard in ((CONFIG_ROLLOUT, self._heard_attempt), (ROLLOUT_COMMAND, self._heard_wish)):
            cluster.mirrors[kind].listen(heard)
            for found in cluster.mirrors[kind].all():
                heard(found)

    @property
    def behind(self) -> Mapping[CanaryKey, str]:
        """Canaries whose status, answers or old attempts could not be written, and why."""
        return self._behind

    async def load(self, key: CanaryKey) -> Stored:
        """The newest record and the commands that wait. Where none is left it is made from the status, which starts nothing.

        Vanished where the Canary waits for the garbage collector only.
        """
        await self._refuse_gone(key)
        if self._vouching is not None:
            await self._vouching.begin(key.namespace)
        try:
            held = await self._newest(key)
        except NamespaceEnds:
            # The record went with its namespace, and everything that could be put back goes too.
            if not finalizer.leaving(self._cluster.raw(key)):
                raise
            await self._hold(key, done=True)
            raise self._cluster.gone(key) from None
        commands = [await self._vouched(found, command) for found, command in next_wishes(self._commands(key), held.state.handled)]
        self._cluster.recorded[key] = held.documents
        await self._follow_up(key, held)
        await self._refuse_gone(key)
        return Stored(held.state, tuple(commands))

    async def replace(self, key: CanaryKey, before: CanaryState, decision: Decision) -> None:
        """Writes record and journal in one object; status and answers follow from it, at the latest in the next pass."""
        held = await self._newest(key)
        if held.state.serial != before.serial:
            raise Conflict(f"recording {key}: the record is at serial {held.state.serial}, the decision was made from {before.serial}")
        after = decision.state
        new = after.rollout.number if after.rollout is not None else 0
        try:
            if not new:
                written = replace(held, state=after, entries=(*(held.entries or ()), *decision.entries))
            elif new != held.number or not held.version:
                # What was said before there was any attempt belongs to the first.
                earlier = (held.entries or ()) if not held.number else ()
                written = await self._create(replace(held, state=after, entries=(*earlier, *decision.entries), counted=Kept()), held)
            else:
                written = await self._replace(held, decision)
        except Absent:
            # Somebody deleted it under us; what is remembered goes back once the mirror says so.
            raise
        except Conflict:
            self._held.pop(key, None)
            raise
        self._held[key] = written
        await self._follow_up(key, written)

    async def submit(self, key: CanaryKey, command: Command) -> None:
        """Makes the command's object. The same id twice is one command."""
        owner = self._cluster.user(key) if self._cluster.raw(key) is not None else None
        with suppress(Conflict):
            made = await self._cluster.client.create(ROLLOUT_COMMAND, command_object(key, command, owner))
            self._cluster.mirrors[ROLLOUT_COMMAND].put(made)

    async def answer(self, key: CanaryKey, command: str) -> Answer | None:
        """What became of a command; None while it waits."""
        found = await self._cluster.client.get(ROLLOUT_COMMAND, key.namespace, command_name(key, command))
        return answer_of(found) if found is not None else None

    async def journal(self, key: CanaryKey, rollout: int | None = None) -> tuple[Entry, ...]:
        """The audit trail, oldest first, of one attempt or of all."""
        entries = [entry for found in await self._objects(key) for entry in entries_of(found)]
        held = self._held.get(key)
        if held is not None and not held.number:
            entries += held.entries or ()
        return tuple(entry for entry in entries if rollout in (None, entry.rollout))

    async def counted(self, key: CanaryKey, rollout: int) -> tuple[Counted, ...]:
        """What the judge counted in one attempt, oldest first."""
        return counted_of(await self._cluster.client.get(CONFIG_ROLLOUT, key.namespace, rollout_name(key, rollout)) or {})

    async def history(self, key: CanaryKey) -> tuple[CanaryState, ...]:
        """The record as it was when each attempt was last written, oldest first."""
        return tuple(state_of(found, key) for found in await self._objects(key))

    async def changes(self) -> AsyncIterator[CanaryKey]:
        """A key each time a command for it came in. One reader may ask.

        Some time after something could not be written, its Canary is woken again, which is no reason to cut off a pass.
        """
        while True:
            try:
                async with asyncio.timeout(AGAIN.total_seconds() if self._behind else None):
                    await self._rings.wait()
            except TimeoutError:
                for key in sorted(self._behind):
                    self._cluster.again(key)
            self._rings.clear()
            woken, self._woken = sorted(self._woken), set()
            for key in woken:
                yield key

    async def _vouched(self, found: Object, command: Command) -> Command:
        """A command with whether the API server made sure whose it is."""
        return replace(command, verified=await self._vouching.verified(found)) if self._vouching is not None else command

    async def _refuse_gone(self, key: CanaryKey) -> None:
        """One that is deleted and does not wait for us is the garbage collector's, however long others keep it."""
        canary = self._cluster.raw(key)
        if canary is None:
            self._gone(key)
        elif not finalizer.there(canary):
            await self._hold(key, done=True)
            raise self._cluster.gone(key)

    async def _hold(self, key: CanaryKey, *, done: bool) -> None:
        """Sees to it that the Canary stays until everything is put back, and no longer (DEL-2)."""
        await self._upkeep.change(CANARY, key.namespace, key.name, lambda found: finalizer.change(found, done=done))

    def _gone(self, key: CanaryKey) -> None:
        self._held.pop(key, None)
        self._behind.pop(key, None)

    async def _newest(self, key: CanaryKey) -> Held:
        """The newest record: what is remembered where the mirror shows nothing else."""
        uid, held = self._uid(key), self._held.get(key)
        if held is not None and uid and held.uid != uid:
            del self._held[key]
            held = None
        found = max((one for one in self._mirrored(key) if self._of(one, uid)), key=number_of, default=None)
        if held is not None and held.version and (found is None or number_of(found) < held.number):
            # Somebody deleted it under us. What is remembered is the record still, and goes back: an older attempt's is not.
            held = self._held[key] = await self._create(held, None)
        elif found is not None and (held is None or held.version != metadata_of(found).get("resourceVersion")):
            name = str(metadata_of(found).get("name"))
            there = await self._cluster.client.get(CONFIG_ROLLOUT, key.namespace, name)
            if there is not None and annotations_of(there).get(FOLLOWED_BY):
                held = self._held[key] = await self._made_anew(key, uid, there)
            elif there is not None:
                await self._seals.put(key, there)
                held = self._held[key] = self._held_of(there, key, uid)
            elif held is None:
                # Nothing must be taken over, as if there had never been a record.
                raise Unavailable(f"reading the record of {key}: ConfigRollout {name} went meanwhile, and the watch has not said so yet")
        if held is None:
            held = self._held[key] = await self._taken_over(key, uid)
        return held

    async def _made_anew(self, key: CanaryKey, uid: str, last: Object) -> Held:
        """The attempt after `last` was acted upon and is gone, so what `last` says is over: it is no record any more."""
        number = number_of(last) + 1
        there = await self._cluster.client.get(CONFIG_ROLLOUT, key.namespace, rollout_name(key, number))
        if there is None:
            return await self._taken_over(key, uid, state_of(last, key))
        self._cluster.mirrors[CONFIG_ROLLOUT].put(there)
        raise Conflict(f"reading the record of {key}: attempt {number} is there, and the watch has not said so yet")

    async def _taken_over(self, key: CanaryKey, uid: str, older: CanaryState | None = None) -> Held:
        adopted = await self._adopt(key, older) if uid else None
        if adopted is None:
            return Held(CanaryState(key), uid)
        return await self._create(Held(adopted.state, uid, "", adopted.specs, entries=adopted.entries), None)

    async def _create(self, new: Held, before: Held | None) -> Held:
        """A new attempt. Conflict where there is one already, or where the one before was written by somebody else meanwhile."""
        key, client = new.state.key, self._cluster.client
        follows = before.version if before is not None else ""
        made = rollout_object(new.state, new.entries or (), self._cluster.owner(key), new.specs, follows)
        try:
            there = await client.create(CONFIG_ROLLOUT, made)
        except Conflict:
            await self._met(key, new)
            raise
        await self._seals.put(key, there)
        return self._written(new, there)

    async def _met(self, key: CanaryKey, new: Held) -> None:
        """There is an attempt of that number. Somebody else's is seen from here on; that of a Canary that is gone goes too."""
        name = rollout_name(key, new.number)
        found = await self._cluster.client.get(CONFIG_ROLLOUT, key.namespace, name)
        if found is None:
            return
        if self._of(found, new.uid):
            self._cluster.mirrors[CONFIG_ROLLOUT].put(found)
        else:
            await self._cluster.client.delete(CONFIG_ROLLOUT, key.namespace, name, uid=str(metadata_of(found).get("uid")))

    async def _replace(self, held: Held, decision: Decision) -> Held:
        """The same attempt. Conflict where somebody else wrote it, or sealed it with the next one."""
        after = decision.state
        key, client, name = after.key, self._cluster.client, rollout_name(after.key, held.number)
        known = held.entries
        if known is None:
            known = entries_of(await client.get(CONFIG_ROLLOUT, key.namespace, name) or {})
        fresh, kept = added(held.counted, decision.counted)
        new = replace(held, state=after, entries=(*known, *decision.entries)[-TIMELINE:], counted=kept)
        status = status_of(after, new.entries or ()) | ({"counted": fresh} if fresh else {})
        change: Object = {"metadata": {"resourceVersion": held.version}, "status": status}
        there = await client.patch(CONFIG_ROLLOUT, key.namespace, name, change)
        return self._written(new, there)

    def _written(self, new: Held, there: Object) -> Held:
        self._cluster.mirrors[CONFIG_ROLLOUT].put(there)
        entries = new.entries if new.state.running is not None else None
        return replace(new, version=str(metadata_of(there).get("resourceVersion")), entries=entries)

    def _held_of(self, found: Object, key: CanaryKey, uid: str) -> Held:
        state = state_of(found, key)
        entries = entries_of(found) if state.running is not None else None
        return Held(state, uid, str(metadata_of(found).get("resourceVersion")), specs_of(found), kept_of(found), entries)

    async def _follow_up(self, key: CanaryKey, held: Held) -> None:
        """What follows from the record: the Canary's status, and answers. Trouble with it keeps nobody from acting on the record."""
        try:
            canary = self._cluster.raw(key)
            if canary is not None and held.state.policy is not None:
                known = Known(self._checksum, held.specs, self._cluster.settings)
                change = change_of(held.state, canary, known, self._clock.now())
                if change is not None:
                    there = await self._cluster.client.patch(CANARY, key.namespace, key.name, change, subresource="status")
                    self._cluster.mirrors[CANARY].put(there)
            for found in self._commands(key):
                await self._answered(found, held.state)
            if canary is not None and self._uid(key) == held.uid:
                await self._hold(key, done=held.state.leaving is Leaving.GONE and not held.state.to_tell)
            # Also where the pass that began the attempt was cut off before it came to this.
            policy = held.state.policy
            if policy is not None and (key in self._behind or len(self._attempts.of(key)) > policy.history):
                await self._forget(key, held.number - policy.history + 1)
        except Conflict:
            # The Canary or the command is gone.
            self._behind.pop(key, None)
        except (OutsideError, InputError) as error:
            # InputError: an old CRD or somebody's admission webhook refuses what is written. A rollback must not wait for them.
            self._fell_behind(key, str(error))
        else:
            self._behind.pop(key, None)

    async def _answered(self, found: Object, state: CanaryState) -> None:
        command = command_of(found) if answer_of(found) is None else None
        answer = next((one for one in state.handled if command is not None and one.command == command.id), None)
        if answer is not None:
            key, name = state.key, str(metadata_of(found).get("name"))
            there = await self._cluster.client.patch(ROLLOUT_COMMAND, key.namespace, name, answered(answer), subresource="status")
            self._cluster.mirrors[ROLLOUT_COMMAND].put(there)

    async def _forget(self, key: CanaryKey, oldest: int) -> None:
        """Drops attempts before the oldest that the policy keeps, and answered commands about them."""
        for found in self._commands(key):
            command = command_of(found)
            if answer_of(found) is not None and command is not None and command.rollout < oldest:
                await self._delete(ROLLOUT_COMMAND, found)
        for found in self._mirrored(key):
            if number_of(found) < oldest:
                await self._delete(CONFIG_ROLLOUT, found)

    async def _delete(self, kind: Kind, found: Object) -> None:
        place = key_of(found)
        await self._cluster.client.delete(kind, place.namespace, place.name, uid=str(metadata_of(found).get("uid")))

    async def _objects(self, key: CanaryKey) -> list[Object]:
        """The whole objects of all attempts, oldest first."""
        listing = await self._cluster.client.list(CONFIG_ROLLOUT, key.namespace)
        uid = self._uid(key)
        return sorted((found for found in listing.items if canary_of(found) == key and self._of(found, uid)), key=number_of)

    def _mirrored(self, key: CanaryKey) -> list[Object]:
        """The attempts of a Canary as mirrored, without their records."""
        return self._those(CONFIG_ROLLOUT, self._attempts.of(key))

    def _commands(self, key: CanaryKey) -> list[Object]:
        """The commands for a Canary."""
        return self._those(ROLLOUT_COMMAND, self._wishes.of(key))

    def _those(self, kind: Kind, places: Iterable[CanaryKey]) -> list[Object]:
        found = (self._cluster.mirrors[kind].get(place.namespace, place.name) for place in places)
        return [one for one in found if one is not None]

    def _uid(self, key: CanaryKey) -> str:
        """Of the Canary; empty where it is gone."""
        raw = self._cluster.raw(key)
        return str(metadata_of(raw).get("uid")) if raw is not None else ""

    def _of(self, found: Object, uid: str) -> bool:
        """Is it about the Canary that is there now, and not about one of the same name before it?"""
        owners = items(metadata_of(found).get("ownerReferences"))
        return not uid or not owners or any(owner.get("uid") == uid for owner in owners)

    def _fell_behind(self, key: CanaryKey, why: str) -> None:
        self._behind[key] = why
        self._rings.set()

    def _heard_attempt(self, found: Object) -> None:
        """Keeps the list of whose attempt an object is. Where the newest is deleted its Canary is looked at, which puts it back."""
        key = canary_of(found)
        linked, held = self._link(CONFIG_ROLLOUT, self._attempts, found), self._held.get(key)
        if linked or held is None or not held.version or held.number != number_of(found):
            return
        if self._uid(key) == held.uid and self._of(found, held.uid):
            self._cluster.again(key)

    def _heard_wish(self, found: Object) -> None:
        """Wakes the Canary of a new command."""
        if self._link(ROLLOUT_COMMAND, self._wishes, found) and answer_of(found) is None:
            self._woken.add(canary_of(found))
            self._rings.set()

    def _link(self, kind: Kind, links: Links[CanaryKey, CanaryKey], found: Object) -> bool:
        """Notes whose an object is; False where it is gone."""
        place = key_of(found)
        there = self._cluster.mirrors[kind].get(place.namespace, place.name) is not None
        links.set(place, (canary_of(found),) if there else ())
        return there
