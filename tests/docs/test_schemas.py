"""`schemas/pipeline.json` says what `trimtab.yaml` may hold: the same as Trimtab itself takes and refuses."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from trimtab.documents.decode import read_documents
from trimtab.documents.editor import schema_files
from trimtab.documents.yaml import read_yaml
from trimtab.errors import DocumentError

ROOT = Path(__file__).parents[2]
SCHEMA = jsonschema_rs.validator_for(json.loads((ROOT / "schemas/pipeline.json").read_text()))
GOOD = sorted((ROOT / "tests/pipeline/founding").glob("*/trimtab.yaml"))
HEAD = "apiVersion: trimtab.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: x}\n"
APP = "spec: {apps: [{name: web, targets: [{name: canary, path: a%s}]}]}\n"


def test_the_committed_files_are_what_the_types_say() -> None:
    for name, text in schema_files().items():
        assert (ROOT / "schemas" / name).read_text() == text


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.parent.name)
def test_what_trimtab_takes_the_schema_takes(path: Path) -> None:
    (document,) = read_yaml(path.read_text())
    SCHEMA.validate(document.value)
    assert read_documents(path.read_text())


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "spec: {apps: []}\n",
        HEAD + APP.replace("web", "Web") % "",
        HEAD + APP % ", vlaues: [x]",
        HEAD + APP % ", policy: null",
        HEAD + APP % ", metrics: x",
        HEAD.replace("Pipeline", "Pipelines") + APP % "",
        HEAD,
    ],
)
def test_what_trimtab_refuses_the_schema_refuses(text: str) -> None:
    with pytest.raises(DocumentError):
        read_documents(text)
    assert not SCHEMA.is_valid(read_yaml(text)[0].value)
