"""What Envoy says about itself, through its admin interface. Called by `envoy`, `envoy_dataplane` and `envoy_router`."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import aiohttp
import msgspec

from trimtab.adapters.local.dataplane import Endpoint
from trimtab.errors import Unavailable

T = TypeVar("T")

TIMEOUT = aiohttp.ClientTimeout(total=5)


class Share(msgspec.Struct):
    """One cluster of a split."""

    name: str
    weight: int = 0


class Split(msgspec.Struct):
    """Clusters that share the requests of a route."""

    clusters: list[Share] = []


class MirrorPolicy(msgspec.Struct):
    """Where requests are copied to."""

    cluster: str = ""


class Action(msgspec.Struct):
    """What a route does with a request."""

    cluster: str = ""
    weighted_clusters: Split | None = None
    request_mirror_policies: list[MirrorPolicy] = []


class Route(msgspec.Struct):
    """One route; what it matches is not looked at."""

    route: Action = msgspec.field(default_factory=Action)


class VirtualHost(msgspec.Struct):
    """Routes in the order in which Envoy tries them."""

    routes: list[Route] = []


class Marks(msgspec.Struct):
    """What was written into the routes for ourselves."""

    digest: str = ""


class FilterMetadata(msgspec.Struct):
    """Metadata by who reads it."""

    trimtab: Marks = msgspec.field(default_factory=Marks)


class Metadata(msgspec.Struct):
    """Metadata of a route configuration."""

    filter_metadata: FilterMetadata = msgspec.field(default_factory=FilterMetadata)


class RouteConfiguration(msgspec.Struct):
    """The routes of one Service as Envoy uses them now."""

    name: str = ""
    virtual_hosts: list[VirtualHost] = []
    metadata: Metadata = msgspec.field(default_factory=Metadata)


class _RouteDump(msgspec.Struct):
    route_config: RouteConfiguration


class _ConfigDump(msgspec.Struct):
    configs: list[_RouteDump] = []


class _SocketAddress(msgspec.Struct):
    address: str = ""
    port_value: int = 0


class _Address(msgspec.Struct):
    socket_address: _SocketAddress = msgspec.field(default_factory=_SocketAddress)


class _Stat(msgspec.Struct):
    name: str = ""
    value: int = 0


class _Health(msgspec.Struct):
    eds_health_status: str = ""


class _HostStatus(msgspec.Struct):
    address: _Address
    stats: list[_Stat] = []
    health_status: _Health = msgspec.field(default_factory=_Health)


class _ClusterStatus(msgspec.Struct):
    name: str
    host_statuses: list[_HostStatus] = []


class _Clusters(msgspec.Struct):
    cluster_statuses: list[_ClusterStatus] = []


class _ListenerStatus(msgspec.Struct):
    name: str


class _Listeners(msgspec.Struct):
    listener_statuses: list[_ListenerStatus] = []


class _Stats(msgspec.Struct):
    stats: list[_Stat] = []


class Host(msgspec.Struct, frozen=True):
    """One pod as Envoy sees it: does it get new requests, and how many are under way."""

    serving: bool
    active: int


class Admin:
    """A client of the admin interface. Every call raises Unavailable where Envoy does not answer, or not as expected."""

    def __init__(self, session: aiohttp.ClientSession, address: Callable[[], str]) -> None:
        self._session, self._address = session, address

    async def ready(self) -> bool:
        """Does Envoy serve with all it read from its files? It calls itself ready a moment before it listens."""
        try:
            return b"LIVE" in await self._get("/ready", {}) and any((await self.counters("^listener_manager.workers_started$")).values())
        except Unavailable:
            return False

    async def routes(self, name: str) -> RouteConfiguration | None:
        """The routes of one name; None where Envoy has none."""
        query = {"resource": "dynamic_route_configs", "name_regex": f"^{name}$"}
        dump = await self._read("/config_dump", query, _ConfigDump)
        return next((found.route_config for found in dump.configs if found.route_config.name == name), None)

    async def hosts(self, cluster: str) -> Mapping[Endpoint, Host] | None:
        """The pods of one cluster; None where Envoy does not know the cluster."""
        found = await self._read("/clusters", {"format": "json", "filter": f"^{cluster}$"}, _Clusters)
        for status in found.cluster_statuses:
            if status.name == cluster:
                return {_endpoint(host): _host(host) for host in status.host_statuses}
        return None

    async def clusters(self) -> frozenset[str]:
        """The names of all clusters that are ready."""
        found = await self._read("/clusters", {"format": "json"}, _Clusters)
        return frozenset(status.name for status in found.cluster_statuses)

    async def listeners(self) -> frozenset[str]:
        """The names of all listeners."""
        found = await self._read("/listeners", {"format": "json"}, _Listeners)
        return frozenset(status.name for status in found.listener_statuses)

    async def counters(self, pattern: str) -> Mapping[str, int]:
        """Counters and gauges whose name fits a regular expression."""
        found = await self._read("/stats", {"format": "json", "filter": pattern}, _Stats)
        return {stat.name: stat.value for stat in found.stats}

    async def _read(self, path: str, query: Mapping[str, str], kind: type[T]) -> T:
        body = await self._get(path, query)
        try:
            # 64-bit numbers are texts in the JSON of protocol buffers.
            return msgspec.json.decode(body, type=kind, strict=False)
        except msgspec.DecodeError as error:
            raise Unavailable(f"asking Envoy for {path}: its answer is not what Envoy 1.40 says ({error})") from error

    async def _get(self, path: str, query: Mapping[str, str]) -> bytes:
        url = f"{self._address()}{path}"
        try:
            async with self._session.get(url, params=query, timeout=TIMEOUT) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"asking Envoy at {url}: {error or type(error).__name__}. It is started again if it is gone.") from error
        if answer.status != 200:
            raise Unavailable(f"asking Envoy at {url}: it answered {answer.status} {body[:200].decode(errors='replace')}")
        return body


def _endpoint(host: _HostStatus) -> Endpoint:
    return Endpoint(host.address.socket_address.port_value, host.address.socket_address.address)


def _host(host: _HostStatus) -> Host:
    active = next((stat.value for stat in host.stats if stat.name == "rq_active"), 0)
    return Host(host.health_status.eds_health_status == "HEALTHY", active)
