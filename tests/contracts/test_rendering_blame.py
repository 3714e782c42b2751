"""What kustomize and helm complain of, at the place to change and in words that say what is wrong; their texts as recorded."""

from pathlib import Path

import pytest

from contracts.test_pipeline_project import written
from trimtab.adapters.rendering.blame import of_helm, of_kustomize
from trimtab.adapters.rendering.kustomization import walk
from trimtab.adapters.rendering.request import Request
from trimtab.errors import DocumentError

PLACE = "web/templates/app.yaml:6:22"
ABOUT = f'Error: {PLACE}\n  executing "web/templates/app.yaml" at <.Values.a.a.b>:\n    nil pointer evaluating interface {{}}.a'
IN_ONE = f'Error: template: {PLACE}: executing "web/templates/app.yaml" at <.Values.a.a.b>: nil pointer evaluating interface {{}}.b'
GVK = (
    "Error: resource with name shop does not match a config with the following GVK [Deployment.[noVer].[noGrp] StatefulSet.[noVer].[noGrp]]"
)


@pytest.mark.parametrize(("said", "missing"), [(ABOUT, ".Values.a"), (IN_ONE, ".Values.a.a")])
def test_a_template_that_asks_nothing_for_a_field_is_told_once_and_what_is_not_set(said: str, missing: str, tmp_path: Path) -> None:
    written(tmp_path, {"charts/web/templates/app.yaml": "a\n"})
    error = of_helm(Request(tmp_path, "web/canary", "charts/web"), "web", said)
    assert isinstance(error, DocumentError)
    assert (error.file, error.line) == ("charts/web/templates/app.yaml", 6)
    assert error.problem.startswith("at <.Values.a.a.b>: nil pointer evaluating interface {}.")
    assert f": {missing} is not set. Set it" in error.problem


@pytest.mark.parametrize(
    ("resources", "why"),
    [("[]", " of this name. Nothing is among the resources of base/kustomization.yaml"), ("[a.yaml]", " of this name")],
)
def test_replicas_of_a_workload_that_is_not_there_are_told_where_they_are_written(resources: str, why: str, tmp_path: Path) -> None:
    overlay = "resources: [../base]\nreplicas:\n- {name: other, count: 1}\n- {name: shop, count: 1}\n"
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    written(tmp_path, {"canary/kustomization.yaml": overlay, "base/kustomization.yaml": f"resources: {resources}\n", "base/a.yaml": config})
    request = Request(tmp_path, "shop/canary", "canary")
    error = of_kustomize(request, walk(request), GVK)
    assert isinstance(error, DocumentError)
    assert (error.file, error.line) == ("canary/kustomization.yaml", 4)
    assert error.problem.endswith(why)
