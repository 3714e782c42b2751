"""A real Envoy that outlives Trimtab: found again after SIGKILL, started again when it dies, its ports kept, its files safe."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from trimtab.adapters.local import envoy_files
from trimtab.adapters.local import running as processes
from trimtab.adapters.local.dataplane import Backend, CopyName, Endpoint
from trimtab.adapters.local.envoy import Envoy
from trimtab.adapters.local.envoy_dataplane import EnvoyDataPlane
from trimtab.adapters.local.envoy_process import find_program
from trimtab.errors import InputError, Unavailable

BACKEND = Backend("shop", "web", CopyName.PRIMARY)
# Test processes that run at the same time must not take each other's ports.
WANTED = 2000 + os.getpid() % 3000
CLUSTER = f"shop_web-primary_{WANTED}"

PARENT = """
import asyncio, os, sys
from pathlib import Path
import aiohttp
from trimtab.adapters.local.envoy import Envoy
from trimtab.adapters.local.envoy_process import find_program

async def main():
    async with aiohttp.ClientSession() as session:
        envoy = Envoy(Path(sys.argv[1]), session, lambda: find_program(os.environ))
        await envoy.expose("shop", "web", int(sys.argv[2]))
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def program() -> Path:
    return find_program(os.environ)


@asynccontextmanager
async def envoy_in(folder: Path) -> AsyncIterator[Envoy]:
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        envoy = Envoy(folder, session, program)
        try:
            yield envoy
        finally:
            await envoy.stop(grace=0.2)


def pid_in(folder: Path) -> int:
    running = processes.recorded(folder / "process")
    assert running is not None
    return running.pid


async def status_of(port: int) -> int:
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/") as answer:
        return answer.status


