"""Carries out probes and preStop handlers: http, tcp, exec, sleep. Called by `containers`."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from trimtab.adapters.local.podfields import LOOPBACK
from trimtab.adapters.local.probespec import Probe
from trimtab.adapters.local.process import environment


@dataclass(frozen=True, slots=True)
class Target:
    """The container that is probed, as far as commands need it."""

    variables: Mapping[str, str]
    home: Path
    where: Path


async def attempt(probe: Probe, session: aiohttp.ClientSession, target: Target) -> bool:
    """Does the probe succeed within its timeout?"""
    try:
        async with asyncio.timeout(probe.timeout):
            return await carry_out(probe, session, target)
    except (TimeoutError, OSError, ValueError, aiohttp.ClientError):
        return False


async def carry_out(probe: Probe, session: aiohttp.ClientSession, target: Target) -> bool:
    """What the probe says, whatever time it takes."""
    if probe.sleep is not None:
        await asyncio.sleep(probe.sleep)
        return True
    if probe.command:
        return await run(probe.command, target)
    if probe.url:
        # A connection kept for the next probe would count as one under way when the container is told to end.
        headers = {"Connection": "close", **dict(probe.headers)}
        async with session.get(probe.url, headers=headers, allow_redirects=False, ssl=False) as answer:
            return 200 <= answer.status < 400
    _, writer = await asyncio.open_connection(LOOPBACK, probe.port)
    writer.close()
    return True


async def run(command: tuple[str, ...], target: Target) -> bool:
    """Does the command end with 0? Killed, with all it started, when nobody waits for it any more."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment(target.variables, target.home),
        cwd=target.where,
        start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        return await process.wait() == 0
    finally:
        if process.returncode is None:
            # An error in place of a cancellation would be taken for a failed probe, and the prober would go on.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
