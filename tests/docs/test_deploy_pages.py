"""docs/operator.md and docs/from-flagger.md are true: documents decode, flags, commands, defaults, providers, files and decisions exist."""

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from trimtab.adapters.kubernetes.routers.choose import WORKING
from trimtab.documents.decode import read_documents
from trimtab.documents.flagger import ProviderName
from trimtab.faces.cli.main import COMMANDS, cli
from trimtab.faces.cli.operator import MEANINGLESS, operator_command

TOP = Path(__file__).parents[2]
OPERATOR, FLAGGER = (TOP / "docs" / name for name in ("operator.md", "from-flagger.md"))
PAGES = (OPERATOR, FLAGGER)
LAST_QUIRK = 31
"""Of the list of Flagger's quirks that the pages cite."""
SHOWN = {
    parameter.name.replace("_", "-") for parameter in operator_command.params if parameter.name and not getattr(parameter, "hidden", False)
}


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = page.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line.startswith("| `-")]


def flags(text: str) -> list[str]:
    return [word.lstrip("-") for word in re.findall(r"`(--?[a-z][a-z-]+)`", text)]


def test_every_document_in_the_pages_decodes() -> None:
    found = [document.kind for page in PAGES for block in blocks(page) for document in read_documents(block, page.name)]
    assert {"ConfigMap", "Deployment", "Canary", "MetricTemplate", "RolloutPolicy"} <= set(found)


def test_the_operators_page_has_every_flag_with_its_default() -> None:
    table = rows(OPERATOR, "Flags")
    assert sorted(name for row in table for name in flags(row[0])) == sorted(SHOWN)
    defaults = {parameter.name: str(parameter.default) for parameter in operator_command.params}
    for names, default, *_ in table:
        written = re.fullmatch(r"`([^`]+)`", default)
        if written is not None:
            (name,) = flags(names)
            assert defaults[name.replace("-", "_")] == written.group(1), name


def test_the_page_for_users_of_flagger_has_every_flag_and_those_that_change_nothing() -> None:
    table = rows(FLAGGER, "Flags")
    assert {name for row in table for name in flags(row[0])} == SHOWN | set(MEANINGLESS)
    (idle,) = (row[0] for row in table if "change nothing" in row[1])
    assert set(flags(idle)) == set(MEANINGLESS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_flag_that_a_page_names_exists(page: Path) -> None:
    named = set(flags(page.read_text()))
    assert named and named <= SHOWN | set(MEANINGLESS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_trimtab_command_in_a_page_can_be_given(page: Path) -> None:
    lines = re.findall(r"^ {4,}trimtab (.+)$", page.read_text(), re.MULTILINE)
    for line in lines:
        name, *words = shlex.split(line.split(" | ")[0])
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None and command.make_context(name, words), line
    named = set(re.findall(r"`trimtab ([a-z]+)", page.read_text()))
    assert named <= set(COMMANDS)


def test_the_pages_name_the_providers_that_work_and_those_that_do_not() -> None:
    (row,) = (row for row in rows(OPERATOR, "Flags") if "mesh-provider" in row[0])
    listed = re.findall(r"`([^`]+)`", row[2].replace("`smi:v1alpha1` to `3`", "`smi:v1alpha1`, `smi:v1alpha2`, `smi:v1alpha3`"))
    assert listed == list(WORKING)
    (line,) = (line for line in FLAGGER.read_text().splitlines() if line.startswith("| providers "))
    refused = {name.partition(":")[0] for name in get_args(ProviderName) if name not in WORKING}
    assert set(re.findall(r"`([^`]+)`", line)) == refused


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_decision_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"\b((?:deploy|charts|docs)/[\w./-]*\w)", text):
        assert (TOP / name).exists(), name
    for numbers in re.findall(r"ADR ([\d, ]+\d|\d)", text):
        for number in re.findall(r"\d+", numbers):
            assert list((TOP / "docs" / "adr").glob(f"{int(number):04}-*.md")), number
    assert all(1 <= int(number) <= LAST_QUIRK for number in re.findall(r"QUIRK-(\d+)", text))
