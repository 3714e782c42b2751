"""`trimtab init`: what it writes, what it recognises, what it asks, and what it never touches."""

import json
import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from pipeline.scaffolded import shown
from pipeline.trees import FOUNDING, git
from trimtab.documents.decode import read_documents
from trimtab.faces.cli.main import cli
from trimtab.faces.scaffolds.filling import TEMPLATES
from trimtab.faces.scaffolds.layout import STRATEGIES
from trimtab.wiring.pipeline import load

TOP = Path(__file__).parents[2]
KUSTOMIZE = {
    "trimtab.yaml", "trimtab/policy.yaml", "trimtab/error-rate.yaml", "k8s/base/kustomization.yaml", "k8s/base/deployment.yaml",
    "k8s/overlays/production-canary/kustomization.yaml", "k8s/overlays/production-canary/config.yaml",
    "k8s/overlays/production-stable/kustomization.yaml", "k8s/overlays/production-stable/config.yaml",
    "k8s/shared/kustomization.yaml", "k8s/shared/service.yaml",
    ".github/workflows/check.yaml", ".github/workflows/canary.yaml", ".github/workflows/stable.yaml",
}  # fmt: skip


def init(folder: Path, *words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(cli, ["init", *words, "--repo", str(folder)])
    ended = done.exit_code if done.exception is None or isinstance(done.exception, SystemExit) else getattr(done.exception, "exit_code", 70)
    assert ended == code, (done.output, done.exception)
    return done


def empty(folder: Path, remote: str = "https://github.com/acme/shop.git") -> Path:
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "remote", "add", "origin", remote)
    return folder


def founding(strategy: str, folder: Path) -> Path:
    """A repository of the founding document, as it has it: without a trimtab.yaml."""
    for path in (FOUNDING / strategy).rglob("*"):
        if path.is_file() and path.name != "trimtab.yaml":
            place = folder / path.relative_to(FOUNDING / strategy)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return empty(folder)


def files(folder: Path) -> dict[str, str]:
    there = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in there}


def test_an_empty_repository_gets_everything_under_its_own_name(tmp_path: Path) -> None:
    init(empty(tmp_path), "kustomize", "--yes")
    assert set(files(tmp_path)) == KUSTOMIZE
    project = load(tmp_path)
    (app,) = project.document.spec.apps
    assert (app.name, [target.name for target in app.targets]) == ("shop", ["canary", "stable", "shared"])
    assert len(project.policies) == len(project.metrics) == 1


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    init(empty(tmp_path), "kustomize", "--yes")
    before = files(tmp_path)
    done = init(tmp_path, "kustomize", "--yes", "-o", "json")
    assert {file["fate"] for file in json.loads(done.stdout)["files"]} == {"same"} and files(tmp_path) == before


def test_what_was_chosen_before_is_the_default_of_the_next_run(tmp_path: Path) -> None:
    words = ("--promotion", "issue", "--prometheus", "http://prom:9", "--branch", "trunk", "--namespace", "shop")
    init(empty(tmp_path), "kustomize", "--yes", *words)
    before = files(tmp_path)
    init(tmp_path, "--yes")
    assert files(tmp_path) == before
    init(tmp_path, "kustomize", "--yes", "--force", "--ci", "none", "--promotion", "push")
    assert "by: push" in files(tmp_path)["trimtab.yaml"] and "http://prom:9" in files(tmp_path)["trimtab.yaml"]


@pytest.mark.parametrize("first", STRATEGIES)
def test_a_second_strategy_or_app_beside_the_first_is_refused_and_nothing_is_written(first: str, tmp_path: Path) -> None:
    init(empty(tmp_path), first, "--yes")
    before = files(tmp_path)
    for other in set(STRATEGIES) - {first}:
        done = init(tmp_path, other, "--yes", "--force", code=2)
        assert f"trimtab.yaml is about shop with the strategy {first}" in str(done.exception)
    done = init(tmp_path, first, "--app", "bank", "--yes", "--force", code=2)
    assert "trimtab.yaml is about shop, and `trimtab init` writes one app" in str(done.exception)
    assert files(tmp_path) == before


