"""Remembers what was found in an app, under the digest of all that it was found in. Called by `checking`.

In it are the files of each target, how it is rendered, the rules, the base, the tools, and Trimtab itself. Findings hold no values
of Secrets.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from trimtab.adapters.checking.memory import Memory
from trimtab.adapters.rendering.tool import Tools
from trimtab.model.content import ContentRules
from trimtab.wiring.check_apps import Entry
from trimtab.wiring.check_digests import Made, ourselves
from trimtab.wiring.units import Unit

SAME = "as the base has it"


class Findings:
    """The memory of one run, which goes by its rules. `base` is the commit that is compared with; empty for none."""

    def __init__(self, folder: Path, rules: ContentRules, tools: Tools, base: str) -> None:
        self._memory = Memory(folder)
        self._base = base
        self._run = [ourselves(tools), repr(rules)]

    def keys(self, apps: Mapping[str, Sequence[Unit]], made: Mapping[str, Made | None], same: frozenset[str]) -> dict[str, str]:
        """The digest of each app of which everything is known."""
        found = {}
        for app, together in apps.items():
            parts = [made[unit.name] for unit in together]
            if all(part is not None for part in parts):
                changed = self._base and any(unit.name not in same for unit in together)
                words = [self._of(unit, part) for unit, part in zip(together, parts, strict=True) if part is not None]
                words += [SAME if unit.name in same else self._base for unit in together] if changed else []
                found[app] = self._key(words)
        return found

    def recall(self, key: str) -> Entry | None:
        """What was found; None where it is not known, or not readable."""
        kept = self._memory.get(key)
        try:
            return msgspec.json.decode(kept, type=Entry) if kept is not None else None
        except msgspec.DecodeError:
            return None

    def keep(self, key: str, entry: Entry) -> None:
        """Remembers what was found, unless a file is called by what is no text."""
        with suppress(UnicodeEncodeError):
            self._memory.put(key, msgspec.json.encode(entry))

    def tidy(self) -> None:
        """Forgets what was not needed for longest, where there is too much."""
        self._memory.tidy()

    def _of(self, unit: Unit, made: Made) -> str:
        request = unit.request
        how = (
            unit.name, unit.rendering, unit.files, unit.app, unit.origin, request.path, request.target, request.namespace,
            request.release, request.values, sorted(request.set.items()),
        )  # fmt: skip
        files = [(name, digest.sha256) for name, digest in made.digests.items()]
        return repr((how, files))

    def _key(self, parts: Sequence[str]) -> str:
        return hashlib.sha256("\0".join([*self._run, *parts]).encode(errors="surrogateescape")).hexdigest()
