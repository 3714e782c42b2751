"""How long does `trimtab diff` of two renders of 5 MB take? Run it by hand: `python benchmarks/diff_cost.py`.

Two folders with the same 4 000 objects are made, 5 MB each, in which 100 values differ; the whole process is measured, start-up and
reading included. Beside it, where it is on PATH, `dyff between` on the same files (`go install github.com/homeport/dyff/cmd/dyff@latest`).
"""

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OBJECTS, CHANGED, ROUNDS, SIZE = 4_000, 100, 5, 5_000_000
LIMIT = 2.0
"""Seconds."""


CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: config-{number}
  namespace: prod
  labels:
    app: web-{number}
data:
  config.yaml: |
{lines}  LOG: info
  PORT: '8080'
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-{number}
  namespace: prod
spec:
  replicas: 3
  selector:
    matchLabels:
      app: web-{number}
  template:
    metadata:
      labels:
        app: web-{number}
    spec:
      containers:
      - name: app
        image: registry/web:{number}
        ports:
        - containerPort: 8080
        envFrom:
        - configMapRef:
            name: config-{reads}
"""


def text(chance: random.Random) -> list[str]:
    """The objects of one side; three of four are ConfigMaps with a YAML file inside, the others Deployments that read them."""
    found = []
    for number in range(OBJECTS):
        if number % 4:
            lines = "".join(f"    setting_{at}: {chance.randrange(10**6)}\n" for at in range(64))
            found.append(CONFIG.format(number=number, lines=lines))
        else:
            found.append(DEPLOYMENT.format(number=number, reads=number + 1))
    return found


def edited(objects: list[str], chance: random.Random) -> list[str]:
    """The same with some values changed."""
    found = list(objects)
    for number in chance.sample([at for at in range(OBJECTS) if at % 4], CHANGED):
        found[number] = found[number].replace("LOG: info", "LOG: debug")
    return found


def seconds(command: list[str]) -> tuple[float, str]:
    """The time of one process, and what it printed."""
    begin = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)
    return time.perf_counter() - begin, done.stdout


def main() -> int:
    """Measures and prints; 1 where the figure is missed."""
    chance = random.Random(5)
    with tempfile.TemporaryDirectory() as folder:
        before = text(chance)
        for name, objects in (("before", before), ("after", edited(before, chance))):
            (Path(folder) / name).mkdir()
            (Path(folder) / name / "all.yaml").write_text("---\n".join(objects))
        size = os.path.getsize(Path(folder) / "before" / "all.yaml")
        assert size > 0.9 * SIZE, size
        words = [sys.executable, "-m", "trimtab", "diff", "before", "after", "--repo", folder]
        commands = {"trimtab diff": words, "trimtab diff -o markdown": [*words, "-o", "markdown"]}
        if shutil.which("dyff"):
            commands["dyff between"] = ["dyff", "between", *(f"{folder}/{name}/all.yaml" for name in ("before", "after"))]
        found: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                took, said = seconds(command)
                assert name != "trimtab diff" or said.count("LOG: info -> debug") == CHANGED
                found[name].append(took)
    print(f"two renders of {size / 1e6:.1f} MB, {OBJECTS} objects, {CHANGED} of them changed; {ROUNDS} rounds, seconds")
    for name, times in found.items():
        print(f"  {name:26} median {statistics.median(times):6.2f}  worst {max(times):6.2f}")
    worst = max(found["trimtab diff"])
    print(f"limit {LIMIT:g} s: {'kept' if worst < LIMIT else 'MISSED'}")
    return 0 if worst < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
