"""Objects without the values of Secrets, for everybody who shows them or hands them on. Called by the faces and by `wiring`."""

from trimtab.config.digest import DigestKey, fingerprint
from trimtab.config.renderings import LAST_APPLIED
from trimtab.model.content import SECTIONS
from trimtab.model.names import ConfigKind
from trimtab.model.rendered import RenderedObject

HIDDEN = "(not shown)"


def shown(one: RenderedObject, secret: DigestKey | None) -> dict[str, object]:
    """The object, if it is a Secret without its values; with their fingerprints where there is a key for these."""
    tree = dict(one.tree)
    if one.kind != ConfigKind.SECRET:
        return tree
    values = one.content.data if one.content is not None else {}
    for section in SECTIONS:
        if isinstance(part := tree.get(section), dict):
            tree[section] = {key: _hidden(values[key], secret) if key in values else HIDDEN for key in part}
    metadata = tree.get("metadata")
    if isinstance(metadata, dict) and isinstance(notes := metadata.get("annotations"), dict) and LAST_APPLIED in notes:
        tree["metadata"] = {**metadata, "annotations": {**notes, LAST_APPLIED: HIDDEN}}
    return tree


def _hidden(value: bytes, secret: DigestKey | None) -> str:
    return f"(fingerprint {fingerprint(value, secret)})" if secret is not None else HIDDEN
