"""A network and an API server on their bad days, between a real operator and a real API server: nothing is lost, doubled or out of order.

The fault comes at the first weight, and again during the promotion.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from cluster.faulty import WITHIN, Faulty, names
from cluster.opened import until
from cluster.testbed import fault_proxy
from cluster.testbed.fault_proxy import Call, Fault
from cluster.testbed.plane import free_ports
from cluster.testbed.process import Process
from trimtab.errors import Unavailable

pytestmark = pytest.mark.cluster


def writes(call: Call) -> bool:
    """Anything that is written."""
    return call.writes


def records(call: Call) -> bool:
    """What a rollout writes first: the record, and who gets which share."""
    return call.writes and call.what in ("configrollouts", "httproutes")


def reads(call: Call) -> bool:
    """What a pass asks for."""
    return call.method == "GET" and call.what in ("httproutes", "pods") and not call.watch


ANSWERS: dict[str, tuple[fault_proxy.Deed, Callable[[Call], bool]]] = {
    "throttled": (fault_proxy.says(429, Retry_After="1"), records),
    "failed": (fault_proxy.says(500), writes),
    "unread": (fault_proxy.says(500), reads),
    "cut": (fault_proxy.cut, reads),
    "lost": (fault_proxy.lost, writes),
    "halved": (fault_proxy.cut, writes),
    "slow": (fault_proxy.late(1.0), lambda call: records(call) or reads(call)),
}
"""What is done to a request, and to which. Each request of its kind is met once at the first weight, and once more during the promotion."""


async def test_refused_slow_cut_and_lost_answers_change_nothing_but_the_time_that_a_run_takes(faulty: Faulty) -> None:
    faulty.start("-enable-leader-election=false")
    await faulty.apps(*ANSWERS)

    def fault(name: str) -> Fault:
        deed, concerns = ANSWERS[name.partition("-")[0]]
        return Fault(deed, lambda call: concerns(call) and name in call.name)

    faults = {name: fault(name) for name in names(*ANSWERS)}
    faulty.proxy.faults += faults.values()
    await faulty.edit_both(*ANSWERS)

    async def again(stem: str) -> None:
        for phase, weight in (("Progressing", 20), ("Promoting", 0)):
            await faulty.at(stem, phase, weight)
            for name in names(stem):
                faults[name].anew()

    await asyncio.gather(*map(again, ANSWERS))
    await faulty.end_as_ever(*ANSWERS)
    assert [name for name, fault in faults.items() if not fault.met] == []


async def test_a_status_that_cannot_be_written_holds_up_no_rollout_and_is_shown(faulty: Faulty) -> None:
    (port,) = free_ports(1)
    faulty.start("-enable-leader-election=false", f"-port={port}")
    await faulty.apps("behind")
    refused = Fault(fault_proxy.says(500), lambda call: call.what == "canaries/status", once_each=False)
    faulty.proxy.faults.append(refused)
    await faulty.edit_both("behind")
    await faulty.says("status, answers or old attempts are behind", 2)
    assert await number_of(port, "trimtab_status_behind") == 2
    await until(lambda: faulty.ended("behind"), "both rollouts have ended", WITHIN)
    assert (await faulty.status("behind-good"))["phase"] == "Initialized"
    faulty.proxy.faults.clear()
    await faulty.end_as_ever("behind")
    await faulty.says("status and answers are up to date again", 2)


async def number_of(port: int, metric: str) -> float:
    """A metric without labels, as the operator shows it."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{metric} "))


async def test_watches_that_end_break_or_are_too_old_lose_nothing(faulty: Faulty) -> None:
    faulty.start("-enable-leader-election=false")
    await faulty.apps("watched")
    old = Fault(fault_proxy.gone, lambda call: call.watch)
    faulty.proxy.faults.append(old)
    # Nobody hears of the edit, for the watches are gone and new ones are told to list anew.
    assert faulty.proxy.drop_watches()
    await faulty.edit_both("watched")
    await faulty.at("watched", "Progressing", 20)
    refused = Fault(fault_proxy.says(410), lambda call: call.watch)
    faulty.proxy.faults.append(refused)
    faulty.proxy.drop_watches()
    await faulty.at("watched", "Promoting")
    faulty.proxy.drop_watches()
    await faulty.end_as_ever("watched")
    assert old.met and refused.met


