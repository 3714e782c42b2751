"""The pages of docs/strategies are true; tests/pipeline/test_init_workflows.py runs the lines that they show."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from pipeline.scaffolded import PAGES, shown
from trimtab.faces.cli.main import COMMANDS, cli
from trimtab.faces.scaffolds.layout import STRATEGIES

FOLLOWED = ("kustomize", "helm", "argocd")
"""Pages of which every line is typed in that test; of the operator's, tests/cluster/test_founding.py follows the rest."""


FOUNDING = {
    "argocd": (
        "Check canary health", "Check canary readiness", "Wait 10 minutes", "workflow_dispatch", "repository_dispatch",
        "cp configmap-patch.yaml", "create-pull-request", "Revert canary config", "slack-github-action",
    ),
    "flagger": (
        "kubectl apply -k github.com/fluxcd/flagger//kustomize/linkerd", "helm install prometheus", "Bump config version", "commit, push",
        "kubectl apply -f", "Wait for Flagger", "Monitor rollout", "slack-github-action", "kubectl get canary myapp -w",
    ),
    "helm": (
        "helm lint", "helm template --validate", "scripts/validate-config.py", "deploy-canary", "kubectl wait", "scripts/smoke-test.sh",
        "scripts/monitor-canary.py", "when: manual", "cp values-canary.yaml values-production.yaml", "helm upgrade", "helm uninstall",
        "helm rollback",
    ),
    "kustomize": (
        "Configure kubectl", "kustomize build", "scripts/validate-k8s.py", "Deploy to canary", "kubectl rollout status",
        "scripts/smoke-test.sh", "scripts/monitor-canary.py", "Create promotion issue", "promote-stable.yaml",
    ),
}  # fmt: skip
"""What the founding document's pipelines are made of: every script, and every step or command that does something."""


def replaced(page: str) -> list[list[str]]:
    """The rows of the page's table of what stands for the document's scripts."""
    (table,) = re.findall(r"^\| There \| Here \|\n\| --- \| --- \|\n((?:\|.*\n)+)", text(page), re.MULTILINE)
    return [line.strip("| \n").split(" | ") for line in table.splitlines()]


def text(page: str) -> str:
    return (PAGES / f"{page}.md").read_text()


def made(strategy: str, folder: Path) -> set[str]:
    """The files that it writes for an app called shop."""
    words = ["init", strategy, "--yes", "--app", "shop", "--ci", "both", "--repo", str(folder)]
    words += ["--promotion", "issue"] if strategy != "flagger" else []
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / ".git" / "config").write_text('[remote "origin"]\n\turl = https://github.com/acme/shop.git\n')
    for name in ("objects", "refs"):
        (folder / ".git" / name).mkdir()
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


@pytest.mark.parametrize("page", [*FOLLOWED, "flagger", "README"])
def test_every_trimtab_command_on_a_page_can_be_given(page: str) -> None:
    for line in re.findall(r"^    trimtab (.+)$", text(page), re.MULTILINE):
        name, *words = shlex.split(line.split(" | ")[0].replace("$DIGEST", "abc"))
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None and command.make_context(name, words), line
    assert set(re.findall(r"`trimtab ([a-z]+)", text(page))) <= set(COMMANDS)


@pytest.mark.parametrize("page", FOLLOWED)
def test_every_line_on_a_page_stands_where_it_is_run(page: str) -> None:
    lines = re.findall(r"^    (\S.*)$", text(page), re.MULTILINE)
    assert len(lines) >= 9 and lines == [*shown(page, "Begin"), *shown(page, "Look")]


@pytest.mark.parametrize("page", FOLLOWED)
def test_the_list_of_files_has_all_that_is_written(page: str, tmp_path: Path) -> None:
    (block,) = re.findall(r"^```\n(trimtab\.yaml .*?)^```", text(page), re.MULTILINE | re.DOTALL)
    listed = [line.split()[0].replace("APP", "shop") for line in block.splitlines()]
    files = made(page, tmp_path) - {".gitlab-ci.yml"}
    assert all(any(path == name or path.startswith(name) for path in files) for name in listed), listed
    assert not [path for path in files if not path.startswith(tuple(listed)) and not path.endswith("Chart.yaml")]


def test_the_overview_names_every_strategy_and_every_workflow(tmp_path: Path) -> None:
    overview = text("README")
    assert {name for name in STRATEGIES if f"[{name}.md]({name}.md)" in overview} == set(STRATEGIES)
    table = set(re.findall(r"^\| `([a-z]+\.yaml)` \|", overview, re.MULTILINE))
    assert table == {path.rpartition("/")[2] for path in made("kustomize", tmp_path) if path.startswith(".github")}


