"""How many times as much: the factor between two numbers, durations, sizes or percentages. Called by `difference`."""

import math
import re

from trimtab.config.trees import Scalar

_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_SUFFIXED = re.compile(r"([-+]?[0-9]+(?:\.[0-9]+)?)\s?([A-Za-z]+|%)")
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|μs|ms|s|m|h|d|w))+")
_PART = re.compile(r"([0-9.]+)([^0-9.]+)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_THOUSANDS = "kmgtpe"
_WORDS = re.compile(r"[^\s=:;,()\[\]{}\"']+")
_LONGEST = 60


def factor(old: Scalar, new: Scalar) -> float | None:
    """New divided by old, where both are amounts of the same kind, not zero, and of the same sign; else None.

    Text counts too, since every value of a ConfigMap is text: `10`, `500ms`, `1h30m`, `64Mi`, `1GB`, `50%`. `500m` is half of
    `1` (a Kubernetes quantity) and 500 times `1m` (either reading).
    """
    was, now = _amounts(old), _amounts(new)
    for kind in was:
        if kind in now and was[kind] and math.isfinite(was[kind]) and math.isfinite(now[kind]):
            quotient = now[kind] / was[kind]
            return quotient if 0 < quotient < math.inf else None
    return None


def factor_in_text(old: str, new: str) -> float | None:
    """The factor where exactly one word of a line changed and both words are amounts: `listen 80;` to `listen 8080;`."""
    was, now = _WORDS.findall(old), _WORDS.findall(new)
    if len(was) != len(now):
        return None
    changed = [(one, two) for one, two in zip(was, now, strict=True) if one != two]
    return factor(*changed[0]) if len(changed) == 1 else None


def shown_factor(value: float) -> str:
    """`x2`, `x0.5`, `x1000`: three digits that count, whole from 1000 on."""
    rounded = float(f"{value:.3g}")
    return f"x{rounded:.0f}" if 1000 <= rounded < 1e15 else f"x{rounded:g}"


def _amounts(value: Scalar) -> dict[str, float]:
    """Every kind of amount that a value may be, the likeliest first."""
    if isinstance(value, bool):
        return {}
    if isinstance(value, int | float):
        return {"number": _float(value)}
    text = value.strip().strip("\"'") if isinstance(value, str) else ""
    if not text or len(text) > _LONGEST:
        return {}
    if _NUMBER.fullmatch(text):
        return {"number": float(text)}
    found: dict[str, float] = {}
    if _DURATION.fullmatch(text):
        found["seconds"] = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text) if number.count(".") < 2)
    if suffixed := _SUFFIXED.fullmatch(text):
        found |= _suffixed(float(suffixed[1]), suffixed[2])
    return found


def _suffixed(number: float, unit: str) -> dict[str, float]:
    """Percentages, Kubernetes quantities (`m`, `k`, `Ki`, ...), which are numbers too, and bytes as people write them (`KB`, `KiB`)."""
    if unit == "%":
        return {"percent": number}
    if unit == "m":
        return {"number": number / 1000}
    lowered = unit.lower()
    power = _THOUSANDS.find(lowered[0]) + 1
    if lowered == "b" or lowered[1:] not in ("", "b", "i", "ib") or not power:
        return {"bytes": number} if lowered == "b" else {}
    size = number * float((1024 if "i" in lowered else 1000) ** power)
    return {"bytes": size} if "b" in lowered else {"bytes": size, "number": size}


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
