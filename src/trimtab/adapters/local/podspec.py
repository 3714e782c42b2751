"""A pod template as a plan of processes on this machine: commands, variables, files, ports, probes. Pure; called by `node`.

Two substitutions make ordinary YAML run without containers (L3): a port that stands alone or after `=` or `:` becomes the local
port, and a mount path becomes a folder of the pod. They are kept in the plan so that they can be shown.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from trimtab.adapters.local import podvolumes, probespec
from trimtab.adapters.local.podenv import Variables, expand
from trimtab.adapters.local.podfields import PodFields
from trimtab.adapters.local.podlocal import Local
from trimtab.adapters.local.podvolumes import File, Mount, Sourced
from trimtab.adapters.local.probespec import Probe
from trimtab.config.references import items, mapping
from trimtab.errors import InputError
from trimtab.model.content import Content

GRACE = 30.0
"""Seconds between TERM and KILL where the template says nothing, as in Kubernetes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod runs: its folder, its name and namespace, and its local ports by container port."""

    folder: str
    name: str
    namespace: str
    ports: Mapping[int, int]
    images: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Commands of images that the template does not name a command for (`up --images`)."""
    services: Mapping[str, str] = field(default_factory=dict)
    """Variables by which other Services are found (`WEB_SERVICE_HOST`)."""

    def root(self, container: str) -> str:
        """The folder that stands for a container's file system."""
        return f"{self.folder}/c-{container}/root"


