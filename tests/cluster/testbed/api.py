"""A very small Kubernetes client for tests, independent of the product's own: what one says about the cluster, the other may check."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import yaml

Raw = dict[str, Any]
KINDS = {
    "Namespace": ("api/v1", "namespaces"),
    "Node": ("api/v1", "nodes"),
    "Pod": ("api/v1", "pods"),
    "Service": ("api/v1", "services"),
    "ConfigMap": ("api/v1", "configmaps"),
    "Secret": ("api/v1", "secrets"),
    "Event": ("api/v1", "events"),
    "Lease": ("apis/coordination.k8s.io/v1", "leases"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "ReplicaSet": ("apis/apps/v1", "replicasets"),
    "DaemonSet": ("apis/apps/v1", "daemonsets"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "ScaledObject": ("apis/keda.sh/v1alpha1", "scaledobjects"),
    "Ingress": ("apis/networking.k8s.io/v1", "ingresses"),
    "HTTPRoute": ("apis/gateway.networking.k8s.io/v1", "httproutes"),
    "VirtualService": ("apis/networking.istio.io/v1beta1", "virtualservices"),
    "DestinationRule": ("apis/networking.istio.io/v1beta1", "destinationrules"),
    "TrafficSplit": ("apis/split.smi-spec.io/v1alpha1", "trafficsplits"),
    "TraefikService": ("apis/traefik.io/v1alpha1", "traefikservices"),
    "CustomResourceDefinition": ("apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "Canary": ("apis/flagger.app/v1beta1", "canaries"),
    "MetricTemplate": ("apis/flagger.app/v1beta1", "metrictemplates"),
    "AlertProvider": ("apis/flagger.app/v1beta1", "alertproviders"),
    "RolloutPolicy": ("apis/trimtab.dev/v1alpha1", "rolloutpolicies"),
    "ConfigRollout": ("apis/trimtab.dev/v1alpha1", "configrollouts"),
    "RolloutCommand": ("apis/trimtab.dev/v1alpha1", "rolloutcommands"),
}
"""Prefix and plural of each kind that tests create, patch or watch."""
CLUSTER_SCOPED = {"Namespace", "Node", "CustomResourceDefinition"}
PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
TRIES = 20
PAUSE = 0.5
LOOK = 0.005
CLOSE_LIMIT = 10.0


class ApiError(Exception):
    """The API server refused; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """The API server of a kubeconfig that the testbed wrote."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self.server: str = cluster["server"]
        self._token: str = config["users"][0]["user"]["token"]
        self._context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._session: aiohttp.ClientSession | None = None
        self._sockets: list[socket.socket] = []

    async def __aenter__(self) -> "Api":
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._token}"},
            connector=aiohttp.TCPConnector(ssl=self._context, limit=200, socket_factory=self._socket),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            read_bufsize=2**22,
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.session.close()
        async with asyncio.timeout(CLOSE_LIMIT):  # TLS says good-bye; what is still open then outlives the event loop
            while any(made.fileno() != -1 for made in self._sockets):
                await asyncio.sleep(LOOK)

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        self._sockets = [made for made in self._sockets if made.fileno() != -1]
        self._sockets.append(socket.socket(*address[:3]))
        return self._sockets[-1]

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open session."""
        assert self._session is not None, "use `async with`"
        return self._session

    def url(self, kind: str, namespace: str = "", name: str = "", sub: str = "") -> str:
        """The address of a collection or of one object."""
        prefix, plural = KINDS[kind]
        scope = ["namespaces", namespace] if namespace and kind not in CLUSTER_SCOPED else []
        return "/".join([self.server, prefix, *scope, plural, *filter(None, (name, sub))])

    async def call(self, method: str, url: str, body: object = None, content_type: str = "", **parameters: str) -> Raw:
        """One request. A storage that is still being set up answers 429, and is asked again."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type or "application/json"} if data else {}
        for tries_left in reversed(range(TRIES)):
            async with self.session.request(method, url, data=data, headers=headers, params=parameters) as answer:
                text = await answer.text()
                if answer.status < 300:
                    found: Raw = json.loads(text)
                    return found
                if answer.status != 429 or not tries_left:
                    raise ApiError(answer.status, _message(text))
            await asyncio.sleep(PAUSE)
        raise AssertionError("the last try returns or raises")

    async def get(self, kind: str, namespace: str, name: str) -> Raw:
        """One object."""
        return await self.call("GET", self.url(kind, namespace, name))

    async def find(self, kind: str, namespace: str, name: str) -> Raw | None:
        """One object, or None where there is none."""
        try:
            return await self.get(kind, namespace, name)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    async def list(self, kind: str, namespace: str = "") -> list[Raw]:
        """Every object of a kind, in one namespace or everywhere."""
        found: list[Raw] = (await self.call("GET", self.url(kind, namespace)))["items"]
        return found

    async def create(self, made: Raw, namespace: str = "", **parameters: str) -> Raw:
        """A new object, in its own namespace or the one given."""
        kind, where = made["kind"], made["metadata"].get("namespace", namespace)
        prefix, _ = KINDS[kind]
        url = self.url(kind, where).replace(prefix, _prefix(made["apiVersion"]), 1)
        return await self.call("POST", url, made, **parameters)

    async def patch(self, kind: str, namespace: str, name: str, body: object, *, sub: str = "", style: str = "merge") -> Raw:
        """Changes an object; `style` is merge, strategic or json."""
        return await self.call("PATCH", self.url(kind, namespace, name, sub), body, PATCHES[style])

    async def delete(self, kind: str, namespace: str, name: str, *, grace: int | None = None) -> None:
        """Deletes an object; what it owns goes in the background."""
        body: Raw = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        await self.call("DELETE", self.url(kind, namespace, name), body if grace is None else {**body, "gracePeriodSeconds": grace})

    async def watch(self, kind: str) -> AsyncIterator[tuple[str, Raw]]:
        """Lists, then watches for ever: what is there comes as ADDED."""
        since = ""
        while True:
            try:
                if not since:
                    listing = await self.call("GET", self.url(kind))
                    for item in listing["items"]:
                        yield "ADDED", {"kind": kind, **item}
                    since = listing["metadata"]["resourceVersion"]
                async for change, found in self._changes(kind, since):
                    since = "" if change == "ERROR" else found["metadata"]["resourceVersion"]
                    if change not in ("ERROR", "BOOKMARK"):
                        yield change, found
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(PAUSE)

    async def _changes(self, kind: str, since: str) -> AsyncIterator[tuple[str, Raw]]:
        parameters = {"watch": "1", "resourceVersion": since, "allowWatchBookmarks": "true"}
        async with self.session.get(self.url(kind), params=parameters) as answer:
            async for line in answer.content:
                event = json.loads(line)
                yield event["type"], event["object"]


def _prefix(api_version: str) -> str:
    return f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"


def _message(text: str) -> str:
    try:
        answer: Mapping[str, Any] = json.loads(text)
        return str(answer.get("message", text))
    except ValueError:
        return text
