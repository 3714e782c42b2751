"""Kustomize for real: what is rendered, where it was written, and what is refused before or after the tool runs."""

from pathlib import Path

import pytest

from pipeline.programs import linked, rules, serving
from trimtab.adapters.rendering.request import Request
from trimtab.errors import DocumentError, Unavailable
from trimtab.model.rendered import Rendered
from trimtab.wiring.pipeline import Rules, render

pytestmark = pytest.mark.pipeline

DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata: {annotations: {}}
    spec:
      containers:
      - name: app
        envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: passwords}}]
"""
BASE = """resources: [deployment.yaml]
configMapGenerator:
- name: settings
  literals:
  - LOG=info
  - MODE=safe
  files:
  - config.yaml
secretGenerator:
- name: passwords
  envs: [secret.env]
"""
OVERLAY = """resources:
- ../base
components:
- ../extra
namePrefix: eu-
nameSuffix: -canary
configMapGenerator:
- name: settings
  behavior: merge
  literals:
  - LOG=debug
replacements:
- source: {kind: ConfigMap, name: settings, fieldPath: data.MODE}
  targets:
  - select: {kind: Deployment}
    fieldPaths: [spec.template.metadata.annotations.mode]
    options: {create: true}
"""


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def every_file(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def tree(folder: Path) -> Path:
    files = {
        "base/kustomization.yaml": BASE, "base/deployment.yaml": DEPLOYMENT,
        "base/config.yaml": "pool: 5\n", "base/secret.env": "#x\nPIN=4711\n",
        "extra/kustomization.yaml": (
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [more.yaml]\n"
        ),
        "extra/more.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata:\n  a: b\n",
        "canary/kustomization.yaml": OVERLAY,
    }  # fmt: skip
    return written(folder, files)


async def overlay(root: Path, how: Rules, path: str = "canary", namespace: str = "prod") -> Rendered:
    return await render(Request(root, "web/canary", path, "canary", namespace), "kustomize", how)


async def test_generators_components_and_replacements_render_and_keep_their_logical_names(tmp_path: Path, rendering: Rules) -> None:
    found = await overlay(tree(tmp_path), rendering)
    names = {one.logical: one for one in found.objects}
    assert set(names) == {"web", "settings", "passwords", "more"}
    assert names["settings"].name.startswith("eu-settings-canary-")
    assert names["more"].name == "eu-more-canary"
    assert {use.content.logical for use in found.uses if use.content} == {"settings", "passwords"}
    assert "'mode': 'safe'" in str(names["web"].tree)
    assert all(one.namespace == "prod" for one in found.objects)


async def test_every_key_is_where_it_was_written_last(tmp_path: Path, rendering: Rules) -> None:
    names = {one.logical: one for one in (await overlay(tree(tmp_path), rendering)).objects}
    assert names["settings"].key_places == {
        "LOG": ("canary/kustomization.yaml", 11),
        "MODE": ("base/kustomization.yaml", 6),
        "config.yaml": ("base/config.yaml", 1),
    }
    assert names["passwords"].key_places == {"PIN": ("base/secret.env", 2)}
    assert names["settings"].place == "base/kustomization.yaml:3"
    assert names["more"].place == "extra/more.yaml:1"


async def test_all_files_that_were_read_are_inputs(tmp_path: Path, rendering: Rules) -> None:
    found = await overlay(tree(tmp_path), rendering)
    assert found.inputs == tuple(sorted(every_file(tmp_path)))


async def test_rendering_twice_gives_the_same(tmp_path: Path, rendering: Rules) -> None:
    assert await overlay(tree(tmp_path), rendering) == await overlay(tree(tmp_path), rendering)


async def test_kustomize_itself_renders_as_kubectl_does(tmp_path: Path, rendering: Rules) -> None:
    own = rules(linked(tmp_path / "bin", "kustomize", "kubectl"))
    one, two = await overlay(tree(tmp_path / "repo"), own), await overlay(tree(tmp_path / "repo"), rendering)
    assert one.tool.startswith("kustomize v") and two.tool.startswith("kubectl v")
    assert one.objects == two.objects


@pytest.mark.parametrize(
    ("file", "text", "place", "said"),
    [
        ("canary/kustomization.yaml", "resources: [../base, gone.yaml]\n", "canary/kustomization.yaml:1", "there is no such file"),
        ("canary/kustomization.yaml", "resourcez: [../base]\n", "canary/kustomization.yaml:1", "resourcez"),
        ("canary/kustomization.yaml", "resources:\n- ../canary\n", "canary", "part of itself"),
        ("base/deployment.yaml", "kind: [\n", "base/deployment.yaml:1", "not YAML"),
        ("extra/more.yaml", "a: b\n", "extra/more.yaml:1", ""),
        ("canary/kustomization.yaml", "resources:\n- ../base\nhelmCharts:\n- name: x\n", "canary/kustomization.yaml:3", "run helm"),
        ("canary/kustomization.yaml", "resources:\n- https://127.0.0.1:1/x.yaml\n", "canary/kustomization.yaml:2", "--network"),
        ("canary/kustomization.yaml", "resources:\n- github.com/a/b//c?ref=d\n", "canary/kustomization.yaml:2", "--network"),
        ("canary/kustomization.yaml", "resources:\n- git@example.org:a/b\n", "canary/kustomization.yaml:2", "--network"),
        ("canary/kustomization.yaml", "resources:\n- ../../../../../../../etc\n", "canary/kustomization.yaml:2", "out of the repository"),
        ("canary/kustomization.yaml", "patches:\n- path: --upload-pack=x\n", "canary/kustomization.yaml:2", "there is no such file"),
        (
            "canary/kustomization.yaml", "configMapGenerator:\n- name: x\n  files:\n  - a=/etc/hostname\n",
            "canary/kustomization.yaml:4", "out of the repository",
        ),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_told_at_its_file_and_line(
    file: str, text: str, place: str, said: str, tmp_path: Path, rendering: Rules
) -> None:
    root = written(tree(tmp_path), {file: text})
    with pytest.raises(DocumentError) as refused:
        await overlay(root, rendering)
    assert str(refused.value).startswith(f"{place}: ")
    assert said in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


async def test_a_plugin_config_cannot_have_something_fetched(tmp_path: Path, rendering: Rules) -> None:
    plugin = "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: x}\nfiles:\n- a=http://127.0.0.1:1/x\n"
    root = written(tmp_path, {"canary/kustomization.yaml": "generators: [p.yaml]\n", "canary/p.yaml": plugin.replace("a=", "")})
    with pytest.raises(DocumentError, match=r"canary/p\.yaml:5: .*--network"):
        await overlay(root, rendering)


async def test_an_exec_plugin_does_not_run(tmp_path: Path, rendering: Rules) -> None:
    plugin = """apiVersion: x/v1
