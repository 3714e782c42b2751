"""`trimtab plan` and `trimtab backtest` on files and on a Prometheus: figures, reports, and what is said of bad input."""

import asyncio
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from contracts.fake_prometheus import FakePrometheus
from trimtab.adapters.clock import SystemClock
from trimtab.analysis.backtest.trialled import Thresholds
from trimtab.faces import plots
from trimtab.faces.cli.judging import backtest_command, plan_command
from trimtab.faces.cli.policies import Replayed, candidates
from trimtab.model.judging import Clumps, Role
from trimtab.testing.receiver import receiver

SHORT = ("--length", "5m", "--history", "30m", "--rollouts", "50", "--canary-pods", "2")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hours of four pods: 200 requests in a second, of which one in 200 fails and one in 50 is slow."""
    chance = np.random.default_rng(1)
    requests = chance.poisson(200 * 15 / 4, (480, 4))
    counters = {
        "requests": requests.cumsum(axis=0),
        "errors": chance.binomial(requests, 0.005).cumsum(axis=0),
        "slow": chance.binomial(requests, 0.02).cumsum(axis=0),
    }
    lines = ["time,pod,counter,le,value"]
    for row in range(480):
        for pod in range(4):
            at = f"{1767312004 + 15 * row},web-{pod}"
            total, slow = counters["requests"][row, pod], counters["slow"][row, pod]
            lines += [f"{at},requests,,{total}", f"{at},errors,,{counters['errors'][row, pod]}"]
            lines += [f"{at},duration,0.5,{total - slow}", f"{at},duration,+Inf,{total}"]
    file = tmp_path_factory.mktemp("recorded") / "counters.csv"
    file.write_text("\n".join(lines))
    return file


def plan(*words: object) -> Result:
    return CliRunner().invoke(plan_command, [str(word) for word in words])


def backtest(*words: object) -> Result:
    return CliRunner().invoke(backtest_command, [str(word) for word in words])


def said(result: Result) -> dict:  # type: ignore[type-arg]
    assert result.exit_code == 0, (result.output, result.exception)
    found: dict = json.loads(result.stdout)  # type: ignore[type-arg]
    return found


def test_a_plan_from_given_figures_tells_of_every_step() -> None:
    result = plan("--rps", 500, "--baseline", "0.1%", "--step", "5m")
    assert result.exit_code == 0
    assert "500 requests a second, of which 0.1 % fail" in result.output
    assert "10 % for 5 min is blind to anything below 2.1x" in result.output
    assert re.search(r"^1 % +5/s +21x +60 s", result.output, re.MULTILINE)
    assert "Proposed: --weights 2,10,50 (75 s, 2 min, 5 min), 8 min 15 s in all" in result.output
    assert "warning: the canary has one pod: a bad node looks like a bad configuration" in result.output


def test_a_plan_says_where_its_last_step_lasts_longer_than_its_evidence_needs() -> None:
    quick = plan("--rps", 500, "--baseline", "0.1%", "--weights", "50", "--canary-pods", 3)
    assert "All steps: 5 min, of which the last, with its bake time, 5 min." in quick.output
    assert "bake" not in plan("--rps", 500, "--baseline", "0.1%", "--step", "5m").output
    found = said(plan("--rps", 500, "--baseline", "0.1%", "-o", "json"))
    lasts = [step["lastsSeconds"] for step in found["steps"]]
    assert found["totalSeconds"] == sum(lasts[:-1]) + max(lasts[-1], found["bakeSeconds"])


def test_a_plan_for_too_little_traffic_says_so_and_what_it_would_take() -> None:
    result = plan("--rps", 0.8, "--baseline", "0.1%", "--weights", "1,50")
    assert "1 % for 30 min is blind to anything below 150x the usual errors; to refute 3x, as the next weight asks, takes" in result.output
    assert "Within the deadline of a step nothing is proved at 1 %, 50 %." in result.output
    assert "the quickest, --weights 1,5,10,25,50, needs 19 h 46 min for a step" in result.output
    assert "12,500/s" in plan("--rps", 50000, "--baseline", "0.1%").output


def test_a_plan_for_a_service_that_hardly_ever_fails_names_the_share_that_must_be_refuted() -> None:
    assert re.search(r"^1 % +5/s +0.4 % failing +", plan("--rps", 500, "--baseline", "0.001%").output, re.MULTILINE)


def test_a_plan_as_json_has_null_for_what_never_happens() -> None:
    found = said(plan("--rps", 0.001, "--baseline", "0.0001%", "--weights", 1, "--step", "1m", "-o", "json"))
    (step,) = found["steps"]
    assert step["blindBelow"] is None and step["fits"] is False and found["proposal"] is None
    assert step["weight"] == 1 and step["lastsSeconds"] == 60


def test_a_plan_measures_what_it_is_not_told(recording: Path) -> None:
    found = said(plan("--csv", recording, "-o", "json"))
    assert found["requestsPerSecond"] == pytest.approx(200, rel=0.02) and found["baseline"] == pytest.approx(0.005, rel=0.1)
    assert found["intervalSeconds"] == 15 and not any("history" in warning for warning in found["warnings"])
    told = said(plan("--csv", recording, "--rps", 20, "-o", "json"))
    assert told["requestsPerSecond"] == 20 and told["baseline"] == found["baseline"]


def test_a_plan_warns_where_users_stay_with_one_copy_and_where_there_is_no_history() -> None:
    found = said(plan("--rps", 500, "--baseline", "0.1%", "--sticky", "--canary-pods", 3, "-o", "json"))
    assert [("session affinity" in warning, "no history" in warning) for warning in found["warnings"]] == [(True, False), (False, True)]


def test_knobs_of_the_judge_can_be_turned() -> None:
    turned = ((), ("--set", "growth=3"), ("--set", "growth=300%"))
    usual, wide, same = (said(plan("--rps", 500, "--baseline", "0.1%", "-o", "json", *knobs)) for knobs in turned)
    assert usual["steps"][-1]["mustRefute"] == 2 and wide["steps"][-1]["mustRefute"] == same["steps"][-1]["mustRefute"] == 4


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "--rps and --baseline, or --csv, or --prometheus"),
        (("--rps", 5, "--baseline", "much"), "--baseline is 'much'; it must be like 0.1% or 0.001"),
        (("--rps", 5, "--baseline", "100%"), "--baseline is '100%'; it must be more than 0 % and less than 100 %"),
        (("--rps", 5, "--baseline", "0%"), "where nothing failed so far, take 3 divided by the requests that were counted"),
        (("--rps", 5, "--baseline", "1%", "--weights", "5,1"), "weights are '5,1'; they must rise"),
        (("--rps", 5, "--baseline", "1%", "--weights", "few"), "weights are 'few'; they must be percentages like 1,5,10,25,50"),
        (("--rps", 5, "--baseline", "1%", "--set", "gorwth=1"), "there is no knob 'gorwth'; there are: "),
        (("--rps", 5, "--baseline", "1%", "--set", "growth=wide"), "growth=wide: "),
        (("--rps", 5, "--baseline", "1%", "--set", "growth"), "--set: 'growth' must be KEY=VALUE"),
        (("--csv", "none.csv"), "none.csv: cannot be read: No such file or directory"),
        (("--prometheus", "http://localhost:1"), "--prometheus needs --target"),
        (("--csv", "a", "--prometheus", "b"), "--csv and --prometheus: name one of them"),
        (("--csv", "a", "--bad", "code"), "--bad code: it must be LABEL=PATTERN"),
        (("--csv", "a", "--bad", "code=("), "--bad: '(' is not a regular expression"),
    ],
)
def test_bad_input_of_a_plan_says_what_would_be_good(words: tuple[object, ...], problem: str) -> None:
    result = plan(*words)
    assert getattr(result.exception, "exit_code", None) == 2 and problem in str(result.exception)


def test_a_backtest_tells_false_rollbacks_what_is_caught_and_what_it_cannot_show(recording: Path) -> None:
    result = backtest("--csv", recording, *SHORT, "--regression", "20x")
    assert result.exit_code == 0, (result.output, result.exception)
    assert re.search(r"^trimtab +0 % +5\.8\d %", result.output, re.MULTILINE)
    assert re.search(r"^20x +trimtab +100 %", result.output, re.MULTILINE)
    assert "trimtab catches 20x in 80 of 100 rollouts or more\n" in result.output
    assert "warning: The canary has 2 pods" in result.output
    assert "What would have come after that was not recorded." in result.output


def test_everything_that_a_policy_catches_is_named_and_what_it_does_not(recording: Path) -> None:
    result = backtest(
        "--csv", recording, *SHORT, "--policy", "loose:limit=50%,failures=2", "--policy", "tight:limit=5%,failures=2",
        "--regression", "1.5x", "--regression", "90%", "--regression", "95%",
    )  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    for policy in ("loose", "tight"):
        assert f"{policy} catches 90%, 95% in 80 of 100 rollouts or more, but not 1.5x" in result.output


def test_a_backtest_in_which_most_rollouts_stay_undecided_says_that_they_were_followed_too_shortly(recording: Path) -> None:
    found = said(backtest("--csv", recording, "--length", "6m", "--history", "30m", "--rollouts", 50, "--policy", "trimtab", "-o", "json"))
    (placebo,) = (cell for cell in found["cells"] if cell["placebo"])
    assert placebo["undecided"] > 0.5
    (warning,) = (each for each in found["warnings"] if each.startswith("Nothing was decided"))
    assert f"in 6 min by trimtab (of 100 rollouts {100 * placebo['undecided']:.3g})" in warning
    assert "`trimtab plan --canary-pods 3` says how long" in warning


def test_a_backtest_of_several_policies_and_regressions_as_json(recording: Path) -> None:
    found = said(
        backtest(
            "--csv", recording, *SHORT, "-o", "json", "--slo", "500ms",
            "--policy", "quick:weights=10-50,bake=0s", "--policy", "clock:step=1m", "--policy", "loose:limit=50%,failures=2",
            "--regression", "latency:10x", "--regression", "30%@2m@pod", "--regression", "20x@step2",
        )
    )  # fmt: skip
    assert found["metrics"] == ["errors", "latency"] and found["base"][1] == pytest.approx(0.02, rel=0.1)
    cells = {(cell["policy"], cell["regression"]): cell for cell in found["cells"]}
    assert len(cells) == 12 and all(cell["rollouts"] == 50 for cell in cells.values())
    assert cells["quick", "latency:10x"]["rolledBack"] > 0.8
    assert cells["quick", "30%@2m@pod"]["untilRollback"] > 120 or cells["quick", "30%@2m@pod"]["untilPromotion"] <= 120
    assert cells["loose", "20x@step2"]["rolledBack"] == 0.0
    assert cells["clock", "none"]["placebo"] is True


def test_what_was_recorded_without_pods_is_split_at_random_and_bursts_are_looked_for_in_time(recording: Path, tmp_path: Path) -> None:
    sums: dict[tuple[str, str], int] = {}
    for line in recording.read_text().splitlines()[1:]:
        moment, _, counter, bound, value = line.split(",")
        if not bound:
            sums[moment, counter] = sums.get((moment, counter), 0) + int(value)
    file = tmp_path / "gateway.csv"
    file.write_text("\n".join(("time,counter,value", *(f"{moment},{counter},{value}" for (moment, counter), value in sums.items()))))
    found = said(backtest("--csv", file, "--length", "5m", "--history", "30m", "--rollouts", 50, "--regression", "20x", "-o", "json"))
    assert found["canaries"] == 0 and any("split at random" in warning for warning in found["warnings"])
    placebo, *_ = (cell["rolledBack"] for cell in found["cells"] if cell["policy"] == "trimtab")
    caught = next(cell["rolledBack"] for cell in found["cells"] if cell["policy"] == "trimtab" and cell["regression"] == "20x")
    assert placebo == 0 and caught > 0.9


def test_without_a_history_no_noise_is_assumed_and_that_is_said(recording: Path) -> None:
    found = said(backtest("--csv", recording, "--length", "5m", "--history", "0s", "--rollouts", 20, "--canary-pods", 2, "-o", "json"))
    assert found["noise"] == [[1, 1]] and any("The history before each window is 0 s;" in warning for warning in found["warnings"])


def test_a_recording_without_a_counter_of_errors_is_not_taken_for_one_without_errors(tmp_path: Path) -> None:
    file = tmp_path / "requests.csv"
    file.write_text("\n".join(("time,pod,counter,value", *(f"{1767312004 + 15 * row},a,requests,{750 * row}" for row in range(9)))))
    result = plan("--csv", file)
    assert getattr(result.exception, "exit_code", None) == 2
    assert "there is no counter errors; there are: requests. Name the right one, or say by which label" in str(result.exception)


def test_a_backtest_that_decides_nothing_or_adds_nothing_says_so(tmp_path: Path) -> None:
    file = tmp_path / "spotless.csv"
    rows = [f"{1767312004 + 15 * row},web-{pod},{counter},{value}" for row in range(300) for pod in range(4)
            for counter, value in (("requests", 750 * row), ("errors", 0))]  # fmt: skip
    file.write_text("\n".join(("time,pod,counter,value", *rows)))
    where = ("--csv", file, "--length", "5m", "--history", "30m", "--rollouts", 20, "--canary-pods", 2, "--policy", "trimtab", "-o", "json")
    told = " ".join(said(backtest(*where, "--regression", "5x", "--regression", "1%"))["warnings"])
    assert "Nothing was decided in 5 min by trimtab" in told and "5x adds next to nothing" in told and "1% adds" not in told


def test_a_bar_shows_progress_on_a_terminal_and_nowhere_else(recording: Path) -> None:
    words = (sys.executable, "-m", "trimtab", "backtest", "--csv", str(recording), *SHORT)
    quiet = subprocess.run(words, capture_output=True, check=True, timeout=60)
    assert quiet.stderr == b""
    ours, theirs = os.openpty()
    try:
        subprocess.run(words, stdout=subprocess.DEVNULL, stderr=theirs, check=True, timeout=60, env={**os.environ, "TERM": "xterm"})
        assert b"replaying" in os.read(ours, 1 << 16)
    finally:
        os.close(ours)
        os.close(theirs)


def test_the_same_seed_gives_the_same_backtest(recording: Path) -> None:
    one, other, third = (
        backtest("--csv", recording, *SHORT, "-o", "json", "--regression", "3x", "--seed", seed).stdout for seed in (5, 5, 6)
    )
    assert one == other != third


def test_the_page_of_a_backtest_holds_its_plots_and_loads_nothing(recording: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    result = backtest("--csv", recording, *SHORT, "--regression", "5x", "--policy", "a<b", "--html", file)
    assert result.exit_code == 0 and f"report: {file}" in result.stderr
    text = file.read_text()
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(pictures) == 2 and all(ElementTree.fromstring(picture) is not None for picture in pictures)
    assert "a&lt;b" in text and "a<b" not in text
    assert not re.findall(r'(?:src|href)="', text) and "What a backtest cannot show" in text


def test_readings_that_lie_years_apart_are_taken_for_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    times = (0, *(1_700_000_000 + 15 * row for row in range(100)))
    rows = [f"{at},a,{counter},{number}" for number, at in enumerate(times) for counter in ("requests", "errors")]
    file.write_text("\n".join(("time,pod,counter,value", *rows)))
    result = plan("--csv", file)
    assert getattr(result.exception, "exit_code", None) == 2 and "lie 19676 days apart, with one every 15 s" in str(result.exception)


def test_a_page_that_cannot_be_written_is_named(recording: Path, tmp_path: Path) -> None:
    result = backtest("--csv", recording, *SHORT, "--html", tmp_path / "none" / "report.html")
    assert getattr(result.exception, "exit_code", None) == 2 and "that can be written to" in str(result.exception)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--length", "5h"), "the recording is too short: 2 h in 479 complete scrapes were recorded"),
        (("--canary-pods", 4), "at most 4 pods of the primary were there at once; 4 of them cannot play the canary"),
        (("--regression", "x"), "--regression x: the size must be like 5x, more than 1x, or like 2% or +25%"),
        (("--regression", "0.5x"), "--regression 0.5x: the size must be like 5x"),
        (("--regression", "+25%"), "latency was not recorded; there are: errors. It is counted by an objective: add --slo, as --slo 500ms"),
        (("--regression", "errors:+25%"), "only a histogram can get slower, and errors is none"),
        (("--history", "0s", "--slo", "500ms"), "latency cannot be judged without a history"),
        (("--regression", "cpu:5x"), "cpu was not recorded; there are: errors"),
        (("--regression", "5x@step0"), "--regression 5x@step0: the step is '0'; it must be a number from 1 on"),
        (("--policy", "a", "--policy", "a"), "--policy: names must differ; there are: a, a"),
        (("--policy", "flagger:growth=1"), "a policy of thresholds has interval, failures and limit, not growth"),
        (("--policy", "a:wieghts=1"), "there is no knob 'wieghts'"),
        (("--policy", "a:growth=lots"), "growth=lots: a number, as 0.5 or 50%, is needed"),
        (("--policy", "a:growth=-1"), "growth=-1: it must be 0 or more"),
        (("--policy", "a:hold-odds=nan"), "hold-odds=nan: it must be 1 or more"),
        (("--policy", "a:least-scrapes=1.5"), "least-scrapes=1.5: a whole number is needed"),
        (("--policy", "a:clumps=x"), "clumps=x: it must be pods or time"),
        (("--requests", "hits"), "there is no counter hits; there are: duration, errors, requests. Name the right one"),
        (("--slo", "2s"), "no bucket of the histogram ends at 2 s or above; its bounds in seconds are: 0.5"),
    ],
)
def test_bad_input_of_a_backtest_says_what_would_be_good(recording: Path, words: tuple[object, ...], problem: str) -> None:
    result = backtest("--csv", recording, "--length", "5m", "--history", "30m", "--rollouts", "10", "--canary-pods", "2", *words)
    assert getattr(result.exception, "exit_code", None) == 2, (result.output, result.exception)
    assert problem in str(result.exception)


def test_a_backtest_needs_something_to_replay() -> None:
    result = backtest()
    assert getattr(result.exception, "exit_code", None) == 2 and "there is nothing to replay" in str(result.exception)


async def command(*words: object) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trimtab", *map(str, words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def test_both_commands_ask_a_prometheus_for_raw_counters_by_pod() -> None:
    server, chance = FakePrometheus(), np.random.default_rng(1)
    end = SystemClock().now().timestamp()
    for pod in range(4):
        labels = {
            "reporter": "destination",
            "destination_workload_namespace": "shop",
            "destination_workload": "web-primary",
            "pod": f"web-{pod}",
        }
        good, bad = np.cumsum(chance.poisson(750, 240)), np.cumsum(chance.poisson(4, 240))
        for row in range(240):
            for code, values in (("200", good), ("503", bad)):
                server.scraped(end - 15 * (240 - row), float(values[row]), "istio_requests_total", response_code=code, **labels)
    async with receiver() as there:
        there.answers["/api/v1/query"] = server.answer
        where = ("--prometheus", there.address, "--provider", "istio", "-n", "shop", "--target", "web", "--last", "1h", "-o", "json")
        code, out, err = await command("plan", *where)
        assert code == 0, err
        assert json.loads(out)["requestsPerSecond"] == pytest.approx(4 * 754 / 15, rel=0.03)
        assert json.loads(out)["baseline"] == pytest.approx(4 / 754, rel=0.1)
        more = ("--regression", "10x", "--weights", "10")
        code, out, err = await command("backtest", *where, "--length", "5m", "--history", "20m", "--rollouts", 40, *more)
        assert code == 0, err
        assert [cell["rolledBack"] for cell in json.loads(out)["cells"][:3]] == [0, 0, 1]
    assert {re.sub(r"\[\d+s\]", "", query) for query, _ in server.asked} == {
        'istio_requests_total{reporter="destination", destination_workload_namespace="shop", destination_workload=~"web|web-primary"}'
    }


async def test_a_gateway_says_nothing_of_pods_and_so_bursts_are_looked_for_in_time_and_that_is_said() -> None:
    server, end = FakePrometheus(), SystemClock().now().timestamp()
    for row in range(60):
        for status, each in (("200", 750), ("502", 3)):
            labels = {"namespace": "shop", "ingress": "web", "canary": "", "status": status, "instance": "10.0.0.1:10254"}
            server.scraped(end - 15 * (60 - row), float(each * row), "nginx_ingress_controller_requests", **labels)
    async with receiver() as there:
        there.answers["/api/v1/query"] = server.answer
        where = ("--prometheus", there.address, "--provider", "nginx", "-n", "shop", "--target", "web", "--last", "1h")
        code, out, err = await command("plan", *where, "--sticky", "-o", "json")
    assert code == 0, err
    found = json.loads(out)
    assert found["requestsPerSecond"] == pytest.approx(753 / 15) and found["baseline"] == pytest.approx(3 / 753, rel=0.01)
    assert any("pods cannot be told apart" in warning for warning in found["warnings"]) and found["noiseMeasured"] is True
    assert not any("set `clumps: time`" in warning for warning in found["warnings"])


async def test_a_prometheus_that_knows_nothing_of_the_workload_is_an_input_error_that_shows_the_question() -> None:
    server = FakePrometheus()
    async with receiver() as there:
        there.answers["/api/v1/query"] = server.answer
        code, _, err = await command("plan", "--prometheus", there.address, "--target", "web")
    assert code == 2 and "has nothing for http_request_duration_seconds_count of the last 24 h" in err
    assert 'namespace="default", pod=~"web-.+"' in err


async def test_an_address_where_no_prometheus_is_answers_and_is_named() -> None:
    async with receiver() as there:
        there.says("/api/v1/query", (404, "404 page not found"))
        code, _, err = await command("plan", "--prometheus", there.address, "--target", "web")
    assert code == 6 and f"{there.address}: error response" in err and "Is this the address of a Prometheus?" in err


async def test_a_prometheus_that_is_not_there_is_the_outside() -> None:
    code, _, err = await command("backtest", "--prometheus", "http://127.0.0.1:1", "--target", "web")
    assert code == 6 and "cannot connect to http://127.0.0.1:1" in err


def test_plots_are_pictures_with_words_for_those_who_cannot_see_them() -> None:
    lines = ElementTree.fromstring(plots.lines("Rolled back", [("a & b", [(0, 0), (600, 0.5)]), ("c", [])]))
    bars = ElementTree.fromstring(plots.bars("False", [("a", 0.01, 0.03)]))
    assert lines.get("role") == "img" and lines.get("aria-label") == "Rolled back" and bars.get("aria-label") == "False"
    assert "a & b" in [element.text for element in lines.iter()]
    assert [element.text for element in bars.iter() if element.text and "%" in element.text] == ["0 %", "2.5 %", "5 %"]


CANARY = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: NAME, annotations: {ANNOTATIONS}}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  service: {port: 80}
  analysis:
    interval: 30s
    threshold: 3
    stepWeights: [10, 50, 100]
    metrics: [{name: METRIC, thresholdRange: {min: 97}, interval: 1m}]
---
"""
POLICY = """\
apiVersion: trimtab.dev/v1alpha1
kind: RolloutPolicy
metadata: {name: NAME}
spec: {ramp: RAMP, judge: {growth: 50%, bake: 1m, metrics: [{name: failures}, {name: slow, kind: latency, slo: 500ms}]}}
---
"""


