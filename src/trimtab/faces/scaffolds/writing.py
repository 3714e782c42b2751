"""Brings files into a repository: what is new is written, what differs is shown as a diff and only replaced if somebody says so.

Called by `faces.cli.init`.
"""

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from trimtab.errors import InputError


class Fate(StrEnum):
    """What becomes of a file."""

    WRITTEN = "written"
    REPLACED = "replaced"
    KEPT = "kept"
    """It differs, and stays as it is."""
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Proposal:
    """One file: what it should say, and what it says; None where it is not there."""

    path: str
    text: str
    there: str | None

    @property
    def differs(self) -> bool:
        """Would writing it lose something?"""
        return self.there is not None and self.there != self.text

    @property
    def diff(self) -> str:
        """What replacing it would change."""
        lines = difflib.unified_diff(
            (self.there or "").splitlines(keepends=True), self.text.splitlines(keepends=True), self.path, f"{self.path} (new)"
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n" for line in lines)


def proposals(root: Path, texts: Mapping[str, str]) -> tuple[Proposal, ...]:
    """What there is beside what there should be. InputError for a path that cannot be read, or that leads out of the repository."""
    return tuple(Proposal(path, text, _there(root, path)) for path, text in texts.items())


def write(root: Path, found: tuple[Proposal, ...], replace: Callable[[Proposal], bool], *, dry: bool = False) -> dict[str, Fate]:
    """Writes them; `replace` is asked about each that differs. What became of each; with `dry` what would become of it."""
    fates: dict[str, Fate] = {}
    for one in found:
        if one.there == one.text:
            fates[one.path] = Fate.SAME
        elif one.differs and not replace(one):
            fates[one.path] = Fate.KEPT
        else:
            fates[one.path] = Fate.REPLACED if one.differs else Fate.WRITTEN
    for one in found:
        if fates[one.path] in (Fate.WRITTEN, Fate.REPLACED) and not dry:
            _put(root, one)
    return fates


def _there(root: Path, path: str) -> str | None:
    place = root / path
    if not place.resolve().is_relative_to(root):
        raise InputError(f"{path} leads out of the repository by a link; nothing was written")
    try:
        return place.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}; nothing was written") from error


def _put(root: Path, one: Proposal) -> None:
    place = root / one.path
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.{os.getpid()}")
        draft.write_text(one.text, encoding="utf-8")
        draft.replace(place)
    except OSError as error:
        raise InputError(f"{one.path} cannot be written: {error.strerror}") from error