def test_the_overview_names_every_secret_and_variable_that_workflows_read(tmp_path: Path) -> None:
    made("kustomize", tmp_path)
    workflows = "".join(path.read_text() for path in tmp_path.glob(".github/workflows/*"))
    named = set(re.findall(r"`([A-Z_]{5,})`", text("README").split("## What you have to set")[1]))
    assert set(re.findall(r"(?:secrets|vars)\.(\w+)", workflows)) <= named
    assert named <= set(re.findall(r"[A-Z_]{5,}", workflows + (tmp_path / ".gitlab-ci.yml").read_text()))


@pytest.mark.parametrize("page", FOUNDING)
def test_everything_in_the_founding_documents_pipelines_has_a_row_that_says_what_stands_for_it(page: str) -> None:
    there = " ".join(row[0] for row in replaced(page)).replace("`", "")
    assert [name for name in FOUNDING[page] if name not in there] == []
    assert all(len(row) == 2 and row[1].strip() for row in replaced(page))


@pytest.mark.parametrize("page", FOUNDING)
def test_what_stands_for_the_documents_scripts_is_in_the_workflows(page: str, tmp_path: Path) -> None:
    made(page, tmp_path)
    run = "".join(path.read_text() for path in [*tmp_path.glob(".github/workflows/*"), tmp_path / ".gitlab-ci.yml"])
    here = " ".join(row[1] for row in replaced(page)).replace("APP", "shop")
    named = re.findall(r"`((?:trimtab|helm|kubectl) [^`]+)`", here)
    shown = [*shown_everywhere(page), *run.splitlines()]
    assert named and [words for words in named if not any(words in line for line in shown)] == []


def test_the_readmes_lines_for_pipelines_are_run_by_the_workflows_or_typed_from_the_page(tmp_path: Path) -> None:
    section = (PAGES.parents[1] / "README.md").read_text().split("\n## In pipelines\n")[1].split("\n## ")[0]
    lines = re.findall(r"^    \.venv/bin/(trimtab .+)$", section, re.MULTILINE)
    made("kustomize", tmp_path)
    run = [
        line.strip(" -").removeprefix("run: ") for path in tmp_path.glob(".github/workflows/*") for line in path.read_text().splitlines()
    ]
    assert (
        len(lines) >= 6
        and [line for line in lines if not any(one.startswith(line) for one in [*run, *shown_everywhere("kustomize")])] == []
    )


def shown_everywhere(page: str) -> list[str]:
    return re.findall(r"^    (\S.*)$", text(page), re.MULTILINE)


@pytest.mark.parametrize("table", [PAGES / "README.md", PAGES.parents[1] / "README.md"], ids=["overview", "readme"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_table_of_strategies_says_what_the_workflows_do(strategy: str, table: Path, tmp_path: Path) -> None:
    (row,) = re.findall(
        rf"^\|(.*\({'docs/strategies/' if table.parent != PAGES else ''}{strategy}\.md\).*)\|$", table.read_text(), re.MULTILINE
    )
    brings, judges = row.split(" | ")[1:3]
    made(strategy, tmp_path)
    for ci in (tmp_path.glob(".github/workflows/*"), [tmp_path / ".gitlab-ci.yml"]):
        lines = [line.strip(" -").removeprefix("run: ") for path in ci for line in path.read_text().splitlines()]
        assert all(any(line.startswith(words) for line in lines) for words in re.findall(r"`((?:kubectl|helm) [^`]+)`", brings))
        changing = [line for line in lines if re.match(r"(kubectl (apply|delete|patch)|helm (upgrade|install|uninstall)) ", line)]
        assert bool(changing) is ("in the pipeline" in brings), changing
        assert any(line.startswith("trimtab monitor ") for line in lines) is judges.startswith("the pipeline")
        assert any("trimtab watch shop --in cluster" in line for line in lines) is judges.startswith(("the operator", "`trimtab operator`"))
    if "Argo CD follows the branch" in brings:
        applications = list(yaml.safe_load_all((tmp_path / "argocd/applications.yaml").read_text()))
        assert {one["spec"]["source"]["targetRevision"] for one in applications} == {"main"}
        assert all(one["spec"]["syncPolicy"]["automated"] for one in applications)


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES.glob("*.md"):
        for name in re.findall(r"\]\(([\w./-]+)\)|`?(docs/[\w/-]+\.md)", page.read_text()):
            target = page.parent / name[0] if name[0] else PAGES.parents[1] / name[1]
            assert target.exists(), (page, name)
