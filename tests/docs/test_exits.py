"""The exit codes that README and help texts name are the ones that the program has."""

import re
import subprocess
import sys
from pathlib import Path

from trimtab import errors
from trimtab.faces import exits
from trimtab.faces.cli.main import COMMANDS, cli

TOP = Path(__file__).parents[2]
CODES = {
    exits.DONE: "done or promoted",
    exits.FAILED: "failed verdict or rolled back",
    errors.InputError.exit_code: "invalid input",
    exits.INCONCLUSIVE: "inconclusive",
    exits.WAITING: "waiting for a person",
    exits.TIMED_OUT: "timed out",
    errors.OutsideError.exit_code: "infrastructure",
    exits.BUG: "a bug",
    exits.INTERRUPTED: "interrupted",
}


def test_the_readme_lists_every_exit_code_with_its_meaning() -> None:
    section = (TOP / "README.md").read_text().split("## Exit codes")[1].split("##")[0]
    listed = dict(re.findall(r"(\d+) ([a-z ]+)[;.]", " ".join(section.split())))
    assert listed == {str(code): meaning for code, meaning in CODES.items()}


def test_a_broken_law_and_a_bug_end_alike() -> None:
    assert errors.SafetyError.exit_code == exits.BUG


def test_a_reader_that_has_enough_is_no_bug_wherever_that_is_noticed() -> None:
    script = "from trimtab.faces.cli.main import ended, first; ended(first(ExceptionGroup('tasks', [BrokenPipeError()])))"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (exits.DONE, "", "")


def test_help_texts_name_only_codes_that_exist() -> None:
    for name in COMMANDS:
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        named = {int(code) for code in re.findall(r"(?:with|code|codes|or|,|:) (\d+) (?:if|only|after)", command.help or "")}
        assert named <= set(CODES), name


def test_no_message_and_no_page_names_a_command_that_is_not_there() -> None:
    places = [TOP / "README.md", *TOP.glob("docs/**/*.md"), *TOP.glob("src/**/*.py"), *TOP.glob("schemas/*.json")]
    named = {(path.relative_to(TOP), word) for path in places for word in re.findall(r"\btrimtab ([a-z]+)\b[^`\n]*`", path.read_text())}
    named = {(path, word) for path, word in named if path.parts[:2] != ("docs", "adr")}
    assert {word for _, word in named} >= {"up", "promote", "watch"}
    assert {(str(path), word) for path, word in named if word not in COMMANDS} == set()