def canary(name: str, annotations: str = "", metric: str = "request-success-rate") -> str:
    return CANARY.replace("NAME", name).replace("ANNOTATIONS", annotations).replace("METRIC", metric)


def policy(name: str, ramp: str) -> str:
    return POLICY.replace("NAME", name).replace("RAMP", ramp)


def test_policies_from_files_are_those_of_the_canaries_and_of_policies_that_no_canary_names(tmp_path: Path) -> None:
    (tmp_path / "canaries.yaml").write_text(canary("plain") + canary("judged", "trimtab.dev/policy: clocked"))
    (tmp_path / "policies.yaml").write_text(policy("clocked", "clock") + policy("alone", "evidence"))
    recording = Replayed((0.05, 0.5), frozenset({"errors"}), by_pod=False)
    plain, judged, alone = candidates([str(tmp_path / "canaries.yaml"), str(tmp_path / "policies.yaml")], recording)
    assert (plain.name, plain.weights, plain.thresholds, plain.rules) == ("plain", (0.1, 0.5), Thresholds(30, 3, pytest.approx(0.03)), None)
    assert (judged.name, judged.weights, judged.step) == ("judged", (0.1, 0.5), 30)
    assert (alone.name, alone.weights, alone.step) == ("alone", (0.05, 0.5), None)
    for each in (judged, alone):
        assert each.rules is not None and (each.rules.growth, each.rules.bake.total_seconds()) == (0.5, 60)
        assert [(metric.name, metric.role) for metric in each.rules.metrics] == [("errors", Role.GATE), ("latency", Role.INFO)]
        assert each.rules.clumps is Clumps.TIME, "no pods are known in this recording"


