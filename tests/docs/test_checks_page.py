"""docs/checks.md is true: its table is the catalogue's, its trimtab.yaml is one, and its commands are there."""

import re
import textwrap
from pathlib import Path

from click.testing import CliRunner

from trimtab.documents.decode import read_documents
from trimtab.documents.pipeline import Pipeline
from trimtab.errors import InputError
from trimtab.faces.cli.check import check_command
from trimtab.inspection.catalogue import BY_ID, EVERY
from trimtab.inspection.explanations import WHY

PAGE = (Path(__file__).parents[2] / "docs" / "checks.md").read_text(encoding="utf-8")


def test_the_table_has_every_check_with_its_severity_and_sentence() -> None:
    rows = [f"| `{check.id}` | {check.severity.value} | {check.says} |" for check in EVERY]
    assert rows == re.findall(r"^\| `[a-z0-9]+/.*$", PAGE, re.MULTILINE)
    assert len(BY_ID) == len(EVERY)


def test_every_check_is_explained_and_the_example_in_it_is_a_trimtab_yaml() -> None:
    assert {*WHY} == {*BY_ID}
    for check in EVERY:
        done = CliRunner().invoke(check_command, ["--explain", check.id])
        assert done.exit_code == 0 and done.output.startswith(f"{check.id}, usually {check.severity.value}: {check.says}\n")
        section = textwrap.dedent(done.output[done.output.index("  spec:") :])
        head = "apiVersion: trimtab.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: a}\n"
        (decoded,) = read_documents(f"{head}{section}  apps: [{{name: a, targets: [{{name: b, path: c}}]}}]\n", "trimtab.yaml")
        assert isinstance(decoded.value, Pipeline)


def test_an_explanation_of_a_check_that_is_not_there_names_the_nearest() -> None:
    done = CliRunner().invoke(check_command, ["--explain", "content/pares"])
    assert isinstance(done.exception, InputError) and "did you mean content/parses?" in str(done.exception)


def test_the_trimtab_yaml_of_the_page_is_one_and_names_checks_that_are_there() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (decoded,) = read_documents(block, "checks.md")
    assert isinstance(decoded.value, Pipeline)
    written = decoded.value.spec.check
    assert written is not None
    assert {*written.severities, *(waiver.check for waiver in written.waivers)} <= {*BY_ID}
    assert written.schemas and written.validators and written.waivers


def test_every_form_of_output_is_described_and_every_option_there() -> None:
    (output,) = [parameter for parameter in check_command.params if parameter.name == "output"]
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(output.type.choices)  # type: ignore[attr-defined]
    known = {option for parameter in check_command.params for option in parameter.opts}
    assert {*re.findall(r"`(--[a-z-]+)", PAGE)} <= known | {"--network"}
