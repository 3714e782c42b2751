"""docs/judge.md is true: pictures are drawn by the rule, figures are the benchmark's, documents decode, knobs have these defaults."""

import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from trimtab.analysis.counts import to_refute
from trimtab.analysis.evidence import begin, update
from trimtab.analysis.explain import sentence
from trimtab.analysis.turning import grown, tipped
from trimtab.analysis.verdicts import decide
from trimtab.documents.decode import read_documents
from trimtab.documents.judging import Judge, judge_rules
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.faces.cli.main import cli
from trimtab.model.evidence import Calibration
from trimtab.model.judging import JudgeRules, JudgeStep, Measured, MetricRule
from trimtab.model.watching import WatchRules
from unit.analysis.judging import BEGAN, SCRAPE, counted

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "judge.md").read_text(encoding="utf-8")
LIMITS = (TOP / "docs" / "judge-limits.md").read_text(encoding="utf-8")
REPORT = (TOP / "benchmarks" / "judge" / "report.md").read_text(encoding="utf-8")
CALM = "calm: a pod restarts once a day, is not ready twice a day for 45 s"
KNOBS = re.findall(r"^\| (`.+?) \| ([^|]*) \|", LIMITS.split("## Knobs")[1].split("```yaml")[0], re.MULTILINE)


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(TOP / "tools" / "write_pictures.py"))


def test_the_pictures_are_what_the_rule_draws_and_all_are_shown(tool: dict[str, Any]) -> None:
    drawn = tool["pictures"]()
    shown = re.findall(r"\]\(judge/(.*?)\)", PAGE)
    assert sorted(shown) == sorted(drawn) == sorted(path.name for path in (TOP / "docs" / "judge").iterdir())
    for name, picture in drawn.items():
        assert (TOP / "docs" / "judge" / name).read_text(encoding="utf-8") == picture + "\n", f"{name}: run make docs"


def test_equal_canaries_fall_to_p_values_and_thresholds_are_blind_as_it_says(tool: dict[str, Any]) -> None:
    chance = tool["np"].random.default_rng(7)
    equal = tool["scrapes"](1.0, 240, 400, chance)
    share = tool["by_p_value"](equal)[:, -1].mean()
    assert f"rolls back {round(100 * share)} % of equal canaries within an hour" in " ".join(PAGE.split())
    assert tool["by_judge"](equal)[:, -1].mean() <= 0.01
    worse = tool["scrapes"](3.0, 240, 400, chance)
    assert (tool["by_threshold"](worse)[:, -1].mean(), tool["by_judge"](worse)[:, -1].mean()) == (0.0, 1.0)


def test_the_policies_decode_and_mean_what_the_page_says() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE + LIMITS, re.MULTILINE | re.DOTALL)
    found = []
    for block in blocks:
        (decoded,) = read_documents(block, "judge.md")
        assert isinstance(decoded.value, RolloutPolicy) and decoded.value.spec.judge is not None
        found.append(judge_rules(decoded.value.spec.judge, decoded.value.spec.ramp, by_service=False))
    assert [metric.kind for metric in found[1].metrics] == [Measured.ERRORS, Measured.LATENCY, Measured.OBJECTIVE]
    assert (found[0].growth, found[1].growth, found[1].metrics[2].limit) == (1.0, 0.5, 0.02)


def test_every_knob_exists_and_has_the_default_that_the_table_names() -> None:
    judge, evidence = Judge(), judge_rules(Judge(), "evidence", by_service=False)
    written = {name: default for names, default in KNOBS for name in [names.split("`")[1]] if names.startswith("`")}
    assert written.pop("tolerance.relative") == "25 %, 0.02 points, 9 %"
    assert (judge.tolerance.relative, judge.tolerance.absolute, judge.tolerance.latency) == ("25%", "0.02%", "9%")
    assert written.pop("growth").replace(" ", "") == judge.growth
    assert float(written.pop("odds.rollback")) == judge.odds.rollback
    assert written.pop("bake") == "5m with `ramp: evidence`" and evidence.bake.total_seconds() == 300
    assert written.pop("warmup") == judge.warmup
    assert written.pop("step.deadline") == f"{judge.step.deadline}, {judge.deadline}"
    assert written.pop("metrics[].role") == judge.metrics[0].role
    assert float(written.pop("metrics[].weight")) == judge.metrics[0].weight
    assert not written
    rules = JudgeRules()
    for number in (rules.rollback_odds, rules.hold_odds, rules.tolerance_odds, rules.cap):
        assert f"{number:g}:1" in PAGE
    assert f"only {['', 'ten'][rules.constants.guard_ratio == 10]} times the primary's errors roll back" in LIMITS


