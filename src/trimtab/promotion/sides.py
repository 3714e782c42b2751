"""One target at one moment: its files, and how they are rendered. Handed in by `wiring`; read by `values`, `manifests`, `plan`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from trimtab.errors import InputError
from trimtab.model.names import ConfigName, some

Files = Mapping[str, bytes]
"""Contents by path from the repository's root."""


@dataclass(frozen=True, slots=True)
class Side:
    """A target, and those of its files that belong to nobody else: its folder's, or its Helm values files."""

    target: str
    rendering: Literal["plain", "kustomize", "helm"]
    files: Files = field(repr=False)
    folder: str = ""
    """Without a slash at its end; for Helm empty."""
    values: tuple[str, ...] = ()
    """Helm values files in their order; the last one is the target's own."""
    fixed: tuple[str, ...] = ()
    """Dotted paths that the target sets on the command line, over whatever its files say."""

    def inside(self, path: str) -> str:
        """A path as it is from the target's folder."""
        return path.removeprefix(f"{self.folder}/") if self.folder else path

    def outside(self, relative: str) -> str:
        """A path from the target's folder as it is from the repository's root."""
        return f"{self.folder}/{relative}" if self.folder else relative


@dataclass(frozen=True, slots=True)
class Step:
    """One change of one place. `what` names it for people; Secrets are never shown, so values are not in here."""

    file: str
    what: str


@dataclass(frozen=True, slots=True)
class Edited:
    """What a move comes to: new contents of files, each change, and what stands against it."""

    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    steps: tuple[Step, ...] = ()
    conflicts: tuple[Step, ...] = ()
    left: tuple[Step, ...] = ()
    """Newer changes on the receiving side that stay."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What may move. `names` are the objects that the judged pods read, by logical names; others were not judged."""

    keep: tuple[str, ...] = ()
    names: frozenset[ConfigName] = frozenset()


class Keep:
    """Dotted paths that never move: of Helm values, or `configmap/NAME` and `configmap/NAME.KEY`. A dot in a key is written `\\.`."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = [split(path) for path in paths]

    def __contains__(self, path: tuple[str, ...]) -> bool:
        return any(path[: len(kept)] == kept for kept in self._paths)

    def object_kept(self, name: str, key: str) -> bool:
        """Does this key of a ConfigMap or Secret stay? `name` is like `configmap/app`; its key may be written with its dots as they are."""
        return any(".".join(kept) in (name, f"{name}.{key}") for kept in self._paths)


def split(path: str) -> tuple[str, ...]:
    """The parts of a dotted path."""
    return tuple(part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", path))


def joined(path: Iterable[str | int]) -> str:
    """A path for people, and as `keep` has it."""
    return ".".join(str(part).replace(".", "\\.") for part in path)


SHOWN = 5
"""How many names a message lists."""


def listed(names: Sequence[str]) -> str:
    """Names in a line; printable, since whoever writes a key or a file chooses them."""
    return some(["".join(sign if sign.isprintable() else "?" for sign in name) for name in names], SHOWN)


def text_of(side: Side, path: str) -> str:
    """A file as text. InputError where it is missing or not UTF-8."""
    data = side.files.get(path)
    if data is None:
        raise InputError(f"{path} is not in the repository, but trimtab.yaml names it for target {side.target}")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None