def test_a_file_that_differs_is_shown_and_stays(tmp_path: Path) -> None:
    (empty(tmp_path) / "trimtab.yaml").write_text("mine: 1\n")
    done = init(tmp_path, "kustomize", "--yes", code=2)
    assert "-mine: 1\n" in done.stderr and "+kind: Pipeline\n" in done.stderr and "kept      trimtab.yaml" in done.stdout
    assert (tmp_path / "trimtab.yaml").read_text() == "mine: 1\n" and set(files(tmp_path)) == KUSTOMIZE
    for words in ((), ("-o", "json")):
        (tmp_path / "trimtab.yaml").write_text("mine: 1\n")
        done = init(tmp_path, "kustomize", "--yes", "--force", *words)
        assert "-mine: 1\n" in done.stderr and "kind: Pipeline" in (tmp_path / "trimtab.yaml").read_text()


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = init(empty(tmp_path), "kustomize", "--yes", "--dry-run")
    assert "would be written   trimtab.yaml" in done.stdout and files(tmp_path) == {}


def test_without_a_terminal_nothing_is_guessed(tmp_path: Path) -> None:
    done = init(empty(tmp_path), "kustomize", code=2)
    assert "--yes" in str(done.exception) and files(tmp_path) == {}


def test_a_person_is_asked_and_may_keep_a_file(tmp_path: Path) -> None:
    (empty(tmp_path) / "trimtab.yaml").write_text("mine: 1\n")
    ours, theirs = pty.openpty()
    answers = ["kustomize", "web", "", "", "99999", "9090", "", "", "push", "", "n"]
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    command = [sys.executable, "-m", "trimtab", "init", "--repo", str(tmp_path)]
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=60, check=False)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 2, done.stderr
    assert all(f"\n  {strategy:10} " in done.stderr for strategy in STRATEGIES)
    assert "Replace trimtab.yaml?" in done.stderr and (tmp_path / "trimtab.yaml").read_text() == "mine: 1\n"
    deployment = yaml.safe_load((tmp_path / "k8s/base/deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert (deployment["metadata"]["name"], container["image"], container["ports"][0]["containerPort"]) == ("web", "web:1.0.0", 9090)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_person_is_asked_for_everything_of_each_strategy_and_for_nothing_that_it_has_no_use_for(strategy: str, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, b"\n" * 20)
    command = [sys.executable, "-m", "trimtab", "init", strategy, "--repo", str(empty(tmp_path))]
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=60, check=False)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    asked = re.findall(r"([A-Z][A-Za-z, ]+)(?: \([^)]*\))? \[[^]]*\]: ", done.stderr)
    judging = ["How judged content gets to everybody", "Prometheus, as a runner reaches it"]
    everything = ["App", "Namespace", "Image", "Port", "Protected branch", "Workflows for", *judging]
    assert asked == (everything[:-2] if strategy == "flagger" else everything)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_comes_next_are_the_lines_of_the_strategys_page(strategy: str, tmp_path: Path) -> None:
    done = init(empty(tmp_path), strategy, "--yes", "-o", "json")
    lines = [line for line in json.loads(done.stdout)["next"] if not line.startswith("#")]
    assert [f"trimtab init {strategy}", *lines] == shown(strategy, "Begin")


@pytest.mark.parametrize(("ci", "named"), [("github", "secrets KUBECONFIG"), ("gitlab", "KUBECONFIG (of type file)"), ("none", "")])
def test_what_has_to_be_set_is_said_by_the_names_that_workflows_read(ci: str, named: str, tmp_path: Path) -> None:
    done = init(empty(tmp_path), "kustomize", "--yes", "--ci", ci)
    told = " ".join(line for line in done.stdout.splitlines() if line.startswith("  #"))
    assert named in told and bool(told) is bool(named)
    texts = " ".join(files(tmp_path).values())
    assert {name for name in re.findall(r"[A-Z]+_?[A-Z_]{3,}", told) if name not in texts} == set()


def test_a_folder_in_no_repository_is_told_to_become_one(tmp_path: Path) -> None:
    done = init(tmp_path, "kustomize", "--yes", "--app", "shop")
    assert "\n  git init --initial-branch main\n" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("flagger", "--promotion", "push"), "trimtab operator --metrics-server"),
        (("flagger", "--prometheus", "http://prometheus:9090"), "trimtab operator --metrics-server"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = init(empty(tmp_path), "--yes", *words, code=2)
    assert said in str(done.exception) and files(tmp_path) == {}


def test_an_app_that_is_there_has_its_own_image_and_port(tmp_path: Path) -> None:
    before = files(founding("strategy-4", tmp_path))
    for words in (("--image", "shop:2"), ("--port", "80")):
        assert "is there already" in str(init(tmp_path, "kustomize", "--yes", *words, code=2).exception)
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("strategy", "kind", "namespace"), [("strategy-1", "argocd", "production"), ("strategy-4", "kustomize", "production")]
)
def test_the_founding_documents_overlays_are_recognised_and_kept(strategy: str, kind: str, namespace: str, tmp_path: Path) -> None:
    before = files(founding(strategy, tmp_path))
    init(tmp_path, kind, "--yes")
    after = files(tmp_path)
    assert before.items() <= after.items() and not [path for path in after if path not in before and path.startswith(("k8s/", "apps/"))]
    (app,) = load(tmp_path).document.spec.apps
    (expected,) = read_documents((FOUNDING / strategy / "trimtab.yaml").read_text())
    (theirs,) = expected.value.spec.apps  # type: ignore[union-attr]
    assert (app.name, app.namespace) == (theirs.name, namespace)
    assert [(target.name, target.path, target.from_) for target in app.targets] == [
        (target.name, target.path, target.from_) for target in theirs.targets
    ]


