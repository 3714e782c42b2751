"""The page about watching a canary shows documents that are valid together, and says what the command really says."""

import re
from pathlib import Path

from contracts.git_places import commit, git
from trimtab.documents.monitoring import Reach, compared, limits
from trimtab.faces.cli.main import COMMANDS
from trimtab.faces.cli.monitoring import CODES
from trimtab.wiring.pipeline import load

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "pipelines.md").read_text()


def test_the_documents_on_the_page_belong_together_and_can_be_watched(tmp_path: Path) -> None:
    pipeline, policy, metric = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "the page", {"trimtab.yaml": pipeline, "policies/shop.yaml": policy, "policies/queue.yaml": metric})
    project = load(tmp_path)
    app, target = project.app("shop"), project.target("shop", "canary")
    assert app.monitor is not None and app.monitor.prometheus is not None and target.policy is not None
    reach, rules = Reach(app.monitor.prometheus), project.policies[target.policy]
    found = compared(limits(rules, project.metrics, "production", reach), rules, reach, "")
    assert [metric.name for metric in found.metrics] == ["queue-length"] and found.judge is not None
    assert all((smoke.url is None) != (smoke.command is None) for smoke in app.monitor.smoke)


def test_every_way_to_end_is_in_the_table_with_its_code() -> None:
    table = PAGE.split("## How it ends")[1]
    listed = {
        (word, int(code))
        for code, words in re.findall(r"^\| (\d+) \| (.*?) \|", table, re.MULTILINE)
        for word in re.findall(r"`([a-z-]+)`", words)
    }
    assert listed == set(CODES.items())


def test_every_command_on_the_page_exists() -> None:
    assert {line.split()[1] for line in re.findall(r"^    (trimtab .*)$", PAGE, re.MULTILINE)} <= set(COMMANDS)
