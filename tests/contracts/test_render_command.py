"""`trimtab render`, and `trimtab diff` over what renders: targets, revisions, folders; as text, Markdown and JSON."""

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from contracts.test_pipeline_project import CONFIG, PIPELINE, POLICY, written
from pipeline.trees import commit, git
from trimtab.errors import InputError
from trimtab.faces.cli.content import diff_command, render_command

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\nstringData: {PIN: TEXT-secret}\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    files = {"trimtab.yaml": PIPELINE, "policies/web.yaml": POLICY}
    for target, level in (("canary", "debug"), ("stable", "info")):
        files[f"web/{target}/all.yaml"] = CONFIG.replace("TARGET", target).replace("info", level)
        files[f"web/{target}/secret.yaml"] = SECRET.replace("TEXT", target)
    folder = written(tmp_path / "shop", files)
    commit(folder, "a shop")
    return folder


def ran(command: object, folder: Path, *words: str, key: str = "") -> Result:
    environment = {"TRIMTAB_FINGERPRINT_KEY": key}
    done = CliRunner().invoke(command, [*words, "--repo", str(folder)], env=environment)  # type: ignore[arg-type]
    assert "-secret" not in done.output
    return done


def edited(shop: Path, old: str, new: str) -> None:
    path = shop / "web/canary/all.yaml"
    path.write_text(path.read_text().replace(old, new))


def test_render_prints_each_object_below_its_place_and_no_value_of_a_secret(shop: Path) -> None:
    done = ran(render_command, shop, "web/canary")
    assert done.exit_code == 0, done.exception
    assert done.stderr.splitlines() == [f"in {shop / 'trimtab.yaml'}", "web/canary: 3 objects by plain files"]
    assert "# web/canary/all.yaml:1\napiVersion: v1\n" in done.stdout
    assert [one["kind"] for one in yaml.safe_load_all(done.stdout)] == ["ConfigMap", "Pod", "Secret"]
    assert "PIN: (not shown)" in done.stdout
    assert re.search(r"PIN: \(fingerprint [0-9a-f]{8}\)", ran(render_command, shop, "web/canary", key="k").stdout)


def test_a_secret_of_a_version_that_nobody_knows_is_hidden_all_the_same(shop: Path) -> None:
    path = shop / "web/canary/secret.yaml"
    path.write_text(SECRET.replace("apiVersion: v1", "apiVersion: v9").replace("TEXT", "other"))
    assert "(not shown)" in ran(render_command, shop, "web/canary", "-o", "json").stdout
    assert "secret/token" in ran(diff_command, shop, "main").stdout
    path.write_text(path.read_text().replace("other", "another"))
    assert ran(diff_command, shop, "main", "-o", "json").exit_code == 0


def test_render_as_json_names_inputs_readers_and_where_keys_are(shop: Path) -> None:
    found = json.loads(ran(render_command, shop, "-o", "json").stdout)["targets"]
    assert [one["name"] for one in found] == ["web/canary", "web/stable"]
    assert found[0]["inputs"] == ["web/canary/all.yaml", "web/canary/secret.yaml"]
    assert found[0]["objects"][0]["keys"] == {"LOG": "web/canary/all.yaml:6"}
    assert found[0]["uses"][0]["object"] == "settings"


def test_two_targets_are_compared_under_their_logical_names(shop: Path) -> None:
    done = ran(diff_command, shop, "web/stable", "web/canary")
    assert done.stderr.splitlines()[0] == f"in {shop / 'trimtab.yaml'}"
    assert "  configmap/settings  web/canary/all.yaml:6\n    LOG: info -> debug\n" in done.stdout
    assert "  secret/token  web/canary/secret.yaml:4\n    PIN: changed\n" in done.stdout
    assert "  affects pod/web" in done.stdout
    assert "PIN: fingerprint " in ran(diff_command, shop, "web/stable", "web/canary", key="k").stdout


def test_a_target_at_a_revision_is_compared_with_the_work_tree(shop: Path) -> None:
    assert ran(diff_command, shop, "web/canary@HEAD").stdout == "nothing changed\n"
    edited(shop, "debug", "warn")
    assert "LOG: debug -> warn" in ran(diff_command, shop, "web/canary@HEAD").stdout
    assert "does not restart although configmap/settings-canary changed" not in ran(diff_command, shop, "web/canary@HEAD").stdout
    assert "pod/web: does not restart although configmap/settings changed" in ran(diff_command, shop, "main").stdout


