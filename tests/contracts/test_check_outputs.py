"""`trimtab check` for programs: SARIF, JUnit, GitHub's annotations, outputs and page; and what hostile names and values try there.

sarif-2.1.0.json.gz is the schema of SARIF 2.1.0 (OASIS), as the npm package @microsoft/jest-sarif (MIT) carries it.
"""

import gzip
import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import jsonschema_rs
import pytest
from click.testing import Result

from contracts.test_check_change import _today, ran, waiver
from contracts.test_check_command import checking, edited, shop
from contracts.test_pipeline_project import written
from trimtab.inspection.catalogue import BY_ID

__all__ = ["shop"]

OFFICIAL = gzip.decompress((Path(__file__).parent / "sarif-2.1.0.json.gz").read_bytes()).decode()
# One pattern of it, of a field that is not written, has a bracket too many.
SCHEMA = jsonschema_rs.Draft4Validator(json.loads(OFFICIAL.replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}$")))
EVIL = "x\n::error::y, z: 100% ##[set-output name=a]b `|<b> @all ]]>"


def spoilt(shop: Path) -> None:
    """One error, one warning, one note; and one that is waived."""
    edited(shop, "web/canary/app.yaml", "image: x", "image: 1")
    edited(shop, "web/stable/app.yaml", "image: x", "imagge: x")
    edited(shop, "web/canary/config.yaml", "LOG: info", "LOG: info\n  api_key: AKIA" + "Z7QX2M4N8P5R9T1V")
    written(shop, {"web/canary/other.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: unread}\n"})
    checking(shop, waiver("kubernetes/schema", "web/stable/*", _today()))


def hostile(shop: Path) -> str:
    """A file whose name and content speak to runners, pages and terminals; its name."""
    name = "web/canary/a::error file=b,line=1::c ##[error]d%0A\x1b[31m`|<i>\n::set-output name=x::y.yaml"
    object_ = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": EVIL}, "spec": {EVIL: 1}}
    written(shop, {name: json.dumps(object_)})
    return name


def sarif(done: Result) -> dict[str, object]:
    log: dict[str, object] = json.loads(done.stdout)
    assert [error.message for error in SCHEMA.iter_errors(log)] == []
    return log


def test_sarif_fits_its_schema_and_says_what_text_says(shop: Path) -> None:
    spoilt(shop)
    done = ran(shop, "-o", "sarif")
    assert done.exit_code == 2
    (run,) = sarif(done)["runs"]  # type: ignore[misc,attr-defined]
    told = [(one["ruleId"], one["level"], "suppressions" in one) for one in run["results"]]
    assert told == [
        ("kubernetes/schema", "error", False),
        ("content/secret", "warning", False),
        ("reference/unused", "note", False),
        ("kubernetes/schema", "note", True),
    ]
    for one in run["results"]:
        assert run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "web/canary/app.yaml", "uriBaseId": "%SRCROOT%"}, "region": {"startLine": 11}}


def test_a_fingerprint_stays_when_lines_move_and_the_state_says_what_is_new(shop: Path) -> None:
    spoilt(shop)
    before = [one["partialFingerprints"] for one in sarif(ran(shop, "-o", "sarif"))["runs"][0]["results"]]  # type: ignore[index]
    for name in ("web/canary/app.yaml", "web/canary/config.yaml", "web/canary/other.yaml", "web/stable/app.yaml"):
        (shop / name).write_text("# a comment\n" + (shop / name).read_text())
    log = sarif(ran(shop, "-o", "sarif", "--base", "HEAD"))
    results = {one["partialFingerprints"]["trimtab/v1"]: one for one in log["runs"][0]["results"]}  # type: ignore[index]
    assert {one["trimtab/v1"] for one in before} <= {*results}
    assert {one["baselineState"] for one in results.values()} == {"new"}


def test_junit_has_a_case_for_each_check_which_fails_where_an_error_is(shop: Path) -> None:
    spoilt(shop)
    done = ran(shop, "-o", "junit")
    top = ElementTree.fromstring(done.stdout)
    cases = {case.get("name"): case for case in top.iter("testcase")}
    assert set(cases) == set(BY_ID)
    assert [name for name, case in cases.items() if case.find("failure") is not None] == ["kubernetes/schema"]
    assert (top.get("failures"), top.get("tests")) == ("1", str(len(BY_ID)))
    assert "warning: web/canary/config.yaml:6" in (cases["content/secret"].findtext("system-out") or "")
    assert ElementTree.fromstring(ran(shop, "web/stable", "-o", "junit").stdout).get("failures") == "0"


