"""How Go prints a float with `%g` and no precision. Called for YAML keys and for values in templates."""

import math
import struct


def shortest(value: float, *, single: bool = False) -> str:
    """The fewest digits that give the same number, with an exponent below 10^-4 and from 10^6 on. `single` means a 32-bit float."""
    exact = _as_single(value) if single else value
    if not math.isfinite(exact):
        return "NaN" if math.isnan(exact) else "+Inf" if exact > 0 else "-Inf"
    candidates = (f"{exact:.{digits}e}" for digits in range(17))
    text = next(text for text in candidates if (_as_single(float(text)) if single else float(text)) == exact)
    mantissa, _, exponent = text.partition("e")
    digits = len(mantissa.partition(".")[2]) - int(exponent)
    return f"{float(text):.{max(digits, 0)}f}" if -4 <= int(exponent) < 6 else text


def _as_single(value: float) -> float:
    """The nearest 32-bit float, infinity where there is none."""
    try:
        nearest: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return nearest
