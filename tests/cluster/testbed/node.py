"""A node without containers: it takes every pod the scheduler binds to it and lets it get ready, unless its configuration says otherwise.

A pod becomes Running and Ready after a delay. While a mandatory ConfigMap or Secret it reads is missing it waits, as with a kubelet.
These rules, in an annotation `lab/NAME` of the pod, a key `lab.NAME` or a line `lab/NAME: VALUE` of what it reads, change that:

- `ready: never`: it never gets ready
- `unready: WORKLOAD`: it never gets ready if it belongs to that workload
- `crash-after: 5s`: it gets unready after that time

What each pod read when it started is kept in `saw`, by its uid: the content that really runs. `names` has the names of the same pods.
"""

import asyncio
import base64
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster.testbed.api import Api, ApiError
from cluster.testbed.content import digest, references

Raw = dict[str, Any]
NODE = "lab-node"
LEASE_EVERY = 10.0
MISSING_AGAIN = 0.5
START_LIMIT = 30.0
ROOM = {"cpu": "1000", "memory": "4000Gi", "pods": "5000", "ephemeral-storage": "4000Gi"}
Started = Callable[[str, str, Raw, dict[str, str]], None]
"""Told of each pod that starts: namespace, workload, pod, digests of what it reads."""


class Node:
    """The one node of a testbed."""

    def __init__(self, api: Api, delay: float = 1.0, started: Started | None = None) -> None:
        self.api, self.delay = api, delay
        self.saw: dict[str, tuple[str, str, Raw]] = {}
        self.names: dict[str, str] = {}
        self._began: list[tuple[str, str, Raw]] = []
        self.registered = asyncio.Event()
        self._started = started
        self._pods: dict[str, asyncio.Task[None]] = {}
        self._numbers: dict[str, int] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._register()
        self.registered.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_lease())
            group.create_task(self._watch(group))

    def reads(self, namespace: str, workload: str) -> list[Raw]:
        """What each living pod of a workload started with, by `configmap/NAME` or `secret/NAME`."""
        return [data for where, whose, data in self.saw.values() if (where, whose) == (namespace, workload)]

    def began(self, namespace: str, workload: str) -> list[Raw]:
        """The same of every pod of a workload that ever started, oldest first."""
        return [data for where, whose, data in list(self._began) if (where, whose) == (namespace, workload)]

    async def report(self, pod: Raw, ready: bool) -> None:
        """Writes a pod's status."""
        meta = pod["metadata"]
        number = self._numbers.setdefault(meta["uid"], len(self._numbers))
        address = (pod.get("status") or {}).get("podIP") or f"10.244.{number // 250 % 250}.{number % 250 + 1}"
        status = status_of(pod, ready, address)
        try:
            await self.api.patch("Pod", meta["namespace"], meta["name"], {"status": status}, sub="status", style="strategic")
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    async def _register(self) -> None:
        labels = {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"}
        try:
            await self.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": labels}})
        except ApiError as error:
            if error.status != 409:
                raise
        await self.api.patch("Node", "", NODE, {"spec": {"taints": None}})
        ready = {"type": "Ready", "status": "True", "reason": "LabReady", "lastHeartbeatTime": now()}
        await self.api.patch("Node", "", NODE, {"status": {"capacity": ROOM, "allocatable": ROOM, "conditions": [ready]}}, sub="status")

    async def _keep_lease(self) -> None:
        made = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NODE, "namespace": "kube-node-lease"}}
        while True:
            moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: TID251
            body = {"spec": {"holderIdentity": NODE, "leaseDurationSeconds": 40, "renewTime": moment}}
            try:
                await self.api.patch("Lease", "kube-node-lease", NODE, body)
            except ApiError as error:
                if error.status != 404:
                    raise
                await self.api.create({**made, **body})
            await asyncio.sleep(LEASE_EVERY)

    async def _watch(self, group: asyncio.TaskGroup) -> None:
        async for change, pod in self.api.watch("Pod"):
            uid = pod["metadata"]["uid"]
            if pod["spec"].get("nodeName") != NODE:
                continue
            if change == "DELETED" or pod["metadata"].get("deletionTimestamp"):
                self.saw.pop(uid, None)
                if task := self._pods.pop(uid, None):
                    task.cancel()
                if change != "DELETED":
                    group.create_task(self._remove(pod))
            elif uid not in self._pods:
                self._pods[uid] = group.create_task(self._live(pod))

    async def _remove(self, pod: Raw) -> None:
        try:
            await self.api.delete("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"], grace=0)
        except ApiError as error:
            if error.status != 404:
                raise

    async def _live(self, pod: Raw) -> None:
        namespace, workload = pod["metadata"]["namespace"], workload_of(pod)
        await asyncio.sleep(self.delay)
        while (data := await self._read(namespace, pod["spec"])) is None:
            await asyncio.sleep(MISSING_AGAIN)
        self.names[pod["metadata"]["uid"]] = pod["metadata"]["name"]
        self.saw[pod["metadata"]["uid"]] = (namespace, workload, data)
        self._began.append(self.saw[pod["metadata"]["uid"]])
        if self._started:
            self._started(namespace, workload, pod, {name: digest(content) for name, content in data.items()})
        ready = rule(pod, data, "ready") != "never" and rule(pod, data, "unready") != workload
        await self.report(pod, ready)
        if ready and (crash_after := rule(pod, data, "crash-after")):
            await asyncio.sleep(float(crash_after.rstrip("s")))
            await self.report(pod, False)

    async def _read(self, namespace: str, spec: Raw) -> Raw | None:
        """What the pod reads; None while something mandatory is missing."""
        data: Raw = {}
        for kind, name, optional in references(spec):
            found = await self.api.find(kind, namespace, name)
            if found is not None:
                data[f"{kind.lower()}/{name}"] = found.get("data")
            elif not optional:
                return None
        return data