def test_annotations_stand_at_their_lines_with_the_id_as_title(shop: Path) -> None:
    spoilt(shop)
    lines = ran(shop, "-o", "github").stdout.splitlines()
    assert lines[0].startswith("::error file=web/canary/app.yaml,line=11,title=kubernetes/schema::deployment/web-canary: ")
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::notice"]


def test_no_more_annotations_than_github_takes_and_the_last_one_counts_the_rest(shop: Path) -> None:
    many = "".join(f"---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{number}}}\nspec: 1\n" for number in range(25))
    written(shop, {"web/canary/many.yaml": many})
    lines = [line for line in ran(shop, "-o", "github").stdout.splitlines() if line.startswith("::error")]
    assert len(lines) == 10
    assert lines[-1] == "::error title=trimtab check::and 16 more; the log has all of them"


@pytest.fixture
def runner(tmp_path: Path) -> dict[str, str]:
    return {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "page.md"), "GITHUB_OUTPUT": str(tmp_path / "outputs")}


def test_in_github_actions_annotations_page_and_outputs_come_by_themselves(shop: Path, runner: dict[str, str]) -> None:
    spoilt(shop)
    done = ran(shop, **runner)
    assert "::error file=web/canary/app.yaml,line=11" in done.stdout
    page, outputs = Path(runner["GITHUB_STEP_SUMMARY"]).read_text(), Path(runner["GITHUB_OUTPUT"]).read_text()
    assert page.startswith("### trimtab check finds errors: 1 error, 1 warning, 1 note, 1 waived\n")
    assert "| error | web/canary/app.yaml:11 |" in page
    assert re.findall(r"^(\w+)<<(trimtab-\w+)\n(.*)\n\2$", outputs, re.MULTILINE)[0][::2] == ("passes", "false")
    told = ran(shop, "-o", "json", **runner)
    assert json.loads(told.stdout)["passes"] is False
    assert "::error file=web/canary/app.yaml,line=11" in told.stderr


def commands(text: str) -> list[str]:
    """The lines that a runner would obey: `::x` at the start, `##[x]` anywhere, unless it was told to stop."""
    found, token = [], ""
    for line in text.splitlines():
        if token:
            token = "" if line == f"::{token}::" else token
        elif stop := re.fullmatch(r"::stop-commands::(\S+)", line):
            token = stop[1]
        elif line.lstrip().startswith("::") or "##[" in line:
            found.append(line)
    assert not token
    return found


@pytest.mark.parametrize("output", ["text", "json", "sarif", "junit", "github"])
def test_nobody_speaks_to_the_runner_through_names_and_values(shop: Path, runner: dict[str, str], output: str) -> None:
    hostile(shop)
    done = ran(shop, "-o", output, **runner)
    assert done.exit_code == 2
    for line in commands(done.output):
        command = re.fullmatch(r"::(error|warning|notice) (?:file=[^,:]*(?:,line=\d+)?,)?title=[a-z/ -]+::(.*)", line)
        assert command is not None, line
    assert "\x1b" not in done.output
    if output == "sarif":
        sarif(done)
    if output == "junit":
        ElementTree.fromstring(done.stdout)


def test_names_and_values_stay_text_on_the_page(shop: Path, runner: dict[str, str]) -> None:
    hostile(shop)
    ran(shop, **runner)
    page = Path(runner["GITHUB_STEP_SUMMARY"]).read_text()
    rows = [line for line in page.splitlines() if line.startswith("| error")]
    assert rows and all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    assert not re.search(r"(?<!\\)[<`]|@all", page)
    assert len(re.findall(r"^(\w+)<<", Path(runner["GITHUB_OUTPUT"]).read_text(), re.MULTILINE)) == 3


def test_a_file_name_that_is_no_text_is_shown_all_the_same(shop: Path, runner: dict[str, str]) -> None:
    path = os.fsencode(shop / "web/canary") + b"/\xff.yaml"
    with open(path, "w") as file:
        file.write("a: [")
    for output in ("text", "json", "sarif", "junit", "github"):
        assert ran(shop, "-o", output, **runner).exit_code == 2
