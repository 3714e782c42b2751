"""Which proxy the environment names for an address, as Go programs read it (HTTPS_PROXY, NO_PROXY). Called by `wiring` and `kubernetes`."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def proxy_for(server: str, environ: Mapping[str, str]) -> str:
    """The proxy's address; empty for none. Loopback is never asked through a proxy."""
    parts = urlsplit(server)
    host = parts.hostname or ""
    name = f"{parts.scheme}_proxy"
    proxy = environ.get(name.upper()) or environ.get(name) or ""
    if not proxy or host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback):
        return ""
    spared = (environ.get("NO_PROXY") or environ.get("no_proxy") or "").split(",")
    if any(spares(rule.strip().lower(), host.lower(), parts.port) for rule in spared if rule.strip()):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def spares(rule: str, host: str, port: int | None) -> bool:
    """Does one part of NO_PROXY name this host: `*`, an address, a network, a name and what is below it, each with or without a port?"""
    if rule == "*":
        return True
    if "/" in rule:
        try:
            return is_address(host) and ipaddress.ip_address(host) in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
    if rule.count(":") == 1:
        rule, _, wanted = rule.partition(":")
        if wanted != str(port):
            return False
    below = rule.removeprefix("*")
    return host == rule.strip("[]") if is_address(rule.strip("[]")) else host == below or host.endswith(f".{below.removeprefix('.')}")


def is_address(host: str) -> bool:
    """Is it an IP address rather than a name?"""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
