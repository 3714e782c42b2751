"""What tools say is told without the values that they quote: as Helm 3 words it, and what stays."""

from pathlib import Path

import pytest

from contracts.test_pipeline_project import written
from trimtab.adapters.rendering.hidden import UNSHOWN, in_helm
from trimtab.adapters.rendering.request import Request

AT = 'template: web/templates/x.yaml:1:3: executing "web/templates/x.yaml" at <'


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    return Request(written(tmp_path, {"chart/values.yaml": "pin: hunter2hunter2\nlog: info\n"}), "web/canary", "chart", set={"key": "4711"})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"{AT}.Values.pin>: range can't iterate over hunter2", f"{AT}.Values.pin>: {UNSHOWN}"),
        (f"{AT}.Values.pin.x>: can't evaluate field x in type interface {{}}", ""),
        (f"{AT}semver .Values.pin>: error calling semver: Invalid Semantic Version", ""),
        (f"{AT}atoi .x>: error calling atoi: parsing \"hunter2\"", f"{AT}atoi .x>: error calling atoi: {UNSHOWN}"),
        (f"{AT}f .>: error calling include: {AT}g .x>: error calling g: hunter2", f"{AT}g .x>: error calling g: {UNSHOWN}"),
        (f"{AT}tpl .x .>: error calling tpl: error calling include: {AT}hunter2>: nil", f"{AT}tpl .x .>: error calling tpl: {UNSHOWN}"),
        ("execution error at (web/templates/x.yaml:1:3): no hunter2hunter2, key=4711, information", "execution error at "
         "(web/templates/x.yaml:1:3): no (not shown), key=(not shown), information"),
        ("YAML parse error on web/templates/x.yaml: error converting YAML to JSON: yaml: could not find expected ':'", ""),
        ("YAML parse error on x.yaml: error converting YAML to JSON: yaml: cannot unmarshal !!str `hunter2` into a",
         "YAML parse error on x.yaml: error converting YAML to JSON: yaml: cannot unmarshal !!str a value into a"),
    ],
)  # fmt: skip
def test_what_helm_says_is_told_without_values(said: str, told: str, request_: Request) -> None:
    assert in_helm(request_, said) == (told or said)
