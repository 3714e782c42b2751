"""In the pipeline of a pull request from a fork `diff` goes by the base's trimtab.yaml, nothing is fetched, and nothing is written."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contracts.test_check_change import strangers
from contracts.test_render_command import edited, shop
from pipeline.trees import commit, git
from trimtab.errors import InputError
from trimtab.faces.cli.main import cli

__all__ = ["shop"]

DOCUMENT = "trimtab.yaml"
EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The id of a tree without files."""


@pytest.fixture
def fork(shop: Path, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A change of the canary's content on a branch, and what tells that it comes from another repository."""
    git(shop, "checkout", "--quiet", "-b", "theirs")
    edited(shop, "debug", "trace")
    return shop, {**strangers(shop, tmp_path), "GITHUB_STEP_SUMMARY": ""}


def ran(place: tuple[Path, dict[str, str]], *words: str) -> Result:
    return CliRunner().invoke(cli, [*words, "--repo", str(place[0])], env=place[1])


def hidden(folder: Path) -> None:
    path = folder / DOCUMENT
    path.write_text(path.read_text().replace("path: web/canary", "path: web/stable"))


def test_a_change_is_shown_although_its_own_trimtab_yaml_takes_it_out_of_sight(fork: tuple[Path, dict[str, str]]) -> None:
    hidden(fork[0])
    commit(fork[0], "nothing to see here")
    done = ran(fork, "diff", "main", "HEAD")
    assert "LOG: debug -> trace" in done.stdout, done.exception
    assert "by the trimtab.yaml of main, for this comes from another repository" in done.stderr
    own = CliRunner().invoke(cli, ["diff", "main", "HEAD", "--repo", str(fork[0])])
    assert "debug -> trace" not in own.stdout and "another repository" not in own.stderr


def test_it_is_shown_too_where_the_change_has_no_trimtab_yaml_any_more(fork: tuple[Path, dict[str, str]]) -> None:
    (fork[0] / DOCUMENT).unlink()
    commit(fork[0], "no pipeline, no checks")
    assert "LOG: debug -> trace" in ran(fork, "diff", "main", "HEAD").stdout


def test_the_work_tree_is_rendered_by_the_base_too(fork: tuple[Path, dict[str, str]]) -> None:
    hidden(fork[0])
    assert "LOG: debug -> trace" in ran(fork, "diff", "main").stdout
    assert "LOG: debug -> trace" in ran(fork, "diff", "web/canary@main").stdout


def test_what_the_base_does_not_have_is_not_taken_from_the_change(fork: tuple[Path, dict[str, str]]) -> None:
    for words in (("web/stable", "web/canary"), ("web/canary", "web/canary@main")):
        done = ran(fork, "diff", *words)
        assert isinstance(done.exception, InputError) and "Name a commit of the base" in str(done.exception), words
    git(fork[0], "branch", "before", git(fork[0], "commit-tree", "-m", "nothing yet", EMPTY))
    done = ran(fork, "diff", "before", "HEAD")
    assert isinstance(done.exception, InputError) and "Name a commit of the base" in str(done.exception)


def test_nothing_is_fetched_for_them(fork: tuple[Path, dict[str, str]]) -> None:
    for words in (("diff", "main", "HEAD", "--network"), ("render", "--network")):
        done = ran(fork, *words)
        assert isinstance(done.exception, InputError) and "--network" in str(done.exception)
    assert json.loads(ran(fork, "render", "-o", "json").stdout)["targets"]


@pytest.mark.parametrize("words", [("promote",), ("rollback",), ("monitor",)])
def test_nothing_is_promoted_rolled_back_or_judged_for_them(words: tuple[str, ...], fork: tuple[Path, dict[str, str]]) -> None:
    done = ran(fork, *words)
    assert isinstance(done.exception, InputError) and "pipeline of a pull request" in str(done.exception)


def test_nothing_that_is_held_is_let_go_in_the_pipeline_of_a_pull_request(
    fork: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fork[0])
    done = CliRunner().invoke(cli, ["retry", "web/canary", "--in", "repo"], env=fork[1])
    assert isinstance(done.exception, InputError) and "pipeline of a pull request" in str(done.exception)