def test_of_several_apps_one_has_to_be_named(tmp_path: Path) -> None:
    for name in ("cart", "shop"):
        for target in ("canary", "stable"):
            folder = tmp_path / "apps" / name / "overlays" / target
            folder.mkdir(parents=True)
            (folder / "kustomization.yaml").write_text("namespace: production\n")
    done = init(empty(tmp_path), "kustomize", "--yes", code=2)
    assert "cart: apps/cart/overlays/canary" in str(done.exception)
    init(tmp_path, "kustomize", "--yes", "--app", "cart")
    assert load(tmp_path).app("cart").targets[0].path == "apps/cart/overlays/canary"


@pytest.mark.parametrize(
    "words",
    [
        ("--app", "Shop;ls"),
        ("--app", "on"),
        ("--namespace", "123"),
        ("--branch", "1.0"),
        ("--branch", "NO"),
        ("--namespace", "a b"),
        ("--image", "x'y"),
        ("--prometheus", "ftp://x"),
        ("--branch", "-x"),
    ],
)
def test_what_would_mean_something_else_in_a_workflow_is_refused(words: tuple[str, ...], tmp_path: Path) -> None:
    init(empty(tmp_path), "kustomize", "--yes", *words, code=2)
    assert files(tmp_path) == {}


def test_a_folder_with_a_hostile_name_is_refused(tmp_path: Path) -> None:
    for target in ("canary", "stable"):
        folder = tmp_path / "a$(ls)" / target
        folder.mkdir(parents=True)
        (folder / "kustomization.yaml").write_text("namespace: production\n")
        (folder / "app.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\n")
    before = files(empty(tmp_path))
    done = init(tmp_path, "kustomize", "--yes", code=2)
    assert "'a$(ls)/canary' safely" in str(done.exception) and files(tmp_path) == before


def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (empty(inside) / "trimtab").symlink_to(outside)
    done = init(inside, "kustomize", "--yes", code=2)
    assert "leads out of the repository" in str(done.exception) and files(outside) == {} == files(inside)


@pytest.mark.parametrize("strategy", ["kustomize", "helm", "flagger"])
def test_names_that_look_like_numbers_stay_text(strategy: str, tmp_path: Path) -> None:
    init(empty(tmp_path), strategy, "--yes", "--app", "e5", "--image", "12:30", "--branch", "release/1.0")
    (path,) = (path for path in files(tmp_path) if path.endswith(("base/deployment.yaml", "k8s/deployment.yaml", "e5/values.yaml")))
    assert 'image: "12:30"' in (tmp_path / path).read_text()
    assert load(tmp_path).document.spec.branch == "release/1.0"


