"""The page about rendering names commands, options and limits that are true."""

import re
from pathlib import Path

from trimtab.adapters.git.export import LARGEST_FILE
from trimtab.adapters.rendering.request import DEADLINE
from trimtab.documents.decode import read_documents
from trimtab.faces.cli.main import COMMANDS, cli
from trimtab.faces.comparison import LONGEST

PAGE = (Path(__file__).parents[2] / "docs" / "rendering.md").read_text()
LINES = re.findall(r"^    trimtab (\w+)(.*)$", PAGE, re.MULTILINE)


def test_every_command_on_the_page_exists_with_its_options() -> None:
    assert {name for name, _ in LINES} == {"render", "diff", "up"} <= set(COMMANDS)
    for name, words in LINES:
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(?<= )-{1,2}[a-z]+", words)) <= known


def test_its_limits_are_those_of_the_program() -> None:
    assert f"{LARGEST_FILE // 2**20} MiB" in PAGE
    assert f"{LONGEST:,}".replace(",", " ") in PAGE
    assert DEADLINE == 60


def test_its_trimtab_yaml_is_one() -> None:
    block = PAGE.split("\n\n")[2]
    assert read_documents("\n".join(line[4:] for line in block.split("\n")))
