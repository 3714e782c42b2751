"""Carries out probes and preStop handlers: http, tcp, exec, sleep. Called by `pods`."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from trimtab.adapters.local.probespec import Probe
from trimtab.adapters.local.process import environment


async def attempt(probe: Probe, session: aiohttp.ClientSession, variables: Mapping[str, str], where: Path) -> bool:
    """Does the probe succeed within its timeout?"""
    try:
        async with asyncio.timeout(probe.timeout):
            return await carry_out(probe, session, variables, where)
    except (TimeoutError, OSError, aiohttp.ClientError):
        return False


async def carry_out(probe: Probe, session: aiohttp.ClientSession, variables: Mapping[str, str], where: Path) -> bool:
    """What the probe says, whatever time it takes."""
    if probe.sleep:
        await asyncio.sleep(probe.sleep)
        return True
    if probe.command:
        return await run(probe.command, variables, where)
    if probe.path:
        url = f"http://127.0.0.1:{probe.port}{probe.path}"
        async with session.get(url, headers=dict(probe.headers), allow_redirects=False) as answer:
            return 200 <= answer.status < 400
    _, writer = await asyncio.open_connection("127.0.0.1", probe.port)
    writer.close()
    return True


async def run(command: tuple[str, ...], variables: Mapping[str, str], where: Path) -> bool:
    """Does the command end with 0? Killed when nobody waits for it any more."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment(variables, where),
        cwd=where,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        return await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
