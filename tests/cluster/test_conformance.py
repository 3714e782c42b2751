"""Golden traces played against real controllers on a real API server: every channel of every trace."""

import asyncio
import shutil
from pathlib import Path

import pytest

from cluster.departures import OF_THE_CLUSTER
from cluster.play import COMMANDS
from cluster.testbed.compare import compared, in_vain, readable
from cluster.testbed.plane import ControlPlane
from cluster.testbed.player import play_against
from cluster.testbed.scenario import GOLDEN, Scenario, find
from cluster.testbed.trace import text_of

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
NAMES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))
PARALLEL = 36
"""Scenarios at a time: as many as two cores can serve in time."""
OUR_KINDS = ("rolloutpolicies.trimtab.dev", "configrollouts.trimtab.dev", "rolloutcommands.trimtab.dev")


def played(folder: Path, controller: str, names: list[str]) -> list[str]:
    """What a controller does otherwise than the traces say, to be read; traces and the controller's log stay in the folder.

    The cluster knows Flagger's kinds and no others when the controller starts.
    """
    left: list[str] = []

    def taken(scenario: Scenario, trace: dict[str, object]) -> None:
        (folder / f"{scenario.name}.yaml").write_text(text_of(trace))
        expected = scenario.document["expected"]
        if differs := compared(scenario.name, expected, trace):
            left.append(readable(scenario.name, differs))
        if controller == "trimtab":
            left.extend(in_vain(scenario.name, expected, trace))

    with ControlPlane(folder / "plane") as plane:
        plane.kubectl("delete", "crd", *OUR_KINDS)
        scenarios = [find(name) for name in names]
        asyncio.run(play_against(plane, COMMANDS[controller], scenarios, folder / f"{controller}.log", PARALLEL, taken))
    shutil.rmtree(folder / "plane" / "etcd-data", ignore_errors=True)
    return [*left, f"traces and the log of {controller} are in {folder}"] if left else []


def test_trimtab_does_what_flagger_did_but_for_the_departures_that_are_declared(plane: ControlPlane, tmp_path: Path) -> None:
    """All 102 side by side; each row of the table has to occur. `plane` says why where there can be no control plane."""
    if left := played(tmp_path, "trimtab", NAMES):
        pytest.fail("\n".join(left), pytrace=False)


@pytest.mark.skipif(shutil.which("flagger") is None, reason="no flagger on PATH: it is a yardstick, not needed")
def test_flagger_itself_does_what_the_traces_say(plane: ControlPlane, tmp_path: Path) -> None:
    """The testbed is as the one on which the traces were recorded."""
    if left := played(tmp_path, "flagger", NAMES):
        pytest.fail("\n".join(left), pytrace=False)


def test_every_departure_is_about_a_trace_that_there_is_and_names_its_reason() -> None:
    assert len(NAMES) == 102
    for row in OF_THE_CLUSTER:
        assert row.traces and set(row.traces) <= set(NAMES) and row.reason and (row.flagger or row.trimtab)
