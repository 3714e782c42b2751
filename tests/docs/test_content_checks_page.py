"""docs/content-checks.md is true: its table is the catalogue's, and its policy is one."""

import re
from pathlib import Path

from trimtab.documents.decode import read_documents
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.documents.validation import content_rules
from trimtab.model.content import Severity
from trimtab.validation.catalogue import CONTENT

PAGE = (Path(__file__).parents[2] / "docs" / "content-checks.md").read_text(encoding="utf-8")


def test_the_table_has_every_check_with_its_severity_and_sentence() -> None:
    assert [f"| `{check.id}` | {check.severity.value} | {check.says} |" for check in CONTENT] == re.findall(r"^\| `.*$", PAGE, re.MULTILINE)


def test_the_policy_in_the_page_can_be_used() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (decoded,) = read_documents(block, "content-checks.md")
    assert isinstance(decoded.value, RolloutPolicy)
    rules = content_rules(decoded.value.spec.validation)
    assert (rules.largest, rules.factor, len(rules.schemas)) == (256 * 1024, 5.0, 1)
    assert dict(rules.severities)["content/secret"] is Severity.OFF
