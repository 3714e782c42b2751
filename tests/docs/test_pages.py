"""README, ARCHITECTURE and the help texts are true."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.faces.cli.main import COMMANDS, cli

TOP = Path(__file__).parents[2]
PAGES = [TOP / "README.md", *(page for page in sorted((TOP / "docs").rglob("*.md")) if page.parent.name != "adr")]


def test_every_command_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"trimtab ([a-z]+)", " ".join(re.findall(r"^    .*$", (TOP / "README.md").read_text(), re.MULTILINE))))
    assert named and named <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_line_with_trimtab_that_a_page_shows_can_be_given(page: Path) -> None:
    shown = re.sub(r" \\\n +", " ", page.read_text())
    for line in re.findall(r"^ {4,}(?:\.venv/bin/)?(?:kubectl )?trimtab (.+)$", shown, re.MULTILINE):
        name, *words = shlex.split(re.sub(r"\$\([^)]*\)|\$\w+", "abc", line).split(" | ")[0], comments=True)
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None and command.make_context(name, words), line


def test_every_make_target_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"^    make ([a-z]+)", (TOP / "README.md").read_text(), re.MULTILINE))
    assert named <= set(re.findall(r"^([a-z]+):", (TOP / "Makefile").read_text(), re.MULTILINE))


def test_the_list_of_modules_is_true() -> None:
    done = subprocess.run([sys.executable, "tools/write_modules.py", "--check"], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    command = cli.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None and command.help is not None
    assert "Example:" in command.help and f"trimtab {name}" in command.help


def test_no_file_names_a_registry_host_or_a_path_of_one_machine() -> None:
    words = ("pypi" + ".org", "files.python" + "hosted", "registry.npmjs" + ".org", "proxy.golang" + ".org", "/work" + "/", "." + "library")
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    found = [name for name in tracked.split() if any(word in text(TOP / name) for word in words)]
    assert not found


def text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
