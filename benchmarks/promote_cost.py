"""How long does `trimtab promote` take without a network? Run it by hand: `PYTHONPATH=tests python benchmarks/promote_cost.py`.

A repository with two overlays is made, its origin a folder beside it. Each round promotes one more change: the evidence is read, both
targets are rendered at a commit, the edit is proved by rendering again, the journal and the branch are pushed. Compared in the same run
with what the tools take by themselves: the three renderings, one after the other, and the two pushes.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from contracts.git_places import PERSON, QUIET, git
from pipeline.test_promotion import RUN, edit, generated, judged

ROUNDS = 10
LIMIT = 1.0
"""Seconds."""


def seconds(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """The time of one process that must end well."""
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return time.perf_counter() - begin


def main() -> int:
    """Measures and prints; 1 where the figure is missed."""
    tool = next((words for words in (["kustomize", "build"], ["kubectl", "kustomize"]) if shutil.which(words[0])), None)
    if tool is None:
        sys.exit("there is neither kustomize nor kubectl on PATH")
    # As a job of the pipeline run that judged: only its evidence, or the journal's, is believed.
    environment = {**os.environ, **QUIET, **PERSON, "GITHUB_RUN_ID": RUN}
    found: dict[str, list[float]] = {
        "trimtab promote": [],
        "trimtab promote --dry-run": [],
        "three renderings alone": [],
        "two pushes alone": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        origin, clone = generated(Path(folder))
        before = "10"
        for number in range(ROUNDS):
            edit(clone, "overlays/canary/kustomization.yaml", (f"POOL={before}", f"POOL={number + 100}"))
            before = str(number + 100)
            words = [sys.executable, "-m", "trimtab", "promote", "--evidence", judged(clone, environment), "-o", "json"]
            found["trimtab promote --dry-run"].append(seconds([*words, "--dry-run"], clone, environment))
            found["trimtab promote"].append(seconds(words, clone, environment))
            overlays = ("canary", "stable", "stable")
            found["three renderings alone"].append(sum(seconds([*tool, f"overlays/{name}"], clone, environment) for name in overlays))
            head = git(clone, "rev-parse", "HEAD")
            pushes = [["git", "push", "--quiet", "origin", f"{head}:refs/heads/{name}-{number}"] for name in ("a", "b")]
            found["two pushes alone"].append(sum(seconds(push, clone, environment) for push in pushes))
        assert git(origin, "rev-list", "--count", "main") == str(1 + 2 * ROUNDS)
    for name, times in found.items():
        print(f"{name:26} median {statistics.median(times):5.2f} s, most {max(times):5.2f} s")
    own = statistics.median(found["trimtab promote"]) - statistics.median(found["three renderings alone"]) * 2 / 3
    print(f"{'without the rendering tool':26} about {own:5.2f} s: two of the renderings run at the same time")
    return int(statistics.median(found["trimtab promote"]) >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
