"""Thousands of rollouts at once end as each would have ended by itself."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from trimtab.analysis.backtest.lines import judged
from trimtab.analysis.backtest.placebo import Regression, draw
from trimtab.analysis.backtest.proportions import upper
from trimtab.analysis.backtest.recording import Recorded, Recording, Windows, windows
from trimtab.analysis.backtest.replay import replayed
from trimtab.analysis.backtest.reporting import report
from trimtab.analysis.backtest.runs import Plan, Run, run
from trimtab.analysis.backtest.thresholds import held_against_thresholds
from trimtab.analysis.backtest.trialled import Candidate, End, Ended, Thresholds
from trimtab.analysis.calibration import calibrate
from trimtab.analysis.evidence import begin, update
from trimtab.analysis.verdicts import decide
from trimtab.model.judging import JudgeRules, JudgeStep, Measured, MetricRule
from trimtab.model.ruling import Ruling
from trimtab.model.scrapes import Arm, PodBuckets, PodCounts, Scrape

EVERY = 15.0
FIRST = 100_000_000
RULES = JudgeRules((MetricRule("errors"),), bake=timedelta(0))
NOTHING = Regression("none")


def made(scrapes: int = 480, pods: int = 8, rps: float = 500, errors: float = 0.001, seed: int = 1) -> Recording:
    chance = np.random.default_rng(seed)
    total = chance.poisson(rps * EVERY / pods, (scrapes, 1, pods)).astype(float)
    bad = chance.binomial(total.astype(int), errors).astype(float)
    ends = (FIRST + np.arange(scrapes)) * EVERY
    names = tuple(f"p{place}" for place in range(pods))
    values = np.stack((total - bad, bad), axis=-1)[:, 0]
    return Recording((Recorded("errors", values),), EVERY, ends, names, np.ones((scrapes, pods), dtype=bool))


def changed(recording: Recording, values: np.ndarray) -> Recording:
    return replace(recording, metrics=(replace(recording.metrics[0], values=values),))


def tried(found: Windows, candidate: Candidate, regression: Regression = NOTHING, trials: int = 200, canaries: int = 3) -> Ended:
    drawn = draw(found, canaries, trials, np.random.default_rng(3))
    if candidate.rules is None:
        return held_against_thresholds(found, drawn, candidate, regression, np.random.default_rng(4))
    return replayed(found, judged(found, candidate.rules), drawn, candidate, regression, np.random.default_rng(4))


def scrapes(recording: Recording, row: int, canaries: set[int]) -> Iterator[Scrape]:
    """As the judge would have been fed them."""
    ended, length = datetime.fromtimestamp(recording.ends[row], UTC), timedelta(seconds=EVERY)
    arms = [(pod, Arm.CANARY if place in canaries else Arm.PRIMARY) for place, pod in enumerate(recording.pods)]
    for metric in recording.metrics:
        columns = [tuple(int(value) for value in metric.values[row, place]) for place in range(len(arms))]
        if metric.bounds:
            buckets = tuple(PodBuckets(*pod, found) for pod, found in zip(arms, columns, strict=True))
            yield Scrape(metric.name, ended, buckets=buckets, bounds=metric.bounds, length=length)
        else:
            counts = tuple(PodCounts(*pod, bad, good + bad) for pod, (good, bad) in zip(arms, columns, strict=True))
            yield Scrape(metric.name, ended, counts=counts, length=length)


def one_by_one(found: Windows, start: int, canaries: set[int], rules: JudgeRules) -> tuple[End, float]:
    """How a rollout in two steps of one weight ends by the judge's own functions, and after how many seconds."""
    recording, interval = found.recording, timedelta(seconds=EVERY)
    history = (each for row in range(start - found.history, start) for each in scrapes(recording, row, set()))
    calibration = calibrate(history, rules)
    began = datetime.fromtimestamp(recording.ends[start], UTC) - interval
    evidence, step = begin(began), JudgeStep(0, 0.375, 0.375, began)
    for row in range(found.scrapes):
        seen = list(scrapes(recording, start + row, canaries))
        evidence = update(evidence, seen, rules, calibration, step)
        now = seen[0].ended + interval
        ruling = decide(evidence, rules, calibration, step, now).ruling
        if ruling is Ruling.GO_ON and not step.last:
            step = JudgeStep(1, 0.375, 1.0, now)
        elif ruling in (Ruling.ROLLBACK, Ruling.GO_ON):
            return (End.ROLLED_BACK if ruling is Ruling.ROLLBACK else End.PROMOTED), (now - began).total_seconds()
    return End.UNDECIDED, found.scrapes * EVERY


