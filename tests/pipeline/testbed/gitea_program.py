"""Gitea as a program: built once per machine from its Go module, with its templates and translations beside it."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from cluster.testbed.binaries import CannotBuild, alone, cache, go, run, say

MODULE, VERSION = "code.gitea.io/gitea", "v1.26.0"
TAGS = "sqlite sqlite_unlock_notify"
BESIDE = ("templates", "options")
"""Folders of the module that a running Gitea reads."""


def folder() -> Path:
    """Where it is or will be: the name changes with everything that goes into it."""
    digest = hashlib.sha256(" ".join((MODULE, VERSION, TAGS, *BESIDE)).encode()).hexdigest()
    return cache() / f"gitea-{VERSION}-{digest[:8]}"


def build() -> Path:
    """The folder with the program `gitea`, made if it is not there yet: under three minutes on two quiet cores.

    Raises:
        CannotBuild: there is no Go, no C compiler or no network.
    """
    found = folder()
    with alone(found):
        if not found.exists():
            if shutil.which("gcc") is None and shutil.which("cc") is None:
                raise CannotBuild("Gitea's database needs a C compiler, and there is none")
            say(f"building Gitea {VERSION}, some minutes: {found}")
            made = found.with_name(f"{found.name}.new")
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            source = module()
            compile_to(made / "gitea", source)
            for name in BESIDE:
                shutil.copytree(source / name, made / name, copy_function=shutil.copyfile)
                writable(made / name)
            made.rename(found)
    return found


def module() -> Path:
    """The module's source, which the Go command checks against the public database of digests."""
    command = [str(go()), "mod", "download", "-json", f"{MODULE}@{VERSION}"]
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cache(), timeout=600, check=False)
    if done.returncode:
        raise CannotBuild(f"{MODULE} {VERSION}: {(done.stderr or done.stdout).strip()[-300:]}")
    return Path(str(json.loads(done.stdout)["Dir"]))


def compile_to(made: Path, source: Path) -> None:
    """In the module's own folder, so that its replacements of other modules hold."""
    command = ["nice", "-n", "10", str(go()), "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-tags", TAGS]
    stamped = [f"-ldflags=-s -w -X main.Version={VERSION.removeprefix('v')}", "-o", str(made), "."]
    run([*command, *stamped], "Gitea", {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "1"}, source)


def writable(top: Path) -> None:
    """Go keeps its modules read-only, and so are copies of their folders; this lets them be removed again."""
    for path in (top, *top.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


if __name__ == "__main__":
    say(str(build()))
