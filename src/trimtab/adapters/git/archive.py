"""The bytes of revisions: of the commit in force, and of kept ones through their pins. Used by `sources` only (S7, L6)."""

from collections.abc import Iterator
from contextlib import suppress

import msgspec

from trimtab.adapters.git.clone import Clone
from trimtab.adapters.git.manifests import Manifests
from trimtab.adapters.git.reading import Reader
from trimtab.config.digest import DigestKey, digest, fingerprinted, unknown_key
from trimtab.config.references import references
from trimtab.errors import InputError, OutsideError
from trimtab.model.content import Content
from trimtab.model.names import CanaryKey, ConfigName
from trimtab.model.revision import ConfigRef, Revision

REMEMBERED = 8
"""How many old commits stay in memory once they were read."""


class Archive:
    """Pins and old commits of all Canaries of one clone."""

    def __init__(self, clone: Clone, reader: Reader, secret: DigestKey) -> None:
        self._clone, self._reader, self._secret = clone, reader, secret
        self._pins: dict[CanaryKey, dict[str, str]] = {}
        self._old: dict[str, Manifests] = {}

    async def admit(self, key: CanaryKey, revision: Revision, manifests: Manifests) -> None:
        """Pins the commit that holds a revision, the first time that it is seen. OutsideError if that cannot be written."""
        pins = await self._pinned(key)
        if revision.id not in pins:
            await self._clone.pin(key, {revision.id: manifests.commit})
            pins[revision.id] = manifests.commit

    async def keep(self, key: CanaryKey, ids: set[str]) -> None:
        """Lets go of the pins of other revisions. Never fails: those that stay are let go by a later call (L8)."""
        with suppress(OutsideError):
            pins = await self._pinned(key)
            others = [revision for revision in pins if revision not in ids]
            if others:
                await self._clone.pin(key, dict.fromkeys(others))
                self._pins[key] = {revision: commit for revision, commit in pins.items() if revision in ids}

    async def contents(self, key: CanaryKey, revision: Revision, newest: Manifests) -> tuple[Content, ...]:
        """What pods of a revision read: tracked content as it was, other content as it is now."""
        pins = await self._pinned(key)
        commit = pins.get(revision.id)
        old = await self._manifests(commit) if commit is not None and commit != newest.commit else newest
        return tuple(self._chosen(key.namespace, revision, old, newest))

    def _chosen(self, namespace: str, revision: Revision, old: Manifests, newest: Manifests) -> Iterator[Content]:
        tracked = {ref.name: ref for ref in revision.configs}
        template = msgspec.json.decode(revision.template, type=dict[str, object])
        for reference in references(template):
            ref = tracked.get(reference.name)
            found = self._tracked(namespace, ref, old, newest) if ref is not None else _shared(namespace, reference.name, old, newest)
            if found is not None:
                yield fingerprinted(found, self._secret)

    def _tracked(self, namespace: str, ref: ConfigRef, old: Manifests, newest: Manifests) -> Content | None:
        """The content with exactly this digest. One made with a key that is gone cannot be compared: there the pin counts (C1)."""
        then, now = old.configs.get((namespace, ref.name)), newest.configs.get((namespace, ref.name))
        for content in (then, now):
            if content is not None and ref.digest and digest(content, self._secret) == ref.digest:
                return content
        return then if ref.digest and unknown_key(ref.digest, (self._secret.id,)) else None

    async def _manifests(self, commit: str) -> Manifests:
        if commit not in self._old:
            while len(self._old) >= REMEMBERED:
                del self._old[next(iter(self._old))]
            try:
                self._old[commit] = await self._reader.load(commit, remember=False)
            except InputError:
                # It was good once: only a start with another path, or another version of Trimtab, reads it differently.
                self._old[commit] = Manifests()
        return self._old[commit]

    async def _pinned(self, key: CanaryKey) -> dict[str, str]:
        if key not in self._pins:
            self._pins[key] = await self._clone.pins(key)
        return self._pins[key]


def _shared(namespace: str, name: ConfigName, old: Manifests, newest: Manifests) -> Content | None:
    return newest.configs.get((namespace, name)) or old.configs.get((namespace, name))