@pytest.mark.parametrize(
    ("rps", "errors", "worse", "ends"),
    [
        (150, 0.001, 0.003, {End.ROLLED_BACK, End.PROMOTED, End.UNDECIDED}),
        (30000, 0.001, 0.0002, {End.PROMOTED}),  # within tolerance, and so surely worse that only the end of the grace lets it go on
        (1, 0.05, 0.3, {End.ROLLED_BACK, End.PROMOTED, End.UNDECIDED}),  # so little that pods are idle in many scrapes
    ],
)
def test_a_replayed_rollout_ends_as_the_judge_ends_it_by_itself(rps: float, errors: float, worse: float, ends: set[End]) -> None:
    rules = replace(RULES, grace=timedelta(minutes=4), least_scrapes=8)
    recording = made(rps=rps, errors=errors)
    values, chance = recording.metrics[0].values.copy(), np.random.default_rng(5)
    values[360:420, :3, 1] += chance.binomial(values[360:420, :3, 0].astype(int), worse)
    found = windows(changed(recording, values), 900, 1800)
    trials = replace(draw(found, 3, 12, np.random.default_rng(6)), share=np.full(12, 0.375))
    trials.order[trials.window == 4] = np.arange(8)
    ended = replayed(found, judged(found, rules), trials, Candidate("two", (0.375, 0.375), rules), NOTHING, np.random.default_rng(7))
    for number in range(12):
        start, canaries = found.starts[trials.window[number]], {int(place) for place in trials.order[number, :3]}
        end, at = one_by_one(found, start, canaries, rules)
        if ended.end[number] != End.UNDECIDED or end is not End.UNDECIDED:
            assert (ended.end[number], ended.at[number]) == (end, min(at, 900)), number
    assert set(ended.end) == ends
    assert np.any(np.isfinite(ended.doubted[ended.end == End.PROMOTED])) or rps < 1000


def test_a_pod_without_requests_is_a_pod_in_the_history_of_a_replay_as_in_that_of_a_rollout() -> None:
    found = windows(made(rps=0.5, errors=0.3), 900, 1800)
    known, first = judged(found, RULES).lines.known, found.starts[0]
    history = (each for row in range(first - found.history, first) for each in scrapes(found.recording, row, set()))
    learned = calibrate(history, RULES).of("errors")
    assert (known.single[0], known.lasting[0]) == (pytest.approx(learned.noise.single), pytest.approx(learned.noise.lasting))
    assert known.load[0] == pytest.approx(learned.load)


def timed(rps: float, seed: int = 2) -> Recording:
    """With how long requests took: most below 0.1 s, one in 50 above 0.5 s."""
    recording, chance = made(rps=rps), np.random.default_rng(seed)
    requests = recording.metrics[0].values.sum(axis=-1).astype(int)
    buckets = chance.multinomial(requests, (0.3, 0.4, 0.2, 0.08, 0.02)).astype(float)
    return replace(recording, metrics=(*recording.metrics, Recorded("latency", buckets, 4, (0.02, 0.05, 0.1, 0.5), 0.5)))


