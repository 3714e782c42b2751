"""What `trimtab check` found as SARIF 2.1.0, for code scanning of forges and for editors. Called by the command."""

import re
from collections.abc import Iterator
from urllib.parse import quote

from trimtab import __version__
from trimtab.faces.findings import whole
from trimtab.inspection.catalogue import EVERY
from trimtab.inspection.explanations import WHY
from trimtab.inspection.report import Found, Report
from trimtab.model.content import Severity

Raw = dict[str, object]
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
PLACES = {check.id: place for place, check in enumerate(EVERY)}
ROOT = "%SRCROOT%"
"""What paths are from: the repository's root."""


def document(report: Report) -> Raw:
    """The whole log."""
    driver = {"name": "trimtab", "version": __version__, "rules": list(_rules())}
    run: Raw = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": [_result(one, report) for one in report.found]}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules() -> Iterator[Raw]:
    for check in EVERY:
        name = "".join(part.capitalize() for part in re.split(r"[/-]", check.id))
        level = LEVELS[check.severity]
        yield {
            "id": check.id, "name": name, "shortDescription": {"text": check.says}, "fullDescription": {"text": WHY[check.id]},
            "defaultConfiguration": {"level": level},
        }  # fmt: skip


def _result(one: Found, report: Report) -> Raw:
    finding = one.finding
    result: Raw = {
        "ruleId": finding.check,
        "ruleIndex": PLACES[finding.check],
        "level": LEVELS[one.severity],
        "message": {"text": whole(one)},
        "partialFingerprints": {"trimtab/v1": one.fingerprint},
        "locations": [_location(one)] if finding.file else [],
    }
    if report.base:
        result["baselineState"] = "unchanged" if one.known else "new"
    if one.waived:
        result["suppressions"] = [{"kind": "external", "justification": one.waived}]
    return result


def _location(one: Found) -> Raw:
    finding = one.finding
    place: Raw = {"artifactLocation": {"uri": quote(finding.file, errors="surrogateescape"), "uriBaseId": ROOT}}
    if finding.line:
        place["region"] = {"startLine": finding.line}
    location: Raw = {"physicalLocation": place}
    if finding.name:
        location["logicalLocations"] = [{"fullyQualifiedName": f"{finding.name}[{finding.key}]" if finding.key else finding.name}]
    return location
