"""Increments per pod and scrape from cumulative counters and histograms (analysis.md 3.7)."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.analysis.completion import Wanted, scrapes
from trimtab.analysis.increments import Binned, Part, Series, binned, measured_interval
from trimtab.model.scrapes import Arm, Scrape

START = 1_700_000_010.0
EVERY = 15.0


def at(*scrapes: float) -> np.ndarray:
    """Moments of scrapes, 4 s after the end of a bin."""
    return START + 4 + EVERY * np.asarray(scrapes)


def counter(values: list[float], pod: str = "a", part: Part = Part.TOTAL, arm: Arm = Arm.PRIMARY, first: int = 0) -> Series:
    return Series(pod, pod, arm, part, at(*range(first, first + len(values))), np.asarray(values, dtype=float))


def histogram(rows: list[list[float]], bounds: tuple[float, ...], pod: str = "a", first: int = 0, arm: Arm = Arm.PRIMARY) -> Series:
    return Series(pod, pod, arm, Part.BUCKETS, at(*range(first, first + len(rows))), np.asarray(rows, dtype=float), bounds)


def made(*series: Series, since: float = np.inf) -> Binned:
    found = binned(series, EVERY, since)
    assert found is not None
    return found


def totals(found: Binned, pod: str = "a") -> list[float]:
    place = [name for _, name in found.pods].index(pod)
    return [float(value) for value in found.values[:, place, -1]]


def whole_scrapes(*series: Series, **wanted: object) -> list[Scrape]:
    return list(scrapes(made(*series), Wanted("errors", **wanted)))  # type: ignore[arg-type]


def test_the_first_reading_of_a_source_says_nothing() -> None:
    assert totals(made(counter([100, 110, 115]))) == [10, 5]


def test_what_a_service_counted_for_the_canary_before_is_not_blamed_on_this_one() -> None:
    counted = replace(counter([100, 110, 115, 118], arm=Arm.CANARY), lasting=True)
    began = START + 4 + 1.5 * EVERY
    assert totals(made(counted)) == [10, 5, 3]
    assert totals(made(counted, since=began)) == [3]
    assert totals(made(replace(counted, lasting=False), since=began)) == [10, 5, 3]


def test_after_a_fall_the_value_itself_is_the_increment() -> None:
    assert totals(made(counter([100, 110, 3, 5]))) == [10, 3, 2]


def test_a_fall_of_one_counter_is_a_restart_of_its_whole_source() -> None:
    bad = counter([5, 6, 7], part=Part.BAD)
    total = counter([100, 90, 95])
    assert made(bad, total).values[:, 0].tolist() == [[6, 90], [1, 5]]


def test_another_source_of_the_pod_goes_on_when_one_restarts() -> None:
    app, sidecar = counter([100, 40]), replace(counter([100, 110]), source="a/sidecar")
    assert totals(made(app, sidecar)) == [50]


def test_a_series_that_appears_in_a_known_source_stood_at_zero_before() -> None:
    good, first_errors = counter([100, 110, 120]), counter([2], part=Part.FAILED, first=2)
    assert made(good, first_errors).values[:, 0].tolist() == [[0, 10], [2, 12]]


def test_a_first_reading_counts_in_full_where_the_counter_says_that_it_began_in_the_window() -> None:
    series = replace(counter([7, 9]), created=np.full(2, START))
    assert totals(made(series, since=START - 1)) == [7, 2]
    assert totals(made(series, since=START + 1)) == [2]


def test_a_counter_that_says_it_began_anew_is_counted_anew_although_it_did_not_fall() -> None:
    series = replace(counter([5, 8]), created=np.asarray([START, START + 20]))
    assert totals(made(series)) == [8]


def test_what_a_missed_scrape_did_not_tell_is_in_the_next() -> None:
    series = replace(counter([100, 110, 140]), times=at(0, 1, 3))
    found = made(series)
    assert totals(found) == [10, 0, 30]
    assert found.seen[:, 0].tolist() == [True, False, True]


def test_pods_with_different_buckets_are_compared_between_the_bounds_that_they_share() -> None:
    one = histogram([[0, 0, 0], [1, 3, 6]], (0.1, 0.5), "a")
    other = histogram([[0, 0, 0, 0], [2, 4, 5, 9]], (0.1, 0.3, 1.0), "b")
    found = made(one, other)
    assert found.bounds == (0.1,)
    assert found.values[0].tolist() == [[1, 5], [2, 7]]


def test_a_pod_that_comes_back_with_other_buckets_began_at_zero() -> None:
    found = made(histogram([[4, 9], [5, 12]], (0.1,)), histogram([[6, 7, 20]], (0.1, 0.5), first=2))
    assert found.values[:, 0].tolist() == [[1, 2], [6, 14]]


def test_histograms_of_several_series_of_one_pod_add_up() -> None:
    ok, failed = histogram([[0, 0], [3, 5]], (0.1,)), histogram([[0, 0], [1, 4]], (0.1,))
    assert made(ok, failed).values[0, 0].tolist() == [4, 5]


def test_bad_is_never_more_than_total_though_an_answer_is_put_together_while_requests_end() -> None:
    found = made(counter([0, 3], part=Part.BAD), counter([0, 2]))
    assert found.values[0, 0].tolist() == [2, 2]


def test_nothing_can_be_said_of_one_reading() -> None:
    assert binned([counter([100])], EVERY) is None


def test_the_scrape_interval_is_measured_and_the_longest_counts() -> None:
    slow = replace(counter([1, 2, 3], "b"), times=START + 30.02 * np.arange(3))
    assert measured_interval([counter([1, 2, 3]), slow]) == 30
    assert measured_interval([counter([1, 2])]) is None


@dataclass(frozen=True)
class Life:
    """What happened to a pod: (requests, errors) in each interval, and after which scrapes it restarted."""

    events: list[tuple[int, int]]
    restarts: set[int]

    def series(self, pod: str) -> tuple[Series, Series]:
        total, bad, totals, bads = 1, 0, [], []
        for place, (requests, errors) in enumerate(self.events):
            total, bad = total + requests, bad + errors
            totals.append(total)
            bads.append(bad)
            if place in self.restarts:
                total, bad = 0, 0
        return counter(totals, pod), counter(bads, pod, Part.BAD)


event = st.integers(0, 50).flatmap(lambda requests: st.tuples(st.just(requests), st.integers(0, requests)))
lives = st.builds(Life, st.lists(event, min_size=2, max_size=12), st.sets(st.integers(0, 11), max_size=4))


@given(lives)
def test_increments_add_up_to_the_truth_where_a_restart_can_be_seen(life: Life) -> None:
    series = life.series("a")
    fell = [any(each.values[place + 1] < each.values[place] for each in series) for place in life.restarts if place + 1 < len(life.events)]
    if not all(fell):
        return
    requests, errors = (sum(found) for found in zip(*life.events[1:], strict=True))
    assert made(*series).values.sum(axis=(0, 1)).tolist() == [errors, requests]


@given(st.lists(lives, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_the_order_of_readings_and_of_series_does_not_matter(pods: list[Life], chance: object) -> None:
    series = [each for place, life in enumerate(pods) for each in life.series(f"pod-{place}")]
    mixed = []
    for each in series:
        order = list(range(len(each.times)))
        chance.shuffle(order)  # type: ignore[attr-defined]
        mixed.append(replace(each, times=each.times[order], values=each.values[order]))
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    one, other = made(*series), made(*mixed)
    assert one.pods == other.pods and one.first == other.first
    assert np.array_equal(one.values, other.values) and np.array_equal(one.seen, other.seen)


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=10), st.lists(st.floats(0, 1e9), min_size=2, max_size=10))
def test_nothing_is_negative_whatever_is_read(total: list[float], bad: list[float]) -> None:
    found = made(counter(total), counter(bad, part=Part.BAD))
    assert np.all(found.values >= 0)
    assert np.all(found.values[..., 0] <= found.values[..., 1])


def both(canary: list[int], primary: list[int], upto: int = 8) -> tuple[Series, Series]:
    """Ten requests in each interval, one of them failed, and the scrapes at which each arm was seen."""
    every = 10.0 * np.arange(upto)
    return tuple(  # type: ignore[return-value]
        Series(pod, pod, arm, Part.TOTAL, at(*seen), every[seen])
        for pod, arm, seen in (("c", Arm.CANARY, canary), ("p", Arm.PRIMARY, primary))
    )


def test_what_one_arm_missed_is_merged_into_the_next_complete_scrape() -> None:
    found = whole_scrapes(*both([0, 1, 3, 4], [0, 1, 2, 3, 4]))
    assert [(each.missed, [pod.total for pod in each.counts]) for each in found] == [(0, [10, 10]), (1, [20, 20]), (0, [10, 10])]


def test_scrapes_begin_with_the_first_in_which_both_arms_are_known() -> None:
    found = whole_scrapes(*both([4, 5, 6], [0, 1, 2, 3, 4, 5, 6]))
    assert [(each.missed, [pod.total for pod in each.counts]) for each in found] == [(0, [10, 10]), (0, [10, 10])]


def test_a_gap_is_not_merged_where_the_pods_after_it_are_new() -> None:
    old, primary = both([0, 1], [0, 1, 2, 3, 4, 5])
    new = Series("d", "d", Arm.CANARY, Part.TOTAL, at(4, 5), np.asarray([0.0, 10.0]))
    found = whole_scrapes(old, primary, new)
    assert [(each.missed, [pod.total for pod in each.counts]) for each in found] == [(0, [10, 10]), (0, [10, 10])]


def test_a_bin_is_closed_one_interval_late() -> None:
    series = both([0, 1, 2], [0, 1, 2])
    ends = [each.ended.timestamp() for each in whole_scrapes(*series)]
    assert len(ends) == 2 and all(end % EVERY == 0 for end in ends)
    assert len(whole_scrapes(*series, now=ends[-1] + EVERY - 0.1)) == 1
    assert len(whole_scrapes(*series, now=ends[-1] + EVERY)) == 2


@given(st.integers(0, 7), st.sets(st.integers(1, 6)), st.sets(st.integers(1, 6)))
def test_asking_in_pieces_gives_the_same_scrapes_as_asking_once(cut: int, canary_missed: set[int], primary_missed: set[int]) -> None:
    series = both([n for n in range(8) if n not in canary_missed], [n for n in range(8) if n not in primary_missed])
    once = whole_scrapes(*series)
    early = whole_scrapes(*series, now=START + EVERY * cut)
    later = whole_scrapes(*series, after=early[-1].ended.timestamp() if early else -np.inf)
    assert early + later == once


@pytest.mark.parametrize(("missing", "complete"), [(1, True), (2, False)])
def test_a_scrape_is_complete_when_three_quarters_of_each_arms_pods_were_seen(missing: int, complete: bool) -> None:
    pods = [counter([0, 10, 20, 30], f"p{place}") for place in range(4)]
    late = [replace(each, times=each.times[[0, 1, 3]], values=each.values[[0, 1, 3]]) for each in pods[:missing]]
    canary = counter([0, 10, 20, 30], "c", arm=Arm.CANARY)
    found = whole_scrapes(canary, *late, *pods[missing:])
    assert len(found) == (3 if complete else 2)
    assert sum(pod.total for each in found for pod in each.counts) == 150


def test_a_pod_that_is_gone_is_not_waited_for() -> None:
    pods = [counter([0, 10, 20, 30, 40, 50], "p0"), counter([0, 10], "p1")]
    found = whole_scrapes(counter([0, 10, 20, 30, 40, 50], "c", arm=Arm.CANARY), *pods)
    assert [each.missed for each in found] == [0, 2, 0]


def test_the_history_of_the_primary_needs_no_canary() -> None:
    found = whole_scrapes(counter([0, 10, 20]), arms=(Arm.PRIMARY,))
    assert [[pod.total for pod in each.counts] for each in found] == [[10], [10]]


def test_histograms_become_scrapes_with_their_bounds() -> None:
    primary = histogram([[0, 0], [3, 5]], (0.1,))
    canary = histogram([[0, 0], [1, 4]], (0.1,), "c", arm=Arm.CANARY)
    (found,) = whole_scrapes(primary, canary)
    assert found.bounds == (0.1,) and [(pod.pod, pod.counts) for pod in found.buckets] == [("c", (1, 3)), ("a", (3, 2))]
