"""A pod template as a plan of processes on this machine: commands, variables, files, ports, probes. Pure; called by `pods`.

Two substitutions make ordinary YAML run without containers (L3): a port that stands alone or after `=` or `:` becomes the local
port, and a mount path becomes a folder of the pod. They are kept in the plan so that they can be shown.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from trimtab.adapters.local import probespec
from trimtab.adapters.local.podvolumes import mounted, volumes
from trimtab.adapters.local.probespec import Probe
from trimtab.config.references import items, mapping
from trimtab.errors import InputError
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName

GRACE = 30.0
"""Seconds between TERM and KILL where the template says nothing, as in Kubernetes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod runs: its folder for mounts, its name and namespace, and its local ports by container port."""

    root: str
    name: str
    namespace: str
    ports: Mapping[int, int]
    images: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Commands of images that the template does not name a command for (`up --images`)."""
    services: Mapping[str, str] = field(default_factory=dict)
    """Variables by which other Services are found (`WEB_SERVICE_HOST`)."""


@dataclass(frozen=True, slots=True)
class Container:
    """One process."""

    name: str
    command: tuple[str, ...]
    variables: dict[str, str] = field(repr=False)
    folder: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    """Local ports by the container port, as a number or by its name."""
    readiness: Probe | None = None
    liveness: Probe | None = None
    startup: Probe | None = None
    pre_stop: Probe | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A pod. `substitutions` are the texts that were changed, for people."""

    init: tuple[Container, ...]
    containers: tuple[Container, ...]
    files: dict[str, bytes] = field(repr=False)
    """Content by path below the pod's folder."""
    folders: tuple[str, ...] = ()
    grace: float = GRACE
    substitutions: tuple[str, ...] = ()


def container_ports(template: str) -> tuple[int, ...]:
    """Every container port of a template, once each, in order."""
    spec = mapping(msgspec.json.decode(template, type=dict[str, object]).get("spec"))
    found = [port.get("containerPort") for container in items(spec.get("containers")) for port in items(container.get("ports"))]
    return tuple(dict.fromkeys(port for port in found if isinstance(port, int)))


def plan(template: str, contents: Sequence[Content], place: Place) -> Plan:
    """What to run. InputError names the field that cannot work on one machine, and what to do."""
    spec = mapping(msgspec.json.decode(template, type=dict[str, object]).get("spec"))
    by_name = {content.name: content for content in contents}
    made = volumes(items(spec.get("volumes")), by_name, place)
    files: dict[str, bytes] = {}
    folders: list[str] = []
    told: list[str] = []
    build = Builder(by_name, place, told)
    for container in (*items(spec.get("initContainers")), *items(spec.get("containers"))):
        for path, found in mounted(container, made).items():
            folders.append(path)
            files.update(found)
    init = tuple(build.container(container) for container in items(spec.get("initContainers")))
    containers = tuple(build.container(container) for container in items(spec.get("containers")))
    grace = spec.get("terminationGracePeriodSeconds", GRACE)
    seconds = float(grace) if isinstance(grace, int | float) else GRACE
    return Plan(init, containers, files, tuple(folders), seconds, tuple(dict.fromkeys(told)))


