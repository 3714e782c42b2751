"""Programs that tests run beside the product: built once per machine from their Go modules, and kept by their version."""

import os
import re
import shutil
from pathlib import Path

import pytest

from cluster.testbed.binaries import CannotBuild, alone, cache, go, run, say

HELM = ("helm.sh/helm/v4/cmd/helm", "v4.3.1")
KUSTOMIZE = ("sigs.k8s.io/kustomize/kustomize/v5", "v5.8.1")
LUA = ("github.com/yuin/gopher-lua/cmd/glua", "v1.1.1")
"""The interpreter that Argo CD runs health checks with."""


def program(module: tuple[str, str]) -> Path:
    """The program of a Go module; skips the test where it cannot be built, but never where CI is set."""
    try:
        return built(*module)
    except CannotBuild as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no {module[0]}: {error}")


def built(package: str, version: str) -> Path:
    """Its binary, built if it is not there yet. CannotBuild without Go or the network."""
    # A module from its second major version on ends with that: its program is called by the part before.
    name = re.sub(r"/v\d+$", "", package).rpartition("/")[2]
    found = cache() / f"{name}-{version}"
    with alone(found):
        if not found.exists():
            say(f"building {name} {version}, some minutes: {found}")
            folder = cache() / f"{name}-{version}.new"
            environment = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0", "GOBIN": str(folder)}
            run(["nice", "-n", "10", str(go()), "install", "-trimpath", f"{package}@{version}"], f"{name} {version}", environment)
            (folder / name).rename(found)
            shutil.rmtree(folder)
    return found
