"""The notice that Argo CD shows above an Application, as annotations of it. Used by `following` and `wiring`."""

from collections.abc import Mapping

OURS = "Trimtab: "
"""How a notice begins that is ours; one of somebody else stays."""
PREFIX = "notice.argocd.argoproj.io"
CONTENT, SEVERITY, URL = f"{PREFIX}/content", f"{PREFIX}/severity", f"{PREFIX}/url"
LONGEST = 500
"""Characters that a notice may have."""


def is_foreign(annotations: Mapping[str, object]) -> bool:
    """Did somebody else put a notice there?"""
    return not str(annotations.get(CONTENT, OURS)).startswith(OURS)


def cleared(annotations: Mapping[str, object]) -> Mapping[str, str | None]:
    """What takes our notice away; nothing where there is none of ours."""
    return {} if CONTENT not in annotations or is_foreign(annotations) else {CONTENT: None, SEVERITY: None, URL: None}


def notice(text: str, severity: str, url: str = "") -> Mapping[str, str | None]:
    """What puts it there. `severity` is `info`, `warning` or `critical`. A long text is cut; control characters become spaces."""
    plain = OURS + " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    shown = plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 4]} ..."
    return {CONTENT: shown, SEVERITY: severity, URL: url or None}