async def test_a_run_goes_on_where_it_was_when_the_api_server_comes_back(faulty: Faulty) -> None:
    faulty.start("-enable-leader-election=false")
    await faulty.apps("away")
    await faulty.edit_both("away")
    for phase, weight in (("Progressing", 20), ("Promoting", 0)):
        await faulty.at("away", phase, weight)
        before = faulty.processes[0].log.read_text().count("cannot connect")
        await faulty.proxy.leave()
        await faulty.says("cannot connect", before + 1)
        await faulty.proxy.come_back()
    await faulty.end_as_ever("away")


async def test_an_operator_that_loses_its_lease_with_the_api_server_ends_and_the_next_one_goes_on(faulty: Faulty) -> None:
    first = faulty.start()
    await faulty.apps("long")
    await faulty.edit_both("long")
    await faulty.at("long", "Progressing", 20)
    await faulty.proxy.leave()
    assert await ends(first) == Unavailable.exit_code
    assert "could not be renewed in time" in first.log.read_text()
    early = faulty.start()
    await faulty.says("cannot connect")
    assert early.stop() == 0, "it can be told to end while it waits"
    faulty.start("-enable-leader-election=false")
    await faulty.says("cannot connect")
    await faulty.proxy.come_back()
    await faulty.end_as_ever("long")


async def test_a_token_that_expires_is_read_anew_and_nobody_notices(faulty: Faulty) -> None:
    faulty.start("-enable-leader-election=false")
    await faulty.apps("rotated")
    await faulty.edit_both("rotated")
    await faulty.at("rotated", "Progressing", 20)
    rotate(faulty.token, "admin")
    faulty.proxy.expired.add("controller")
    await faulty.end_as_ever("rotated")
    assert faulty.proxy.refused == ["controller"] * len(faulty.proxy.refused) != []
    assert "credentials" not in faulty.processes[0].log.read_text()


async def ends(process: Process) -> int:
    """The exit code, when there is one."""

    async def so() -> bool:
        return process.ended is not None

    await until(so, "the operator ends", WITHIN)
    return process.stop()


def rotate(token: Path, value: str) -> None:
    """As a kubelet does it: in one step."""
    new = token.with_suffix(".new")
    new.write_text(value)
    new.replace(token)


async def test_what_somebody_deletes_under_a_run_is_put_back_and_the_run_goes_on(faulty: Faulty) -> None:
    faulty.start("-enable-leader-election=false")
    await faulty.apps("deleted")
    await faulty.edit_both("deleted")
    await faulty.at("deleted", "Progressing", 20)
    for kind, name in (("HTTPRoute", ""), ("Service", ""), ("Service", "-primary"), ("ConfigRollout", "-2")):
        await faulty.api.delete(kind, faulty.namespace, f"deleted-good{name}")
    await faulty.end_as_ever("deleted")


async def test_records_that_somebody_deletes_while_nobody_runs_are_made_anew_and_the_next_edit_rolls_out(faulty: Faulty) -> None:
    operator = faulty.start("-enable-leader-election=false")
    await faulty.apps("lost")
    await faulty.edit_both("lost")
    await faulty.end_as_ever("lost")
    await asyncio.to_thread(operator.stop)
    for name in ("lost-good-2", "lost-bad-2", "lost-bad-1"):
        await faulty.api.delete("ConfigRollout", faulty.namespace, name)
    faulty.start("-enable-leader-election=false")
    for name, number, phase in (("lost-good", 2, "Succeeded"), ("lost-bad", 1, "Failed")):
        run = await until(lambda number=number, name=name: faulty.rollout(number, name), f"{name}-{number} is made anew", WITHIN)
        assert (run["status"]["timeline"][0]["reason"], run["status"]["phase"]) == ("MadeAnew", phase)
    before = faulty.witness.weights("lost-good"), faulty.witness.weights("lost-bad")
    for name, color in (("lost-good", "good"), ("lost-bad", "bad")):
        await faulty.api.patch("ConfigMap", faulty.namespace, f"{name}-config", {"data": {"color": color, "again": "yes"}})
    for name, number, outcome in (("lost-good", 3, "Promoted"), ("lost-bad", 2, "RolledBack")):

        async def ended(name: str = name, number: int = number) -> str | None:
            run = await faulty.rollout(number, name)
            return run["status"].get("outcome") if run is not None else None

        assert await until(ended, f"{name}-{number} ends", WITHIN) == outcome
    await faulty.witness.caught_up()
    after = faulty.witness.weights("lost-good"), faulty.witness.weights("lost-bad")
    assert after == ([*before[0], 20, 60, 0], [*before[1], 20, 0])
    assert not faulty.witness.broken("lost-good") and not faulty.witness.broken("lost-bad")
