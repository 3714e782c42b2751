"""A cluster as a person's commands see it: records are read as they are, and nothing is made but RolloutCommands. Made by `wiring`.

It asks with that person's own rights, so RBAC decides who may look and who may wish.
"""

from contextlib import suppress

from trimtab.adapters.kubernetes.client import Client, Object
from trimtab.adapters.kubernetes.cluster import key_of, metadata_of
from trimtab.adapters.kubernetes.commands import answer_of, command_name, command_object
from trimtab.adapters.kubernetes.configs import KINDS, content_of
from trimtab.adapters.kubernetes.counted import counted_of
from trimtab.adapters.kubernetes.events import standing_warning
from trimtab.adapters.kubernetes.kinds import CANARY, CONFIG_ROLLOUT, ROLLOUT_COMMAND, SELF_SUBJECT_REVIEW
from trimtab.adapters.kubernetes.rollouts import canary_of, entries_of, number_of, rollout_name, state_of
from trimtab.config.digest import checksum
from trimtab.config.references import mapping
from trimtab.errors import Conflict, InputError, OutsideError
from trimtab.model.commands import Command
from trimtab.model.counted import Counted
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey, ConfigName
from trimtab.model.rollout import Answer, CanaryState
from trimtab.ports import Stored


class Visitor:
    """Records of one namespace, or of all where none is named."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client, self._namespace = client, namespace
        self._numbers: dict[CanaryKey, int] = {}

    async def keys(self) -> tuple[CanaryKey, ...]:
        """Every Canary there is."""
        return tuple(sorted(key_of(found) for found in (await self._client.list(CANARY, self._namespace, metadata_only=True)).items))

    async def load(self, key: CanaryKey) -> Stored:
        """The newest record; where there is none yet an empty one, with what the events say keeps the first from being made."""
        found = await self._newest(key)
        if found is not None:
            return Stored(state_of(found, key))
        warning = ""
        # Who may not read events sees the rest all the same.
        with suppress(OutsideError):
            warning = await standing_warning(self._client, key)
        return Stored(CanaryState(key, spoken=frozenset((warning,)) if warning else frozenset()))

    async def journal(self, key: CanaryKey, rollout: int | None = None) -> tuple[Entry, ...]:
        """The audit trail, oldest first, of one attempt or of all."""
        if rollout is None:
            return tuple(entry for found in await self._attempts(key) for entry in entries_of(found))
        found = await self._client.get(CONFIG_ROLLOUT, key.namespace, rollout_name(key, rollout))
        return entries_of(found) if found is not None else ()

    async def counted(self, key: CanaryKey, rollout: int) -> tuple[Counted, ...]:
        """What the judge counted in one attempt, oldest first."""
        return counted_of(await self._client.get(CONFIG_ROLLOUT, key.namespace, rollout_name(key, rollout)) or {})

    async def history(self, key: CanaryKey) -> tuple[CanaryState, ...]:
        """The record as it was when each attempt was last written, oldest first."""
        return tuple(state_of(found, key) for found in await self._attempts(key))

    async def submit(self, key: CanaryKey, command: Command) -> None:
        """Makes the command's object. Denied where this person may not."""
        canary = await self._client.get(CANARY, key.namespace, key.name, metadata_only=True)
        owner = (
            {"apiVersion": CANARY.api_version, "kind": CANARY.kind, "name": key.name, "uid": metadata_of(canary)["uid"]} if canary else None
        )
        with suppress(Conflict):
            await self._client.create(ROLLOUT_COMMAND, command_object(key, command, owner))

    async def answer(self, key: CanaryKey, command: str) -> Answer | None:
        """What became of a command; None while it waits."""
        found = await self._client.get(ROLLOUT_COMMAND, key.namespace, command_name(key, command))
        return answer_of(found) if found is not None else None

    async def checksum(self, key: CanaryKey, name: ConfigName) -> str:
        """What a ConfigMap or Secret in the Canary's namespace holds now, as `status.trackedConfigs` tells it. InputError for none."""
        kind = KINDS[name.kind]
        found = await self._client.get(kind, key.namespace, name.name)
        if found is None:
            raise InputError(f"{kind.kind} {name.name} is not in namespace {key.namespace}. Correct --content, or apply it first")
        return checksum(content_of(found))

    async def actor(self) -> str:
        """Who this person is to the API server; empty where it does not say."""
        with suppress(OutsideError):
            made: Object = {"apiVersion": SELF_SUBJECT_REVIEW.api_version, "kind": SELF_SUBJECT_REVIEW.kind, "metadata": {}}
            answer = await self._client.create(SELF_SUBJECT_REVIEW, made)
            return str(mapping(mapping(answer.get("status")).get("userInfo")).get("username", ""))
        return ""

    async def _newest(self, key: CanaryKey) -> Object | None:
        """Looked for by name once its number is known, which is much less than listing all."""
        number = self._numbers.get(key)
        if number is None:
            found = max(await self._attempts(key), key=number_of, default=None)
        else:
            found = await self._client.get(CONFIG_ROLLOUT, key.namespace, rollout_name(key, number))
            while (later := await self._client.get(CONFIG_ROLLOUT, key.namespace, rollout_name(key, number + 1))) is not None:
                found, number = later, number + 1
        if found is not None:
            self._numbers[key] = number_of(found)
        return found

    async def _attempts(self, key: CanaryKey) -> list[Object]:
        listed = (await self._client.list(CONFIG_ROLLOUT, key.namespace)).items
        return sorted((found for found in listed if canary_of(found) == key), key=number_of)
