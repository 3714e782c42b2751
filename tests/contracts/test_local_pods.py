"""Pods on one machine, with real processes: replaced without a gap, adopted after a crash, restarted, drained, and refused in words."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.local import podfolder, process
from trimtab.adapters.local.dataplane import Backend, CopyName, Endpoint
from trimtab.adapters.local.node import Node, Surroundings
from trimtab.adapters.local.pods import Pod
from trimtab.adapters.local.workloads import LocalWorkloads
from trimtab.errors import Conflict, InputError, Unavailable
from trimtab.model.content import Content
from trimtab.model.facts import Copy
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName, Target
from trimtab.model.policy import Policy, Service
from trimtab.model.revision import ConfigRef, Revision
from trimtab.model.rollout import Exposure
from trimtab.model.watching import PodRestarts, Restarts
from trimtab.ports import Wanted

KEY = CanaryKey("shop", "web")
POLICY = Policy(Target("Deployment", "web"), Service("web", 80, "http"))
PRIMARY, CANARY = (Backend("shop", "web", copy) for copy in CopyName)
WEB = Path(__file__).parents[1] / "apps" / "web.py"
SECRET = "a-value-that-nobody-may-see"

Json = Mapping[str, object]


def template(container: Json | None = None, **spec: object) -> str:
    written = {
        "name": "web",
        "command": [sys.executable, "-S", "-E", str(WEB), "/etc/app/greeting"],
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "token"}}}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 0.1, "failureThreshold": 1},
        "volumeMounts": [{"name": "settings", "mountPath": "/etc/app"}],
        **(container or {}),
    }
    volumes = [{"name": "settings", "configMap": {"name": "app"}}, {"name": "scratch", "emptyDir": {}}]
    return json.dumps({"spec": {"terminationGracePeriodSeconds": 5, "containers": [written], "volumes": volumes, **spec}})


def revision(greeting: str, container: Json | None = None, **spec: object) -> Revision:
    return Revision.of(
        template(container, **spec), "v1:x" + str(container) + str(spec), (ConfigRef(ConfigName(ConfigKind.CONFIG_MAP, "app"), greeting),)
    )


async def contents(key: CanaryKey, wanted: Revision) -> Sequence[Content]:
    greeting = next(ref.digest for ref in wanted.configs)
    return (
        Content(ConfigName(ConfigKind.CONFIG_MAP, "app"), {"greeting": greeting.encode()}),
        Content(ConfigName(ConfigKind.SECRET, "token"), {"token": SECRET.encode()}),
    )


@dataclass
class Plane:
    """A proxy that keeps what it was told."""

    history: list[tuple[Backend, tuple[Endpoint, ...]]] = field(default_factory=list)
    busy: dict[Endpoint, int] = field(default_factory=dict)
    away: bool = False

    async def publish(self, backend: Backend, endpoints: Sequence[Endpoint]) -> None:
        if self.away:
            raise Unavailable("the proxy is away")
        self.history.append((backend, tuple(endpoints)))

    async def active(self, backend: Backend, endpoint: Endpoint) -> int:
        return self.busy.get(endpoint, 0)

    def now(self, backend: Backend) -> tuple[Endpoint, ...]:
        return next((endpoints for found, endpoints in reversed(self.history) if found == backend), ())


@dataclass
class Machine:
    """A node that runs, and what it says."""

    state: Path
    session: aiohttp.ClientSession
    plane: Plane = field(default_factory=Plane)
    said: list[str] = field(default_factory=list)
    serial: int = 0

    def __post_init__(self) -> None:
        around = Surroundings(self.plane, self.session, SystemClock(), contents, lambda _: {}, {}, self.said.append)
        self.node = Node(self.state, around)
        self.workloads = LocalWorkloads(self.node)

    async def want(self, primary: Revision | None, canary: Revision | None = None, replicas: int | None = 1) -> None:
        self.serial += 1
        await self.workloads.set(KEY, Wanted(self.serial, POLICY, Exposure(primary, canary), replicas))

    def pods(self, copy: CopyName = CopyName.PRIMARY) -> list[Pod]:
        return list(self.node.copy(KEY, copy).pods)

    def copy(self, copy: CopyName = CopyName.PRIMARY) -> Copy:
        return self.node.copy(KEY, copy).look()

    async def until(self, claim: Callable[[], object], seconds: float = 15.0) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not claim():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"it did not come to that; said: {self.said}; {self.copy()}") from None

    async def settled(self, wanted: Revision, count: int = 1, copy: CopyName = CopyName.PRIMARY) -> None:
        """Returns when there is exactly what is wanted, and no pod is on its way out."""

        def there() -> bool:
            found = self.copy(copy)
            seen = (found.revision, found.updated, found.available, found.total, len(self.pods(copy)))
            return seen == (wanted.id, count, count, count, count)

        await self.until(there)

    async def get(self, pod: Pod, path: str = "/") -> str:
        async with self.session.get(f"http://127.0.0.1:{port_of(pod)}{path}") as answer:
            return await answer.text()


def port_of(pod: Pod) -> int:
    return pod.record.ports[8080]


def pid_of(pod: Pod) -> int:
    running = process.found(pod.folder / "c-web")
    assert running is not None
    return running.pid


def command_lines(pod: Pod) -> bytes:
    found = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in process.session(pod.folder / "c-web")]
    assert len(found) == 2
    return b"".join(found)


@asynccontextmanager
async def machine_in(state: Path, plane: Plane | None = None, keep: bool = False) -> AsyncIterator[Machine]:
    async with aiohttp.ClientSession() as session:
        machine = Machine(state, session, plane or Plane())
        async with asyncio.TaskGroup() as group:
            running = group.create_task(machine.node.run())
            try:
                yield machine
            finally:
                try:
                    if not keep:
                        machine.plane.busy.clear()
                        async with asyncio.timeout(20):
                            await machine.node.stop_all()
                finally:
                    running.cancel()


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with machine_in(tmp_path) as found:
        yield found


ONE, TWO = revision("one"), revision("two")


async def test_pods_run_the_bytes_of_their_revision_and_are_published_when_they_are_ready(machine: Machine) -> None:
    await machine.want(ONE, TWO, replicas=2)
    await machine.settled(ONE, 2)
    await machine.settled(TWO, 2, CopyName.CANARY)
    assert [await machine.get(pod) for pod in machine.pods()] == ["one", "one"]
    assert await machine.get(machine.pods(CopyName.CANARY)[0]) == "two"
    assert await machine.get(machine.pods()[0], "/env/TOKEN") == SECRET
    assert set(machine.plane.now(PRIMARY)) == {Endpoint(port_of(pod)) for pod in machine.pods()}
    assert set(machine.plane.now(CANARY)) == {Endpoint(port_of(pod)) for pod in machine.pods(CopyName.CANARY)}
    primary, canary = await machine.workloads.look(KEY, POLICY)
    assert (primary.revision, primary.desired, canary.revision, canary.desired) == (ONE.id, 2, TWO.id, 2)


async def test_a_pod_that_is_not_ready_gets_no_requests(machine: Machine) -> None:
    await machine.want(ONE)
    await machine.settled(ONE)
    (scratch := machine.pods()[0].folder / "c-web/root/tmp/unready").touch()
    await machine.until(lambda: machine.plane.now(PRIMARY) == () and machine.copy().available == 0)
    scratch.unlink()
    await machine.until(lambda: len(machine.plane.now(PRIMARY)) == 1)


async def test_a_new_revision_replaces_pods_without_ever_having_fewer_published(machine: Machine) -> None:
    await machine.want(ONE, replicas=2)
    await machine.settled(ONE, 2)
    begin = len(machine.plane.history)
    await machine.want(TWO, replicas=2)
    await machine.settled(TWO, 2)
    counts = [len(endpoints) for backend, endpoints in machine.plane.history[begin:] if backend == PRIMARY]
    assert min(counts) == counts[-1] == 2
    assert max(counts) == 3
    assert [await machine.get(pod) for pod in machine.pods()] == ["two", "two"]
    assert not list((machine.state / "revisions").glob(f"*/{ONE.id}"))


async def test_an_old_pod_runs_until_its_last_request_is_answered(machine: Machine) -> None:
    await machine.want(ONE)
    await machine.settled(ONE)
    old = machine.pods()[0]
    machine.plane.busy[Endpoint(port_of(old))] = 1
    await machine.want(TWO)
    await machine.until(lambda: machine.plane.now(PRIMARY) and Endpoint(port_of(old)) not in machine.plane.now(PRIMARY))
    await machine.until(lambda: old.stopping)
    assert machine.copy() == Copy(TWO.id, 1, 1, 1, 1, since=machine.copy().since)
    assert await machine.get(old) == "one"
    machine.plane.busy.clear()
    await machine.settled(TWO)
    assert process.found(old.folder / "c-web") is None


async def test_going_back_keeps_the_pods_that_served_all_the_time(machine: Machine) -> None:
    await machine.want(ONE, replicas=2)
    await machine.settled(ONE, 2)
    pids = {pid_of(pod) for pod in machine.pods()}
    never = revision("never", {"readinessProbe": {"exec": {"command": ["false"]}}})
    await machine.want(never, replicas=2)
    await machine.until(lambda: machine.copy().updated == 1)
    await machine.want(ONE, replicas=2)
    await machine.settled(ONE, 2)
    assert {pid_of(pod) for pod in machine.pods()} == pids
    assert all(len(endpoints) == 2 for _, endpoints in machine.plane.history[-1:])


async def test_pods_that_lose_their_readiness_stay_until_new_ones_serve(machine: Machine) -> None:
    await machine.want(ONE)
    await machine.settled(ONE)
    old = machine.pods()[0]
    (old.folder / "c-web/root/tmp/unready").touch()
    await machine.until(lambda: not old.ready)
    await machine.want(revision("never", {"readinessProbe": {"exec": {"command": ["false"]}}}))
    await machine.until(lambda: machine.copy().total == 2)
    (old.folder / "c-web/root/tmp/unready").unlink()
    await machine.until(lambda: old.ready and machine.plane.now(PRIMARY) == (Endpoint(port_of(old)),))
    assert not old.stopping


async def test_a_copy_that_is_not_wanted_any_more_is_drained_and_its_folders_go(machine: Machine) -> None:
    await machine.want(ONE, TWO)
    await machine.settled(TWO, copy=CopyName.CANARY)
    await machine.want(ONE)
    await machine.until(lambda: not machine.pods(CopyName.CANARY))
    assert machine.plane.now(CANARY) == ()
    assert machine.copy(CopyName.CANARY) == Copy(since=machine.copy(CopyName.CANARY).since)
    assert not list((machine.state / "revisions").glob(f"*/{TWO.id}"))
    await machine.settled(ONE)


async def test_without_a_number_copies_keep_the_one_they_have_and_the_canary_takes_the_primarys(machine: Machine) -> None:
    await machine.want(ONE, replicas=2)
    await machine.settled(ONE, 2)
    await machine.want(ONE, TWO, replicas=None)
    await machine.settled(TWO, 2, CopyName.CANARY)
    await machine.settled(ONE, 2)


async def test_a_stale_record_changes_nothing(machine: Machine) -> None:
    await machine.want(ONE)
    await machine.want(ONE)
    with pytest.raises(Conflict, match="record 1 is stale, 2 was seen"):
        await machine.workloads.set(KEY, Wanted(1, POLICY, Exposure(TWO), 3))
    await machine.settled(ONE)


async def test_a_proxy_that_is_away_holds_up_replacement_but_never_strands_a_pod(machine: Machine) -> None:
    await machine.want(ONE)
    await machine.settled(ONE)
    machine.plane.away = True
    await machine.want(TWO)
    await machine.until(lambda: "the proxy is away" in machine.said or machine.copy().updated)
    await machine.until(lambda: all(pod.ready for pod in machine.pods()))
    assert not any(pod.stopping for pod in machine.pods())
    machine.plane.away = False
    await machine.settled(TWO)


async def test_a_proxy_that_is_away_does_not_keep_pods_from_being_stopped(machine: Machine) -> None:
    await machine.want(ONE)
    await machine.settled(ONE)
    machine.plane.away = True
    await machine.node.stop_all()
    assert not machine.pods()


async def test_nothing_starts_any_more_once_everything_is_being_stopped(machine: Machine) -> None:
    await machine.want(ONE)
    await machine.settled(ONE)
    await machine.node.stop_all()
    await machine.want(ONE)
    machine.workloads.set_plain(CanaryKey("shop", "plain"), ONE, 1, None)
    assert machine.node.keys() == ()


async def test_deployments_without_a_canary_run_and_are_forgotten_when_they_are_pruned(machine: Machine) -> None:
    plain = CanaryKey("shop", "plain")
    machine.workloads.set_plain(plain, ONE, 1, ("plain", "http"))
    await machine.until(lambda: machine.node.copy(plain, CopyName.PRIMARY).look().available == 1)
    assert machine.node.keys() == (plain,)
    assert len(machine.plane.now(Backend("shop", "plain", CopyName.PRIMARY))) == 1
    machine.node.forget(plain)
    await machine.until(lambda: machine.node.keys() == ())


PARENT = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_local_pods as pods

async def main(state):
    async with pods.machine_in(state) as machine:
        await machine.want(pods.ONE, pods.TWO)
        await machine.settled(pods.ONE)
        await machine.settled(pods.TWO, copy=pods.CopyName.CANARY)
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[2])))
"""