def now() -> str:
    """The time as the API has it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251


def workload_of(pod: Raw) -> str:
    """The Deployment or DaemonSet a pod belongs to."""
    owner = (pod["metadata"].get("ownerReferences") or [{}])[0]
    name: str = owner.get("name", pod["metadata"]["name"])
    return name.rsplit("-", 1)[0] if owner.get("kind") == "ReplicaSet" else name


def rule(pod: Raw, read: Raw, name: str) -> str:
    """What a pod's annotations or the content it reads say about its life; empty for nothing."""
    annotations = pod["metadata"].get("annotations") or {}
    if f"lab/{name}" in annotations:
        return str(annotations[f"lab/{name}"])
    for source, data in read.items():
        for key, value in (data or {}).items():
            text = base64.b64decode(value).decode(errors="replace") if source.startswith("secret/") else value
            if key == f"lab.{name}":
                return str(text).strip()
            if found := re.search(rf'^lab/{name}:\s*"?([^"\s]+)"?\s*$', text, re.MULTILINE):
                return found.group(1)
    return ""


def status_of(pod: Raw, ready: bool, address: str) -> Raw:
    """The status of a running pod."""
    flag = "True" if ready else "False"
    flags = {"Initialized": "True", "Ready": flag, "ContainersReady": flag, "PodScheduled": "True"}
    containers = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": ready,
            "started": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now()}},
        }
        for container in pod["spec"]["containers"]
    ]
    return {
        # One that is to run once, such as a test of Helm's, has done so.
        "phase": "Succeeded" if pod["spec"].get("restartPolicy") == "Never" else "Running",
        "conditions": [{"type": kind, "status": status, "lastTransitionTime": now()} for kind, status in flags.items()],
        "containerStatuses": containers,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "hostIP": "127.0.0.1",
        "startTime": now(),
    }


@contextmanager
def node_running(kubeconfig: Path, delay: float) -> Iterator[Node]:
    """A node in a thread with an event loop of its own, so that it goes on while tests come and go."""
    loop = asyncio.new_event_loop()
    begun: Future[Node] = Future()

    async def live() -> None:
        async with Api(kubeconfig) as api:
            node = Node(api, delay)
            running = asyncio.ensure_future(node.run())
            registered = asyncio.ensure_future(node.registered.wait())
            await asyncio.wait([running, registered], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            begun.set_result(node)
            await running

    task = loop.create_task(live())
    thread = threading.Thread(target=_until_done, args=(loop, task, begun), name="node", daemon=True)
    thread.start()
    try:
        yield begun.result(START_LIMIT)
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(START_LIMIT)


def _until_done(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[None]", begun: "Future[Node]") -> None:
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        pass
    except BaseException as error:
        if begun.done():
            raise
        begun.set_exception(error)
    finally:
        loop.close()