kind: Mine
metadata:
  name: x
  annotations:
    config.kubernetes.io/function: |
      exec:
        path: ./run.sh
"""
    files = {"canary/kustomization.yaml": "generators: [p.yaml]\n", "canary/p.yaml": plugin}
    script = {"canary/run.sh": f"#!/bin/sh\ntouch {tmp_path}/ran\n"}
    root = written(tmp_path, files | script)
    (root / "canary/run.sh").chmod(0o755)
    with pytest.raises(DocumentError):
        await overlay(root, rendering)
    assert not (tmp_path / "ran").exists()


async def test_a_link_out_of_the_repository_is_refused(tmp_path: Path, rendering: Rules) -> None:
    outside = written(tmp_path / "outside", {"kustomization.yaml": "configMapGenerator: [{name: stolen, literals: [a=b]}]\n"})
    root = written(tmp_path / "repo", {"canary/kustomization.yaml": "resources:\n- linked\n"})
    (root / "canary/linked").symlink_to(outside)
    with pytest.raises(DocumentError, match=r"canary/kustomization\.yaml:2: 'linked' leads out of the repository"):
        await overlay(root, rendering)


SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: pins}\nstringData: {pin: hunter2hunter2}\n"
BAD_PATCH = '- target: {kind: Secret}\n  patch: "- op: add\\n  value: hunter2: hunter2"\n'


@pytest.mark.parametrize(
    ("kustomization", "files"),
    [
        ("secretGenerator:\n- name: x\n  literals: [hunter2hunter2]\n", {}),
        ("secretGenerator:\n- name: x\n  envs: [x.env]\n", {"x.env": b"hunter2hunter2\xff\n"}),
        ("secretGenerator:\n- name: x\n  envs: [x.env]\n", {"x.env": b"a=b\npin=hunter2\xffhunter2\n"}),
        (f"resources: [pins.yaml]\npatches:\n{BAD_PATCH}", {"pins.yaml": SECRET.encode()}),
        ("resources: [pins.yaml]\npatches:\n- path: bad.yaml\n  target: {kind: Secret}\n",
         {"pins.yaml": SECRET.encode(), "bad.yaml": b"- op: add\n  value: hunter2: hunter2\n"}),
        ("resources: [pins.yaml]\npatches:\n- path: bad.yaml\n", {"pins.yaml": SECRET.encode(), "bad.yaml": b"hunter2hunter2\n"}),
    ],
)  # fmt: skip
async def test_no_part_of_a_secret_is_in_the_complaint_about_it(
    kustomization: str, files: dict[str, bytes], tmp_path: Path, rendering: Rules
) -> None:
    root = written(tmp_path, {"canary/kustomization.yaml": kustomization})
    for name, data in files.items():
        (root / "canary" / name).write_bytes(data)
    with pytest.raises(DocumentError) as refused:
        await overlay(root, rendering)
    assert "hunter2" not in str(refused.value)


async def test_a_tool_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "kustomize"
    written(tmp_path, {"bin/kustomize": "#!/bin/sh\nwhile :; do :; done\n"})
    program.chmod(0o755)
    with pytest.raises(Unavailable, match=r"kustomize did not finish within 0\.3 s"):
        await overlay(tree(tmp_path / "repo"), rules(str(program.parent), deadline=0.3))


async def test_a_base_with_a_prefix_beside_others_keeps_its_own_names(tmp_path: Path, rendering: Rules) -> None:
    generator = "namePrefix: {0}-\nconfigMapGenerator: [{{name: settings, literals: [a={0}]}}, {{name: settings-{0}, literals: [a=b]}}]\n"
    files = {f"{name}/kustomization.yaml": generator.format(name) for name in ("one", "two")}
    files["canary/kustomization.yaml"] = "resources: [../one, ../two]\nnameSuffix: -canary\n"
    found = await overlay(written(tmp_path, files), rendering)
    assert {one.name.rpartition("-")[0]: one.logical for one in found.objects} == {
        "one-settings-canary": found.objects[0].name,
        "one-settings-one-canary": "settings-one",
        "two-settings-canary": found.objects[2].name,
        "two-settings-two-canary": "settings-two",
    }


async def test_a_remote_resource_is_fetched_only_where_that_is_allowed(tmp_path: Path, rendering: Rules) -> None:
    served = written(tmp_path / "served", {"x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: far}\n"})
    with serving(served) as url:
        root = written(tmp_path / "repo", {"canary/kustomization.yaml": f"nameSuffix: -canary\nresources:\n- {url}/x.yaml\n"})
        found = await overlay(root, rules(rendering.tools.path, network=True))
        assert [(one.name, one.logical, one.place) for one in found.objects] == [("far-canary", "far", "canary/kustomization.yaml")]
        with pytest.raises(DocumentError, match=r"canary/kustomization\.yaml:3: .*--network"):
            await overlay(root, rendering)


INLINE = "apiVersion: builtin\n  kind: ConfigMapGenerator\n  metadata: {name: far}\n  files: ['k=FAR']\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Resources: [FAR]\n", r"yaml:1: there is no field 'Resources'; kustomize would take it for resources"),
        ("Resources: [../outside]\n", r"yaml:1: there is no field 'Resources'"),
        ("re\u017fources: [FAR]\n", r"yaml:1: there is no field"),
        ("resources: [c.yaml]\nconfigMapGenerator:\n- name: far\n  ENVS: [FAR]\n", r"yaml:4: there is no field 'ENVS'"),
        ("resources: [c.yaml]\npatches:\n- Path: FAR\n", r"yaml:3: there is no field 'Path'"),
        ("resources: [c.yaml]\nOpenAPI: {path: FAR}\n", r"yaml:2: there is no field 'OpenAPI'"),
        ("resources:\n- FAR\n", r"yaml:2: .* is fetched from the network"),
        (f"resources: [c.yaml]\ngenerators:\n- |-\n  {INLINE}", r"yaml:\d: .* may be fetched from the network"),
        ("resources: [c.yaml]\ngenerators: [far.yaml]\n", r"far\.yaml:4: .* may be fetched from the network"),
    ],
)
async def test_nothing_is_read_past_the_look_at_paths(text: str, said: str, tmp_path: Path, rendering: Rules) -> None:
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: far}\n"
    served = written(tmp_path / "served", {"x.yaml": config})
    outside = {"outside/kustomization.yaml": "resources: [x.yaml]\n", "outside/x.yaml": config}
    with serving(served) as url:
        far = f"{url}/x.yaml"
        files = {"canary/kustomization.yaml": text, "canary/far.yaml": INLINE.replace("\n  ", "\n"), "canary/c.yaml": config}
        # A folder of the same name makes no file of an address.
        root = written(tmp_path / "repo", {name: body.replace("FAR", far) for name, body in files.items()} | {f"canary/{far}": config})
        written(tmp_path, {"repo/" + name: body for name, body in outside.items()})
        with pytest.raises(DocumentError, match=said):
            await overlay(root, rendering)
