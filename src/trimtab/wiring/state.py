"""The state folder of one machine, for commands that read what was recorded or hand over a wish, without all that `up` needs."""

import os
from pathlib import Path

from trimtab.adapters.local.folder import StateFolder, holder, locate, open_folder
from trimtab.adapters.local.store import Store

__all__ = ["Store", "open_store", "running_process", "state_folder"]


def state_folder(argument: Path | None) -> Path:
    """Where the state folder is: `--state`, else TRIMTAB_STATE, else `.trimtab` here."""
    return locate(argument, os.environ, Path.cwd())


def open_store(folder: Path) -> Store:
    """The store of a state folder, for reading and for submitting commands."""
    return Store(open_folder(folder).database)


def running_process(folder: Path) -> int | None:
    """The process that runs on a state folder; None where none does."""
    return holder(StateFolder(folder)) if folder.is_dir() else None
