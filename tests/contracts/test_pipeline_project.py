"""`trimtab.yaml` found and read, in the work tree and at commits; plain folders rendered; and what hostile repositories try."""

import os
from pathlib import Path

import pytest

from pipeline.trees import commit, git
from trimtab.adapters.git.export import LARGEST_FILE
from trimtab.adapters.rendering.request import Request
from trimtab.adapters.rendering.tool import Tools
from trimtab.errors import DocumentError, InputError, Unavailable
from trimtab.model.rendered import Rendered
from trimtab.wiring.pipeline import Rules, exported, find, load, load_at, render, rendered

NO_TOOLS = Rules(tools=Tools(""))
PIPELINE = """apiVersion: trimtab.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  apps:
  - name: web
    rendering: plain
    targets:
    - name: canary
      path: web/canary
      policy: policies/web.yaml
    - name: stable
      from: canary
      path: web/stable
"""
POLICY = "apiVersion: trimtab.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {name: web}\nspec: {}\n"
CONFIG = """apiVersion: v1
kind: ConfigMap
metadata:
  name: settings-TARGET
data:
  LOG: info
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: app, image: x, envFrom: [{configMapRef: {name: settings-TARGET}}]}
"""


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    files = {"trimtab.yaml": PIPELINE, "policies/web.yaml": POLICY}
    files |= {f"web/{target}/all.yaml": CONFIG.replace("TARGET", target) for target in ("canary", "stable")}
    folder = written(tmp_path / "shop", files)
    commit(folder, "a shop")
    return folder


async def plain(root: Path, path: str = "") -> Rendered:
    return await render(Request(root, "x", path), "plain", NO_TOOLS)


def test_it_is_found_from_a_folder_below_but_never_above_the_repository(shop: Path, tmp_path: Path) -> None:
    assert find(shop / "web/canary") == shop / "trimtab.yaml"
    inner = written(tmp_path / "shop/vendored", {"x/a.yaml": "a: b\n"})
    commit(inner, "a repository of its own")
    assert find(inner / "x") is None
    with pytest.raises(InputError, match=r"there is no trimtab\.yaml in .* or above it\. `trimtab init` writes one"):
        load(inner / "x")


def test_policies_are_read_with_it(shop: Path) -> None:
    assert load(shop).policies["policies/web.yaml"].metadata.name == "web"


async def test_a_plain_target_has_logical_names_places_and_readers(shop: Path) -> None:
    project = load(shop)
    found = await rendered(project, project.app("web"), project.target("web", "canary"), NO_TOOLS)
    assert [(str(one), one.logical, one.place) for one in found.objects] == [
        ("configmap/settings-canary", "settings", "web/canary/all.yaml:1"),
        ("pod/web", "web", "web/canary/all.yaml:8"),
    ]
    assert found.objects[0].key_places == {"LOG": ("web/canary/all.yaml", 6)}
    assert [(str(use.reader), use.content) for use in found.uses] == [("pod/web", found.objects[0])]


async def test_at_a_commit_everything_is_as_the_commit_has_it(shop: Path) -> None:
    (shop / "web/canary/all.yaml").write_text("not: [yaml")
    (shop / "trimtab.yaml").write_text("nor: [this")
    async with load_at(shop / "web", "HEAD") as project:
        found = await rendered(project, *project.chosen("web/canary")[0], NO_TOOLS)
        assert project.root != shop and project.place.startswith("trimtab.yaml at commit ")
    assert len(found.objects) == 2
    assert not project.root.exists()


@pytest.mark.parametrize(("name", "said"), [("wbe", "did you mean web?"), ("web/canry", "did you mean canary?")])
def test_a_name_that_is_not_there_gets_the_nearest(name: str, said: str, shop: Path) -> None:
    with pytest.raises(InputError, match=said.replace("?", r"\?")):
        load(shop).chosen(name)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("web/canary", "../other", r"trimtab\.yaml:10: spec\.apps\[0\]\.targets\[0\]\.path: '\.\./other' must lie within"),
        ("web/canary", "/etc", r"trimtab\.yaml:10: .* must lie within the repository"),
        ("policies/web.yaml", "policies/none.yaml", r"trimtab\.yaml:11: 'policies/none\.yaml': there is no such file"),
        ("policies/web.yaml", "web/canary/all.yaml", r"web/canary/all\.yaml: expected one RolloutPolicy, found ConfigMap, Pod"),
        ("policies/web.yaml", "policies", r"trimtab\.yaml:11: policies is a folder"),
        ("from: canary", "from: canery", r"trimtab\.yaml:13: .*\.from: there is no target canery; did you mean canary\?"),
        ("from: canary", "from: stable", r"trimtab\.yaml:13: .* circle through stable"),
        ("name: stable", "name: canary", r"trimtab\.yaml:12: .* two targets named canary"),
        ("rendering: plain", "rendering: helm", r"trimtab\.yaml:7: .* helm needs the field chart"),
        ("path: web/stable", "values: [a.yaml]", r"needs the field path"),
        ("path: web/stable", "path: web/stable\n      values: [a.yaml]", r"trimtab\.yaml:15: .* only a Helm chart has these"),
        ("kind: Pipeline", "kind: RolloutPolicy", r"trimtab\.yaml:5: spec\.apps: there is no such field"),
        ("rendering: plain", "rendering: &a [*a]", r"an alias \(\*\) to something that contains it"),
    ],
)
def test_what_a_pipeline_may_not_say_is_told_at_its_line(old: str, new: str, said: str, shop: Path) -> None:
    (shop / "trimtab.yaml").write_text(PIPELINE.replace(old, new))
    with pytest.raises(InputError, match=said):
        load(shop)


