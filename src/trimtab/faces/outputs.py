"""What later steps and the page of a pipeline's run get to know: GitHub's files, and a dotenv file for GitLab. Called by commands.

Values may come from people. So GitHub's are written with a random delimiter, which no value can end, and GitLab's on one line.
"""

import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from trimtab.errors import InputError

_NAME = re.compile(r"[a-z][a-z0-9-]*")


def write_outputs(values: Mapping[str, str], environment: Mapping[str, str], dotenv: Path | None) -> None:
    """Adds the values to the file that GITHUB_OUTPUT names, and writes them into `dotenv` where one is wanted.

    InputError where a file cannot be written.
    """
    target = environment.get("GITHUB_OUTPUT", "")
    try:
        if target:
            with open(target, "a", encoding="utf-8") as file:
                file.write("".join(github(name, value) for name, value in values.items()))
        if dotenv is not None:
            dotenv.write_text("".join(f"{variable(name)}={one_line(value)}\n" for name, value in values.items()), encoding="utf-8")
    except OSError as error:
        raise InputError(f"writing outputs to {error.filename} failed: {error.strerror}") from error


def write_summary(markdown: str, environment: Mapping[str, str]) -> None:
    """Adds to the page of the run, where GITHUB_STEP_SUMMARY names a file for that. InputError where it cannot be written."""
    target = environment.get("GITHUB_STEP_SUMMARY", "")
    try:
        if target:
            with open(target, "a", encoding="utf-8") as file:
                file.write(f"{markdown}\n")
    except OSError as error:
        raise InputError(f"writing the summary to {error.filename} failed: {error.strerror}") from error


def github(name: str, value: str) -> str:
    """One output, whatever is in it."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of an output")
    delimiter = f"trimtab-{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def variable(name: str) -> str:
    """The variable of an output: `pull-request` is TRIMTAB_PULL_REQUEST."""
    return f"TRIMTAB_{name.replace('-', '_').upper()}"


def one_line(value: str) -> str:
    """As a dotenv file can hold it; what is behind the end of the first line is left out."""
    lines = value.splitlines()
    return "".join(sign for sign in lines[0] if sign.isprintable()) if lines else ""
