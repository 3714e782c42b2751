"""The HTTP session for addresses that people write into documents: webhooks, chats, metric servers. Made by `wiring`.

Whoever may write a Canary could otherwise have the operator ask what only its own machine may ask, such as the metadata service of a
cloud, which answers with credentials. So link-local addresses are refused, whether written as such or found under a name.
"""

import errno
import ipaddress
import socket

import aiohttp


def outgoing_session() -> aiohttp.ClientSession:
    """A session that keeps no cookies and connects to no link-local address."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=checked_socket), cookie_jar=aiohttp.DummyCookieJar())


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
