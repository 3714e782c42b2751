"""Readings of the last hours of each backend, kept over restarts in one file each (C6). Called by `envoy`."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from trimtab.adapters.metrics.envoy_window import Reading

FINE_SECONDS = 600
"""As far back every reading is kept."""

COARSE_STEP, COARSE_SECONDS = 30, 43_200
"""Before that one in 30 s, for 12 hours."""

TIDY_EVERY = 1000
"""After so many readings old ones are thinned out and the file is written anew."""


class History:
    """The readings of one backend, oldest first. A file that cannot be written costs nothing but the memory of a restart (L8)."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._readings = _load(file)
        self._untidy = len(self._readings)

    @property
    def readings(self) -> Sequence[Reading]:
        """All readings, oldest first."""
        return self._readings

    def add(self, reading: Reading) -> None:
        """Keeps one more. Of readings that say the same only the first and the last are kept."""
        if len(self._readings) > 1 and self._readings[-1].same(reading) and self._readings[-2].same(reading):
            self._readings[-1] = reading
            return
        self._readings.append(reading)
        self._untidy += 1
        try:
            if self._untidy > TIDY_EVERY:
                self._thin(reading.at)
                self._write_anew()
            else:
                _append(self._file, reading)
        except OSError:
            return

    def _thin(self, now: float) -> None:
        kept: list[Reading] = []
        for reading in self._readings:
            age = now - reading.at
            if age > COARSE_SECONDS or (age > FINE_SECONDS and kept and reading.at - kept[-1].at < COARSE_STEP):
                continue
            kept.append(reading)
        self._readings = kept
        self._untidy = 0

    def _write_anew(self) -> None:
        new = self._file.with_suffix(".new")
        with open(new, "wb", opener=_private) as handle:
            handle.writelines(msgspec.json.encode(reading) + b"\n" for reading in self._readings)
        os.replace(new, self._file)


def _append(file: Path, reading: Reading) -> None:
    with open(file, "ab", opener=_private) as handle:
        handle.write(msgspec.json.encode(reading) + b"\n")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _load(file: Path) -> list[Reading]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return []
    found: list[Reading] = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Reading))
        except msgspec.DecodeError:
            # A crash, or a full disk, in the middle of a line.
            continue
    return found
