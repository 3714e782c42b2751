"""docs/backtest.md is true: its commands run, its options, columns, knobs and files are as it says."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from aiohttp.test_utils import unused_port
from click.testing import CliRunner

from trimtab.adapters.metrics.recorded import read
from trimtab.faces import backtests
from trimtab.faces.cli.judging import backtest_command, plan_command
from trimtab.faces.cli.main import cli

PAGE = (Path(__file__).parents[2] / "docs" / "backtest.md").read_text()
SHOWN = re.findall(r"^    (trimtab (?:.*\\\n)*.*)$", PAGE, re.MULTILINE)
COMMANDS = [shlex.split(shown.replace("\\\n", " "))[1:] for shown in SHOWN]
ON_FILES = [words for words in COMMANDS if "--prometheus" not in words]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With counters.csv, in the form of the page's example: 100 minutes of six pods."""
    chance = np.random.default_rng(1)
    requests = chance.poisson(500, (400, 6))
    errors, slow = (chance.binomial(requests, share).cumsum(axis=0) for share in (0.002, 0.02))
    total = requests.cumsum(axis=0)
    lines = ["time,pod,counter,le,value"]
    for row in range(400):
        for pod in range(6):
            at = f"{1767312004 + 15 * row},web-{pod}"
            lines += [f"{at},requests,,{total[row, pod]}", f"{at},errors,,{errors[row, pod]}"]
            lines += [f"{at},duration,0.5,{total[row, pod] - slow[row, pod]}", f"{at},duration,+Inf,{total[row, pod]}"]
    found = tmp_path_factory.mktemp("page")
    (found / "counters.csv").write_text("\n".join(lines))
    return found


def test_the_page_shows_commands_of_both_kinds() -> None:
    assert len(ON_FILES) >= 4 and len(COMMANDS) - len(ON_FILES) >= 2
    assert {words[0] for words in COMMANDS} == {"plan", "backtest"}


@pytest.mark.parametrize("words", ON_FILES, ids=" ".join)
def test_every_command_on_files_runs(folder: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    more = ["--rollouts", "50"] if words[0] == "backtest" else []
    result = CliRunner().invoke(cli, [*words, *more])
    assert result.exit_code == 0, (result.output, result.exception)
    if "--html" in words:
        assert "<svg" in (folder / words[words.index("--html") + 1]).read_text()


@pytest.mark.parametrize("words", [words for words in COMMANDS if "--prometheus" in words], ids=" ".join)
def test_every_command_on_a_prometheus_asks_it(words: list[str]) -> None:
    nobody = f"http://127.0.0.1:{unused_port()}"
    result = CliRunner().invoke(cli, [word.replace("http://localhost:9090", nobody) for word in words])
    assert f"cannot connect to {nobody}" in str(result.exception)


def test_the_example_of_a_recording_is_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```csv\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    file = tmp_path / "example.csv"
    file.write_text(example)
    assert {each.labels["__name__"] for each in read([file])} == {"requests", "errors", "duration"}


def test_every_option_that_the_page_names_exists() -> None:
    known = {option for command in (plan_command, backtest_command) for parameter in command.params for option in parameter.opts}
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", PAGE))
    assert named <= known, named - known


def test_every_column_that_the_page_explains_is_shown() -> None:
    explained = PAGE.split("## How to read it")[1].split("## Recordings")[0]
    columns = re.findall(r"^\| ([A-Z][A-Z ,()0-9]+) \|", explained, re.MULTILINE)
    source = Path(backtests.__file__).read_text()
    names = [name for column in columns for name in ([column] if "(" in column else column.split(", "))]
    assert len(names) >= 7 and all(f'"{name}' in source or f'{name}"' in source for name in names), names