def test_a_policy_behind_a_link_out_of_the_repository_is_not_read(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(POLICY)
    (shop / "policies/web.yaml").unlink()
    (shop / "policies/web.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(DocumentError, match=r"trimtab\.yaml:11: 'policies/web\.yaml' leads out of the repository"):
        load(shop)


async def test_manifests_behind_a_link_out_of_the_repository_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(CONFIG)
    folder = written(tmp_path / "repo", {"a.yaml": CONFIG})
    (folder / "b.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(DocumentError, match=r"b\.yaml. leads out of the repository"):
        await plain(folder)


@pytest.mark.parametrize("name", ["--upload-pack=touch x", "--output=x", "-h", "HEAD;x", "nowhere", "refs/../x", ""])
async def test_a_revision_that_is_an_option_of_git_is_no_commit(name: str, shop: Path) -> None:
    with pytest.raises(InputError, match="has no commit"):
        async with exported(shop, name):
            pass
    assert sorted(os.listdir(shop)) == [".git", "policies", "trimtab.yaml", "web"]


async def test_links_of_a_commit_that_lead_out_are_not_made_and_large_files_are_left_out(shop: Path) -> None:
    (shop / "away").symlink_to("/etc")
    (shop / "up").symlink_to("../..")
    (shop / "web/near").symlink_to("canary/all.yaml")
    (shop / "huge.bin").write_bytes(b"\0" * (LARGEST_FILE + 1))
    (shop / "run.sh").write_bytes(b"a\r\nb\n")
    commit(shop, "links")
    async with exported(shop, "HEAD") as (root, _, _):
        assert sorted(os.listdir(root)) == ["policies", "run.sh", "trimtab.yaml", "web"]
        assert (root / "web/near").read_text() == (root / "web/canary/all.yaml").read_text()
        assert (root / "run.sh").read_bytes() == b"a\r\nb\n"


async def test_a_forged_tree_writes_nothing_outside(shop: Path) -> None:
    blob = git(shop, "hash-object", "-w", "trimtab.yaml")
    forged = bytes.fromhex(blob)
    raw = b"100644 ..\0" + forged
    (shop / "tree").write_bytes(raw)
    tree = git(shop, "hash-object", "-t", "tree", "-w", "--literally", "tree")
    made = git(shop, "commit-tree", tree, "-m", "forged")
    async with exported(shop, made) as (root, _, _):
        assert os.listdir(root) == []


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "stand for far more than is written"),
        ("a: " + "[" * 5000, "maximum nesting depth"),
        (CONFIG + "---\nkind: x\nkind: y\n", "written twice"),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata:\n  PIN: not-base-64!\n",
            r"bad\.yaml:5: data\.PIN: the value is not base64",
        ),
    ],
)
async def test_hostile_yaml_is_refused_where_it_is(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=said) as refused:
        await plain(written(tmp_path, {"bad.yaml": text}))
    assert str(refused.value).startswith("bad.yaml:")
    assert "not-base-64" not in str(refused.value)


async def test_without_a_tool_it_is_said_what_to_install(tmp_path: Path) -> None:
    written(tmp_path, {"k/kustomization.yaml": "resources: []\n", "c/Chart.yaml": "name: c\nversion: 1.0.0\napiVersion: v2\n"})
    with pytest.raises(Unavailable, match=r"neither `kustomize` nor `kubectl` on PATH.* Install one of them"):
        await render(Request(tmp_path, "x", "k"), "", NO_TOOLS)
    with pytest.raises(Unavailable, match=r"no `helm` on PATH.* Install helm 3\.8 or newer"):
        await render(Request(tmp_path, "x", "c", release="r"), "", NO_TOOLS)
