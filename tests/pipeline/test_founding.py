"""The founding document's repositories: its defects are named where they are, and the mended ones render to what it meant."""

from pathlib import Path

import pytest

from pipeline.trees import MENDS, founding
from trimtab.errors import DocumentError
from trimtab.model.rendered import Rendered
from trimtab.wiring.pipeline import Rules, load, load_at, rendered

pytestmark = pytest.mark.pipeline


async def both(folder: Path, rendering: Rules) -> tuple[Rendered, Rendered]:
    project = load(folder)
    canary, stable = [await rendered(project, app, target, rendering) for app, target in project.chosen("myapp")]
    return canary, stable


@pytest.mark.parametrize("strategy", ["strategy-1", "strategy-3", "strategy-4"])
async def test_mended_both_targets_render_and_each_deployment_reads_its_own_config(strategy: str, tmp_path: Path, rendering: Rules) -> None:
    for one in await both(founding(strategy, tmp_path), rendering):
        (use,) = one.uses
        assert (use.reader.kind, use.content) == ("Deployment", one.read()[0])
        assert {each.namespace for each in one.objects} == {"production"}
        assert one.tool.startswith("helm v" if strategy == "strategy-3" else "kubectl v"), one.tool


@pytest.mark.parametrize("strategy", ["strategy-1", "strategy-3", "strategy-4"])
async def test_objects_of_both_targets_have_the_same_logical_names(strategy: str, tmp_path: Path, rendering: Rules) -> None:
    canary, stable = await both(founding(strategy, tmp_path), rendering)
    assert [(one.kind, one.logical) for one in canary.objects] == [(one.kind, one.logical) for one in stable.objects]
    assert [one.name for one in canary.objects] != [one.name for one in stable.objects]


@pytest.mark.parametrize(
    ("strategy", "target", "place", "said"),
    [
        ("strategy-1", "canary", "apps/myapp/overlays/canary/configmap-patch.yaml:1", "no matches for Id ConfigMap"),
        ("strategy-3", "canary", "helm-charts/myapp/templates/configmap.yaml", "nested"),
        ("strategy-4", "canary", "k8s/overlays/production-canary/configmap.yaml:1", "already registered id"),
    ],
)
async def test_as_the_document_prints_it_each_is_refused_at_its_defect(
    strategy: str, target: str, place: str, said: str, tmp_path: Path, rendering: Rules
) -> None:
    project = load(founding(strategy, tmp_path, ()))
    with pytest.raises(DocumentError) as refused:
        await rendered(project, *project.chosen(f"myapp/{target}")[0], rendering)
    assert str(refused.value).startswith(place)
    assert said in str(refused.value)


async def test_a_key_is_where_the_patch_wrote_it_and_its_object_where_the_base_has_it(tmp_path: Path, rendering: Rules) -> None:
    canary, _ = await both(founding("strategy-1", tmp_path), rendering)
    (config,) = canary.configs()
    assert config.place == "apps/myapp/base/configmap.yaml:1"
    assert config.key_places == {"config.yaml": ("apps/myapp/overlays/canary/configmap-patch.yaml", 6)}


async def test_at_a_commit_a_target_renders_as_the_commit_has_it_not_as_the_work_tree(tmp_path: Path, rendering: Rules) -> None:
    folder = founding("strategy-1", tmp_path)
    patch = folder / "apps/myapp/overlays/canary/configmap-patch.yaml"
    patch.write_text(patch.read_text().replace("debug", "trace"))
    here, _ = await both(folder, rendering)
    async with load_at(folder / "apps", "HEAD") as project:
        then = await rendered(project, *project.chosen("myapp/canary")[0], rendering)
    assert then.commit == project.commit != ""
    text = {one.commit: (one.configs()[0].content or pytest.fail()).data["config.yaml"] for one in (here, then)}
    assert b"trace" in text[""] and b"debug" in text[then.commit]
    assert here.inputs == then.inputs


def test_every_mend_is_listed_in_the_readme() -> None:
    text = (Path(__file__).parent / "founding" / "README.md").read_text()
    for strategy, mends in MENDS.items():
        assert mends and f"| `{strategy}`" in text
