"""Durations as Go writes them (`90s`, `1m30s`), which is how Flagger reads its fields (CRD-5). Called by the translation and by faces."""

import re
from datetime import timedelta
from decimal import Decimal

from trimtab.errors import InputError

_PART = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?P<unit>ns|us|µs|μs|ms|s|m|h)")
_NANOSECONDS = {
    "ns": Decimal(1),
    "us": Decimal(10**3),
    "µs": Decimal(10**3),
    "μs": Decimal(10**3),
    "ms": Decimal(10**6),
    "s": Decimal(10**9),
    "m": Decimal(60 * 10**9),
    "h": Decimal(3600 * 10**9),
}
_LONGEST = 2**63 - 1


def parse_duration(text: str) -> timedelta:
    """The duration that `text` stands for, cut to whole microseconds.

    The syntax is that of Go's `time.ParseDuration`: an optional sign, then numbers, with a fraction or not, each followed by
    a unit (`h`, `m`, `s`, `ms`, `us`, `ns`); `0` needs no unit. Days and weeks do not exist. Raises InputError.
    """
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if unsigned == "0":
        return timedelta()
    total, position = Decimal(0), 0
    while part := _PART.match(unsigned, position):
        total += Decimal(part["number"]) * _NANOSECONDS[part["unit"]]
        position = part.end()
    if not unsigned or position != len(unsigned):
        raise InputError(f"{text[:40]!r} is not a duration. Write numbers with units h, m, s or ms, for example 90s or 1m30s")
    if total > _LONGEST:
        raise InputError(f"the duration {text[:40]!r} is longer than the 292 years that Go can hold")
    microseconds = int(total // 1000)
    return timedelta(microseconds=-microseconds if text.startswith("-") else microseconds)
