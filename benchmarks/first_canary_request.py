"""How long from a commit to the first request that the canary answers? `PYTHONPATH=tests python benchmarks/first_canary_request.py`.

A real `trimtab up` that looks at its repository once a second; a pod gets ready some 0.3 s after its start. The clock starts before
`git commit` does. Compared in the same run with the start of the same pod by hand.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from e2e.documents import SERVICE, settings, shop
from e2e.harness import Load, Place, free_port, get, place, soon

ROUNDS = 15
LIMIT = 3.0
"""Seconds."""
SLOW_START = f"sleep 0.2; exec {sys.executable} {SERVICE} "


def files(port: int) -> dict[str, str]:
    """The shop, with a pod that takes its time."""
    made = shop(port, {"interval": "500ms", "threshold": 2, "stepWeights": [50]})
    deployment = json.loads(made["deployment.yaml"])
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["command"] = ["/bin/sh", "-c", f"{SLOW_START} /etc/shop/settings.yaml"]
    return made | {"deployment.yaml": json.dumps(deployment)}


def by_hand(folder: Path) -> float:
    """Seconds from the start of a pod's process until it answers."""
    (folder / "settings.yaml").write_text("greeting: hello\ntimeout_ms: 250\n")
    port = free_port()
    begin = time.perf_counter()
    command = ["/bin/sh", "-c", f"{SLOW_START} {folder / 'settings.yaml'}"]
    process = subprocess.Popen(command, env={**os.environ, "PORT": str(port)})
    try:
        soon(lambda: answers(port), "the pod answers")
        return time.perf_counter() - begin
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    """Does somebody answer there?"""
    try:
        return get(port).status > 0
    except OSError:
        return False


def commit_to_canary(here: Place, load: Load, number: int) -> float:
    """Seconds from a commit to the first answer with its content."""
    text = f"text-{number}"
    begin = time.time()
    here.repository.commit({"settings.yaml": settings(text)})
    seen = soon(lambda: next((found for found in load.answers[-2000:] if found.body == text), None), f"the canary answers {text}")
    here.outcome(number)
    return float(seen.at - begin)


def main() -> int:
    """Measures and prints; 1 where the figure is missed."""
    with tempfile.TemporaryDirectory() as folder, place(Path(folder)) as here:
        pods = [by_hand(here.folder) for _ in range(ROUNDS)]
        here.repository.commit(files(free_port()))
        here.up("--poll", "1")
        here.outcome(1)
        with Load(here.port(), rate=300, clients=6) as load:
            times = [commit_to_canary(here, load, number) for number in range(2, ROUNDS + 2)]
    for what, found in (("commit to first canary request", times), ("start of the pod by hand", pods)):
        print(f"{what:30} median {statistics.median(found):.2f} s, most {max(found):.2f} s, {len(found)} times")
    return int(max(times) >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
