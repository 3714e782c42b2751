"""What a comparison's verdict can be computed anew from, as one text in the evidence. Written by `wiring.monitoring`, read by faces.

Base64 of zlib of JSON: the rules, stable's past, the verdict, and the counts of every scrape, pod by pod. No values of anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.documents.counted import packed, unpacked
from trimtab.documents.records import from_text, pressed, to_text, unpressed
from trimtab.errors import InputError
from trimtab.model.counted import Counted
from trimtab.model.judging import JudgeRules
from trimtab.model.verdict import Evidence

MOST = 512 * 1024
"""Characters; what is longer is left out, and then cannot be computed anew."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A verdict with everything that it was made from."""

    rules: JudgeRules
    record: Evidence
    looks: str

    def counted(self) -> tuple[Counted, ...]:
        """What was counted, look by look. InputError where it cannot be read."""
        return unpacked(self.looks, "what the evidence was made from")


def kept(rules: JudgeRules | None, record: Evidence, looks: Sequence[Counted]) -> str:
    """As text; empty where nothing was compared, or where that would be too long."""
    if rules is None or record.ruling is None:
        return ""
    text = pressed(to_text(Comparison(rules, record, packed(looks))).encode())
    return text if len(text) <= MOST else ""


def comparison(text: str) -> Comparison | None:
    """What `kept` wrote; None where there is none. InputError where it cannot be read."""
    if not text:
        return None
    try:
        plain = unpressed(text).decode()
    except ValueError as error:
        raise InputError(f"the field counted of the evidence cannot be read: {error}. Something changed it") from error
    return from_text(plain, Comparison, "the field counted of the evidence")
