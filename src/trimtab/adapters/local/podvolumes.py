"""Volumes of a pod as folders, and mounts as links to them. Pure; called by `podspec`, written to disk by `podfolder`.

A volume lies once in the pod's folder, so that containers share it. In a container's root a mount is a link to it, or a folder
of links where another mount lies below it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from trimtab.adapters.local.podfields import PodFields
from trimtab.config.references import items, mapping
from trimtab.errors import InputError
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName

DEFAULT_MODE = 0o644
KINDS = "configMap, secret, projected, downwardAPI and emptyDir"


@dataclass(frozen=True, slots=True)
class File:
    """One file of a volume. Only its owner can read it, whatever its mode says; of the mode only the right to run it is kept."""

    content: bytes = field(repr=False)
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Volume:
    """The files of a volume by their path in it. `lenient`: what is not there may be missing (`optional`, or an emptyDir)."""

    files: Mapping[str, File]
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume, or one path in it, as a container sees it. `path` has no leading slash."""

    path: str
    volume: str
    sub: str = ""


@dataclass(frozen=True, slots=True)
class Sourced:
    """What volumes are made of."""

    contents: Mapping[ConfigName, Content]
    pod: PodFields


def volumes(written: Sequence[Mapping[str, object]], sourced: Sourced) -> dict[str, Volume]:
    """Every volume by its name. InputError names what cannot work on one machine, or what is missing."""
    return {plain_name(volume.get("name"), "volumes"): of(volume, f"volumes[{volume.get('name')}]", sourced) for volume in written}


def of(volume: Mapping[str, object], where: str, sourced: Sourced) -> Volume:
    """One volume."""
    if "emptyDir" in volume:
        return Volume({}, lenient=True)
    if "projected" not in volume:
        return source(volume, where, DEFAULT_MODE, sourced)
    projected = mapping(volume["projected"])
    parts = [source(part, f"{where}.projected", mode(projected, DEFAULT_MODE), sourced) for part in items(projected.get("sources"))]
    return Volume({path: file for part in parts for path, file in part.files.items()}, any(part.lenient for part in parts))


def source(volume: Mapping[str, object], where: str, default: int, sourced: Sourced) -> Volume:
    """A volume of one source, or one source of a projected one."""
    for kind, config_kind in (("configMap", ConfigKind.CONFIG_MAP), ("secret", ConfigKind.SECRET)):
        if kind in volume:
            return configured(mapping(volume[kind]), config_kind, f"{where}.{kind}", default, sourced)
    if "downwardAPI" in volume:
        fields = mapping(volume["downwardAPI"])
        return Volume(
            {
                inside(entry.get("path"), where): File(
                    sourced.pod.value(mapping(entry.get("fieldRef")).get("fieldPath"), f"{where}.downwardAPI").encode(),
                    bool(mode(entry, mode(fields, default)) & 0o100),
                )
                for entry in items(fields.get("items"))
            }
        )
    kind = next((key for key in volume if key != "name"), "nothing")
    raise InputError(f"{where}.{kind} cannot work on one machine; there are {KINDS}")


def configured(written: Mapping[str, object], kind: ConfigKind, where: str, default: int, sourced: Sourced) -> Volume:
    """The keys of a ConfigMap or Secret as files, all or those that `items` names."""
    name = ConfigName(kind, str(written.get("secretName") or written.get("name")))
    usual, optional, content = mode(written, default), written.get("optional") is True, sourced.contents.get(name)
    if content is None:
        if optional:
            return Volume({}, lenient=True)
        raise InputError(f"{name} does not exist, and {where} needs it. Add it, or mark the volume `optional: true`")
    values = {**content.data, **content.binary}
    listed = items(written.get("items"))
    if not listed:
        return Volume({inside(key, where): File(value, bool(usual & 0o100)) for key, value in values.items()}, optional)
    found: dict[str, File] = {}
    for item in listed:
        key = str(item.get("key"))
        if key in values:
            found[inside(item.get("path"), where)] = File(values[key], bool(mode(item, usual) & 0o100))
        elif not optional:
            raise InputError(f"{name} has no key {key!r}, which {where} needs. Add the key, or mark the volume `optional: true`")
    return Volume(found, optional)


def mode(written: Mapping[str, object], default: int) -> int:
    """`mode` of an item or `defaultMode` of a volume."""
    value = written.get("mode", written.get("defaultMode", default))
    return value if isinstance(value, int) else default


def checked(mounts: Sequence[Mount], made: Mapping[str, Volume], where: str) -> None:
    """InputError for a mount of something that is not there."""
    for mount in mounts:
        volume = made.get(mount.volume)
        if volume is None:
            there = ", ".join(made) or "none"
            raise InputError(f"{where}.volumeMounts names volume {mount.volume!r}, which does not exist; there are: {there}")
        below = any(path == mount.sub or path.startswith(f"{mount.sub}/") for path in volume.files)
        if mount.sub and not below and not volume.lenient:
            there = ", ".join(volume.files) or "none"
            raise InputError(f"{where}.volumeMounts[{mount.volume}].subPath {mount.sub} is not in that volume; there are: {there}")


def links(mounts: Sequence[Mount], made: Mapping[str, Volume]) -> Iterator[tuple[str, str]]:
    """Links to make in a container's root, as path and path below the folder of volumes, each after the ones that it lies below."""
    for mount in sorted(mounts, key=lambda mount: mount.path):
        target = f"{mount.volume}/{mount.sub}".rstrip("/")
        nested = [other.path for other in mounts if other.path.startswith(f"{mount.path}/")]
        files = made[mount.volume].files
        # An emptyDir stays one link, since what will be in it is not known; what is mounted in it becomes a link inside.
        if not nested or not files:
            yield mount.path, target
            continue
        for path in files:
            relative = path.removeprefix(f"{mount.sub}/") if mount.sub else path
            place = f"{mount.path}/{relative}"
            if path.startswith(f"{mount.sub}/" if mount.sub else "") and not any(f"{place}/".startswith(f"{n}/") for n in nested):
                yield place, f"{mount.volume}/{path}"


def plain_name(value: object, where: str) -> str:
    """A name that is one step of a path and stays in its folder."""
    text = str(value)
    if not text or text in (".", "..") or "/" in text or "\0" in text:
        raise InputError(f"{where}: {text!r} cannot be a name. Names have letters, digits, hyphens and dots")
    return text


def inside(value: object, where: str) -> str:
    """A relative path that stays in its folder, in its shortest form. InputError for one that leaves it."""
    path = PurePosixPath(str(value))
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in str(path):
        raise InputError(f"{where}: {str(value)!r} is not a path below its folder. Write one without `..`")
    return str(path)