def test_a_replayed_rollout_ends_as_the_judge_ends_it_by_itself_with_histograms_too() -> None:
    rules = replace(RULES, metrics=(MetricRule("errors"), MetricRule("latency", Measured.LATENCY, slo=0.5)))
    recording = timed(150)
    errors, latency = recording.metrics
    values = latency.values.copy()
    moved = np.random.default_rng(5).binomial(values[360:420, :3, 2].astype(int), 0.3)
    values[360:420, :3, 2] -= moved
    values[360:420, :3, 4] += moved
    found = windows(replace(recording, metrics=(errors, replace(latency, values=values))), 900, 1800)
    trials = replace(draw(found, 3, 6, np.random.default_rng(6)), share=np.full(6, 0.375))
    trials.order[trials.window == 4] = np.arange(8)
    ended = replayed(found, judged(found, RULES), trials, Candidate("two", (0.375, 0.375), RULES), NOTHING, np.random.default_rng(7))
    for number in range(6):
        start, canaries = found.starts[trials.window[number]], {int(place) for place in trials.order[number, :3]}
        end, at = one_by_one(found, start, canaries, rules)
        if ended.end[number] != End.UNDECIDED or end is not End.UNDECIDED:
            assert (ended.end[number], ended.at[number]) == (end, min(at, 900)), number
    assert {End.ROLLED_BACK, End.PROMOTED} <= set(ended.end)


def test_a_slower_canary_is_rolled_back_and_a_little_slower_one_is_not() -> None:
    found, fixed = windows(timed(500), 600, 2400), Candidate("fixed", (0.1,), RULES)
    assert np.mean(tried(found, fixed, trials=100).end == End.ROLLED_BACK) <= 0.02
    slower, little = (tried(found, fixed, Regression("slower", "latency", slower=by), trials=100) for by in (0.5, 0.05))
    assert np.mean(slower.end == End.ROLLED_BACK) >= 0.95 and np.median(slower.at) <= 120
    assert np.mean(little.end == End.ROLLED_BACK) <= 0.02


def test_a_regression_is_rolled_back_and_an_equal_canary_is_not() -> None:
    found, ramp = windows(made(), 1200, 2400), Candidate("ramp", (0.01, 0.1, 0.5), RULES)
    assert np.mean(tried(found, ramp).end == End.ROLLED_BACK) <= 0.01
    assert np.mean(tried(found, ramp).end == End.PROMOTED) >= 0.95
    assert np.mean(tried(found, ramp, Regression("10x", ratio=10)).end == End.ROLLED_BACK) >= 0.98


def test_worse_regressions_are_found_earlier_and_hurt_no_longer_than_until_then() -> None:
    found, fixed = windows(made(), 600, 2400), Candidate("fixed", (0.1,), RULES)
    slow, fast = (tried(found, fixed, Regression(f"{ratio}x", ratio=ratio)) for ratio in (5.0, 50.0))
    assert np.median(fast.at) < np.median(slow.at)
    # Of 500 requests in a second five eighths go to pods of the primary, the canary keeps a ninth of that, and 49 in 1000 fail besides.
    assert np.mean(fast.hurt / fast.at) == pytest.approx(500 * 5 / 8 / 9 * 0.049, rel=0.1)


def test_nothing_is_decided_before_two_scrapes_are_closed_one_interval_late() -> None:
    ended = tried(windows(made(), 600, 2400), Candidate("fixed", (0.1,), RULES), Regression("all", share=1.0))
    assert set(ended.end) == {End.ROLLED_BACK} and set(ended.at) == {3 * EVERY}


def test_a_fault_that_needs_load_hurts_nobody_before_its_step() -> None:
    found, ramp = windows(made(), 1200, 2400), Candidate("ramp", (0.01, 0.1, 0.5), RULES)
    ended = tried(found, ramp, Regression("late", ratio=1000, from_step=2))
    assert np.min(ended.at[ended.end == End.ROLLED_BACK]) > 120
    assert np.all(tried(found, ramp, Regression("never", ratio=1000, after=1200)).hurt == 0)


