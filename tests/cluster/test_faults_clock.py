"""A clock that somebody sets forward and back by hours, under the real loop on a real API server: no check is skipped or doubled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import aiohttp
import pytest

from cluster.faulty import Faulty
from cluster.opened import opened
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.configs import Configs, digest_key
from trimtab.control.loop import Loop
from trimtab.errors import TrimtabError
from trimtab.model.names import CanaryKey
from trimtab.wiring.cluster import OperatorOptions, Settings, ports

pytestmark = pytest.mark.cluster
HOURS = timedelta(hours=5)


class Set(SystemClock):
    """The clock of this machine, and by how much it was set."""

    by = timedelta()

    def now(self) -> datetime:
        return super().now() + self.by


@asynccontextmanager
async def operating_by(clock: Set, faulty: Faulty) -> AsyncIterator[list[str]]:
    """The operator's loop in this process; what went wrong in its passes."""
    problems: list[str] = []

    def report(key: CanaryKey, problem: TrimtabError | None) -> None:
        problems.extend([str(problem)] if problem is not None else [])

    settings = Settings(home=faulty.namespace, namespaces=(faulty.namespace,), minimum_interval=timedelta(milliseconds=100))
    options = OperatorOptions(settings, metrics_server=faulty.metrics)
    async with opened(faulty.plane.kubeconfig, faulty.namespace) as found, aiohttp.ClientSession() as session:
        cluster = replace(found, settings=settings)
        configs = Configs(cluster, await digest_key(cluster.client, faulty.namespace))
        _, outside, beside = ports(cluster, options, configs, session, clock)
        async with asyncio.TaskGroup() as group:
            running = [Loop(outside, report, lambda key, decision, took: None), *beside]
            tasks = [group.create_task(one.run()) for one in running]
            yield problems
            for task in tasks:
                task.cancel()


async def test_a_clock_that_jumps_by_hours_skips_no_check_and_delays_none_by_hours(faulty: Faulty) -> None:
    clock = Set()
    async with operating_by(clock, faulty) as problems:
        await faulty.apps("jumping")
        clock.by = HOURS
        await faulty.edit_both("jumping")
        for weight, by in ((20, -HOURS), (60, 2 * HOURS)):
            await faulty.at("jumping", "Progressing", weight)
            clock.by = by
        await faulty.at("jumping", "Promoting")
        clock.by = timedelta()
        await faulty.end_as_ever("jumping")
    assert not problems, problems
