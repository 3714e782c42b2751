"""What `trimtab check` found as JUnit's XML, which GitLab and others show: one test case for each check. Called by the command."""

from xml.etree.ElementTree import Element, SubElement, tostring

from trimtab.faces.findings import place, whole
from trimtab.inspection.catalogue import EVERY
from trimtab.inspection.report import Found, Report
from trimtab.model.content import Severity


def document(report: Report) -> str:
    """The whole report. A check fails where it found an error; what else it found is its output."""
    failed = {one.finding.check for one in report.having(Severity.ERROR)}
    counts = {"tests": str(len(EVERY)), "failures": str(len(failed)), "errors": "0"}
    top = Element("testsuites", {"name": "trimtab check", **counts})
    suite = SubElement(top, "testsuite", {"name": "trimtab check", **counts})
    for check in EVERY:
        case = SubElement(suite, "testcase", {"classname": "trimtab.check", "name": check.id})
        found = [one for one in report.found if one.finding.check == check.id]
        errors = [one for one in found if one.severity is Severity.ERROR]
        if errors:
            failure = SubElement(case, "failure", {"message": _line(errors[0]), "type": check.id})
            failure.text = "\n".join(_line(one) for one in errors)
        if rest := [one for one in found if one.severity is not Severity.ERROR]:
            SubElement(case, "system-out").text = "\n".join(f"{one.severity.value}: {_line(one)}" for one in rest)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(top, encoding="unicode")


def _line(one: Found) -> str:
    return f"{place(one)}: {whole(one)}"
