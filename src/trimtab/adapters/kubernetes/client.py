"""A thin client of one API server: get, list, create, replace, apply, patch, delete, watch. Made by `wiring`, called by this room.

Every call has a deadline, and every foreign error becomes one of `trimtab.errors`.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import aiohttp
import msgspec

from trimtab import __version__
from trimtab.adapters.kubernetes.connection import Connection
from trimtab.adapters.kubernetes.credentials import Credential
from trimtab.adapters.kubernetes.errors import Absent, Answer, Asked, Gone, NotServed, body_of, nonsense, refused, unanswered
from trimtab.adapters.kubernetes.kinds import Kind
from trimtab.adapters.kubernetes.watching import Change, Object, changes
from trimtab.config.references import items, mapping
from trimtab.errors import Conflict

__all__ = ["Change", "Client", "Deadlines", "Listing", "Object", "connected", "named", "place_of"]

MANAGER = "trimtab"
PAGE = 500
GOOD_BYE = 5.0
"""Seconds that connections get to close in good order at the end."""
AT_ONCE = 32
"""Calls under way at the same time, watches not counted: more only wait inside the API server."""
AS = "application/json;as={};g=meta.k8s.io;v=v1"
STYLES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
DEADLINE = 30.0
"""Seconds for one call; a page of a list is one."""
WATCH = 280.0
"""Seconds after which the API server ends a watch, which then goes on from where it was."""
QUIET = 90.0
"""Seconds without a byte after which a watch ends. The API server sends a bookmark each minute, but none of a kind that nobody has
touched since it was started, so silence alone does not mean that the connection is dead."""


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a kind, as they were at one version."""

    items: tuple[Object, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each kind of call may take, in seconds."""

    call: float = DEADLINE
    watch: float = WATCH
    quiet: float = QUIET


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent."""

    method: str
    asked: Asked
    path: str
    query: dict[str, str]
    body: Object | None = None
    content: str = "application/json"
    accept: str = "application/json"

    def headers(self, credential: Credential) -> list[tuple[str, str]]:
        """Who asks, for what, with what."""
        content = [] if self.body is None else [("Content-Type", self.content)]
        return [("User-Agent", f"trimtab/{__version__}"), ("Accept", self.accept), *content, *credential.headers]


class Client:
    """One API server. InputError, Denied, Unavailable, Throttled and Conflict may come from every call."""

    def __init__(self, session: aiohttp.ClientSession, connection: Connection, deadlines: Deadlines = Deadlines()) -> None:
        self.connection = connection
        self._session, self._deadlines, self._places = session, deadlines, asyncio.Semaphore(AT_ONCE)

    async def get(self, kind: Kind, namespace: str, name: str, *, metadata_only: bool = False) -> Object | None:
        """One object; None where there is none."""
        accept = AS.format("PartialObjectMetadata") if metadata_only else "application/json"
        request = Request("GET", self._asked("get", kind, namespace, name), kind.path(namespace, name), {}, accept=accept)
        try:
            return named(kind, await self._sent(request))
        except Absent:
            return None

    async def list(self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = "", metadata_only: bool = False) -> Listing:
        """All objects of a kind in a namespace, or in all, that labels and fields select; asked for page by page."""
        query = {name: chosen for name, chosen in (("labelSelector", labels), ("fieldSelector", fields)) if chosen}
        asked = self._asked("list", kind, namespace)
        accept = AS.format("PartialObjectMetadataList") if metadata_only else "application/json"
        try:
            return await self._pages(Request("GET", asked, kind.path(namespace), {**query, "limit": str(PAGE)}, accept=accept))
        except Gone:
            # The pages took longer than the API server keeps a version: all at once, then.
            return await self._pages(Request("GET", asked, kind.path(namespace), query, accept=accept))

    async def create(self, kind: Kind, made: Object, *, dry_run: bool = False) -> Object:
        """Creates it, or with `dry_run` only says what that would come to. Conflict: there is one already."""
        return await self._write("POST", "create", kind, made, {"dryRun": "All"} if dry_run else {})

    async def replace(self, kind: Kind, changed: Object) -> Object:
        """Puts it in the place of what is there. Conflict: that is not what `metadata.resourceVersion` names, or it is gone."""
        return await self._write("PUT", "update", kind, changed)

    async def apply(self, kind: Kind, wanted: Object, *, subresource: str = "") -> Object:
        """Server-side apply: what is in `wanted` becomes ours, whoever had it, and what was ours and is not in it goes."""
        namespace, name = place_of(wanted)
        request = Request(
            "PATCH", self._asked("patch", kind, namespace, name), kind.path(namespace, name, subresource),
            {"fieldManager": MANAGER, "force": "true"}, {"apiVersion": kind.api_version, "kind": kind.kind, **wanted}, STYLES["apply"],
        )  # fmt: skip
        return await self._sent(request)

    async def patch(
        self, kind: Kind, namespace: str, name: str, change: Object, *, style: str = "merge", subresource: str = ""
    ) -> Object:  # fmt: skip
        """Changes what `change` names; with a resourceVersion in it only if that is the newest. Conflict: it is not, or it is gone."""
        asked, path = self._asked("patch", kind, namespace, name), kind.path(namespace, name, subresource)
        return await self._sent(Request("PATCH", asked, path, {"fieldManager": MANAGER}, change, STYLES[style]))

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "") -> bool:
        """Deletes it, and in the background what it owns. False: it was gone, or it is another one than `uid`."""
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        request = Request("DELETE", self._asked("delete", kind, namespace, name), kind.path(namespace, name), {}, body)
        try:
            await self._sent(request)
            return True
        except (Absent, NotServed):
            return False
        except Conflict:
            found = await self.get(kind, namespace, name, metadata_only=True) if uid else {}
            if found is None or (uid and mapping(found.get("metadata")).get("uid") != uid):
                return False
            raise

    async def watch(self, kind: Kind, namespace: str, version: str, *, metadata_only: bool = False) -> AsyncGenerator[Change, None]:
        """What happens after `version`, until the API server ends it or falls silent. Gone when the version is too old: list anew.

        It begins with a BOOKMARK of `version`, which tells that the API server has taken the watch. Whoever leaves
        it early does so with `contextlib.aclosing`, which gives the connection back.
        """
        asked = self._asked("watch", kind, namespace)
        seconds = self._deadlines.watch
        query = {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": version, "timeoutSeconds": str(max(1, round(seconds)))}
        accept = AS.format("PartialObjectMetadata") if metadata_only else "application/json"
        request = Request("GET", asked, kind.path(namespace), query, accept=accept)
        timeout = aiohttp.ClientTimeout(sock_connect=self._deadlines.call, sock_read=self._deadlines.quiet)
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._deadlines.call):
                    answer = await stack.enter_async_context(self._open(request, timeout))
            except TimeoutError as error:
                raise unanswered(asked, error, self._deadlines.call) from None
            yield Change("BOOKMARK", {"metadata": {"resourceVersion": version}})
            try:
                async for change in changes(asked, answer.content):
                    named(kind, change.object)
                    yield change
            except aiohttp.ServerTimeoutError:
                # Idle or dead? The next watch shows it.
                return

    async def _pages(self, request: Request) -> Listing:
        """All pages of one list."""
        found: list[Object] = []
        page = await self._sent(request)
        while True:
            found.extend(named(request.asked.kind, dict(item)) for item in items(page.get("items")))
            metadata = mapping(page.get("metadata"))
            if not metadata.get("continue"):
                return Listing(tuple(found), str(metadata.get("resourceVersion") or ""))
            page = await self._sent(replace(request, query={**request.query, "continue": str(metadata["continue"])}))

    async def _write(self, method: str, verb: str, kind: Kind, wanted: Object, query: Mapping[str, str] = {}) -> Object:
        """Creates or replaces a whole object."""
        namespace, name = place_of(wanted)
        path = kind.path(namespace, "" if method == "POST" else name)
        body = {"apiVersion": kind.api_version, "kind": kind.kind, **wanted}
        return await self._sent(Request(method, self._asked(verb, kind, namespace, name), path, {"fieldManager": MANAGER, **query}, body))

    async def _sent(self, request: Request) -> Object:
        """The object that answers a request."""
        async with self._places, self._open(request, aiohttp.ClientTimeout(total=self._deadlines.call)) as answer:
            text = await answer.read()
        try:
            return msgspec.json.decode(text, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise nonsense(request.asked) from None

    @asynccontextmanager
    async def _open(self, request: Request, timeout: aiohttp.ClientTimeout) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request, if it is a success; credentials that are not accepted are fetched anew once."""
        credentials = self.connection.credentials
        try:
            for first in (True, False):
                credential = await credentials.current()
                async with self._session.request(
                    request.method, f"{self.connection.server}{request.path}", params=request.query, timeout=timeout,
                    data=None if request.body is None else msgspec.json.encode(request.body), headers=request.headers(credential),
                    ssl=self.connection.trust.context(credential.certificate, credential.key), proxy=self.connection.proxy or None,
                    server_hostname=self.connection.trust.name or None, allow_redirects=False,
                ) as answer:  # fmt: skip
                    if answer.status < 300:
                        yield answer
                        return
                    fault = Answer(answer.status, body_of(await answer.read()), answer.headers.get("Retry-After", ""))
                if fault.status == 401 and first:
                    credentials.forget()
                    continue
                raise refused(request.asked, fault)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            seconds = timeout.sock_read or timeout.total or 0.0
            raise unanswered(request.asked, error, seconds) from None

    def _asked(self, verb: str, kind: Kind, namespace: str, name: str = "") -> Asked:
        """For messages about a call."""
        return Asked(verb, kind, namespace, name, self.connection.server, self.connection.whose)


@asynccontextmanager
async def connected(connection: Connection, deadlines: Deadlines = Deadlines()) -> AsyncIterator[Client]:
    """A client for as long as it is needed. Watches take one connection each, so their number has no limit."""
    sockets = Sockets()
    connector = aiohttp.TCPConnector(limit=0, socket_factory=sockets.make)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        try:
            yield Client(session, connection, deadlines)
        finally:
            await session.close()
            await sockets.closed()


@dataclass
class Sockets:
    """The sockets of one session. TLS says good-bye before a connection is closed, and aiohttp does not wait for that."""

    made: list[socket.socket] = field(default_factory=list)

    def make(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """A new one, which is noted."""
        self.made = [one for one in self.made if one.fileno() != -1]
        self.made.append(socket.socket(*address[:3]))
        return self.made[-1]

    async def closed(self) -> None:
        """Returns when all are closed, after GOOD_BYE seconds at the latest: what is open then outlives the event loop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GOOD_BYE):
                while any(one.fileno() != -1 for one in self.made):
                    await asyncio.sleep(0.005)


def named(kind: Kind, found: Object) -> Object:
    """The same object with its kind, which items of lists and metadata-only objects do not have."""
    found["apiVersion"], found["kind"] = kind.api_version, kind.kind
    return found


def place_of(found: Object) -> tuple[str, str]:
    """Namespace and name of an object; the former is empty where the kind has none."""
    metadata = mapping(found.get("metadata"))
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
