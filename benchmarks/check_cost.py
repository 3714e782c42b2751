"""What does `trimtab check` cost? Run it by hand: `python benchmarks/check_cost.py [--overlays 1000]`.

A repository of Kustomize overlays, two for each app, each with three ConfigMaps by generators: looked at for the first time, again without
a change, and against a base after ten overlays changed. `own` is the processor time of Trimtab itself, `tools` that of what it runs. Beside
it the usual shell loop, `kustomize build | kubeconform` for each overlay, where these programs are on PATH; the schemas that Trimtab
carries are written out for it, each with what it refers to, since kubeconform has none without the network.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from trimtab.adapters.checking.schemas import kubernetes_schemas

LIMIT_OWN, LIMIT_AGAIN = 5.0, 3.0
"""Seconds for 1 000 overlays: of Trimtab itself when all is new, and of the whole where nothing or ten overlays changed."""
CHANGED = 10
BASE = """apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - name: app
        image: example/app:1.0
        ports: [{containerPort: 8080}]
        envFrom: [{configMapRef: {name: env}}]
        volumeMounts: [{name: c, mountPath: /etc/c}, {name: f, mountPath: /etc/f}]
      volumes: [{name: c, configMap: {name: settings}}, {name: f, configMap: {name: flags}}]
---
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {selector: {app: NAME}, ports: [{port: 80, targetPort: 8080}]}
"""
OVERLAY = """resources: [../../base]
nameSuffix: -TARGET
labels: [{pairs: {track: TARGET}, includeSelectors: true}]
configMapGenerator:
- {name: env, literals: [LOG=info, REGION=eu]}
- {name: settings, files: [config.yaml]}
- {name: flags, files: [flags.json]}
"""
APP = """  - name: NAME
    targets:
    - {name: canary, path: apps/NAME/overlays/canary}
    - {name: stable, from: canary, path: apps/NAME/overlays/stable}
"""
TIMED = """
import json, resource, sys, time
began = time.perf_counter()
from trimtab.faces.cli.main import cli
try:
    cli(sys.argv[1:], standalone_mode=False)
except SystemExit:
    pass
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps([time.perf_counter() - began, *(one.ru_utime + one.ru_stime for one in used)]), file=sys.stderr)
"""


def repository(root: Path, overlays: int) -> None:
    """Writes and commits everything."""
    names = [f"app{number:04}" for number in range(overlays // 2)]
    for number, name in enumerate(names):
        write(root / f"apps/{name}/base/kustomization.yaml", "resources: [app.yaml]\n")
        write(root / f"apps/{name}/base/app.yaml", BASE.replace("NAME", name))
        options = "".join(f"option_{each}: value {each} of {number}\n" for each in range(20))
        for target in ("canary", "stable"):
            folder = root / f"apps/{name}/overlays/{target}"
            write(folder / "kustomization.yaml", OVERLAY.replace("TARGET", target))
            write(folder / "config.yaml", f"database: {{host: db-{number}, pool_size: 10, timeout: 30s}}\n{options}")
            write(folder / "flags.json", '{"new_ui": false, "beta": ["a", "b"], "ratio": 0.5}\n')
    head = "apiVersion: trimtab.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: many}\nspec:\n  apps:\n"
    write(root / "trimtab.yaml", head + "".join(APP.replace("NAME", name) for name in names))
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *words], cwd=root, check=True)


def write(path: Path, text: str) -> None:
    """One file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def check(name: str, root: Path, *words: str) -> tuple[float, float, float]:
    """Runs the command in a process of its own; seconds of the whole, of Trimtab, of its tools."""
    command = [sys.executable, "-c", TIMED, "check", "--repo", str(root), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=True)
    found: tuple[float, float, float] = tuple(json.loads(done.stderr.splitlines()[-1]))
    said = done.stdout.splitlines()[-1]
    print(f"{name:34} {found[0]:6.2f} s   own {found[1]:5.2f} s   tools {found[2]:5.2f} s   {said}", flush=True)
    return found


def needed(name: str, definitions: Mapping[str, object]) -> set[str]:
    """A definition and all that it refers to."""
    found, waiting = set[str](), [name]
    while waiting:
        if (each := waiting.pop()) not in found:
            found.add(each)
            waiting += re.findall(r'"#/\$defs/([^"]+)"', json.dumps(definitions[each]))
    return found


def loop(root: Path, schemas: Path) -> float:
    """The shell loop, one overlay after the other."""
    definitions = kubernetes_schemas().definitions
    for kind, definition in kubernetes_schemas().kinds.items():
        version, _, name = kind.rpartition("/")
        group, _, number = version.rpartition("/")
        file = "-".join(part for part in (name.lower(), group.split(".")[0], number) if part)
        schema = {"$ref": f"#/$defs/{definition}", "$defs": {each: definitions[each] for each in needed(definition, definitions)}}
        (schemas / f"{file}.json").write_text(json.dumps(schema))
    place = f"{schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    script = f"for at in apps/*/overlays/*; do kustomize build $at | kubeconform -strict -schema-location '{place}' - || exit 1; done"
    began = time.perf_counter()
    subprocess.run(["sh", "-ec", script], cwd=root, check=True, timeout=900)
    return time.perf_counter() - began


def main() -> None:
    """Prints what each takes; ends with 1 where a limit is passed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--overlays", type=int, default=1000)
    overlays = parser.parse_args().overlays
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder) / "r", f"--cache={folder}/cache"
        repository(root, overlays)
        print(f"{overlays} overlays, {3 * overlays} ConfigMaps, {os.cpu_count()} processors")
        cold = check("for the first time", root, cache)
        again = [check("without a change", root, cache), check("without a change, --base", root, cache, "--base", "main")]
        for path in sorted(root.glob("apps/*/overlays/canary/config.yaml"))[:CHANGED]:
            path.write_text(path.read_text().replace("pool_size: 10", "pool_size: 20"))
        again.append(check(f"{CHANGED} overlays changed, --base", root, cache, "--base", "main"))
        one = check("one app, no cache", root, "app0020", "--no-cache")
        if shutil.which("kustomize") and shutil.which("kubeconform"):
            schemas = Path(folder) / "schemas"
            schemas.mkdir()
            print(f"{'kustomize build | kubeconform':34} {loop(root, schemas):6.2f} s")
        late = [cold[1] > LIMIT_OWN * overlays / 1000, *(found[0] > LIMIT_AGAIN for found in again), one[0] - one[2] > 1]
        sys.exit(any(late))


if __name__ == "__main__":
    main()
