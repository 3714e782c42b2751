"""What `trimtab check` remembers: under the digest of all that it was found in, and never more than was found."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.test_check_change import found, ran, validating
from contracts.test_check_command import checking, edited, shop
from contracts.test_pipeline_project import written
from pipeline.trees import commit
from trimtab.adapters.checking.memory import Memory
from trimtab.adapters.rendering.request import Request
from trimtab.adapters.rendering.tool import Tools
from trimtab.wiring.check_digests import Digests, ourselves
from trimtab.wiring.units import Unit

__all__ = ["shop"]

KUSTOMIZE = {
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "base/web.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n",
    "parts/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches: [{path: part.yaml}]\n",
    "parts/part.yaml": "a: 1\n",
    "overlay/kustomization.yaml": """resources: [../base]
components: [../parts]
patches: [{path: patch.yaml}]
replacements: [{path: replacement.yaml}]
configurations: [names.yaml]
configMapGenerator: [{name: a, envs: [a.env], files: [a.txt, key=b.txt]}]
""",
    "overlay/patch.yaml": "a: 1\n",
    "overlay/replacement.yaml": "a: 1\n",
    "overlay/names.yaml": "a: 1\n",
    "overlay/a.env": "A=1\n",
    "overlay/a.txt": "a\n",
    "overlay/b.txt": "b\n",
}
CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: part, version: 1.0.0, repository: 'file://../part'}]\n",
    "chart/values.yaml": "a: 1\n",
    "chart/values.schema.json": "{}\n",
    "chart/.helmignore": "x\n",
    "chart/files/a.txt": "a\n",
    "chart/templates/web.yaml": "a: 1\n",
    "part/Chart.yaml": "apiVersion: v2\nname: part\nversion: 1.0.0\n",
    "part/templates/a.yaml": "a: 1\n",
    "values-canary.yaml": "a: 2\n",
}


def unit(root: Path, path: str, rendering: str, *values: str) -> Unit:
    return Unit("x", Request(root, "x", path, release="x", values=values), rendering)


@pytest.mark.parametrize(("tree", "path", "rendering"), [(KUSTOMIZE, "overlay", "kustomize"), (CHART, "chart", "helm")])
def test_every_file_that_a_target_is_rendered_from_counts(tmp_path: Path, tree: dict[str, str], path: str, rendering: str) -> None:
    root = written(tmp_path / "r", {**tree, "README.md": "not read"})
    one = unit(root, path, rendering, *(["values-canary.yaml"] if rendering == "helm" else []))
    before = Digests(root).of(one)
    assert before is not None
    assert set(before.digests) == set(tree)
    for name in tree:
        text = (root / name).read_text()
        (root / name).write_text(f"{text}# more\n" if not name.endswith(".json") else "{ }\n")
        after = Digests(root).of(one)
        assert after is not None
        assert [each for each in tree if before.digests[each].sha256 != after.digests[each].sha256] == [name]
        (root / name).write_text(text)


def test_a_kustomization_with_plugins_is_not_remembered_since_these_read_what_they_like(tmp_path: Path) -> None:
    root = written(tmp_path, {**KUSTOMIZE, "overlay/g.yaml": "a: 1\n"})
    (root / "overlay/kustomization.yaml").write_text(f"{KUSTOMIZE['overlay/kustomization.yaml']}generators: [g.yaml]\n")
    assert Digests(root).of(unit(root, "overlay", "kustomize")) is None


def test_other_tools_are_another_digest(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "helm").write_text(f"#!/bin/sh\n# {folder}, longer\n"[: 20 + len(folder)])
        (tmp_path / folder / "helm").chmod(0o755)
    assert ourselves(Tools(str(tmp_path / "one"))) == ourselves(Tools(str(tmp_path / "one")))
    assert len({ourselves(Tools(path)) for path in ("", str(tmp_path / "one"), str(tmp_path / "two"))}) == 3


def marked(shop: Path) -> int:
    """Changes what is remembered, so that it can be seen where that is taken; how many entries there are."""
    entries = [path for path in Path(f"{shop}-cache").rglob("*") if path.is_file()]
    for path in entries:
        entry = json.loads(path.read_text())
        for told in entry["told"]:
            told[2]["problem"] = "remembered"
        path.write_text(json.dumps(entry))
    return len(entries)


def is_remembered(shop: Path, *words: str) -> bool:
    return "remembered" in ran(shop, *words).stdout


@pytest.fixture
def spoilt(shop: Path) -> Path:
    """A repository with a finding that is remembered."""
    edited(shop, "web/canary/app.yaml", "image: x", "image: 1")
    commit(shop, "spoilt")
    assert not is_remembered(shop)
    assert marked(shop) == 1
    assert is_remembered(shop)
    return shop


def touched(shop: Path) -> None:
    edited(shop, "web/stable/service.yaml", "port: 80", "port: 81")


def with_a_new_file(shop: Path) -> None:
    written(shop, {"web/stable/more.yaml": "a: 1\n"})


def with_other_rules(shop: Path) -> None:
    checking(shop, "    severities: {content/type: error}\n")


def in_another_namespace(shop: Path) -> None:
    edited(shop, "trimtab.yaml", "path: web/stable", "path: web/stable\n      namespace: other")


def with_a_validator(shop: Path) -> None:
    checking(shop, validating(shop, "import sys; sys.stdin.read()"))


@pytest.mark.parametrize("change", [touched, with_a_new_file, with_other_rules, in_another_namespace, with_a_validator])
def test_what_is_changed_is_looked_at_anew(spoilt: Path, change: Callable[[Path], None]) -> None:
    change(spoilt)
    assert not is_remembered(spoilt)


def test_what_the_base_has_as_well_is_taken_from_memory_and_was_there_before(spoilt: Path) -> None:
    done = ran(spoilt, "--base", "main")
    assert "remembered" in done.stdout and "was there before" in done.stdout
    assert done.exit_code == 0
    touched(spoilt)
    assert not is_remembered(spoilt, "--base", "main")
    assert found(spoilt, "--base", "main") == ["warning web/canary/app.yaml:11 kubernetes/schema"]


def test_for_strangers_and_with_no_cache_nothing_is_taken_from_memory(spoilt: Path) -> None:
    assert not is_remembered(spoilt, "--no-cache")
    assert not is_remembered(spoilt, "--base", "main", "--untrusted")


def test_a_schema_that_an_annotation_names_counts_when_it_changes(shop: Path) -> None:
    edited(shop, "web/canary/config.yaml", "{name: settings", "{annotations: {trimtab.dev/schema.LOG: log.json}, name: settings")
    written(shop, {"log.json": "{}"})
    assert found(shop) == []
    written(shop, {"log.json": '{"enum": ["warn"]}'})
    assert found(shop, ends=2) == [f"error web/{target}/config.yaml:5 content/schema" for target in ("canary", "stable")]


def test_what_is_remembered_holds_no_value_of_a_secret_and_is_for_its_owner_only(shop: Path) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {app.json: '{\"pin\": hush-hush'}\nspec: hush-hush\n"
    written(shop, {"web/canary/secret.yaml": secret})
    ran(shop)
    entries = [path for path in Path(f"{shop}-cache").rglob("*") if path.is_file()]
    assert entries
    assert all("hush" not in path.read_text() and path.stat().st_mode & 0o077 == 0 for path in entries)


def test_a_damaged_entry_and_a_folder_that_cannot_be_used_are_as_if_nothing_was_kept(spoilt: Path) -> None:
    for path in Path(f"{spoilt}-cache").rglob("*"):
        if path.is_file():
            path.write_text('{"told": [')
    assert not is_remembered(spoilt)
    blocked = spoilt / "trimtab.yaml"
    assert found(spoilt, "--cache", str(blocked / "x"), ends=2) == ["error web/canary/app.yaml:11 kubernetes/schema"]


def test_two_that_write_at_once_leave_one_whole_entry(tmp_path: Path) -> None:
    memory, stop, seen = Memory(tmp_path), threading.Event(), set[bytes]()
    values = [bytes([65 + number]) * 200_000 for number in range(4)]

    def write(value: bytes) -> None:
        while not stop.is_set():
            memory.put("abcd", value)

    threads = [threading.Thread(target=write, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2000):
            if (value := memory.get("abcd")) is not None:
                seen.add(value)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert seen and seen <= {*values}


def test_what_was_used_least_lately_goes_where_there_is_too_much(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    for number in range(10):
        memory.put(f"aa{number}", b"x")
    for number, path in enumerate(sorted(tmp_path.rglob("?"))):
        os.utime(path, (number, number))
    assert memory.get("aa0") == b"x"
    memory.tidy(most=5)
    assert {number for number in range(10) if memory.get(f"aa{number}")} == {0, 7, 8, 9}
    memory.tidy(most=5)
    assert len(list(tmp_path.rglob("?"))) == 4
