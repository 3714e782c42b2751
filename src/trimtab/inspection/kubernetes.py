"""Objects against the schemas of Kubernetes, unknown fields included. Called by `inspect`; the schemas are handed in.

Texts are our own: those of the library hold values, and a Secret's must not be seen.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

import jsonschema_rs

from trimtab.config.references import mapping
from trimtab.config.showing import cut, quoted, shown_value
from trimtab.documents.fitting import did_you_mean, meant, nearest
from trimtab.documents.nodes import Path
from trimtab.inspection.places import Lines, about, at
from trimtab.model.content import Finding
from trimtab.model.names import some
from trimtab.model.rendered import RenderedObject

MOST = 20
"""Problems of one object that are told."""
REMOVED = {
    "extensions/v1beta1": "apps/v1, networking.k8s.io/v1 or policy/v1",
    "apps/v1beta1": "apps/v1",
    "apps/v1beta2": "apps/v1",
    "batch/v1beta1": "batch/v1",
    "batch/v2alpha1": "batch/v1",
    "policy/v1beta1": "policy/v1",
    "autoscaling/v2beta1": "autoscaling/v2",
    "autoscaling/v2beta2": "autoscaling/v2",
    "rbac.authorization.k8s.io/v1beta1": "rbac.authorization.k8s.io/v1",
    "apiextensions.k8s.io/v1beta1": "apiextensions.k8s.io/v1",
    "scheduling.k8s.io/v1beta1": "scheduling.k8s.io/v1",
    "discovery.k8s.io/v1beta1": "discovery.k8s.io/v1",
    "coordination.k8s.io/v1beta1": "coordination.k8s.io/v1",
}
"""Versions that no supported cluster serves, and what to write."""
WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "boolean": "true or false",
}
OURS = ("flagger.app/", "trimtab.dev/")


@dataclass(frozen=True, slots=True)
class Schemas:
    """What Kubernetes knows: a definition for `apps/v1/Deployment` and its like. Each is compiled when it is first needed."""

    version: str
    kinds: Mapping[str, str]
    definitions: Mapping[str, object] = field(repr=False)
    _compiled: dict[str, jsonschema_rs.Validator] = field(default_factory=dict, repr=False)

    def validator(self, kind: str) -> jsonschema_rs.Validator | None:
        """What holds objects of a kind (`apps/v1/Deployment`) against its schema; None for an unknown kind."""
        name = self.kinds.get(kind)
        if name is None:
            return None
        if kind not in self._compiled:
            whole = {"$ref": f"#/$defs/{name}", "$defs": self.definitions}
            self._compiled[kind] = jsonschema_rs.Draft202012Validator(whole)
        return self._compiled[kind]

    def kinds_of(self, version: str) -> list[str]:
        """The kinds of a version of an API; none where it is not Kubernetes' own."""
        return [kind.rpartition("/")[2] for kind in self.kinds if kind.rpartition("/")[0] == version]

    def allowed(self, steps: Path) -> list[str]:
        """The fields that the schema at a path within it has."""
        node: object = {"$defs": self.definitions}
        for step in steps:
            node = mapping(node).get(str(step)) if not isinstance(node, list) else None
        return list(mapping(mapping(node).get("properties")))


def misfits(one: RenderedObject, schemas: Schemas, lines: Lines) -> Iterator[Finding]:
    """What is wrong with an object by its schema."""
    if one.api_version.startswith(OURS):
        return
    validator = schemas.validator(f"{one.api_version}/{one.kind}")
    if validator is None:
        yield from _unknown(one, schemas, lines)
        return
    if validator.is_valid(one.tree):
        return
    secret = one.kind == "Secret"
    for error in islice(validator.iter_errors(one.tree), MOST):
        # The value of a variable may be a password that should have been in a Secret.
        hidden = secret or tuple(error.instance_path)[-1:] == ("value",)
        path, problem, fix = _explained(error, schemas, secret=hidden)
        yield at("kubernetes/schema", one, lines, path, problem, fix)


def _unknown(one: RenderedObject, schemas: Schemas, lines: Lines) -> Iterator[Finding]:
    """An object whose kind has no schema here: another group's, perhaps; but a group of Kubernetes has no other kinds."""
    versions = sorted(kind.rpartition("/")[0] for kind in schemas.kinds if kind.rpartition("/")[2] == one.kind)
    if one.api_version in REMOVED:
        instead = " or ".join(versions) or REMOVED[one.api_version]
        yield about("kubernetes/removed", one, f"{one.api_version} is served by no cluster any more", f"Write {instead}.")
        return
    near = meant(one.kind, schemas.kinds_of(one.api_version))
    elsewhere = f"Write apiVersion: {' or '.join(versions)}." if versions else ""
    if schemas.kinds_of(one.api_version) and (near or versions):
        path = ("apiVersion",) if versions else ("kind",)
        problem = f"{one.api_version} has no kind {one.kind}"
        yield at("kubernetes/schema", one, lines, path, problem, elsewhere or did_you_mean(near))
        return
    fix = f"If it is one of Kubernetes' own: {elsewhere[:1].lower()}{elsewhere[1:]}" if elsewhere else ""
    yield about("kubernetes/unknown", one, f"{one.api_version} {one.kind} is not checked: its schema is not known here", fix)


def _explained(error: jsonschema_rs.ValidationError, schemas: Schemas, *, secret: bool) -> tuple[Path, str, str]:
    """Where, what and what to do, without the value of a Secret."""
    path: Path = tuple(error.instance_path)
    details = mapping(error.kind.as_dict())
    match error.kind.name:
        case "additionalProperties":
            unexpected = [str(name) for name in _listed(details.get("unexpected"))]
            known = schemas.allowed(tuple(error.schema_path)[:-1])
            # The first one is the place; a path must not end in what a file may not say twice.
            return (*path, unexpected[0]), "there is no such field", _sentence(nearest(unexpected[0], known))
        case "required":
            return path, f"the field {details.get('property')} is missing", "Add it."
        case "type":
            wanted = " or ".join(
                WORDS.get(str(name), str(name)) for name in _listed(details.get("types")) or [details.get("type")] if name != "null"
            )
            return path, f"expected {wanted}, found {_seen(error.instance, secret=secret)}", _quoting(wanted, error.instance)
        case "enum":
            options = [str(option) for option in _listed(details.get("options")) if option]
            near = "" if secret else meant(str(error.instance), options)
            problem = f"expected one of {some(options, MOST)}, found {_seen(error.instance, secret=secret)}"
            return path, problem, did_you_mean(near)
    return path, f"does not fit the schema ({error.kind.name})", ""


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith("?") else ".")


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _seen(value: object, *, secret: bool) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if secret:
        return "true or false" if isinstance(value, bool) else "a number" if isinstance(value, int | float) else "text"
    return (
        cut(quoted(value)) if isinstance(value, str) else shown_value(value) if isinstance(value, bool | int | float) else "something else"
    )


def _quoting(wanted: str, found: object) -> str:
    if isinstance(found, str) and wanted != "text" and "number" in wanted:
        return "Remove the quotes."
    return "Quote it." if wanted == "text" and isinstance(found, bool | int | float) else ""