def test_one_bad_pod_of_three_rolls_nothing_back_and_of_two_it_does() -> None:
    found, fixed = windows(made(), 600, 2400), Candidate("fixed", (0.1,), RULES)
    bad_node = Regression("20x@pod", ratio=20, one_pod=True)
    assert np.mean(tried(found, fixed, bad_node).end == End.ROLLED_BACK) <= 0.05
    assert np.mean(tried(found, fixed, bad_node, canaries=2).end == End.ROLLED_BACK) >= 0.95
    flagger = Candidate("flagger", (0.1,), thresholds=Thresholds(limit=0.5))
    third = tried(found, flagger, bad_node).hurt / tried(found, flagger, Regression("20x", ratio=20)).hurt
    assert np.mean(third) == pytest.approx(1 / 3, rel=0.2)


def test_on_a_clock_a_step_lasts_its_time_and_promotion_still_needs_evidence() -> None:
    found = windows(made(), 1200, 2400)
    clock = tried(found, Candidate("clock", (0.1, 0.5), RULES, step=300))
    assert np.min(clock.at[clock.end == End.PROMOTED]) >= 600
    thin = windows(made(rps=1), 1200, 2400)
    assert set(tried(thin, Candidate("clock", (0.1, 0.5), RULES, step=300)).end) == {End.UNDECIDED}


def test_the_last_step_of_a_ramp_lasts_as_long_as_it_is_to_bake() -> None:
    found = windows(made(rps=5000), 1200, 2400)
    quick = tried(found, Candidate("ramp", (0.1, 0.5), RULES))
    baked = tried(found, Candidate("ramp", (0.1, 0.5), replace(RULES, bake=timedelta(minutes=5))))
    assert np.median(quick.at) <= 180 and np.min(baked.at) >= 300


def test_a_noisy_history_makes_the_replay_patient() -> None:
    recording = made()
    values = recording.metrics[0].values.copy()
    values[:160, ::2, 1] *= 10
    quiet, noisy = windows(recording, 600, 2400), windows(changed(recording, values), 600, 2400)
    fixed, worse = Candidate("fixed", (0.1,), RULES), Regression("5x", ratio=5)
    assert np.median(tried(noisy, fixed, worse).at) > 2 * np.median(tried(quiet, fixed, worse).at)


def test_while_it_warms_up_only_a_far_worse_canary_is_rolled_back() -> None:
    warm = Candidate("warm", (0.1,), replace(RULES, warmup=timedelta(minutes=5)))
    found = windows(made(), 600, 2400)
    assert np.min(tried(found, warm, Regression("5x", ratio=5)).at) > 300
    assert np.max(tried(found, warm, Regression("500x", ratio=500)).at) < 300


def test_flagger_rolls_back_one_interval_after_the_last_check_that_may_fail() -> None:
    flagger = Candidate("flagger", (0.1,), thresholds=Thresholds(interval=60, failures=5))
    ended = tried(windows(made(), 600, 2400), flagger, Regression("all", share=1.0))
    assert set(ended.end) == {End.ROLLED_BACK} and set(ended.at) == {360} and set(ended.doubted) == {60}


def test_flagger_promotes_what_is_worse_but_below_its_threshold() -> None:
    flagger = Candidate("flagger", (0.1, 0.5), thresholds=Thresholds())
    ended = tried(windows(made(), 600, 2400), flagger, Regression("5x", ratio=5))
    assert set(ended.end) == {End.PROMOTED} and np.median(ended.at) == 120 and np.all(ended.hurt > 0)


def test_no_requests_are_a_failed_check() -> None:
    recording = made()
    silent = changed(recording, recording.metrics[0].values * (np.arange(480) < 160)[:, None, None])
    ended = tried(windows(silent, 600, 2400), Candidate("flagger", (0.1,), thresholds=Thresholds()))
    assert set(ended.end) == {End.ROLLED_BACK}


