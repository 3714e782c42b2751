"""What a target renders to, as promotions compare it: what its pods read, and all else. Called by `wiring`."""

from collections.abc import Mapping

from trimtab.config.renderings import renamed
from trimtab.model.content import SECTIONS
from trimtab.model.names import ConfigName
from trimtab.model.rendered import Rendered, RenderedObject
from trimtab.promotion.content import Key
from trimtab.promotion.manifests import stem
from trimtab.promotion.proof import Picture


def picture(rendered: Rendered, target: str) -> Picture:
    """By logical names; plain objects may have the target's own name at the end of theirs.

    Where nothing that is rendered reads anything, as with workloads of kinds that nobody knows, every ConfigMap and Secret counts as read.
    """
    read = rendered.read() if rendered.uses else rendered.configs()
    names = {one.name: logical(one, rendered, target).name for one in rendered.configs()}
    values: dict[Key, bytes] = {}
    for one in read:
        if one.content is not None:
            name = logical(one, rendered, target)
            values |= {Key(name, key): value for key, value in (*one.content.data.items(), *one.content.binary.items())}
    others = {}
    for one in rendered.objects:
        tree = {key: item for key, item in one.tree.items() if key not in SECTIONS} if one in read else one.tree
        others[place(one, names)] = renamed(tree, names)
    return Picture(values, others)


def logical(one: RenderedObject, rendered: Rendered, target: str) -> ConfigName:
    """What a ConfigMap or Secret is called in all targets of its app."""
    kind = one.content.name.kind if one.content is not None else None
    if kind is None:
        raise ValueError(f"{one} holds no content")
    name = ConfigName(kind, one.logical)
    name = stem(name, target) if rendered.rendering == "plain" else name
    # Two of one name in two namespaces are two.
    twice = [other for other in rendered.configs() if (other.kind, other.logical) == (one.kind, one.logical)]
    return ConfigName(kind, f"{one.namespace}/{name.name}") if len(twice) > 1 else name


def place(one: RenderedObject, names: Mapping[str, str]) -> str:
    """An object for people; those of one kind and name in two namespaces are told apart."""
    name = names.get(one.name, one.name) if one.content is not None else one.name
    return f"{one.kind}/{name}" + (f" in {one.namespace}" if one.namespace else "")
