"""Commits that are rendered before they are read: by a `trimtab.yaml`, by names without hashes, and what a failure leaves in force."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from trimtab.adapters.git.clone import Clone
from trimtab.adapters.git.process import Git
from trimtab.adapters.git.repository import Place, Render, Watching, open_repository
from trimtab.adapters.git.sources import GitSources
from trimtab.config.digest import DigestKey
from trimtab.documents.translate import translate
from trimtab.errors import InputError, Unavailable
from trimtab.model.content import Content
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName
from trimtab.model.rendered import Rendered, RenderedObject
from trimtab.testing.jumping import JumpingClock
from trimtab.wiring.rendition import rendition

from .git_places import APP, commit, git

KEY = CanaryKey("shop", "app")
PIPELINE = """apiVersion: trimtab.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  apps:
  - name: shop
    namespace: shop
    targets:
    - {name: canary, path: apps/canary}
    - {name: stable, path: apps/stable, from: canary}
"""


def settings(limit: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{LIMIT: '{limit}'}}\n"


def tree(limit: str) -> dict[str, str]:
    return {"trimtab.yaml": PIPELINE, "apps/canary/app.yaml": APP, "apps/canary/settings.yaml": settings(limit)}


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    return folder


async def opened(tmp_path: Path, render: Render = rendition, path: str = "", target: str = "") -> GitSources:
    repository = await open_repository(Watching(str(tmp_path / "origin"), path, target=target), tmp_path / "clone", Git(), render)
    return GitSources(repository, translate, DigestKey("k1", b"k" * 32), JumpingClock())


async def limits(sources: GitSources) -> list[bytes]:
    source = await sources.read(KEY)
    assert source.revision is not None, source.problem
    return [content.data["LIMIT"] for content in await sources.contents(KEY, source.revision)]


async def test_a_target_of_trimtab_yaml_is_what_runs_in_its_namespace(tmp_path: Path, origin: Path) -> None:
    commit(origin, "First", tree("1"))
    for path in ("", "apps/canary"):
        sources = await opened(tmp_path, path=path, target="shop/canary")
        await sources.start()
        assert await sources.keys() == (KEY,) and await limits(sources) == [b"1"]
        assert sources.manifests.rendered == "shop/canary by plain files"


async def test_content_of_the_commit_before_is_still_there_after_an_edit(tmp_path: Path, origin: Path) -> None:
    commit(origin, "First", tree("1"))
    sources = await opened(tmp_path, target="shop/canary")
    await sources.start()
    first = (await sources.read(KEY)).revision
    second = commit(origin, "Second", tree("2"))
    commit(origin, "Elsewhere", {"README.md": "# shop"})
    assert await sources.refresh() == (KEY,) and await limits(sources) == [b"2"]
    assert first is not None and [content.data["LIMIT"] for content in await sources.contents(KEY, first)] == [b"1"]
    assert (await sources.read(KEY)).origin.commit == second


@pytest.mark.parametrize(
    ("target", "said"),
    (("shop", "has several targets"), ("shop/gone", "has no target 'gone'"), ("nobody/canary", "has no app 'nobody'")),
)
async def test_a_target_that_is_none_is_refused_at_the_start(tmp_path: Path, origin: Path, target: str, said: str) -> None:
    commit(origin, "First", tree("1") | {"apps/stable/settings.yaml": settings("1")})
    with pytest.raises(InputError, match=said):
        await (await opened(tmp_path, target=target)).start()


async def test_a_plain_folder_has_no_targets(tmp_path: Path) -> None:
    (tmp_path / "origin").mkdir()
    with pytest.raises(InputError, match="is a plain folder, not a git repository, so there is no target shop/canary in it"):
        await opened(tmp_path, target="shop/canary")


def hashed(limit: str) -> Rendered:
    """What Kustomize makes of a generated ConfigMap."""
    name = f"settings-{limit * 10}"
    template: Mapping[str, object] = {
        "metadata": {"labels": {"app": "app"}},
        "spec": {"containers": [{"name": "main", "image": "app:1", "envFrom": [{"configMapRef": {"name": name}}]}]},
    }
    content = Content(ConfigName(ConfigKind.CONFIG_MAP, name), {"LIMIT": limit.encode()})
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"}
    analysis = {"interval": "10s", "threshold": 2, "maxWeight": 50, "stepWeight": 10}

    def made(
        version: str, kind: str, name: str, logical: str, more: Mapping[str, object], content: Content | None = None
    ) -> RenderedObject:
        tree = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **more}
        return RenderedObject(version, kind, "shop", name, logical, tree, "k/kustomization.yaml", 1, content)

    objects = (
        made("v1", "ConfigMap", name, "settings", {"data": {"LIMIT": limit}}, content),
        made("apps/v1", "Deployment", "app", "app", {"spec": {"selector": {"matchLabels": {"app": "app"}}, "template": template}}),
        made("flagger.app/v1beta1", "Canary", "app", "app", {"spec": {"targetRef": target, "service": {"port": 80}, "analysis": analysis}}),
    )
    return Rendered("k", "kustomize", "kustomize 5", objects=objects, inputs=("k/kustomization.yaml",))


async def test_a_generated_name_changes_nothing_but_the_keys_of_its_content(tmp_path: Path, origin: Path) -> None:
    commit(origin, "First", {"k/kustomization.yaml": "1"})
    known = {"limit": "1"}

    async def render(clone: Clone, commit: str, place: Place) -> Rendered | None:
        return hashed(known["limit"])

    sources = await opened(tmp_path, render)
    await sources.start()
    first = (await sources.read(KEY)).revision
    known["limit"] = "2"
    commit(origin, "Second", {"k/kustomization.yaml": "2"})
    await sources.refresh()
    second = (await sources.read(KEY)).revision
    assert first is not None and second is not None and first.template == second.template and '"settings"' in second.template
    assert [str(ref.name) for ref in second.configs] == ["configmap/settings"] and first.configs != second.configs


async def test_a_commit_that_does_not_render_is_refused_and_the_last_good_one_stays(tmp_path: Path, origin: Path) -> None:
    commit(origin, "First", tree("1"))
    sources = await opened(tmp_path, target="shop/canary")
    await sources.start()
    commit(origin, "Second", {"apps/canary/settings.yaml": "kind: [", "apps/canary/other.yaml": "a: 1"})
    await sources.refresh()
    assert await limits(sources) == [b"1"]
    assert "settings.yaml" in sources.refusals[-1].problem


async def test_a_tool_that_is_away_is_asked_again_about_the_same_commit(tmp_path: Path, origin: Path) -> None:
    commit(origin, "First", {"k/kustomization.yaml": "1"})
    broken = {"now": False}

    async def render(clone: Clone, commit: str, place: Place) -> Rendered | None:
        if broken["now"]:
            broken["now"] = False
            raise Unavailable("kustomize did not end")
        return hashed("1" if "limit" not in broken else "2")

    sources = await opened(tmp_path, render)
    await sources.start()
    broken |= {"now": True, "limit": True}
    commit(origin, "Second", {"k/kustomization.yaml": "2"})
    assert await anext(sources.changes()) == KEY
    assert await limits(sources) == [b"2"] and sources.away == ""
