"""What `up` follows, by the real kustomize and helm: a folder that is a kustomization or a chart is rendered, commit by commit."""

from functools import partial
from pathlib import Path

import pytest

from contracts.git_places import APP, commit, git
from pipeline.programs import linked, rules
from trimtab.adapters.git.process import Git
from trimtab.adapters.git.repository import Watching, open_repository
from trimtab.adapters.git.sources import GitSources
from trimtab.config.digest import DigestKey
from trimtab.documents.translate import translate
from trimtab.model.names import CanaryKey
from trimtab.testing.jumping import JumpingClock
from trimtab.wiring.rendition import rendition

pytestmark = pytest.mark.pipeline

KUSTOMIZE = {
    "base/app.yaml": APP,
    "base/kustomization.yaml": "resources: [app.yaml]\n",
    "canary/kustomization.yaml": "resources: [../base]\nconfigMapGenerator:\n- {name: settings, envs: [settings.env]}\n",
    "canary/settings.env": "LIMIT=1\n",
}
HELM = {
    "canary/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n",
    "canary/values.yaml": "limit: 1\n",
    "canary/templates/app.yaml": APP
    + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {LIMIT: {{ .Values.limit | quote }}}\n",
}


@pytest.mark.parametrize(
    ("tool", "files", "edit"),
    (("kustomize", KUSTOMIZE, {"canary/settings.env": "LIMIT=2\n"}), ("helm", HELM, {"canary/values.yaml": "limit: 2\n"})),
)
async def test_an_edit_is_a_change_of_one_key_and_names_its_commit(
    tmp_path: Path, tool: str, files: dict[str, str], edit: dict[str, str]
) -> None:  # fmt: skip
    origin, key = tmp_path / "origin", CanaryKey("default", "app")
    origin.mkdir()
    git(origin, "init", "--quiet", "--initial-branch=main")
    commit(origin, "First", files)
    render = partial(rendition, rules=rules(linked(tmp_path / "bin", tool)))
    repository = await open_repository(Watching(str(origin), "canary"), tmp_path / "clone", Git(), render)
    sources = GitSources(repository, translate, DigestKey("k1", b"k" * 32), JumpingClock())
    await sources.start()
    first = (await sources.read(key)).revision
    second = commit(origin, "Second", edit)
    assert await sources.refresh() == (key,)
    source = await sources.read(key)
    assert first is not None and source.revision is not None and source.origin.commit == second
    assert first.template == source.revision.template
    for revision, limit in ((first, b"1"), (source.revision, b"2")):
        assert [content.data for content in await sources.contents(key, revision)] == [{"LIMIT": limit}]
    assert tool in sources.manifests.rendered