def test_a_backtest_compares_files_with_words_and_says_what_it_leaves_out(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "both.yaml").write_text(canary("plain") + policy("careful", "evidence"))
    result = backtest("--csv", recording, *SHORT, "--regression", "20x", "--policy", "trimtab", "--policy", tmp_path / "both.yaml")
    assert result.exit_code == 0, (result.output, result.exception)
    assert re.findall(r"^20x +(\w+) +1?\d+ %", result.stdout, re.MULTILINE) == ["trimtab", "plain", "careful"]
    assert "careful: slow: not replayed; --slo records latency" in result.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "policy.yaml: it cannot be read: No such file or directory"),
        ("kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}", "hold neither a Canary nor a RolloutPolicy"),
        (policy("clocked", "clock"), "RolloutPolicy clocked: with ramp: clock a step lasts as long as the Canary's interval"),
        (POLICY[: POLICY.index("spec:")].replace("NAME", "bare") + "spec: {noData: hold}", "RolloutPolicy bare: has no spec.judge"),
        (
            canary("web", metric="request-duration"),
            "Canary web: a replay of thresholds goes by request-success-rate",
        ),
        (canary("web", "trimtab.dev/policy: other"), "names RolloutPolicy 'other', which does not exist"),
        (canary("web") + canary("web"), "names must differ; there are: web, web"),
        (policy("slow", "evidence").replace("{name: failures}, ", ""), "--policy slow: none of the metrics that gate was recorded"),
    ],
)
def test_files_that_are_no_policies_are_refused(recording: Path, tmp_path: Path, text: str | None, problem: str) -> None:
    if text is not None:
        (tmp_path / "policy.yaml").write_text(text)
    result = backtest("--csv", recording, *SHORT, "--policy", tmp_path / "policy.yaml")
    assert getattr(result.exception, "exit_code", None) == 2 and problem in str(result.exception)
