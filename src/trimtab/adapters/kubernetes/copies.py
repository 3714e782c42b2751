"""The immutable copies of configuration that primaries run: `NAME-primary-DIGEST` (C2, S7). Used by `sources`.

A copy is made before anything that needs it is scaled up, is never changed, and goes when no revision that is kept, no pod and no
ReplicaSet uses it.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import Cluster, annotations_of, metadata_of
from trimtab.adapters.kubernetes.configs import KINDS, Configs, content_of
from trimtab.adapters.kubernetes.kinds import DAEMON_SET, DEPLOYMENT, POD, REPLICA_SET
from trimtab.adapters.kubernetes.links import Links
from trimtab.adapters.kubernetes.settings import Settings, included_labels
from trimtab.config.digest import digest, fingerprinted, unknown_key
from trimtab.config.references import copy_name, items, mapping, references
from trimtab.errors import Conflict, InputError
from trimtab.model.content import Content
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName
from trimtab.model.revision import ConfigRef, Revision

OURS, DIGEST, SOURCE = "trimtab.dev/copy", "trimtab.dev/digest", "trimtab.dev/source"
"""The label of a copy, and the annotations with its full digest and the name of what it is a copy of."""
Place = tuple[str, ConfigName]
"""A copy by its namespace, kind and name."""


class Copies:
    """The copies of a cluster."""

    def __init__(self, cluster: Cluster, settings: Settings, configs: Configs) -> None:
        self._cluster, self._settings, self._configs = cluster, settings, configs
        self._told: dict[CanaryKey, str] = {}
        self._users: Links[Place, str] = Links()
        self._spared: dict[CanaryKey, frozenset[Place]] = {}
        self._busy: dict[str, asyncio.Lock] = {}
        cluster.forgetters.append(self._forget)
        for kind in ConfigKind:
            mirror = cluster.mirrors[KINDS[kind]]
            mirror.listen(self._note)
            for found in mirror.all():
                self._note(found)

    def told(self, key: CanaryKey, revision: Revision) -> None:
        """Notes the revision that the source was last said to have."""
        self._told[key] = revision.id

    def _forget(self, key: CanaryKey) -> None:
        self._told.pop(key, None)
        self._spared.pop(key, None)

    async def content(self, namespace: str, ref: ConfigRef) -> Content | None:
        """The bytes with exactly this digest: of the source, else of our copy, else of Flagger's. None where they are gone."""
        found = await self._with(namespace, ref)
        return fingerprinted(content_of(found, ref.name), self._configs.secret) if found is not None else None

    async def shared(self, namespace: str, name: ConfigName) -> Content | None:
        """The bytes of something that is not tracked, as they are now."""
        found = await self._configs.fetch(namespace, name)
        return fingerprinted(content_of(found), self._configs.secret) if found is not None else None

    async def keep(self, key: CanaryKey, revisions: Sequence[Revision]) -> None:
        """Makes what is missing, then removes what is not needed.

        Raises Conflict where the source has moved on since its revision was told, so that another pass sees what it has now, and
        InputError where an object that is not ours has the name of a copy.
        """
        async with self._busy.setdefault(key.namespace, asyncio.Lock()):
            wanted: set[Place] = set()
            for revision in revisions:
                for ref in revision.configs:
                    place = key.namespace, ConfigName(ref.name.kind, copy_name(ref.name.name, ref.digest))
                    if ref.digest and place not in wanted:
                        wanted.add(place)
                        await self._make(key, ref, place, newest=self._told.get(key) == revision.id)
            await self._tidy(key, wanted)

    async def _make(self, key: CanaryKey, ref: ConfigRef, place: Place, *, newest: bool) -> None:
        found = self._mirrored(place)
        if found is None:
            source = await self._with(key.namespace, ref)
            if source is None and newest:
                raise Conflict(f"{ref.name}.{key.namespace} has changed since it was read; Trimtab looks again")
            if source is None:
                return
            made = copy_of(source, ref, key.namespace, self._cluster.user(key), self._settings.include_label_prefix)
            found = await self._create(place, made)
        if mapping(metadata_of(found).get("labels")).get(OURS) != "true" or annotations_of(found).get(DIGEST) != ref.digest:
            raise InputError(
                f"keeping {ref.name}.{key.namespace} for Canary {key}: the name of its copy is taken by {place[1]}, which Trimtab did not "
                "make and leaves as it is. Remove it, or give it another name."
            )
        user = self._cluster.user(key)
        owners = items(metadata_of(found).get("ownerReferences"))
        if all(owner.get("uid") != user["uid"] for owner in owners):
            await self._own(place, found, [*owners, user])

    async def _create(self, place: Place, made: Object) -> Object:
        kind = KINDS[place[1].kind]
        try:
            found = await self._cluster.client.create(kind, made)
        except Conflict:
            # The mirror has not seen it yet, or it is somebody else's.
            there = await self._cluster.client.get(kind, place[0], place[1].name)
            if there is None:
                raise
            found = there
        found = without_values(found)
        self._cluster.mirrors[kind].put(found)
        return found

    async def _own(self, place: Place, found: Object, owners: Sequence[Mapping[str, object]]) -> None:
        """Says who uses a copy. Conflict where somebody changed it meanwhile."""
        kind = KINDS[place[1].kind]
        metadata = {"ownerReferences": list(owners), "resourceVersion": metadata_of(found).get("resourceVersion")}
        changed = await self._cluster.client.patch(kind, place[0], place[1].name, {"metadata": metadata})
        self._cluster.mirrors[kind].put(without_values(changed))

    async def _tidy(self, key: CanaryKey, wanted: set[Place]) -> None:
        """Lets go of this Canary's other copies, unless something still runs with them. Looks at pods only where there is something new."""
        uid = str(self._cluster.user(key)["uid"])
        others = self._users.of(uid) - wanted
        if not others or others == self._spared.get(key):
            return
        running = await self._running(key.namespace)
        for place in others - running:
            await self._let_go(place, uid)
        self._spared[key] = frozenset(others & running)

    async def _let_go(self, place: Place, uid: str) -> None:
        found = self._mirrored(place)
        if found is None:
            return
        owners = items(metadata_of(found).get("ownerReferences"))
        left = [owner for owner in owners if owner.get("uid") != uid]
        if left:
            await self._own(place, found, left)
        else:
            await self._cluster.client.delete(KINDS[place[1].kind], *place_names(place), uid=str(metadata_of(found).get("uid")))

    async def _running(self, namespace: str) -> set[Place]:
        """Every ConfigMap and Secret that a pod or something that makes pods in a namespace names."""
        used: set[Place] = set()
        for kind in (POD, REPLICA_SET, DEPLOYMENT, DAEMON_SET):
            listing = await self._cluster.client.list(kind, namespace)
            for found in listing.items:
                used.update((namespace, name) for name in named_by(found, pod=kind is POD))
        return used

    async def _with(self, namespace: str, ref: ConfigRef) -> Object | None:
        """An object with the bytes of this digest: the source, our copy, or Flagger's."""
        names = (ref.name.name, copy_name(ref.name.name, ref.digest), f"{ref.name.name}-primary") if ref.digest else ()
        for name in names:
            found = await self._configs.fetch(namespace, ConfigName(ref.name.kind, name))
            if found is not None and self._is(found, ref):
                return found
        return None

    def _is(self, found: Object, ref: ConfigRef) -> bool:
        """Has it the bytes of this digest? One made with a key that is gone cannot be compared: there the annotation counts (C1)."""
        if unknown_key(ref.digest, (self._configs.secret.id,)):
            return mapping(metadata_of(found).get("labels")).get(OURS) == "true" and annotations_of(found).get(DIGEST) == ref.digest
        return digest(content_of(found), self._configs.secret) == ref.digest

    def _mirrored(self, place: Place) -> Object | None:
        return self._cluster.mirrors[KINDS[place[1].kind]].get(*place_names(place))

    def _note(self, found: Object) -> None:
        """Keeps the list of who uses which copy."""
        metadata = metadata_of(found)
        if mapping(metadata.get("labels")).get(OURS) != "true":
            return
        kind = ConfigKind.SECRET if str(annotations_of(found).get(DIGEST)).startswith("hmac:") else ConfigKind.CONFIG_MAP
        place = str(metadata.get("namespace")), ConfigName(kind, str(metadata.get("name")))
        there = self._mirrored(place)
        owners = items(metadata_of(there).get("ownerReferences")) if there is not None else []
        self._users.set(place, (str(owner.get("uid")) for owner in owners))


