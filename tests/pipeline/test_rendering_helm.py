"""Helm for real: values files, library charts, archives, and what is refused before or after helm runs."""

import subprocess
from pathlib import Path

import pytest

from pipeline.programs import rules, serving
from pipeline.test_rendering_kustomize import written
from trimtab.adapters.rendering.request import Request
from trimtab.errors import DocumentError, InputError
from trimtab.model.rendered import Rendered
from trimtab.wiring.pipeline import Rules, render

pytestmark = pytest.mark.pipeline

FILES = {
    "chart/Chart.yaml": """apiVersion: v2
name: web
version: 0.1.0
dependencies:
- name: common
  version: 1.0.0
  repository: file://../common
""",
    "chart/values.yaml": "log: info\npool: 5\n",
    "chart/templates/config.yaml": """{{ include "common.head" . }}
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-settings
data:
  LOG: {{ .Values.log | quote }}
  POOL: {{ .Values.pool | quote }}
""",
    "common/Chart.yaml": "apiVersion: v2\nname: common\nversion: 1.0.0\ntype: library\n",
    "common/templates/_head.tpl": '{{ define "common.head" }}apiVersion: v1{{ end }}\n',
    "one.yaml": "log: warn\npool: 7\n",
    "two.yaml": "log: debug\n",
}


async def chart(root: Path, how: Rules, **more: object) -> Rendered:
    request = Request(root, "web/canary", "chart", "canary", "prod", **{"release": "eu", **more})  # type: ignore[arg-type]
    return await render(request, "helm", how)


async def test_values_files_count_in_their_order_and_what_is_set_last(tmp_path: Path, rendering: Rules) -> None:
    found = await chart(written(tmp_path, FILES), rendering, values=("one.yaml", "two.yaml"), set={"pool": "010"})
    (config,) = found.configs()
    assert config.content is not None and dict(config.content.data) == {"LOG": b"debug", "POOL": b"010"}
    assert (config.name, config.logical, config.namespace) == ("eu-settings", "settings", "prod")


async def test_a_library_chart_elsewhere_in_the_repository_is_used_without_being_vendored(tmp_path: Path, rendering: Rules) -> None:
    found = await chart(written(tmp_path, FILES), rendering)
    assert len(found.objects) == 1
    assert not (tmp_path / "chart/charts").exists()
    assert "common/templates/_head.tpl" in found.inputs


def indexed(folder: Path, how: Rules) -> None:
    command = [f"{how.tools.path}/helm", "repo", "index", str(folder)]
    subprocess.run(command, env={"HOME": str(folder)}, check=True, capture_output=True, timeout=60)


def packed(root: Path, how: Rules) -> Path:
    command = [f"{how.tools.path}/helm", "package", "common", "--destination", "chart/charts"]
    subprocess.run(command, cwd=root, env={"HOME": str(root / "home")}, check=True, capture_output=True, timeout=60)
    return root


async def test_a_vendored_archive_is_used(tmp_path: Path, rendering: Rules) -> None:
    root = packed(written(tmp_path, FILES), rendering)
    (root / "common/templates/_head.tpl").unlink()
    assert len((await chart(root, rendering)).objects) == 1


async def test_an_object_and_its_keys_are_where_the_template_has_them(tmp_path: Path, rendering: Rules) -> None:
    (config,) = (await chart(written(tmp_path, FILES), rendering)).configs()
    assert config.place == "chart/templates/config.yaml:2"
    assert config.key_places == {"LOG": ("chart/templates/config.yaml", 6), "POOL": ("chart/templates/config.yaml", 7)}


async def test_a_template_that_gives_something_else_each_time_is_named(tmp_path: Path, rendering: Rules) -> None:
    found = await chart(written(tmp_path, FILES | {"chart/templates/x.yaml": "# {{ randAlphaNum 5 }}\n"}), rendering)
    assert found.warnings == ("chart/templates/x.yaml:1: randAlphaNum gives something else each time it is rendered",)


