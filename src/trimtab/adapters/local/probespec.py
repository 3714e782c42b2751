"""Probes and lifecycle handlers of a container, with local ports. Pure; called by `podspec`, carried out by `probes`."""

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.config.references import items, mapping
from trimtab.errors import InputError


@dataclass(frozen=True, slots=True)
class Probe:
    """What is done, and how often. Exactly one of `command`, `path` with `port`, `port`, or `sleep` says what. Seconds."""

    command: tuple[str, ...] = ()
    port: int = 0
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    sleep: float = 0.0
    initial_delay: float = 0.0
    period: float = 10.0
    timeout: float = 1.0
    successes: int = 1
    failures: int = 3


def probe(written: object, ports: Mapping[str, int], where: str) -> Probe | None:
    """A probe with Kubernetes' defaults; None where there is none."""
    found = handler(written, ports, where)
    if found is None:
        return None
    fields = mapping(written)
    return Probe(
        found.command,
        found.port,
        found.path,
        found.headers,
        0.0,
        number(fields, "initialDelaySeconds", 0.0),
        max(0.05, number(fields, "periodSeconds", 10.0)),
        number(fields, "timeoutSeconds", 1.0),
        int(number(fields, "successThreshold", 1.0)),
        int(number(fields, "failureThreshold", 3.0)),
    )


def handler(written: object, ports: Mapping[str, int], where: str) -> Probe | None:
    """What to do: exec, httpGet, tcpSocket or sleep."""
    fields = mapping(written)
    if not fields:
        return None
    if "exec" in fields:
        command = mapping(fields["exec"]).get("command")
        return Probe(command=tuple(str(part) for part in command) if isinstance(command, list) else ())
    if "sleep" in fields:
        return Probe(sleep=number(mapping(fields["sleep"]), "seconds", 0.0))
    for kind in ("httpGet", "tcpSocket"):
        if kind in fields:
            target = mapping(fields[kind])
            port = local_port(target.get("port"), ports, f"{where}.{kind}.port")
            if kind == "tcpSocket":
                return Probe(port=port)
            headers = tuple((str(h.get("name")), str(h.get("value"))) for h in items(target.get("httpHeaders")))
            return Probe(port=port, path="/" + str(target.get("path", "/")).lstrip("/"), headers=headers)
    kinds = ", ".join(key for key in fields if not key.endswith(("Seconds", "Threshold"))) or "nothing"
    raise InputError(f"{where} says {kinds}, which cannot work on one machine; there are exec, httpGet and tcpSocket")


def local_port(written: object, ports: Mapping[str, int], where: str) -> int:
    """The local port of a container port, by number or name."""
    found = ports.get(str(written))
    if found is None:
        raise InputError(
            f"{where} is {written}, which is none of the container's ports: {', '.join(ports) or 'none'}. Declare it under ports"
        )
    return found


def number(fields: Mapping[str, object], name: str, default: float) -> float:
    """A number of the template."""
    value = fields.get(name, default)
    return float(value) if isinstance(value, int | float) else default