def test_two_revisions_are_compared_target_by_target(shop: Path) -> None:
    edited(shop, "debug", "warn")
    commit(shop, "an edit")
    found = json.loads(ran(diff_command, shop, "HEAD~1", "HEAD", "-o", "json").stdout)
    assert [one["title"] for one in found["comparisons"]] == ["web/canary"]
    (change,) = found["comparisons"][0]["objects"][0]["changes"]
    assert (change["object"], change["key"], change["old"], change["new"]) == ("configmap/settings", "LOG", "debug", "warn")
    assert found["comparisons"][0]["affected"][0]["workload"] == "pod/web"


def test_where_the_base_has_no_trimtab_yaml_yet_everything_is_new(shop: Path) -> None:
    git(shop, "rm", "--quiet", "--cached", "trimtab.yaml")
    git(shop, "commit", "--quiet", "--message=before there was a pipeline")
    commit(shop, "a pipeline")
    found = json.loads(ran(diff_command, shop, "HEAD~1", "HEAD", "-o", "json").stdout)
    assert found["before"] == "HEAD~1, which has no trimtab.yaml"
    kinds = {change["kind"] for one in found["comparisons"] for each in one["objects"] for change in each["changes"]}
    assert len(found["comparisons"]) == 2 and kinds == {"added"}
    assert "which has no trimtab.yaml" in str(ran(diff_command, shop, "HEAD~1", "HEAD~1").exception)


def test_two_folders_are_compared_also_without_a_trimtab_yaml(shop: Path) -> None:
    (shop / "trimtab.yaml").unlink()
    done = ran(diff_command, shop, "web/stable", "web/canary")
    assert "LOG: info -> debug" in done.stdout
    assert "which has no trimtab.yaml above it" in done.stderr


def test_markdown_cannot_be_broken_out_of_and_fits_into_a_comment(shop: Path) -> None:
    evil = "```` </details> @all <!-- x [a](javascript:b)"
    keys = "".join(f'  K{number}: "{evil} {number} {"x" * 300}"\n' for number in range(400))
    edited(shop, "  LOG: debug\n", keys)
    text = ran(diff_command, shop, "main", "-o", "markdown").stdout
    assert 2_000 < len(text) <= 65_536
    fence = max(re.findall(r"^`{3,}", text, re.MULTILINE), key=len)
    inside = text.split(f"{fence}text\n")[1].split(f"\n{fence}\n")[0]
    outside = text.replace(inside, "")
    assert "javascript" in inside and "javascript" not in outside and "@all" not in outside
    assert "more changes" in text


def test_a_key_of_backticks_does_not_end_the_block_that_it_is_shown_in(shop: Path) -> None:
    edited(shop, "  LOG: debug\n", '  "````": x\n')
    text = ran(diff_command, shop, "main", "-o", "markdown").stdout
    assert '`````text\nLOG: removed (was debug)\n"````": added x\n`````\n' in text


def test_many_changed_objects_are_counted_where_they_do_not_fit(shop: Path) -> None:
    many = "---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{number}}}\ndata: {{a: '{'y' * 80}'}}\n" for number in range(2000)
    )
    written(shop, {"web/canary/more.yaml": many})
    text = ran(diff_command, shop, "main", "-o", "markdown").stdout
    assert len(text) <= 65_536
    assert re.search(r"\d+ more objects did not fit in here: `trimtab diff` shows all", text)


@pytest.mark.parametrize("word", ["--upload-pack=x", "web/canary@--upload-pack=x", "web@nowhere", "../outside", "nothing"])
def test_a_word_that_names_nothing_is_invalid_input(word: str, shop: Path) -> None:
    done = CliRunner().invoke(diff_command, ["--repo", str(shop), "--", word, "main"])
    assert isinstance(done.exception, InputError), done.output


def test_one_target_and_all_of_a_revision_are_not_compared(shop: Path) -> None:
    problem = ran(diff_command, shop, "web/canary", "main").exception
    assert "compare web/canary@main with it instead" in str(problem)
