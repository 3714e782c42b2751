"""Probes and lifecycle handlers of a container, with local ports. Pure; called by `podspec`, carried out by `probes`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from trimtab.adapters.local.podfields import LOOPBACK
from trimtab.adapters.local.podlocal import Local
from trimtab.config.references import items, mapping
from trimtab.errors import InputError


@dataclass(frozen=True, slots=True)
class Probe:
    """What is done, and how often: exactly one of `command`, `url`, `port` (a TCP connection) and `sleep`. Times in seconds."""

    command: tuple[str, ...] = ()
    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    port: int = 0
    """The local port, also of `url`."""
    sleep: float | None = None
    initial_delay: float = 0.0
    period: float = 10.0
    timeout: float = 1.0
    successes: int = 1
    failures: int = 3


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The container of a probe: its local ports by number and name, what its texts mean here, and where the probe is written."""

    ports: Mapping[str, int]
    local: Local
    where: str


def probe(written: object, around: Surroundings) -> Probe | None:
    """A probe with Kubernetes' defaults; None where there is none. InputError for what cannot work on one machine."""
    found = handler(written, around)
    if found is None:
        return None
    if found.sleep is not None:
        raise InputError(f"{around.where}.sleep is not a probe; there are exec, httpGet and tcpSocket")
    fields = mapping(written)
    return replace(
        found,
        initial_delay=max(0.0, number(fields, "initialDelaySeconds", 0.0)),
        period=positive(fields, "periodSeconds", 10.0),
        timeout=positive(fields, "timeoutSeconds", 1.0),
        successes=max(1, int(number(fields, "successThreshold", 1.0))),
        failures=max(1, int(number(fields, "failureThreshold", 3.0))),
    )


def handler(written: object, around: Surroundings) -> Probe | None:
    """What to do: exec, httpGet, tcpSocket or sleep."""
    fields = mapping(written)
    if not fields:
        return None
    if "exec" in fields:
        command = mapping(fields["exec"]).get("command")
        if not isinstance(command, list) or not command:
            raise InputError(f"{around.where}.exec.command is empty; write the program and its arguments as a list")
        return Probe(command=tuple(around.local.text(str(part), f"{around.where}.exec.command") for part in command))
    if "httpGet" in fields:
        return http(mapping(fields["httpGet"]), around)
    if "tcpSocket" in fields:
        target = mapping(fields["tcpSocket"])
        refuse_other_hosts(target, f"{around.where}.tcpSocket")
        return Probe(port=local_port(target.get("port"), around.ports, f"{around.where}.tcpSocket.port"))
    if "sleep" in fields:
        return Probe(sleep=max(0.0, number(mapping(fields["sleep"]), "seconds", 0.0)))
    kinds = ", ".join(key for key in fields if not key.endswith(("Seconds", "Threshold"))) or "nothing"
    raise InputError(f"{around.where} says {kinds}, which cannot work on one machine; there are exec, httpGet and tcpSocket")


def http(target: Mapping[str, object], around: Surroundings) -> Probe:
    """A request to a local port. As in Kubernetes a certificate is not looked at."""
    where = f"{around.where}.httpGet"
    refuse_other_hosts(target, where)
    port = local_port(target.get("port"), around.ports, f"{where}.port")
    scheme = "https" if str(target.get("scheme", "HTTP")).upper() == "HTTPS" else "http"
    path = "/" + str(target.get("path") or "/").lstrip("/")
    headers = tuple((str(header.get("name")), str(header.get("value"))) for header in items(target.get("httpHeaders")))
    if any(sign in text for pair in headers for text in pair for sign in "\r\n\0"):
        raise InputError(f"{where}.httpHeaders hold a line break, which no header can")
    return Probe(url=f"{scheme}://{LOOPBACK}:{port}{path}", port=port, headers=headers)


def refuse_other_hosts(target: Mapping[str, object], where: str) -> None:
    """Pods are on the loopback interface, so a probe of another host would be about something else."""
    host = target.get("host")
    if host and host not in (LOOPBACK, "localhost"):
        raise InputError(f"{where}.host is {host}, but pods are on {LOOPBACK} here; leave it out, or put a Host header into httpHeaders")


def local_port(written: object, ports: Mapping[str, int], where: str) -> int:
    """The local port of a container port, by number or name."""
    found = ports.get(str(written))
    if found is None:
        there = ", ".join(ports) or "none"
        raise InputError(f"{where} is {written}, which is none of the container's ports: {there}. Declare it under ports")
    return found


def positive(fields: Mapping[str, object], name: str, default: float) -> float:
    """A number above zero; zero means the default, as in Kubernetes."""
    value = number(fields, name, default)
    return value if value > 0 else default


def number(fields: Mapping[str, object], name: str, default: float) -> float:
    """A number of the template."""
    value = fields.get(name, default)
    return float(value) if isinstance(value, int | float) else default
