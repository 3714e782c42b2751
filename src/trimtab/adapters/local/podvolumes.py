"""Volumes of a pod as files below its folder. Pure; called by `podspec`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from trimtab.config.references import items, mapping
from trimtab.errors import InputError
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName

Files = dict[str, bytes]
"""Content by path within a volume."""


class Named(Protocol):
    """What downward values are made of."""

    @property
    def name(self) -> str:
        """The pod's name."""

    @property
    def namespace(self) -> str:
        """The pod's namespace."""


def volumes(written: Sequence[Mapping[str, object]], contents: Mapping[ConfigName, Content], pod: Named) -> dict[str, Files]:
    """The files of every volume by its name."""
    return {str(volume.get("name")): files_of(volume, contents, pod) for volume in written}


def files_of(volume: Mapping[str, object], contents: Mapping[ConfigName, Content], pod: Named) -> Files:
    """One volume, or one source of a projected one. InputError for kinds that need a cluster."""
    if "configMap" in volume:
        return chosen(mapping(volume["configMap"]), ConfigKind.CONFIG_MAP, contents)
    if "secret" in volume:
        return chosen(mapping(volume["secret"]), ConfigKind.SECRET, contents)
    if "projected" in volume:
        found: Files = {}
        for source in items(mapping(volume["projected"]).get("sources")):
            found |= files_of(source, contents, pod)
        return found
    if "emptyDir" in volume:
        return {}
    if "downwardAPI" in volume:
        known = {"metadata.name": pod.name, "metadata.namespace": pod.namespace}
        entries = items(mapping(volume["downwardAPI"]).get("items"))
        return {str(e.get("path")): known.get(str(mapping(e.get("fieldRef")).get("fieldPath")), "").encode() for e in entries}
    kind = next((key for key in volume if key != "name"), "unknown")
    raise InputError(
        f"volumes[{volume.get('name')}].{kind} cannot work on one machine; there are configMap, secret, projected and emptyDir"
    )


def chosen(source: Mapping[str, object], kind: ConfigKind, contents: Mapping[ConfigName, Content]) -> Files:
    """The keys of an object as files, all or those that `items` names."""
    name = ConfigName(kind, str(source.get("secretName") or source.get("name")))
    content = contents.get(name)
    if content is None:
        return {}
    values = {**content.data, **content.binary}
    listed = items(source.get("items"))
    if not listed:
        return dict(values)
    found: Files = {}
    for item in listed:
        key, path = str(item.get("key")), str(item.get("path"))
        if key in values:
            found[path] = values[key]
        elif source.get("optional") is not True:
            raise InputError(f"{name} has no key {key!r}, which a volume needs. Add the key, or mark the volume `optional: true`")
    return found


def mounted(container: Mapping[str, object], made: Mapping[str, Files]) -> dict[str, Files]:
    """What a container sees: by mount path, the files below the pod's folder. A `subPath` mounts one file or folder of a volume."""
    found: dict[str, Files] = {}
    for mount in items(container.get("volumeMounts")):
        path, name = str(mount.get("mountPath")).strip("/"), str(mount.get("name"))
        if name not in made:
            raise InputError(f"volumeMounts names volume {name!r}, which does not exist; there are: {', '.join(made) or 'none'}")
        sub = str(mount.get("subPath") or "").strip("/")
        files = made[name]
        if sub and sub in files:
            found.setdefault(path.rpartition("/")[0], {})[path] = files[sub]
        else:
            below = {key.removeprefix(f"{sub}/"): value for key, value in files.items() if not sub or key.startswith(f"{sub}/")}
            found.setdefault(path, {}).update({f"{path}/{key}": value for key, value in below.items()})
    return found