@pytest.mark.parametrize(
    ("file", "text", "place", "said"),
    [
        ("chart/templates/bad.yaml", "a: {{ .Values.none.x }}\n", "chart/templates/bad.yaml:1", "none.x"),
        ("chart/templates/bad.yaml", "\n{{ required \"say it\" .Values.q }}\n", "chart/templates/bad.yaml:2", "say it"),
        ("chart/templates/bad.yaml", "{{ if }}\n", "chart/templates/bad.yaml:1", "missing value"),
        ("chart/templates/bad.yaml", "a: {{ .Values.log }}\nb: c: d\n", "chart/templates/bad.yaml", "mapping values"),
        ("chart/values.yaml", "a: [\n", "chart/values.yaml:", "not YAML"),
        ("two.yaml", "a:\n- [\n", "two.yaml:2", "not YAML"),
        ("chart/values.schema.json", '{"properties": {"pool": {"type": "string"}}}', "chart/values.yaml:2", "want string"),
        ("chart/Chart.yaml", "name: [\n", "chart/Chart.yaml:1", "not YAML"),
        (
            "chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n- name: redis\n  repository: https://127.0.0.1:1/x\n",
            "chart/Chart.yaml:5", "helm dependency build chart",
        ),
        (
            "chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n- name: x\n  repository: file://../../../../../etc\n",
            "chart/Chart.yaml:5", "out of the repository",
        ),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told_at_its_file_and_line(
    file: str, text: str, place: str, said: str, tmp_path: Path, rendering: Rules
) -> None:
    root = written(tmp_path, FILES | {file: text})
    with pytest.raises(DocumentError) as refused:
        await chart(root, rendering, values=("two.yaml",))
    assert str(refused.value).startswith(place), refused.value
    assert said in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


async def test_a_value_that_breaks_the_schema_is_not_in_the_complaint(tmp_path: Path, rendering: Rules) -> None:
    schema = '{"properties": {"pin": {"type": "string", "pattern": "^x"}, "pool": {"maxLength": 1}}}'
    root = written(tmp_path, FILES | {"chart/values.schema.json": schema, "two.yaml": "pin: hunter2 it's\npool: hunter3\n"})
    with pytest.raises(DocumentError) as refused:
        await chart(root, rendering, values=("two.yaml",))
    assert "/pin" in str(refused.value) and "pattern" in str(refused.value)
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize(
    ("template", "value", "kept"),
    [
        ("{{ range .Values.pin }}x{{ end }}", "hunter2hunter2", "at <.Values.pin>"),
        ('{{ .Values.pin | mustToDate "2006" }}', "hunter2hunter2", "error calling mustToDate"),
        ('{{ mustRegexMatch .Values.pin "x" }}', "'[hunter2hunter2'", "error calling mustRegexMatch"),
        ("{{ urlParse .Values.pin }}", "'http://u:hunter2%zz@h/'", "error calling urlParse"),
        ("{{ mustDateModify .Values.pin now }}", "hunter2hunter2", "error calling mustDateModify"),
        ("{{ tpl .Values.pin . }}", "'{{ hunter2hunter2 }}'", "error calling tpl"),
        ("{{ tpl .Values.pin . }}", """'{{ include "common.head" (required "hunter2" .x) }}'""", "execution error"),
        ('{{ fail (printf "not %s" .Values.pin) }}', "hunter2hunter2", "not (not shown)"),
        ("{{ fail .Values.pin }}", "hunter2", "execution error"),
        ("a: *{{ .Values.pin }}", "hunter2hunter2", "unknown anchor"),
        ("a: [ {{ .Values.pin }}", "hunter2hunter2", "did not find expected ',' or ']'"),
    ],
)  # fmt: skip
async def test_a_value_is_not_in_what_is_said_of_a_template(template: str, value: str, kept: str, tmp_path: Path, rendering: Rules) -> None:
    root = written(tmp_path, FILES | {"chart/templates/bad.yaml": f"{template}\n", "two.yaml": f"pin: {value}\n"})
    with pytest.raises(DocumentError) as refused:
        await chart(root, rendering, values=("two.yaml",))
    assert kept in str(refused.value)
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ .Values.pool.size }}", "can't evaluate field size in type"),
        ("{{ .Values.none.size }}", "nil pointer evaluating interface {}.size"),
        ("{{ index (list 1) 3 }}", "index out of range: 3"),
        ("{{ nindent .Values.log .Values.log }}", "wrong type for value; expected int; got string"),
        ("{{ lt .Values.log 3 }}", "incompatible types for comparison"),
        ('{{ include "none" . }}', 'no template "none" associated'),
    ],
)
async def test_what_helm_says_without_a_value_is_told_as_it_is(template: str, said: str, tmp_path: Path, rendering: Rules) -> None:
    with pytest.raises(DocumentError) as refused:
        await chart(written(tmp_path, FILES | {"chart/templates/bad.yaml": f"{template}\n"}), rendering)
    assert said in str(refused.value)


