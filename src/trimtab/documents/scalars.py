"""What an unquoted YAML scalar means to kubectl, which is what the cluster gets. Called by `documents.yaml`.

The table was measured with kubectl 1.37 (`tests/unit/documents/test_yaml.py` holds it): YAML 1.1 booleans with `y` and `n`, octals as
`012` and `0o14`, underscores in numbers; no dates and no base 60. Whole floats become whole numbers, since kubectl sends JSON.
"""

import base64
import binascii
import math
import re

from trimtab.documents.floats import shortest

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_WHOLE = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<binary>[01]+)|0[oO]?(?P<octal>[0-7]+)|(?P<decimal>0|[1-9][0-9]*))"
)
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_STARTS = frozenset("+-.0123456789")
_LARGEST = 2**63
_DIGITS = 400
_NOT_FINITE = {"NaN": ".nan", "+Inf": ".inf", "-Inf": "-.inf"}
_TAGS = "tag:yaml.org,2002:"
_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "bool": (bool,), "null": (type(None),)}


def plain(text: str) -> Scalar:
    """The value of an unquoted scalar without a tag."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _STARTS:
        return text
    digits = text.replace("_", "")
    whole = _WHOLE.fullmatch(digits)
    if whole is not None and len(digits) <= _DIGITS:
        base = str(whole.lastgroup)
        value = int(whole["sign"] + whole[base], _BASES[base])
        return value if -_LARGEST <= value < _LARGEST else float(value)
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return text if math.isinf(number) else number
    return text


def tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit tag; tags that kubectl does not know leave the text as it is.

    Raises ValueError where the text is not what the tag says.
    """
    short = tag.removeprefix(_TAGS)
    if short == "binary":
        return _decoded(text)
    if short not in _KINDS or not tag.startswith(_TAGS):
        return text
    value = plain(text)
    if isinstance(value, bool) is not (short == "bool") or not isinstance(value, _KINDS[short]):
        raise ValueError(f"the value is not what its tag !!{short} says")
    return value


def as_json(value: Scalar) -> Scalar:
    """The value after its way through JSON: a whole float below 2^63 becomes a whole number.

    Raises ValueError for infinity and not-a-number, which JSON does not have.
    """
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        raise ValueError("infinity and not-a-number do not exist in JSON. Quote the text if it is one")
    return int(value) if value.is_integer() and -_LARGEST <= value < _LARGEST else value


def as_key(value: Scalar) -> str:
    """The text that kubectl makes of a key: `yes` becomes `true`, `012` becomes `10`, `1.50` becomes `1.5`.

    Raises ValueError for null, which cannot be a key.
    """
    if value is None:
        raise ValueError("null cannot be a key. Quote it")
    if isinstance(value, bool):
        return "true" if value else "false"
    return _NOT_FINITE.get(text := shortest(value, single=True), text) if isinstance(value, float) else str(value)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("the value tagged !!binary is not base64 of UTF-8 text") from None