def copy_of(source: Object, ref: ConfigRef, namespace: str, user: Object, prefixes: Iterable[str]) -> Object:
    """The copy of a ConfigMap or Secret: everything that pods can read of it, and nothing that tells a tool to manage it."""
    metadata = metadata_of(source)
    kind = KINDS[ref.name.kind]
    head: Object = {
        "namespace": namespace,
        "name": copy_name(ref.name.name, ref.digest),
        "labels": {**included_labels(mapping(metadata.get("labels")), prefixes), OURS: "true"},
        "annotations": {DIGEST: ref.digest, SOURCE: ref.name.name},
        "ownerReferences": [user],
    }
    made: Object = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": head, "immutable": True}
    return made | {name: source[name] for name in ("data", "binaryData", "type") if source.get(name) is not None}


def named_by(found: Object, *, pod: bool) -> Iterator[ConfigName]:
    """What the pods of an object read."""
    template = found if pod else mapping(mapping(found.get("spec")).get("template"))
    for reference in references(template):
        yield reference.name


def without_values(found: Object) -> Object:
    """The object as a metadata-only mirror has it."""
    return {name: value for name, value in found.items() if name in ("apiVersion", "kind", "metadata")}


def place_names(place: Place) -> tuple[str, str]:
    """Namespace and name."""
    return place[0], place[1].name
