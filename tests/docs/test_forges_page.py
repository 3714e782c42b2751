"""docs/forges.md names the tokens that are read, and the rights that the workflows of `trimtab init` and the tests' own bot have."""

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from pipeline.testbed.gitea import BOT, SCOPES
from trimtab.adapters.forges.place import TOKENS
from trimtab.faces.cli.main import cli

PAGE = (Path(__file__).parents[2] / "docs" / "forges.md").read_text()
(TABLE,) = re.findall(r"^\| Forge \| Variables \| Least rights \|\n.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
ROWS = {name: cells for name, *cells in (line.strip("| \n").split(" | ") for line in TABLE.splitlines())}
ROW = {"github": "GitHub", "gitlab": "GitLab", "gitea": "Gitea, Forgejo"}


def test_the_variables_are_those_that_are_read_in_this_order() -> None:
    assert {kind: tuple(re.findall(r"`([A-Z_]+)`", ROWS[row][0])) for kind, row in ROW.items()} == TOKENS


def test_a_gitea_bot_with_these_scopes_and_no_other_passes_every_test() -> None:
    assert sorted(re.findall(r"`([a-z]+:[a-z]+)`", ROWS[ROW["gitea"]][1])) == sorted(SCOPES[BOT])


@pytest.mark.parametrize(("promotion", "more"), [("pull-request", set()), ("issue", {"issues: write"})])
def test_the_workflows_ask_github_for_these_rights_and_no_other(promotion: str, more: set[str], tmp_path: Path) -> None:
    words = ["init", "kustomize", "--yes", "--app", "shop", "--ci", "github", "--promotion", promotion, "--repo", str(tmp_path)]
    assert CliRunner().invoke(cli, words).exit_code == 0
    asked = set()
    for path in tmp_path.glob(".github/workflows/*.yaml"):
        workflow = yaml.safe_load(path.read_text())
        for rights in [workflow["permissions"], *(job.get("permissions", {}) for job in workflow["jobs"].values())]:
            asked |= {f"{name}: {right}" for name, right in rights.items() if right != "read"}
    always, _, with_issues = ROWS[ROW["github"]][1].partition("with `by: issue` also")
    documented = {kind: set(re.findall(r"`([a-z-]+: write)`", text)) for kind, text in (("always", always), ("issue", with_issues))}
    assert documented["issue"] == {"issues: write"}
    assert asked == documented["always"] | more
