"""Names as Kubernetes allows them. Called by `documents.decode`.

Elsewhere than in a cluster nobody else checks them, and there they become parts of paths.
"""

import re
from collections.abc import Iterator, Mapping

from trimtab.documents.fitting import Misfit
from trimtab.documents.nodes import Path
from trimtab.model.content import SECTIONS

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
LABEL, SUBDOMAIN = re.compile(_LABEL), re.compile(rf"{_LABEL}(\.{_LABEL})*")
KEY = re.compile(r"(?!\.\.|\.$)[-._a-zA-Z0-9]+")
LONGEST_LABEL, LONGEST_NAME = 63, 253

LABELS: tuple[Path, ...] = (("metadata", "namespace"), ("spec", "service", "name"))
SUBDOMAINS: tuple[Path, ...] = (("metadata", "name"), ("spec", "targetRef", "name"))


def misnamed(raw: Mapping[str, object], kind: str) -> Iterator[Misfit]:
    """Every name in a document that Kubernetes would refuse."""
    labels = (*LABELS, ("metadata", "name")) if kind == "Service" else LABELS
    for path in labels:
        text = _at(raw, path)
        if isinstance(text, str) and (len(text) > LONGEST_LABEL or not LABEL.fullmatch(text)):
            words = f"small letters, digits and hyphens, with a letter or digit at both ends, at most {LONGEST_LABEL}"
            yield Misfit(path, f"{text[:LONGEST_LABEL]!r} cannot be a name here; it must be {words}")
    for path in SUBDOMAINS:
        text = _at(raw, path)
        if isinstance(text, str) and (len(text) > LONGEST_NAME or not SUBDOMAIN.fullmatch(text)):
            words = f"small letters, digits, hyphens and dots, with a letter or digit at both ends, at most {LONGEST_NAME}"
            yield Misfit(path, f"{text[:LONGEST_LABEL]!r} cannot be a name; it must be {words}")
    for part in SECTIONS if kind in ("ConfigMap", "Secret") else ():
        values = _at(raw, (part,))
        for key in values if isinstance(values, Mapping) else ():
            if len(str(key)) > LONGEST_NAME or not KEY.fullmatch(str(key)):
                yield Misfit(
                    (part, str(key)), "cannot be a key; keys are letters, digits, hyphens, underscores and dots, not `..` at the start"
                )


def _at(raw: object, path: Path) -> object:
    for step in path:
        raw = raw.get(step) if isinstance(raw, Mapping) else None
    return raw