@dataclass(frozen=True, slots=True)
class Container:
    """One process. Its command may hold values of Secrets, where the template puts them there."""

    name: str
    command: tuple[str, ...] = field(repr=False)
    variables: dict[str, str] = field(repr=False)
    root: str
    folder: str
    """Its working directory."""
    ports: dict[str, int] = field(default_factory=dict)
    """Local ports by the container port, as a number or by its name."""
    readiness: Probe | None = None
    liveness: Probe | None = None
    startup: Probe | None = None
    pre_stop: Probe | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A pod. All paths are relative to its folder. `substitutions` are the texts that were changed, for people."""

    init: tuple[Container, ...]
    containers: tuple[Container, ...]
    files: dict[str, File]
    folders: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)
    """What a path points at, each after the ones that it lies below."""
    grace: float = GRACE
    substitutions: tuple[str, ...] = ()


def container_ports(template: str) -> tuple[int, ...]:
    """Every container port of a template, once each, in order."""
    spec = mapping(msgspec.json.decode(template, type=dict[str, object]).get("spec"))
    found = [port.get("containerPort") for container in all_containers(spec) for port in items(container.get("ports"))]
    return tuple(dict.fromkeys(port for port in found if isinstance(port, int)))


def all_containers(spec: Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
    """Containers, then init containers."""
    return (*items(spec.get("containers")), *items(spec.get("initContainers")))


def plan(template: str, contents: Sequence[Content], place: Place) -> Plan:
    """What to run. InputError names the field that cannot work on one machine, or what is missing, and what to do."""
    written = msgspec.json.decode(template, type=dict[str, object])
    spec, metadata = mapping(written.get("spec")), mapping(written.get("metadata"))
    checked_names(spec)
    pod = PodFields(place.name, place.namespace, mapping(metadata.get("labels")), mapping(metadata.get("annotations")))
    by_name = {content.name: content for content in contents}
    made = podvolumes.volumes(items(spec.get("volumes")), Sourced(by_name, pod))
    told: dict[str, None] = {}
    folders, links = [f"volumes/{name}" for name in made], dict[str, str]()
    found: dict[str, Container] = {}
    for one in all_containers(spec):
        builder = Builder(one, place, Sourced(by_name, pod), told)
        container, mounts = builder.container(), builder.mounts
        podvolumes.checked(mounts, made, builder.where)
        folders += [f"c-{container.name}/root/tmp"]
        folders += [f"volumes/{m.volume}/{m.sub}" for m in mounts if m.sub and not made[m.volume].files]
        links |= {f"c-{container.name}/root/{path}": f"volumes/{target}" for path, target in podvolumes.links(mounts, made)}
        found[container.name] = container
    return Plan(
        tuple(found[str(one.get("name"))] for one in items(spec.get("initContainers"))),
        tuple(found[str(one.get("name"))] for one in items(spec.get("containers"))),
        {f"volumes/{name}/{path}": file for name, volume in made.items() for path, file in volume.files.items()},
        tuple(folders),
        links,
        max(0.0, probespec.number(spec, "terminationGracePeriodSeconds", GRACE)),
        tuple(told),
    )


def checked_names(spec: Mapping[str, object]) -> None:
    """InputError where containers cannot be told apart, or there are none."""
    names = [podvolumes.plain_name(container.get("name") or "", "containers[].name") for container in all_containers(spec)]
    if not items(spec.get("containers")):
        raise InputError("the pod template has no containers; write at least one under spec.template.spec.containers")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"two containers are called {twice!r}; give each a name of its own")


class Builder:
    """Makes one container out of its template."""

    def __init__(self, written: Mapping[str, object], place: Place, sourced: Sourced, told: dict[str, None]) -> None:
        self.written, self.place, self.name = written, place, str(written.get("name"))
        self.where, self.ports = f"containers[{self.name}]", self.local_ports()
        self.refuse_what_cannot_work()
        root = place.root(self.name)
        paths = {path: root + path for path in self.mount_paths()}
        self.local = Local(place.ports, paths, told)
        made = Variables(sourced.contents, sourced.pod, self.local, self.where)
        self.variables = made.of(written, {**place.services, "HOSTNAME": place.name, **self.port_variables()})
        self.mounts = tuple(self.mount(mount) for mount in items(written.get("volumeMounts")))

    def container(self) -> Container:
        """The container. Its working directory is its root where the template names none."""
        root, folder = self.place.root(self.name), self.written.get("workingDir")
        return Container(
            self.name,
            tuple(expand(self.local.text(part, f"{self.where}.command"), self.variables) for part in self.command()),
            self.variables,
            root,
            self.local.text(str(folder), f"{self.where}.workingDir") if folder else root,
            self.ports,
            self.probe("readinessProbe"),
            self.probe("livenessProbe"),
            self.probe("startupProbe"),
            probespec.handler(mapping(self.written.get("lifecycle")).get("preStop"), self.surroundings("lifecycle.preStop")),
        )

    def refuse_what_cannot_work(self) -> None:
        """InputError for fields without which the container would not be what it is meant to be."""
        if self.written.get("restartPolicy") is not None:
            raise InputError(f"{self.where}.restartPolicy (a native sidecar) cannot work on one machine; make it an ordinary container")
        for name in ("volumeDevices", "lifecycle.postStart"):
            first, _, second = name.partition(".")
            value = self.written.get(first)
            if mapping(value).get(second) if second else value:
                raise InputError(f"{self.where}.{name} cannot work on one machine; leave it out here")

    def local_ports(self) -> dict[str, int]:
        """Local ports by the container port's number and name."""
        found: dict[str, int] = {}
        for port in items(self.written.get("ports")):
            number, name = port.get("containerPort"), port.get("name")
            if isinstance(number, int):
                found[str(number)] = self.place.ports[number]
                if isinstance(name, str):
                    found[name] = self.place.ports[number]
        return found

    def port_variables(self) -> dict[str, str]:
        """`PORT` is the first one, `PORT_<NAME>` each (L3)."""
        found = {f"PORT_{re.sub(r'[^A-Z0-9]', '_', name.upper())}": str(local) for name, local in self.ports.items()}
        return {**found, **({"PORT": str(next(iter(self.ports.values())))} if self.ports else {})}

    def mount_paths(self) -> tuple[str, ...]:
        """Where volumes are mounted, as written."""
        return tuple("/" + self.below(mount) for mount in items(self.written.get("volumeMounts")))

    def below(self, mount: Mapping[str, object]) -> str:
        """A mount path without its slashes at both ends."""
        return podvolumes.inside(str(mount.get("mountPath")).strip("/"), f"{self.where}.volumeMounts[{mount.get('name')}].mountPath")

    def mount(self, written: Mapping[str, object]) -> Mount:
        """One mount."""
        where = f"{self.where}.volumeMounts[{written.get('name')}].subPath"
        sub = str(written.get("subPath") or "") or expand(str(written.get("subPathExpr") or ""), self.variables)
        return Mount(self.below(written), str(written.get("name")), podvolumes.inside(sub, where) if sub else "")

    def command(self) -> list[str]:
        """Command and arguments; an image stands for the command that `--images` gives it."""
        command, arguments = strings(self.written.get("command")), strings(self.written.get("args"))
        image = str(self.written.get("image") or "")
        if not command:
            known = self.place.images.get(image) or self.place.images.get(untagged(image))
            if not known:
                raise InputError(
                    f"{self.where} has no command, and on one machine an image alone cannot run. Give it a command in the "
                    f"template, or name one in a file: trimtab up --images FILE, with a line like `{image or 'IMAGE'}: [program, argument]`"
                )
            command = list(known)
        return command + arguments

    def probe(self, name: str) -> Probe | None:
        """One of the container's probes."""
        return probespec.probe(self.written.get(name), self.surroundings(name))

    def surroundings(self, name: str) -> probespec.Surroundings:
        """What a probe's words mean in this container."""
        return probespec.Surroundings(self.ports, self.local, f"{self.where}.{name}")


def untagged(image: str) -> str:
    """An image without its tag or digest."""
    path, _, last = image.partition("@")[0].rpartition("/")
    return "/".join(part for part in (path, last.partition(":")[0]) if part)


def strings(value: object) -> list[str]:
    """A list of strings, or none."""
    return [str(item) for item in value] if isinstance(value, list) else []