class Builder:
    """Makes containers; remembers what was substituted."""

    def __init__(self, contents: Mapping[ConfigName, Content], place: Place, told: list[str]) -> None:
        self.contents, self.place, self.told = contents, place, told

    def container(self, written: Mapping[str, object]) -> Container:
        """One container of the template."""
        name = str(written.get("name", "app"))
        if written.get("restartPolicy") is not None:
            raise InputError(f"initContainers[{name}].restartPolicy (a native sidecar) cannot run on one machine; make it a container")
        mounts = tuple(str(mount.get("mountPath")) for mount in items(written.get("volumeMounts")))
        ports = {key: value for port in items(written.get("ports")) for key, value in self.named_ports(port)}
        variables = self.variables(written, mounts, ports)
        command = [self.local(expand(part, variables), mounts) for part in self.command(written, name)]
        folder = written.get("workingDir")
        return Container(
            name,
            tuple(command),
            variables,
            self.local(str(folder), mounts) if folder else self.place.root,
            ports,
            probespec.probe(written.get("readinessProbe"), ports, f"{name}.readinessProbe"),
            probespec.probe(written.get("livenessProbe"), ports, f"{name}.livenessProbe"),
            probespec.probe(written.get("startupProbe"), ports, f"{name}.startupProbe"),
            probespec.handler(mapping(written.get("lifecycle")).get("preStop"), ports, f"{name}.lifecycle.preStop"),
        )

    def named_ports(self, port: Mapping[str, object]) -> list[tuple[str, int]]:
        """The local port under the container port's number and name."""
        number = port.get("containerPort")
        if not isinstance(number, int):
            return []
        local = self.place.ports[number]
        name = port.get("name")
        return [(str(number), local), *([(name, local)] if isinstance(name, str) else [])]

    def command(self, written: Mapping[str, object], name: str) -> list[str]:
        """Command and arguments; an image stands for the command that `--images` gives it."""
        command, arguments = strings(written.get("command")), strings(written.get("args"))
        image = str(written.get("image", ""))
        if not command:
            known = self.place.images.get(image) or self.place.images.get(image.rsplit(":", 1)[0])
            if known is None:
                raise InputError(
                    f"containers[{name}] has no command, and on one machine an image alone cannot run. Give it a command in the "
                    f"template, or name one in a file: trimtab up --images FILE, with a line like `{image or 'IMAGE'}: [program, argument]`"
                )
            command = list(known)
        return command + arguments

    def variables(self, written: Mapping[str, object], mounts: Sequence[str], ports: Mapping[str, int]) -> dict[str, str]:
        """The environment: Services, ports, envFrom, env, in the order in which later ones win."""
        found = dict(self.place.services)
        for name, local in ports.items():
            found[f"PORT_{re.sub(r'[^A-Z0-9]', '_', name.upper())}"] = str(local)
        if ports:
            found["PORT"] = str(next(iter(ports.values())))
        for entry in items(written.get("envFrom")):
            found |= self.from_object(entry)
        for variable in items(written.get("env")):
            value = self.value_of(variable, found)
            if value is not None:
                found[str(variable.get("name"))] = self.local(value, mounts)
        return found

    def from_object(self, entry: Mapping[str, object]) -> dict[str, str]:
        """All keys of a ConfigMap or Secret that make good names of variables."""
        prefix = str(entry.get("prefix", ""))
        for field_name, kind in (("configMapRef", ConfigKind.CONFIG_MAP), ("secretRef", ConfigKind.SECRET)):
            name = mapping(entry.get(field_name)).get("name")
            content = self.contents.get(ConfigName(kind, str(name))) if name else None
            if content is not None:
                return {
                    f"{prefix}{key}": value.decode("utf-8", "surrogateescape")
                    for key, value in content.data.items()
                    if re.fullmatch(r"[-._a-zA-Z][-._a-zA-Z0-9]*", prefix + key)
                }
        return {}

    def value_of(self, variable: Mapping[str, object], known: Mapping[str, str]) -> str | None:
        """The value of one variable; None where an optional key is not there."""
        if "value" in variable:
            return expand(str(variable["value"]), known)
        origin = mapping(variable.get("valueFrom"))
        for field_name, kind in (("configMapKeyRef", ConfigKind.CONFIG_MAP), ("secretKeyRef", ConfigKind.SECRET)):
            source = mapping(origin.get(field_name))
            if source:
                return self.key_of(ConfigName(kind, str(source.get("name"))), str(source.get("key")), source.get("optional") is True)
        return self.field_of(mapping(origin.get("fieldRef")).get("fieldPath"), variable) if "fieldRef" in origin else ""

    def key_of(self, name: ConfigName, key: str, optional: bool) -> str | None:
        """One key of a ConfigMap or Secret."""
        content = self.contents.get(name)
        if content is not None and key in content.data:
            return content.data[key].decode("utf-8", "surrogateescape")
        if optional:
            return None
        raise InputError(f"{name} has no key {key!r}, which a variable needs. Add the key, or mark the reference `optional: true`")

    def field_of(self, path: object, variable: Mapping[str, object]) -> str:
        """A field of the pod itself."""
        known = {"metadata.name": self.place.name, "metadata.namespace": self.place.namespace, "status.podIP": "127.0.0.1",
                 "status.hostIP": "127.0.0.1", "spec.nodeName": "localhost"}  # fmt: skip
        if path not in known:
            raise InputError(f"env[{variable.get('name')}].valueFrom.fieldRef {path} has no value here; there are {', '.join(known)}")
        return known[str(path)]

    def local(self, text: str, mounts: Sequence[str]) -> str:
        """The text with ports and mount paths of this machine (L3)."""
        changed = text
        for port, here in self.place.ports.items():
            changed = re.sub(rf"(?:(?<=[\s=:])|^){port}(?=$|[\s/,;\"'])", str(here), changed)
        for mount in sorted(mounts, key=len, reverse=True):
            changed = re.sub(rf"(?<![\w./-]){re.escape(mount.rstrip('/'))}(?![\w.-])", self.place.root + mount.rstrip("/"), changed)
        if changed != text and len(text) < 200:
            self.told.append(f"{text} -> {changed}")
        return changed


def expand(text: str, known: Mapping[str, str]) -> str:
    """`$(NAME)` as Kubernetes expands it: unknown names stay, `$$(NAME)` is an escaped one."""
    return re.sub(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)", lambda m: "$" if m[0] == "$$" else known.get(m[1], m[0]), text)


def strings(value: object) -> list[str]:
    """A list of strings, or none."""
    return [str(item) for item in value] if isinstance(value, list) else []
