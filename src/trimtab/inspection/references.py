"""What pods need of ConfigMaps and Secrets, and who reads what there is. Called by `inspect`.

A ConfigMap may come from another target of the same app; a Secret often comes from outside of git, so a missing one is a warning only.
"""

import difflib
from collections.abc import Iterator

from trimtab.inspection.neighbours import Neighbours
from trimtab.inspection.places import about
from trimtab.model.content import Finding
from trimtab.model.names import ConfigKind
from trimtab.model.rendered import Rendered, Use

GIVEN = frozenset({"kube-root-ca.crt", "openshift-service-ca.crt"})
"""ConfigMaps that a cluster puts into every namespace."""
MAKERS = frozenset(
    {"ExternalSecret", "SealedSecret", "SopsSecret", "VaultStaticSecret", "VaultDynamicSecret", "Certificate", "SecretProviderClass"}
)
"""Kinds that make a Secret: of their own name, or of the one that they name somewhere."""


def unmet(target: Rendered, beside: Neighbours) -> Iterator[Finding]:
    """Objects and keys that a pod of `target` needs and that neither it nor a target beside it makes."""
    for use in target.uses:
        found = use.content or beside.made.get((use.reader.namespace, use.name))
        if found is None:
            if use.mandatory:
                yield from _missing(use, target)
        elif found.content is not None:
            there = {*found.content.data, *found.content.binary}
            for key in sorted(use.keys - there):
                fix = f"Add it, or use one of: {', '.join(sorted(there)) or 'none, there is no key'}."
                problem = f"needs the key {key} of {use.name}, which has none of that name; read by {', '.join(use.places)}"
                yield about("reference/missing", use.reader, problem, fix)


def unread(target: Rendered, beside: Neighbours) -> Iterator[Finding]:
    """ConfigMaps that nobody reads."""
    for one in target.objects:
        if one.content is not None and one.kind == ConfigKind.CONFIG_MAP and (one.namespace, one.content.name) not in beside.read:
            yield about(
                "reference/unused",
                one,
                "is read by no workload of this app",
                "Remove it, unless a program asks the API for it, or somebody meant to read it and names another one.",
            )


def readers(target: Rendered) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Who consumes each ConfigMap and Secret of a target."""
    for one in target.configs():
        yield str(one), tuple(dict.fromkeys(str(use.reader) for use in target.uses if use.content is one))


def _missing(use: Use, target: Rendered) -> Iterator[Finding]:
    places = ", ".join(use.places)
    if use.name.kind is ConfigKind.SECRET:
        if not any(one.kind in MAKERS and _mentions(one.tree, use.name.name) for one in target.objects):
            problem = f"needs {use.name}, which is not rendered here; read by {places}"
            yield about("reference/secret", use.reader, problem, "See to it that the cluster has it before the pods start.")
        return
    if use.name.name in GIVEN:
        return
    names = [name for one in target.configs() if one.kind == use.name.kind for name in (one.logical, one.name)]
    near = difflib.get_close_matches(use.name.name, names, 1)
    fix = f"Did you mean {near[0]}?" if near else "Add it, or mark the reference as optional."
    yield about("reference/missing", use.reader, f"needs {use.name}, which nobody makes; read by {places}", fix)


def _mentions(tree: object, name: str) -> bool:
    if isinstance(tree, dict):
        return any(_mentions(value, name) for value in tree.values())
    if isinstance(tree, list):
        return any(_mentions(value, name) for value in tree)
    return tree == name