def test_several_metrics_are_weighed_together_and_each_must_be_cleared() -> None:
    one = made()
    both = replace(one, metrics=(*one.metrics, replace(made(errors=0.01, seed=9).metrics[0], name="slow")))
    rules = replace(RULES, metrics=(MetricRule("errors"), MetricRule("slow")))
    found, fixed = windows(both, 600, 2400), Candidate("fixed", (0.1,), rules)
    assert np.mean(tried(found, fixed, Regression("slow", "slow", ratio=5)).end == End.ROLLED_BACK) >= 0.95
    assert np.mean(tried(found, fixed, Regression("1.6x", "slow", ratio=1.6)).end == End.PROMOTED) <= 0.2


FLAGGER = Candidate("flagger", (0.1,), thresholds=Thresholds())
PLAN = Plan((Candidate("fixed", (0.1,), RULES), FLAGGER), (NOTHING, Regression("5x", ratio=5)), 60, 3, 1)


def runs(found: Windows, plan: Plan = PLAN) -> list[Run]:
    return list(run(found, plan))


def test_the_same_seed_gives_the_same_report_and_every_policy_meets_every_regression() -> None:
    found = windows(made(), 600, 2400)
    one, other = (report(found, PLAN, runs(found)) for _ in range(2))
    assert one == other
    assert [(cell.policy, cell.regression) for cell in one.cells] == [
        ("fixed", "none"), ("flagger", "none"), ("fixed", "5x"), ("flagger", "5x"),
    ]  # fmt: skip
    caught = one.cells[2]
    assert caught.rolled_back > 0.9 and caught.until_rollback is not None and caught.hurt_most >= caught.hurt > 0
    assert one.cells[3].rolled_back == 0 and one.cells[3].until_rollback is None


def test_limits_by_windows_are_wider_than_limits_by_rollouts() -> None:
    found = windows(made(), 600, 2400)
    cell = report(found, PLAN, runs(found)).cells[0]
    assert (cell.rollouts, cell.windows, cell.rolled_back) == (60, 8, 0)
    assert cell.rolled_back_most == pytest.approx(1 - 0.05 ** (1 / 60))
    assert cell.rolled_back_most_windows == pytest.approx(1 - 0.05 ** (1 / 8))


@pytest.mark.parametrize(
    ("plan", "recording", "words"),
    [
        (PLAN, made(), "Only 8 windows are independent. Without a single false rollback that shows no more than a rate below 31 %"),
        (replace(PLAN, canaries=1), made(), "The canary has one pod: a bad node looks like a bad configuration"),
        (
            PLAN,
            made(),
            "Requests of pods that play the canary beyond its weight are left out, so that only 69 % of the traffic was replayed",
        ),
        (replace(PLAN, canaries=1), made(pods=1), "split at random between canary and primary"),
        (PLAN, made(rps=5), "errors can hardly support fixed: at 10 % of the requests a canary as good as the primary fails only 0."),
    ],
)
def test_a_report_says_what_to_know_before_believing_it(plan: Plan, recording: Recording, words: str) -> None:
    found = windows(recording, 600, 2400)
    assert any(words in warning for warning in report(found, plan, runs(found, plan)).warnings), report(found, plan, []).warnings


def test_a_short_history_is_warned_about() -> None:
    found = windows(made(), 600, 600)
    assert any("The history before each window is 10 min" in warning for warning in report(found, PLAN, []).warnings)


def test_windows_in_which_policies_disagree_are_named() -> None:
    recording = made()
    values = recording.metrics[0].values.copy()
    values[200:240, :, 1] += 60  # an incident that every pod has
    found = windows(changed(recording, values), 600, 2400)
    (quarrel,) = report(found, PLAN, runs(found)).quarrels
    assert quarrel.began == recording.ends[200] - EVERY
    assert dict(quarrel.ends) == {"fixed": 0.0, "flagger": 1.0}


@pytest.mark.parametrize(("events", "trials"), [(0, 1), (0, 300), (1, 40), (7, 1000), (999, 1000), (5, 5)])
def test_limits_are_those_of_clopper_and_pearson(events: int, trials: int) -> None:
    expected = 1.0 if events == trials else stats.beta.ppf(0.95, events + 1, trials - events)
    assert upper(events, trials) == pytest.approx(expected, abs=1e-12)
