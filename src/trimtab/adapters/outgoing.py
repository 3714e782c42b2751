"""The HTTP session for addresses that people write into documents: webhooks, chats, metric servers. Made by `wiring`.

Whoever may write a Canary could otherwise have the operator ask what only its own machine may ask, such as the metadata service of a
cloud, which answers with credentials. So link-local addresses are refused, whether written as such or found under a name. Where the person
who runs the operator names the hosts that may be asked, all others are, too.
"""

import errno
import ipaddress
import socket
from collections.abc import Collection
from fnmatch import fnmatchcase

import aiohttp


def outgoing_session(allowed: Collection[str] = (), proxy: str = "") -> aiohttp.ClientSession:
    """A session that keeps no cookies and connects to no link-local address.

    `allowed`: the only hosts that it asks, in redirects and as proxies, too; `*` in one stands for anything. None stands for all.
    `proxy`: the address of the proxy through which everything is asked; empty for none.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(socket_factory=checked_socket),
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(only(allowed),) if allowed else (),
        proxy=proxy or None,
    )


def only(allowed: Collection[str]) -> aiohttp.ClientMiddlewareType:
    """Lets requests pass that go to these hosts; ClientOSError with EACCES for others."""
    patterns = tuple(pattern.lower().rstrip(".") for pattern in allowed)

    async def checked(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        for url in (request.url, request.proxy):
            host = (url.host or "").lower().rstrip(".") if url is not None else None
            if host is not None and not any(fnmatchcase(host, pattern) for pattern in patterns):
                raise aiohttp.ClientOSError(errno.EACCES, f"host {host} is not one that --allowed-hosts of the operator names")
        return await handler(request)

    return checked


def checked_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket for an address. OSError for one that is link-local."""
    family, kind, protocol, _, place = address
    if refused(str(place[0])):
        raise OSError(errno.EACCES, "link-local addresses are not connected to")
    return socket.socket(family, kind, protocol)


def refused(host: str) -> bool:
    """Is this a link-local address, also one of version 4 inside one of version 6?"""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    inner = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (inner or found).is_link_local