def kill_an_up_in(state: Path) -> None:
    """Runs a node with a primary and a canary in another process, and kills that."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PARENT, str(Path(__file__).parent), str(state)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        parent.send_signal(signal.SIGKILL)


@pytest.mark.slow
async def test_after_a_sigkill_the_pods_serve_on_and_are_adopted_as_they_are(tmp_path: Path) -> None:
    kill_an_up_in(tmp_path)
    async with machine_in(tmp_path) as machine:
        before = {pid_of(pod) for copy in CopyName for pod in machine.pods(copy)}
        assert len(before) == 2
        assert machine.copy() == Copy(ONE.id, 1, 1, 1, 1)
        assert await machine.get(machine.pods()[0]) == "one"
        assert machine.plane.history == []
        await machine.want(ONE)
        await machine.settled(ONE)
        await machine.until(lambda: not machine.pods(CopyName.CANARY))
        assert pid_of(machine.pods()[0]) in before


@pytest.mark.slow
async def test_a_pod_that_ended_while_trimtab_was_dead_is_not_ready_and_is_started_again(tmp_path: Path) -> None:
    kill_an_up_in(tmp_path)
    await process.stop(next((tmp_path / "revisions").glob(f"*/{ONE.id}/*/c-web")), 5.0)
    async with machine_in(tmp_path) as machine:
        assert machine.copy().available == 0
        await machine.want(ONE, TWO)
        await machine.settled(ONE)
        assert podfolder.restarts(machine.pods()[0].folder / "c-web") == 1
        assert any("container web ended with exit code 143, log: " in line for line in machine.said)


async def test_pods_stay_when_the_node_is_left(tmp_path: Path) -> None:
    async with machine_in(tmp_path, keep=True) as machine:
        await machine.want(ONE)
        await machine.settled(ONE)
        pid = pid_of(machine.pods()[0])
    async with machine_in(tmp_path) as machine:
        assert pid_of(machine.pods()[0]) == pid
        assert machine.copy().available == 1


@pytest.mark.parametrize("record", ["{}", '{"format": 2}', "not JSON", None])
async def test_a_pod_whose_record_is_another_versions_goes_on_serving_until_it_is_asked_to_stop(tmp_path: Path, record: str | None) -> None:
    async with machine_in(tmp_path, keep=True) as machine:
        await machine.want(ONE)
        await machine.settled(ONE)
        folder, pid = machine.pods()[0].folder, pid_of(machine.pods()[0])
    (folder / "pod.json").unlink() if record is None else (folder / "pod.json").write_text(record)
    with pytest.raises(InputError, match=r"the record of a pod, .*pod\.json, .*`trimtab down`"):
        async with machine_in(tmp_path):
            pass
    assert pid in process.session(folder / "c-web")

    said: list[str] = []
    assert podfolder.stop_unreadable(machine.state, said.append) == 1 and str(folder) in said[0]
    async with machine_in(tmp_path) as machine:
        assert machine.pods() == []
        await machine.until(lambda: not list(process.session(folder / "c-web")))
    assert not folder.exists()


async def test_a_pod_that_was_half_written_or_half_removed_is_removed_and_that_is_said(tmp_path: Path) -> None:
    async with machine_in(tmp_path) as machine:
        draft = podfolder.folder_of(machine.state, KEY, "r", ".web-primary-draft")
    draft.mkdir(parents=True)
    async with machine_in(tmp_path) as machine:
        assert [str(draft) in text for text in machine.said] == [True]
    assert not draft.exists()


async def test_secrets_are_readable_for_the_owner_alone_and_are_in_no_message_log_or_command_line(machine: Machine) -> None:
    mount = {"volumeMounts": [{"name": "settings", "mountPath": "/etc/app"}, {"name": "token", "mountPath": "/etc/token"}]}
    volumes = [{"name": "settings", "configMap": {"name": "app"}}, {"name": "token", "secret": {"secretName": "token"}}]
    wanted = revision("one", mount, volumes=volumes)
    await machine.want(wanted)
    await machine.settled(wanted)
    pod = machine.pods()[0]
    assert (pod.folder / "c-web/root/etc/token/token").read_text() == SECRET
    entries = [path for path in machine.state.rglob("*") if not path.is_symlink()]
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in entries} == {0}
    assert stat.S_IMODE((pod.folder / "volumes/token/token").stat().st_mode) == 0o400
    assert SECRET.encode() not in command_lines(pod)
    assert SECRET not in "".join(machine.said) + repr(pod.record) + repr(pod)
    assert any("/etc/app -> " in line for line in machine.said)


async def test_init_containers_run_before_the_others_and_share_volumes_with_them(machine: Machine) -> None:
    make = {"name": "make", "command": ["/bin/sh", "-c", "echo made of $(cat /etc/app/greeting) >/scratch/page"], "volumeMounts": [
        {"name": "settings", "mountPath": "/etc/app"}, {"name": "scratch", "mountPath": "/scratch"}]}  # fmt: skip
    serve = {"command": [sys.executable, "-S", str(WEB), "/data/page"], "volumeMounts": [{"name": "scratch", "mountPath": "/data"}]}
    wanted = revision("one", serve, initContainers=[make])
    await machine.want(wanted)
    await machine.settled(wanted)
    assert await machine.get(machine.pods()[0]) == "made of one\n"


@pytest.mark.slow
async def test_a_container_that_ends_is_started_again_counted_and_told(machine: Machine) -> None:
    await machine.want(ONE)
    await machine.settled(ONE)
    pod = machine.pods()[0]
    port, pid = port_of(pod), pid_of(pod)
    os.kill(int(await machine.get(pod, "/pid")), signal.SIGKILL)
    await machine.until(lambda: machine.copy().available == 0)
    await machine.until(lambda: machine.copy().available == 1)
    assert pid_of(pod) != pid
    assert port_of(machine.pods()[0]) == port
    assert podfolder.restarts(pod.folder / "c-web") == 1
    assert await machine.workloads.restarts(KEY, POLICY) == Restarts((PodRestarts(pod.record.name, 1),))
    assert any(f"pod {pod.record.name}: container web ended with exit code 137, log: " in line for line in machine.said)


@pytest.mark.slow
async def test_a_container_that_fails_its_liveness_probe_is_started_again(machine: Machine) -> None:
    alive = {"httpGet": {"path": "/alive", "port": "http"}, "periodSeconds": 0.05, "failureThreshold": 2}
    # On a busy machine a start takes longer than two looks.
    started = {**alive, "failureThreshold": 200}
    wanted = revision("one", {"livenessProbe": alive, "startupProbe": started})
    await machine.want(wanted)
    await machine.settled(wanted)
    pod = machine.pods()[0]
    pid, sign = pid_of(pod), pod.folder / "c-web/root/tmp/dead"
    sign.touch()
    await machine.until(lambda: any("failed its liveness probe 2 times in a row" in line for line in machine.said))
    sign.unlink()
    await machine.until(lambda: machine.copy().available == 1)
    assert pid_of(pod) != pid


@pytest.mark.slow
async def test_a_container_that_does_not_pass_its_startup_probe_is_started_again(machine: Machine) -> None:
    startup = {"exec": {"command": ["false"]}, "periodSeconds": 0.1, "failureThreshold": 2}
    await machine.want(revision("one", {"startupProbe": startup}))
    await machine.until(lambda: any("did not pass its startup probe in 2 times 0.1 s" in line for line in machine.said))
    await machine.until(lambda: podfolder.restarts(machine.pods()[0].folder / "c-web") == 1)
    assert machine.copy().available == 0


async def test_pre_stop_runs_while_the_container_still_serves_and_the_log_outlives_the_pod(machine: Machine) -> None:
    script = f"exec {sys.executable} -S {WEB} /etc/app/greeting --port $PORT"
    stop = "kill -0 $(cat $TMPDIR/pid) && echo stopping >$OUTPUT"
    witness = machine.state / "witness"
    wanted = revision(
        "one",
        {
            "command": ["/bin/sh", "-c", f"echo started; echo $$$$ >$TMPDIR/pid; {script}"],
            "env": [{"name": "OUTPUT", "value": str(witness)}],
            "lifecycle": {"preStop": {"exec": {"command": ["/bin/sh", "-c", stop]}}},
        },
    )
    await machine.want(wanted)
    await machine.settled(wanted)
    name = machine.pods()[0].record.name
    await machine.node.stop_all()
    assert witness.read_text() == "stopping\n"
    assert podfolder.log_of(machine.state, name, "web").read_text() == "started\n"


async def test_a_container_that_takes_no_notice_of_term_is_killed_when_the_grace_period_is_over(machine: Machine) -> None:
    stubborn = {"command": [sys.executable, "-S", str(WEB), "/etc/app/greeting", "--stubborn"]}
    wanted = revision("one", stubborn, terminationGracePeriodSeconds=0.1)
    await machine.want(wanted)
    await machine.settled(wanted)
    pod = machine.pods()[0]
    await machine.node.stop_all()
    assert not list(process.session(pod.folder / "c-web"))


@pytest.mark.slow
async def test_a_container_that_ignores_port_is_stopped_with_an_error_that_says_so(machine: Machine) -> None:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        fixed = trial.getsockname()[1]
    ports = {
        "ports": [{"name": "http", "containerPort": fixed}],
        "command": ["/bin/sh", "-c", f"exec {sys.executable} -S {WEB} --port $((0+{fixed}))"],
    }
    await machine.want(revision("one", ports))
    await machine.until(
        lambda: any(f"was stopped: it listens on port {fixed}, but on one machine its port is" in line for line in machine.said)
    )
    pod = machine.pods()[0]
    await machine.until(lambda: process.found(pod.folder / "c-web") is None)
    assert podfolder.restarts(pod.folder / "c-web") == 0


@pytest.mark.slow
async def test_a_pod_whose_port_somebody_else_took_gives_way_to_one_with_another_port(machine: Machine) -> None:
    await machine.want(ONE)
    await machine.settled(ONE)
    pod = machine.pods()[0]
    os.kill(int(await machine.get(pod, "/pid")), signal.SIGKILL)
    await machine.until(lambda: process.found(pod.folder / "c-web") is None)
    with socket.create_server(("127.0.0.1", port_of(pod))):
        await machine.until(lambda: pod not in machine.pods())
        await machine.settled(ONE)
    assert port_of(machine.pods()[0]) != port_of(pod)
    assert any(f"its port {port_of(pod)} is in use; a new pod gets another one" in line for line in machine.said)


async def test_a_pod_that_comes_and_goes_is_no_progress(machine: Machine) -> None:
    await machine.want(ONE)
    await machine.settled(ONE)
    since, sign = machine.copy().since, machine.pods()[0].folder / "c-web/root/tmp/unready"
    for _ in range(2):
        sign.touch()
        await machine.until(lambda: not machine.copy().available)
        sign.unlink()
        await machine.until(lambda: machine.copy().available)
    assert machine.copy().since == since


async def test_a_template_that_cannot_run_here_is_told_once_and_starts_nothing(machine: Machine) -> None:
    await machine.want(revision("one", volumes=[{"name": "settings", "hostPath": {"path": "/"}}]))
    await machine.until(lambda: machine.said)
    assert machine.said == [
        "volumes[settings].hostPath cannot work on one machine; there are configMap, secret, projected, downwardAPI and emptyDir"
    ]
    assert machine.copy().total == 0


async def test_a_template_at_which_trimtab_itself_fails_is_told_and_disturbs_nothing_else(machine: Machine) -> None:
    async def broken(key: CanaryKey, wanted: Revision) -> Sequence[Content]:
        if wanted == bad:
            raise ValueError("Secret hunter2")
        return await contents(key, wanted)

    bad = revision("bad")
    machine.node.around = replace(machine.node.around, contents=broken)
    await machine.want(ONE, bad)
    await machine.settled(ONE)
    await machine.until(lambda: any("a bug in Trimtab" in text for text in machine.said))
    said = next(text for text in machine.said if "a bug in Trimtab" in text)
    assert f"making pods of {KEY} as they should be ended with ValueError at test_local_pods.py:" in said and "hunter2" not in said
    await machine.want(TWO)
    await machine.settled(TWO)


async def test_a_log_that_became_too_large_is_begun_anew_while_its_writer_goes_on(tmp_path: Path) -> None:
    talker = revision("one", {"command": ["/bin/sh", "-c", "while :; do echo said; sleep 0.05; done"], "ports": [], "readinessProbe": None})
    async with machine_in(tmp_path, keep=True) as machine:
        await machine.want(talker)
        await machine.settled(talker)
        log = podfolder.log_of(machine.state, machine.pods()[0].record.name, "web")
    os.truncate(log, podfolder.LARGEST_LOG + 1)
    async with machine_in(tmp_path) as machine:
        await machine.until(lambda: log.stat().st_size < podfolder.LARGEST_LOG and log.read_text().startswith("said\n"))
        old = log.with_name(f"{log.name}.old")
        assert old.stat().st_size > podfolder.LARGEST_LOG and stat.S_IMODE(old.stat().st_mode) == 0o600


async def test_changes_name_the_workload_when_a_pod_gets_ready(machine: Machine) -> None:
    changes = machine.workloads.changes()
    await machine.want(ONE)
    async with asyncio.timeout(15):
        while machine.copy().available == 0:
            assert await anext(changes) == KEY


def test_nothing_new_starts_without_room_on_the_disk(tmp_path: Path) -> None:
    podfolder.need_room(podfolder.ROOM, tmp_path, "web")
    with pytest.raises(Unavailable, match=r"starting pod web: 63 MB are free in .*, 64 MB are needed"):
        podfolder.need_room(podfolder.ROOM - 1, tmp_path, "web")


def test_ports_of_pods_are_free_and_different(tmp_path: Path) -> None:
    found = podfolder.free_ports(20, frozenset())
    assert len(set(found)) == 20
    others = podfolder.free_ports(20, set(found))
    assert not set(found) & set(others)
    everything = frozenset(range(podfolder.FIRST_PORT, podfolder.LAST_PORT + 1))
    with pytest.raises(Unavailable, match="looking for 1 free ports from 30000 to 32767"):
        podfolder.free_ports(1, everything)


def test_old_logs_of_pods_that_are_gone_are_removed(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    present = tmp_path / "revisions/shop.web/r/present"
    present.mkdir(parents=True)
    for number in range(podfolder.LOGS + 5):
        log = tmp_path / f"logs/gone-{number}.web.log"
        log.touch()
        os.utime(log, (number, number))
    for name in ("present.web.log", "present.side.log"):
        (tmp_path / "logs" / name).touch()
        os.utime(tmp_path / "logs" / name, (0, 0))
    podfolder.remove(tmp_path, tmp_path / "revisions/shop.web/r/gone-1")
    left = {log.name for log in (tmp_path / "logs").iterdir()}
    assert left == {"present.web.log", "present.side.log", *(f"gone-{number}.web.log" for number in range(5, podfolder.LOGS + 5))}