@pytest.mark.slow
def test_envoy_outlives_a_killed_parent_and_is_found_again(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PARENT, str(tmp_path), str(WANTED)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        os.kill(parent.pid, signal.SIGKILL)
    pid = pid_in(tmp_path)

    async def story() -> None:
        async with envoy_in(tmp_path) as envoy:
            await envoy.start()
            assert pid_in(tmp_path) == pid
            address = envoy.addresses()["shop", "web"]
            # 503 is Envoy's own answer: it listens, and there is no pod.
            assert await status_of(address.actual) == 503
            await EnvoyDataPlane(envoy).publish(BACKEND, [Endpoint(9)])
            assert (await envoy.expose("shop", "web", WANTED)).port == address.actual

    asyncio.run(story())


def test_envoy_is_started_again_with_all_it_had_when_it_dies(tmp_path: Path) -> None:
    async def story() -> None:
        async with envoy_in(tmp_path) as envoy, asyncio.TaskGroup() as tasks:
            await envoy.expose("shop", "web", WANTED)
            await EnvoyDataPlane(envoy).publish(BACKEND, [Endpoint(9)])
            supervisor = tasks.create_task(envoy.supervise())
            before = pid_in(tmp_path)
            os.kill(before, signal.SIGKILL)

            async def back() -> bool:
                running = processes.recorded(tmp_path / "process")
                return running is not None and running.pid != before and await envoy.admin.ready()

            assert await envoy_files.until(back, 5)
            assert set(await envoy.admin.hosts(CLUSTER) or {}) == {Endpoint(9)}
            assert await status_of((await envoy.expose("shop", "web", WANTED)).port) == 503
            supervisor.cancel()

    asyncio.run(story())


def test_pods_of_before_a_restart_of_the_machine_get_no_requests(tmp_path: Path) -> None:
    async def story() -> None:
        async with envoy_in(tmp_path) as envoy:
            await envoy.expose("shop", "web", WANTED)
            await EnvoyDataPlane(envoy).publish(BACKEND, [Endpoint(9)])
            await envoy.stop(grace=0.2)
            file = tmp_path / "process"
            file.write_text(file.read_text().rpartition("\n")[0].rpartition("\n")[0] + "\nanother-boot\n")
            await envoy.start()
            assert await envoy.admin.hosts(CLUSTER) == {}

    asyncio.run(story())


def test_a_port_in_use_is_replaced_and_the_new_one_is_kept(tmp_path: Path) -> None:
    async def story() -> None:
        async with envoy_in(tmp_path) as envoy:
            wanted = WANTED + 4000
            with socket.create_server(("127.0.0.1", wanted)):
                assert (await envoy.expose("shop", "web", wanted)).port != wanted
            address = envoy.addresses()["shop", "web"]
            assert (address.wanted, address.actual) == (wanted, (await envoy.expose("shop", "web", wanted)).port)
            await envoy.stop(grace=0.2)
            await envoy.start()
            assert envoy.addresses()["shop", "web"] == address

    asyncio.run(story())


def test_a_port_that_was_taken_while_envoy_was_down_is_given_up(tmp_path: Path) -> None:
    async def story() -> None:
        async with envoy_in(tmp_path) as envoy:
            port = (await envoy.expose("shop", "web", WANTED)).port
            await envoy.stop(grace=0.2)
            with socket.create_server(("127.0.0.1", port)):
                await envoy.start()
                assert envoy.addresses()["shop", "web"].actual != port

    asyncio.run(story())


def test_a_port_of_root_is_replaced(tmp_path: Path) -> None:
    async def story() -> None:
        async with envoy_in(tmp_path) as envoy:
            assert (await envoy.expose("shop", "web", 80)).port >= 1024

    asyncio.run(story())


def test_two_services_on_one_port_get_two(tmp_path: Path) -> None:
    async def story() -> None:
        async with envoy_in(tmp_path) as envoy:
            first, second = await asyncio.gather(envoy.expose("shop", "web", WANTED), envoy.expose("bank", "web", WANTED))
            ports = {first.port, first.primary_port, first.canary_port, second.port, second.primary_port, second.canary_port}
            assert len(ports) == 6

    asyncio.run(story())


def test_requests_under_way_are_answered_before_envoy_stops(tmp_path: Path) -> None:
    async def story() -> None:
        arrived, go = asyncio.Event(), asyncio.Event()

        async def pod(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            arrived.set()
            await go.wait()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            writer.close()

        async with envoy_in(tmp_path) as envoy, asyncio.TaskGroup() as tasks:
            server = await asyncio.start_server(pod, "127.0.0.1", 0)
            service = await envoy.expose("shop", "web", WANTED)
            await EnvoyDataPlane(envoy).publish(BACKEND, [Endpoint(server.sockets[0].getsockname()[1])])
            answer = tasks.create_task(status_of(service.port))
            await arrived.wait()
            stopping = tasks.create_task(envoy.stop(grace=5))

            async def closed() -> bool:
                return not await envoy.admin.listeners()

            assert await envoy_files.until(closed, 5)
            go.set()
            assert await answer == 200
            await stopping
            server.close()
            assert processes.recorded(tmp_path / "process") is not None
            with pytest.raises(aiohttp.ClientConnectionError):
                await status_of(service.port)

    asyncio.run(story())


def test_a_program_that_is_not_envoy_is_named_with_what_it_said(tmp_path: Path) -> None:
    script = tmp_path / "not-envoy"
    script.write_text("#!/bin/sh\necho this is not Envoy\nexit 3\n")
    script.chmod(0o700)

    async def story() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(Unavailable, match=r"not-envoy: it did not come up\. Its log .* ends with: this is not Envoy"):
                await Envoy(tmp_path / "envoy", session, lambda: script).start()

    asyncio.run(story())


def test_the_program_that_the_environment_names_is_used(tmp_path: Path) -> None:
    assert find_program({"TRIMTAB_ENVOY": "/bin/sh"}) == Path("/bin/sh")
    with pytest.raises(InputError, match=r"TRIMTAB_ENVOY names .*missing, which is not a program"):
        find_program({"TRIMTAB_ENVOY": str(tmp_path / "missing")})


def test_a_pid_that_came_back_is_not_envoy(tmp_path: Path) -> None:
    stat = Path(f"/proc/{os.getpid()}/stat").read_text()
    (tmp_path / "process").write_text(f"{stat}{processes.boot_id()}\n")
    running = processes.recorded(tmp_path / "process")
    assert running is not None
    assert processes.alive(running)
    assert not processes.alive(processes.Running(running.pid, "1", running.boot))
    assert not processes.alive(processes.Running(running.pid, running.started, "another-boot"))


def test_what_changes_a_file_again_and_again_needs_no_new_blocks(tmp_path: Path) -> None:
    file = tmp_path / "routes.json"
    for text in (b"[1]", b"[2]"):
        envoy_files.replace(file, text)
    known = {one.stat().st_ino: one.stat().st_blocks for one in tmp_path.iterdir()}
    for text in (b"[3]", b"[4, 5]", b"[6]"):
        envoy_files.replace(file, text)
        assert file.read_bytes().rstrip() == text
        assert {one.stat().st_ino: one.stat().st_blocks for one in tmp_path.iterdir()} == known


def test_only_this_user_may_read_what_envoy_reads(tmp_path: Path) -> None:
    async def story() -> None:
        async with envoy_in(tmp_path / "envoy") as envoy:
            await envoy.expose("shop", "web", WANTED)

    asyncio.run(story())
    open_to_others = [path for path in (tmp_path / "envoy").rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == []
