"""Golden traces played against real controllers on a real API server: every channel of every trace."""

import asyncio
import shutil
from pathlib import Path

import pytest

from cluster.play import COMMANDS
from cluster.testbed.compare import compared, readable
from cluster.testbed.plane import ControlPlane
from cluster.testbed.player import play_against
from cluster.testbed.scenario import GOLDEN, find
from cluster.testbed.trace import text_of

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
NAMES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))


def differing(folder: Path, controller: str, names: list[str]) -> list[str]:
    """What a controller does otherwise than the traces say, to be read; traces and the controller's log stay in the folder."""
    scenarios = [find(name) for name in names]
    with ControlPlane(folder / "plane") as plane:
        traces = asyncio.run(play_against(plane, COMMANDS[controller], scenarios, folder / f"{controller}.log"))
    for name, trace in traces.items():
        (folder / f"{name}.yaml").write_text(text_of(trace))
    differs = {item.name: compared(item.name, item.document["expected"], traces[item.name]) for item in scenarios}
    return [readable(name, found) for name, found in differs.items() if found]


@pytest.mark.skipif(shutil.which("flagger") is None, reason="no flagger on PATH: it is a yardstick, not needed")
def test_flagger_itself_does_what_the_traces_say(plane: ControlPlane, tmp_path: Path) -> None:
    """The testbed is as the one on which the traces were recorded; `plane` says why where there can be none."""
    if left := differing(tmp_path, "flagger", NAMES):
        pytest.fail("\n".join(left), pytrace=False)
