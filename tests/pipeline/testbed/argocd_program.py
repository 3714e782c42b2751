"""Argo CD as a program: one binary that is what its name says, built once per machine from the Go module in `../argocd`, with its CRDs."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from cluster.testbed.binaries import CannotBuild, alone, cache, go, run, say

MODULE = Path(__file__).resolve().parent.parent / "argocd"
SOURCE = "github.com/argoproj/argo-cd/v3"
CRDS = ("application-crd.yaml", "appproject-crd.yaml")


def version() -> str:
    """As `go.mod` has it: `3.6.1`."""
    found = re.search(rf"^(?:require)?\s*{re.escape(SOURCE)} v(\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise CannotBuild(f"{MODULE / 'go.mod'} does not require {SOURCE}")
    return found.group(1)


def folder() -> Path:
    """Where it is or will be: the name changes with everything that goes into it."""
    digest = hashlib.sha256(" ".join(CRDS).encode())
    for name in ("go.mod", "go.sum"):
        digest.update((MODULE / name).read_bytes())
    return cache() / f"argocd-{digest.hexdigest()[:12]}"


def build() -> Path:
    """The folder with the program `argocd` and its CRDs, made if it is not there yet: four minutes on two quiet cores.

    Raises:
        CannotBuild: there is no Go that is new enough and no network to get one, or the build failed.
    """
    found = folder()
    with alone(found):
        if not found.exists():
            say(f"building Argo CD {version()}, some minutes: {found}")
            made = found.with_suffix(".new")
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            stamp = f"-s -w -X {SOURCE}/common.version={version()}"
            command = ["nice", "-n", "10", str(go(MODULE)), "build", "-mod=readonly", "-trimpath", f"-ldflags={stamp}"]
            run([*command, "-o", str(made / "argocd"), f"{SOURCE}/cmd"], "Argo CD", environment(), MODULE)
            for name in CRDS:
                shutil.copyfile(source() / "manifests" / "crds" / name, made / name)
            made.rename(found)
    return found


def source() -> Path:
    """Where Go keeps the module."""
    command = [str(go(MODULE)), "list", "-mod=readonly", "-m", "-json", SOURCE]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=MODULE, timeout=300, check=False)
    if done.returncode:
        raise CannotBuild(f"{SOURCE}: {done.stderr.strip()[-300:]}")
    return Path(str(json.loads(done.stdout)["Dir"]))


def environment() -> dict[str, str]:
    """For the Go command."""
    return {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}


if __name__ == "__main__":
    say(str(build()))
