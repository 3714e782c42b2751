"""Which ConfigMaps and Secrets a pod template reads, and how to point it at copies (CFG-1 to CFG-6, CFG-14).

Called by sources, which read what is named, and by the runtimes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trimtab.config.digest import short
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName

TRACKING = "flagger.app/config-tracking"
TRACKED_TYPES = frozenset({"", "Opaque", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "kubernetes.io/tls"})
LONGEST_NAME = 253
WHOLE = (("configMap", "name", ConfigKind.CONFIG_MAP), ("secret", "secretName", ConfigKind.SECRET), ("secret", "name", ConfigKind.SECRET))
BY_KEY = (("configMapKeyRef", ConfigKind.CONFIG_MAP), ("secretKeyRef", ConfigKind.SECRET))
BY_OBJECT = (("configMapRef", ConfigKind.CONFIG_MAP), ("secretRef", ConfigKind.SECRET))
"""How a variable names one key, and how a container names a whole object: the field, and the kind that it is about."""


NAMING = {
    "configMap": (ConfigKind.CONFIG_MAP, ("name",)),
    "configMapKeyRef": (ConfigKind.CONFIG_MAP, ("name",)),
    "configMapRef": (ConfigKind.CONFIG_MAP, ("name",)),
    "secret": (ConfigKind.SECRET, ("secretName", "name")),
    "secretKeyRef": (ConfigKind.SECRET, ("name",)),
    "secretRef": (ConfigKind.SECRET, ("name",)),
}
"""The same fields, wherever they are: what kind they name, and by which field."""
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A ConfigMap or Secret that a pod template reads. `places` are the fields that name it.

    `optional` is what Flagger goes by (CFG-4); a pod does not start without the object where `mandatory` is not empty.
    """

    name: ConfigName
    optional: bool
    places: tuple[str, ...]
    keys: frozenset[str] = frozenset()
    """Keys that must be there, because a variable or a volume item names them and is not optional."""
    mandatory: tuple[str, ...] = ()
    """Those of `places` that are not optional."""


@dataclass(frozen=True, slots=True)
class Mention:
    """One place that names a ConfigMap or Secret."""

    name: ConfigName
    optional: bool
    place: str
    keys: tuple[str, ...] = ()


def references(template: Mapping[str, object]) -> tuple[Reference, ...]:
    """Everything a pod of this template reads, first mention first; the last mention decides what is optional (CFG-4)."""
    found: dict[ConfigName, Reference] = {}
    for mention in mentions(template):
        before = found.get(mention.name, Reference(mention.name, mention.optional, ()))
        places, keys, mandatory = (*before.places, mention.place), before.keys, before.mandatory
        if not mention.optional:
            keys, mandatory = keys | frozenset(mention.keys), (*mandatory, mention.place)
        found[mention.name] = Reference(mention.name, mention.optional, places, keys, mandatory)
    return tuple(found.values())


def mentions(template: Mapping[str, object]) -> Iterator[Mention]:
    """Volumes, then containers, then init containers; variables before whole objects (CFG-4)."""
    spec = mapping(template.get("spec"))
    for index, volume in enumerate(items(spec.get("volumes"))):
        place = f"volumes[{volume.get('name', index)}]"
        yield from of_volume(volume, place)
        for source in items(mapping(volume.get("projected")).get("sources")):
            yield from of_volume(source, f"{place}.projected")
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(items(spec.get(kind))):
            yield from of_container(container, f"{kind}[{container.get('name', index)}]")


def of_volume(volume: Mapping[str, object], place: str) -> Iterator[Mention]:
    """A volume, or one source of a projected one."""
    for kind, key, config_kind in WHOLE:
        source = mapping(volume.get(kind))
        name = source.get(key)
        if isinstance(name, str) and name:
            keys = tuple(str(item["key"]) for item in items(source.get("items")) if "key" in item)
            yield Mention(ConfigName(config_kind, name), source.get("optional") is True, f"{place}.{kind}", keys)


def of_container(container: Mapping[str, object], place: str) -> Iterator[Mention]:
    """The variables of a container."""
    for variable in items(container.get("env")):
        origin = mapping(variable.get("valueFrom"))
        for kind, config_kind in BY_KEY:
            source = mapping(origin.get(kind))
            if isinstance(name := source.get("name"), str) and name:
                keys = (str(source["key"]),) if "key" in source else ()
                where = f"{place}.env[{variable.get('name')}]"
                yield Mention(ConfigName(config_kind, name), source.get("optional") is True, where, keys)
    for entry in items(container.get("envFrom")):
        for kind, config_kind in BY_OBJECT:
            source = mapping(entry.get(kind))
            if isinstance(name := source.get("name"), str) and name:
                yield Mention(ConfigName(config_kind, name), source.get("optional") is True, f"{place}.envFrom")


