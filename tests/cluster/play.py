"""Plays scenarios against a controller and shows where it differs from what their golden traces say.

PYTHONPATH=tests .venv/bin/python -m cluster.play [--controller COMMAND] SCENARIO...
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from cluster.testbed.binaries import CannotBuild
from cluster.testbed.compare import compared, readable
from cluster.testbed.plane import ControlPlane
from cluster.testbed.player import ControllerEnded, play_against
from cluster.testbed.scenario import GOLDEN, Scenario, find
from cluster.testbed.trace import text_of

FLAGS = (
    "-kubeconfig={kubeconfig} -mesh-provider=kubernetes -metrics-server={world}/prom -event-webhook={world}/events"
    " -log-level=debug -enable-leader-election=false -control-loop-interval=1s -port={port}"
)
COMMANDS = {
    "trimtab": f"{sys.executable} -m trimtab operator {FLAGS}",
    "flagger": f"flagger {FLAGS} -kubeconfig-qps=1000 -kubeconfig-burst=2000 -threadiness=4",
}


def play(plane: ControlPlane, command: str, scenarios: list[Scenario], out: Path, parallel: int) -> bool:
    """Plays and compares; did everything match?"""
    different = 0

    def taken(scenario: Scenario, trace: dict[str, Any]) -> None:
        nonlocal different
        (out / f"{scenario.name}.yaml").write_text(text_of(trace))
        if "expected" not in scenario.document:
            print(f"played  {scenario.name}: {trace['ended']}; no golden trace to compare with", flush=True)
        elif differs := compared(scenario.name, scenario.document["expected"], trace):
            different += 1
            print(readable(scenario.name, differs), flush=True)
        else:
            print(f"equal   {scenario.name}", flush=True)

    asyncio.run(play_against(plane, command, scenarios, out / "controller.log", parallel, taken))
    print(f"{len(scenarios) - different} as told, {different} differ; traces and the controller's log are in {out}")
    return not different


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="a golden trace: its file, or its name in the folder")
    parser.add_argument("--all", action="store_true", help="every golden trace in the folder")
    parser.add_argument("--golden", type=Path, default=GOLDEN, metavar="FOLDER", help="where golden traces are (tests/golden)")
    parser.add_argument(
        "--controller", default="trimtab", metavar="COMMAND",
        help="flagger, trimtab (default), or a command line with {kubeconfig}, {world} and {port} in it",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="where traces and logs go (a new temporary folder)")
    parser.add_argument("--parallel", type=int, default=60, help="scenarios at a time (60)")
    given = parser.parse_args()
    if given.all:
        given.scenarios = sorted(path.stem for path in given.golden.glob("*.yaml"))
    if not given.scenarios:
        parser.error("name a scenario, or say --all")
    return given


def main() -> int:
    """0: everything as told; 1: something differs; 2: it cannot be played."""
    given = arguments()
    out = given.out or Path(tempfile.mkdtemp(prefix="trimtab-play-"))
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="trimtab-plane-"))
    try:
        scenarios = [find(word, given.golden) for word in given.scenarios]
        with ControlPlane(folder) as plane:
            command = COMMANDS.get(given.controller, given.controller)
            return 0 if play(plane, command, scenarios, out, given.parallel) else 1
    except (CannotBuild, ControllerEnded, FileNotFoundError) as error:
        print(f"play: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
