"""What a commit renders to, as manifests. Used by `reading` where the folder is a kustomization or chart, or a target is followed.

ConfigMaps and Secrets go by their logical names, in pod templates too: so an edit of a generated one is a change of its keys, and not
one object that goes and another that comes.
"""

from collections.abc import Mapping
from dataclasses import replace

from trimtab.adapters.git.collection import Collection, tolerant
from trimtab.adapters.git.manifests import Manifests
from trimtab.config.references import mapping, rewrite
from trimtab.documents.yaml import Document
from trimtab.errors import DocumentError, InputError
from trimtab.model.names import ConfigName
from trimtab.model.rendered import Rendered, RenderedObject

Names = Mapping[tuple[str, ConfigName], str]
"""Logical names, by namespace and rendered name."""


def manifests_of(rendered: Rendered, commit: str) -> Manifests:
    """Everything that a commit says. InputError with the place of each object that cannot be read."""
    names = {(one.namespace, one.content.name): one.logical for one in rendered.configs() if one.content is not None}
    problems, collection = list[str](), Collection()
    for one in rendered.objects:
        try:
            collection.add(tolerant(Document(logical(one, names), one.file, one.line, {})))
        except DocumentError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(dict.fromkeys(problems)))
    collection.warnings += rendered.warnings
    return replace(collection.manifests(commit), rendered=f"{rendered.name} by {rendered.tool}", inputs=rendered.inputs)


def logical(one: RenderedObject, names: Names) -> dict[str, object]:
    """The tree of an object, in its namespace, under the logical names of what it is and reads."""
    name = one.logical if one.content is not None else one.name
    tree = {**one.tree, "metadata": {**mapping(one.tree.get("metadata")), "name": name}}
    if one.namespace:
        tree["metadata"] = {**mapping(tree["metadata"]), "namespace": one.namespace}
    spec = mapping(tree.get("spec"))
    if "template" in spec:
        here = {config: known for (namespace, config), known in names.items() if namespace == one.namespace and config.name != known}
        tree["spec"] = {**spec, "template": rewrite(mapping(spec["template"]), here)}
    return tree