def named_at(node: object, name: ConfigName, key: str = "", above: Path = ()) -> Iterator[Path]:
    """The fields of a pod template that name an object, or one key of it, so that a pod needs it; by their paths."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from named_at(item, name, key, (*above, index))
    for field, value in node.items() if isinstance(node, Mapping) else ():
        kind, fields = NAMING.get(field, (None, ()))
        leaf = next((leaf for leaf in fields if kind is name.kind and mapping(value).get(leaf) == name.name), None)
        if leaf is None:
            yield from named_at(value, name, key, (*above, field))
        elif mapping(value).get("optional") is not True:
            yield from _leaves(mapping(value), leaf, key, (*above, field))


def _leaves(source: Mapping[str, object], leaf: str, key: str, above: Path) -> Iterator[Path]:
    if not key:
        yield (*above, leaf)
    elif source.get("key") == key:
        yield (*above, "key")
    for index, item in enumerate(items(source.get("items")) if key else ()):
        if item.get("key") == key:
            yield (*above, "items", index, "key")


def tracked(content: Content) -> bool:
    """Does a change of this object start a rollout? Not for other types of Secrets (CFG-5), nor where it is switched off (CFG-6)."""
    if content.annotations.get(TRACKING, "").startswith("disable"):
        return False
    return not content.secret or content.type in TRACKED_TYPES


def copy_name(name: str, digest: str) -> str:
    """What the primary's immutable copy is called: `NAME-primary-DIGEST`, NAME cut so that it fits (C2).

    A name that was cut behind a dot or a hyphen loses these too: no part of a Kubernetes name ends with a hyphen.
    """
    suffix = f"-primary-{short(digest)}"
    return f"{name[: LONGEST_NAME - len(suffix)].rstrip('.-')}{suffix}"


def rewrite(template: Mapping[str, object], names: Mapping[ConfigName, str]) -> dict[str, object]:
    """The template with references pointed at copies; what is not in `names` stays (CFG-14). The input is not changed."""
    spec = mapping(template.get("spec"))
    new: dict[str, object] = dict(spec)
    if isinstance(spec.get("volumes"), list):
        new["volumes"] = [volume_rewritten(volume, names) for volume in items(spec["volumes"])]
    for kind in ("containers", "initContainers"):
        if isinstance(spec.get(kind), list):
            new[kind] = [container_rewritten(container, names) for container in items(spec[kind])]
    return {**template, "spec": new}


def volume_rewritten(volume: Mapping[str, object], names: Mapping[ConfigName, str]) -> dict[str, object]:
    """A volume, or one source of a projected one."""
    new = dict(volume)
    for kind, key, config_kind in WHOLE:
        renamed(new, kind, key, config_kind, names)
    projected = mapping(volume.get("projected"))
    if isinstance(projected.get("sources"), list):
        new["projected"] = {**projected, "sources": [volume_rewritten(source, names) for source in items(projected.get("sources"))]}
    return new


def container_rewritten(container: Mapping[str, object], names: Mapping[ConfigName, str]) -> dict[str, object]:
    """The variables of a container."""
    new = dict(container)
    if isinstance(container.get("env"), list):
        variables = []
        for variable in items(container["env"]):
            origin = dict(mapping(variable.get("valueFrom")))
            for kind, config_kind in BY_KEY:
                renamed(origin, kind, "name", config_kind, names)
            variables.append({**variable, "valueFrom": origin} if origin else dict(variable))
        new["env"] = variables
    if isinstance(container.get("envFrom"), list):
        entries = []
        for entry in items(container["envFrom"]):
            changed = dict(entry)
            for kind, config_kind in BY_OBJECT:
                renamed(changed, kind, "name", config_kind, names)
            entries.append(changed)
        new["envFrom"] = entries
    return new


def renamed(holder: dict[str, object], kind: str, key: str, config_kind: ConfigKind, names: Mapping[ConfigName, str]) -> None:
    """Points one reference in `holder`, which is ours to change, at its copy."""
    source = mapping(holder.get(kind))
    name = source.get(key)
    if isinstance(name, str) and (new := names.get(ConfigName(config_kind, name))) is not None:
        holder[kind] = {**source, key: new}


def mapping(value: object) -> Mapping[str, object]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> Sequence[Mapping[str, object]]:
    """The mappings in a list, or none."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
