"""Does the API server make sure of whose wish a RolloutCommand is? Asked by `store` for commands that wait; made by `wiring`.

An object cannot prove by itself that a policy was in force when it was made: without the policy anybody can write anything. Nor does it
prove anything that the policy and its binding exist. So the API server is tried out: a dry run in somebody else's name has to be refused.
A command is vouched for if that was so at a moment before it was made and is so when it is read. Moments are the API server's own.
"""

from collections.abc import Mapping
from contextlib import suppress

from trimtab.adapters.kubernetes.client import Client, Object
from trimtab.adapters.kubernetes.cluster import metadata_of
from trimtab.adapters.kubernetes.kinds import EVENT, ROLLOUT_COMMAND
from trimtab.errors import InputError, OutsideError

STRANGER = "somebody whom the API server does not know"
PROBE = "trimtab-probe-"
POLICY = "ValidatingAdmissionPolicy"
REMEMBERED = 1000
"""Commands whose answer is remembered, so that each is looked into once."""


class Vouching:
    """Since when each namespace is known to be looked after, and what was found about commands."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._since: dict[str, str] = {}
        self._known: dict[str, bool] = {}

    async def begin(self, namespace: str) -> None:
        """Notes since when commands of a namespace can be vouched for; asks once."""
        if namespace not in self._since:
            self._since[namespace] = await self._moment(namespace) if await self._refuses_strangers(namespace) else ""

    async def verified(self, command: Mapping[str, object]) -> bool:
        """Did the API server make sure that the actor of a RolloutCommand is who made it?"""
        metadata = metadata_of(command)
        namespace, uid, made = (str(metadata.get(name) or "") for name in ("namespace", "uid", "creationTimestamp"))
        if uid not in self._known:
            since = self._since.get(namespace, "")
            refuses = await self._refuses_strangers(namespace)
            self._known[uid] = refuses and bool(since) and made > since
            if not refuses:
                self._since[namespace] = ""
            elif not since:
                self._since[namespace] = await self._moment(namespace)
            while len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]
        return self._known[uid]

    async def _refuses_strangers(self, namespace: str) -> bool:
        """Is a command in a stranger's name refused by an admission policy? False where that cannot be found out."""
        spec = {"canary": "none", "verb": "pause", "actor": STRANGER, "at": "1970-01-01T00:00:00+00:00", "rollout": 0}
        try:
            await self._client.create(ROLLOUT_COMMAND, {"metadata": _named(namespace), "spec": spec}, dry_run=True)
        except InputError as error:
            return POLICY in str(error) and STRANGER in str(error)
        except OutsideError:
            return False
        return False

    async def _moment(self, namespace: str) -> str:
        """The API server's time, as it writes it on what is made; empty where it does not tell."""
        about: Object = {"namespace": namespace, "kind": "Namespace", "name": namespace}
        with suppress(InputError, OutsideError):
            made = await self._client.create(EVENT, {"metadata": _named(namespace), "involvedObject": about}, dry_run=True)
            return str(metadata_of(made).get("creationTimestamp") or "")
        return ""


def _named(namespace: str) -> Object:
    return {"namespace": namespace, "generateName": PROBE}