def test_argocd_needs_a_remote(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    done = init(tmp_path, "argocd", "--yes", "--app", "shop", code=2)
    assert "git remote add origin" in str(done.exception) and files(tmp_path) == {}


def test_the_founding_documents_chart_is_recognised_and_kept(tmp_path: Path) -> None:
    before = files(founding("strategy-3", tmp_path))
    init(tmp_path, "--yes")
    after = files(tmp_path)
    assert before.items() <= after.items() and not [path for path in after if path not in before and path.startswith("helm-charts/")]
    (app,) = load(tmp_path).document.spec.apps
    (expected,) = read_documents((FOUNDING / "strategy-3" / "trimtab.yaml").read_text())
    (theirs,) = expected.value.spec.apps  # type: ignore[union-attr]
    assert (app.name, app.chart, app.namespace) == (theirs.name, theirs.chart, theirs.namespace)
    assert [(target.name, target.values, target.from_) for target in app.targets] == [
        (target.name, target.values, target.from_) for target in theirs.targets
    ]


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each strategy and way of promotion, with the workflows for both kinds of CI."""
    top = tmp_path_factory.mktemp("kinds")
    for strategy in STRATEGIES:
        for promotion in ("pull-request", "push", "issue") if strategy != "flagger" else ("",):
            folder = top / f"{strategy}-{promotion}"
            folder.mkdir()
            init(empty(folder), strategy, "--yes", "--ci", "both", "--promotion", promotion)
    return top


def test_a_chart_without_values_for_both_copies_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    chart = empty(tmp_path) / "charts" / "bank"
    chart.mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: bank\nversion: 0.1.0\n")
    (chart / "values-production.yaml").write_text("a: 1\n")
    before = files(tmp_path)
    for words in (("--yes",), ("helm", "--yes")):
        assert "charts/bank lacks values-canary.yaml" in str(init(tmp_path, *words, code=2).exception)
    assert files(tmp_path) == before
    (chart / "values-production.yaml").unlink()
    assert "charts/bank lacks values-canary.yaml and values-production.yaml" in str(init(tmp_path, "helm", "--yes", code=2).exception)
    init(tmp_path, "helm", "--app", "other", "--yes")
    assert "charts/other/Chart.yaml" in files(tmp_path)


@pytest.mark.parametrize(
    ("schema", "pattern", "more"),
    [
        ("vendor.github-workflows", "*/.github/workflows/*.yaml", []),
        ("vendor.gitlab-ci", "*/.gitlab-ci.yml", ["--data-transform", "gitlab-ci"]),
    ],
)
def test_workflows_fit_the_schema_of_their_ci(schema: str, pattern: str, more: list[str], every_kind: Path) -> None:
    found = [str(path) for path in every_kind.glob(pattern)]
    assert len(found) >= 3 * (len(STRATEGIES) - 1) + 1
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *more, *found]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


def test_every_action_is_pinned_by_its_commit_and_every_job_says_what_it_may(every_kind: Path) -> None:
    for path in every_kind.glob("*/.github/workflows/*.yaml"):
        workflow = yaml.safe_load(path.read_text())
        used = re.findall(r"- uses: (.*)", path.read_text())
        assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one) for one in used), path
        for job in workflow["jobs"].values():
            rights = job.get("permissions", workflow["permissions"])
            assert rights and "timeout-minutes" in job and not any(re.search(r"\$\{\{", step.get("run", "")) for step in job["steps"]), path
            assert rights == {"contents": "read"} or any(
                "trimtab promote" in s.get("run", "") or "rollback" in s.get("run", "") for s in job["steps"]
            )
        assert "concurrency" in workflow and "pull_request_target" not in path.read_text()


def test_pull_requests_get_no_secret_and_change_nothing(every_kind: Path) -> None:
    for path in every_kind.glob("*/.github/workflows/*.yaml"):
        if "pull_request" in yaml.load(path.read_text(), yaml.BaseLoader)["on"]:
            assert path.name == "check.yaml" and "secrets." not in path.read_text()
    for path in every_kind.glob("*/.gitlab-ci.yml"):
        for name, job in yaml.safe_load(path.read_text()).items():
            lines = " ".join(job.get("script", [])) if isinstance(job, dict) else ""
            if any("merge_request" in str(rule) for rule in (job.get("rules", []) if isinstance(job, dict) else [])):
                assert name == "check" and not re.search("apply|upgrade|promote|rollback|monitor", lines)


def test_every_template_is_part_of_the_package() -> None:
    about = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["trimtab"]
    package = TOP / "src" / "trimtab"
    packed = {path for pattern in about for path in package.glob(pattern)}
    assert {path for path in TEMPLATES.rglob("*") if path.is_file()} <= packed
