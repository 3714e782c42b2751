"""The page about promotion says what evidence, entries and outputs really hold."""

import re
from pathlib import Path

import msgspec

from trimtab.faces.cli.main import COMMANDS
from trimtab.promotion.evidence import Evidence

PAGE = (Path(__file__).parents[2] / "docs" / "promotion.md").read_text()


def test_every_field_of_evidence_is_in_the_table() -> None:
    table = PAGE.split("## Evidence")[1].split("\n## ")[0]
    named = {name for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named == {field.encode_name for field in msgspec.structs.fields(Evidence)}


def test_every_command_on_the_page_exists() -> None:
    assert {line.split()[1] for line in re.findall(r"^    (trimtab .*)$", PAGE, re.MULTILINE)} <= set(COMMANDS)


def test_every_trailer_on_the_page_is_written_and_every_written_one_is_on_the_page() -> None:
    source = Path(__file__).parents[2] / "src" / "trimtab" / "wiring"
    written = {
        name for file in ("promoting", "rolling_back") for name in re.findall(r'"([A-Z][A-Za-z-]+)": ', (source / f"{file}.py").read_text())
    }
    assert written | {"Promotion"} == set(re.findall(r"Trimtab-([A-Z][A-Za-z-]+)", PAGE))