def test_the_verdict_that_it_shows_is_what_the_judge_says_of_such_counts() -> None:
    (shown,) = re.findall(r"^```\n(why .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    rules, step = JudgeRules(metrics=(MetricRule("errors"),)), JudgeStep(1, 0.1, 0.25, BEGAN)
    counts = [counted(place, [(bad, 750)], [(7, 6750)]) for place, bad in enumerate((4, 4, 5))]
    evidence = update(begin(BEGAN), counts, rules, Calibration(), step)
    found = decide(evidence, rules, Calibration(), step, BEGAN + 3 * SCRAPE)
    told = " ".join((sentence(found, rules), *(part for row in grown(evidence, rules) for part in row)))
    words = " ".join(shown.split())
    assert words.startswith(f"why {sentence(found, rules)} odds ") and tipped(found, rules)[1] in words
    assert all(part in words for row in grown(evidence, rules) for part in row), told


def test_the_tolerated_shares_that_it_names_are_those_of_the_defaults() -> None:
    rules = JudgeRules()
    said = " ".join(PAGE.split())
    for base in (0.001, 0.01, 0.0001):
        tolerated = base * max(1 + rules.tolerance_relative, 1 + rules.tolerance_absolute / base)
        assert f"{100 * base:g} % may become {100 * tolerated:g} %" in said
    half, more = (float(to_refute(np.asarray(tolerated), 1.0, rules)) for tolerated in (1.5, 1.6))
    assert "Beyond 50 % a doubling may be promoted" in said and half == pytest.approx(2.0) and more > 2.0


def test_the_plan_that_it_shows_is_what_the_command_says() -> None:
    (shown,) = re.findall(r"^    (trimtab plan --rps .*)$", PAGE, re.MULTILINE)
    result = CliRunner().invoke(cli, shlex.split(shown)[1:])
    assert result.exit_code == 0
    (table,) = re.findall(r"^```\n(STEP.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert table in result.output


def cell(section: str, row: str, column: int) -> str:
    """Of a table of the report; the first column is 0."""
    part = REPORT.split(f"\n## {section}")[1].split("\n## ")[0]
    (line,) = (line for line in part.splitlines() if line.startswith(f"| {row} |"))
    return line.strip("| ").split(" | ")[column]


def first(text: str) -> str:
    """Its first percentage without digits that say nothing, as the page writes it."""
    (share, *_) = re.findall(r"([\d.]+) ?%", text)
    return f"{float(share):.2g} %" if float(share) < 99.5 else f"{float(share):.0f} %"


def test_what_was_measured_is_what_the_report_says() -> None:
    quiet, sticky = "quiet history: pod noise, ", "clumps in one arm over its pods (sticky), geometric 10, clumps: "
    said = " ".join(LIMITS.split("## What it cannot do")[1].split())
    one, five = (first(cell("R1", f"{quiet}{pods}", 4)) for pods in ("one pod", "five pods"))
    assert f"up to {one} of equal canaries" in said and f"with five pods at most {five}" in said
    assert f"up to {first(cell('R1', f'{sticky}pods', 4))} of equal canaries" in said
    none, runs = cell("R1", f"{sticky}time", 3).split(" = ")[0], int(cell("R1", f"{sticky}time", 2))
    assert f"{none} of {runs:,}".replace(",", " ") in said
    late = [re.findall(r"([\d.]+)% on", cell("R3 A doubling", f"clean, {rps} rps", column))[0] for column in (1, 2) for rps in (500, 5000)]
    without, baked = ([f"{float(share):.0f} %" for share in pair] for pair in (late[:2], late[2:]))
    assert f"in {without[0]} of rollouts at 500 requests/s and {without[1]} at 5 000;" in said
    assert f"{baked[0]} and {baked[1]} with five minutes of `bake`" in said
    slow, quick = (first(cell("R3 Promotion", f"geometric 10, {rps} rps", 1)) for rps in (500, 5000))
    assert f"{slow} of healthy canaries" in said and f"{quick} at 5 000" in said
    thin = [first(cell("R7", "10%, 0.10%", column)) for column in (2, 3, 4)]
    assert f"5x in {thin[0]}, 20x in {thin[1]}, 100x in {thin[2]}" in said


def test_what_is_said_of_the_watch_after_promotion_is_its_rule_and_what_was_measured() -> None:
    said = " ".join(" ".join(text.split("## After promotion")[1].split("\n## ")[0] for text in (PAGE, LIMITS)).split())
    rules = WatchRules()
    words = {2: "two", 3: "three", 4: "four"}
    assert f"For {rules.lasts.total_seconds() / 60:.0f} minutes" in said
    assert f"{words[rules.restarts]} restarts" in said and f"in {words[rules.looks]} looks in a row" in said
    assert rules.restarts_of_pods == 0.1 and "a tenth of the pods" in said and f"fewer than {rules.ready:.0%}".replace("%", " %") in said
    short, calm = ([float(cell("W1", row, column).split(" %")[0]) for column in (1, 2, 3)] for row in ("incident x20 for 2 min", CALM))
    assert f"for two minutes {max(short):g} % of promotions" in said and f"on a calm service at most {max(calm):g} %" in said
    assert {cell("W1", "incident x20 for 5 min", column).split(" %")[0] for column in (1, 2, 3)} == {"100.00"}
    rows = ("all pods crash", "half of the pods are not ready", "2 % of the requests fail")
    found = [int(cell("W2", row, column).removesuffix(" s").split(", ")[1]) // 60 for row in rows for column in (1, 2, 3)]
    assert f"in {words[min(found)]} to {words[max(found)]} minutes" in said