async def test_a_remote_dependency_is_fetched_only_where_that_is_allowed(tmp_path: Path, rendering: Rules) -> None:
    root = packed(written(tmp_path / "repo", FILES), rendering)
    served = tmp_path / "served"
    (root / "chart/charts").rename(served)
    indexed(served, rendering)
    with serving(served) as url:
        (root / "chart/Chart.yaml").write_text(FILES["chart/Chart.yaml"].replace("file://../common", url))
        allowed = rules(rendering.tools.path, network=True)
        assert [one.logical for one in (await chart(root, allowed)).objects] == ["settings"]
        with pytest.raises(DocumentError, match=r"chart/Chart\.yaml:5: .*--network"):
            await chart(root, rendering)
    assert not (root / "chart/charts").exists()


async def test_a_link_out_of_the_repository_inside_a_chart_is_refused(tmp_path: Path, rendering: Rules) -> None:
    root = written(tmp_path / "repo", FILES)
    (tmp_path / "stolen.yaml").write_text("a: b\n")
    (root / "chart/templates/linked.yaml").symlink_to(tmp_path / "stolen.yaml")
    with pytest.raises(DocumentError, match=r"chart/templates/linked\.yaml: .* leads out of the repository"):
        await chart(root, rendering)


async def test_what_is_behind_a_link_inside_the_repository_is_rendered_and_is_an_input(tmp_path: Path, rendering: Rules) -> None:
    root = written(tmp_path, FILES | {"shared/more.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n"})
    (root / "chart/templates/shared").symlink_to(root / "shared")
    found = await chart(root, rendering)
    assert {one.name for one in found.objects} == {"eu-settings", "more"}
    assert "shared/more.yaml" in found.inputs
    (root / "shared/again").symlink_to(root / "chart")
    with pytest.raises(DocumentError, match=r"shared/again: a link that leads round in a circle"):
        await chart(root, rendering)


@pytest.mark.parametrize("release", ["--post-renderer=./x", "A", "a b", "", "a" * 54])
async def test_a_release_that_is_no_name_is_refused(release: str, tmp_path: Path, rendering: Rules) -> None:
    with pytest.raises(InputError, match="no name of a Helm release"):
        await chart(written(tmp_path, FILES), rendering, release=release)


async def test_templates_cannot_ask_the_network_or_the_cluster(tmp_path: Path, rendering: Rules) -> None:
    template = """apiVersion: v1
kind: ConfigMap
metadata: {name: x}
data:
  dns: {{ getHostByName "localhost" | quote }}
  found: {{ lookup "v1" "Secret" "default" "x" | toJson | quote }}
"""
    found = await chart(written(tmp_path, FILES | {"chart/templates/config.yaml": template}), rendering)
    assert found.objects[0].content is not None
    assert dict(found.objects[0].content.data) == {"dns": b"", "found": b"{}"}
