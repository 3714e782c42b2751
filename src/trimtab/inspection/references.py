"""What pods need of ConfigMaps and Secrets, and who reads what there is. Called by `inspect`.

A ConfigMap may come from another target of the same app; a Secret often comes from outside of git, so a missing one is a warning only.
"""

from collections.abc import Iterator

from trimtab.documents.fitting import did_you_mean, meant
from trimtab.inspection.neighbours import Neighbours
from trimtab.inspection.places import Lines, about, at_use
from trimtab.model.content import Finding
from trimtab.model.names import ConfigKind
from trimtab.model.rendered import Rendered, RenderedObject, Use
from trimtab.validation.checks import lacking

GIVEN = frozenset({"kube-root-ca.crt", "openshift-service-ca.crt"})
"""ConfigMaps that a cluster puts into every namespace."""
MAKERS = frozenset(
    {"ExternalSecret", "SealedSecret", "SopsSecret", "VaultStaticSecret", "VaultDynamicSecret", "Certificate", "SecretProviderClass"}
)
"""Kinds that make a Secret: of their own name, or of the one that they name somewhere."""
UNUSED = "Remove it, unless a program asks the API for it, or somebody meant to read it and names another one."


def needs(target: Rendered, beside: Neighbours, lines: Lines) -> Iterator[Finding]:
    """Objects and keys that a pod of `target` needs and that neither it nor a target beside it makes; and ConfigMaps that nobody reads.

    One of these that was probably meant by a reference which leads nowhere is told with that alone.
    """
    suspected = set[int]()
    for use in target.uses:
        found = use.content or beside.made.get((use.reader.namespace, use.name))
        if found is None and use.mandatory:
            near = _near(use, target, beside)
            suspected |= {id(near)} if near is not None else set()
            yield from _missing(use, target, near, lines)
        elif found is not None and found.content is not None:
            for key, fix in lacking(use.keys, found.content):
                fix = did_you_mean(meant(key, sorted({*found.content.data, *found.content.binary}))) or fix
                problem = f"needs the key {key} of {use.name}, which has none of that name; read by {', '.join(use.places)}"
                yield at_use(use, lines, about("reference/missing", use.reader, problem, fix), key)
    for one in target.configs():
        if one.kind == ConfigKind.CONFIG_MAP and id(one) not in suspected and not _is_read(one, beside):
            yield about("reference/unused", one, "is read by no workload of this app", UNUSED)


def readers(target: Rendered) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Who consumes each ConfigMap and Secret of a target."""
    for one in target.configs():
        yield str(one), tuple(dict.fromkeys(str(use.reader) for use in target.uses if use.content is one))


def _missing(use: Use, target: Rendered, near: RenderedObject | None, lines: Lines) -> Iterator[Finding]:
    places, instead = ", ".join(use.places), did_you_mean(near.logical if near is not None else "")
    if use.name.kind is ConfigKind.SECRET:
        if not any(one.kind in MAKERS and _mentions(one.tree, use.name.name) for one in target.objects):
            problem = f"needs {use.name}, which is not rendered here; read by {places}"
            fix = instead or "See to it that the cluster has it before the pods start."
            yield at_use(use, lines, about("reference/secret", use.reader, problem, fix))
    elif use.name.name not in GIVEN:
        problem = f"needs {use.name}, which nobody makes; read by {places}"
        fix = instead or "Add it, or mark the reference as optional."
        yield at_use(use, lines, about("reference/missing", use.reader, problem, fix))


def _near(use: Use, target: Rendered, beside: Neighbours) -> RenderedObject | None:
    """What was probably meant by a name that leads nowhere; rather something that nobody reads."""
    among = [one for one in target.configs() if one.kind == use.name.kind and one.namespace == use.reader.namespace]
    for some in ([one for one in among if not _is_read(one, beside)], among):
        names = {name: one for one in some for name in (one.name, one.logical)}
        if near := meant(use.name.name, names):
            return names[near]
    return None


def _is_read(one: RenderedObject, beside: Neighbours) -> bool:
    return one.content is not None and (one.namespace, one.content.name) in beside.read


def _mentions(tree: object, name: str) -> bool:
    if isinstance(tree, dict):
        return any(_mentions(value, name) for value in tree.values())
    if isinstance(tree, list):
        return any(_mentions(value, name) for value in tree)
    return tree == name
