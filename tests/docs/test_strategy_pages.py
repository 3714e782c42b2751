"""The pages of docs/strategies are true; tests/pipeline/test_init_workflows.py runs the lines that they show."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.scaffolded import PAGES, shown
from trimtab.faces.cli.main import COMMANDS, cli
from trimtab.faces.scaffolds.layout import STRATEGIES

FOLLOWED = ("kustomize", "helm", "argocd")
"""Pages of which every line is typed in that test; of the operator's, tests/cluster/test_founding.py follows the rest."""


def text(page: str) -> str:
    return (PAGES / f"{page}.md").read_text()


def made(strategy: str, folder: Path) -> set[str]:
    """The files that it writes for an app called shop."""
    words = ["init", strategy, "--yes", "--app", "shop", "--promotion", "issue", "--ci", "both", "--repo", str(folder)]
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


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES.glob("*.md"):
        for name in re.findall(r"\]\(([\w./-]+)\)|`?(docs/[\w/-]+\.md)", page.read_text()):
            target = page.parent / name[0] if name[0] else PAGES.parents[1] / name[1]
            assert target.exists(), (page, name)
