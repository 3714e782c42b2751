"""What the judge counted as text and back, for stores: base64 of zlib of JSON, a list in place of each map. Called by adapters.

It holds counts and the names of pods, and no values of anything.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from trimtab.documents.records import pressed, unpressed
from trimtab.errors import InputError
from trimtab.model.counted import Counted
from trimtab.model.judging import JudgeStep
from trimtab.model.scrapes import Arm, PodBuckets, PodCounts, Scrape

Pod = tuple[str, bool, tuple[int, ...]]
"""Its name, is it of the canary, its counts."""
Row = tuple[str, datetime, float, int, tuple[float, ...], tuple[Pod, ...], tuple[Pod, ...]]
"""Metric, end, seconds, missed, bounds, counts, buckets."""
Look = tuple[datetime, tuple[int, float, float, datetime], tuple[Row, ...]]


def packed(counted: Sequence[Counted]) -> str:
    """As text."""
    plain = [
        (each.began, (each.step.number, each.step.weight, each.step.next_weight, each.step.began), [row(one) for one in each.scrapes])
        for each in counted
    ]
    return pressed(msgspec.json.encode(plain))


def unpacked(text: str, what: str) -> tuple[Counted, ...]:
    """What `packed` wrote. `what` names it in the InputError that an unreadable one raises."""
    try:
        found = msgspec.convert(json.loads(unpressed(text)), tuple[Look, ...])
    except (ValueError, msgspec.ValidationError) as error:
        raise InputError(f"{what} cannot be read: {error}. Another version of Trimtab wrote it, or something else changed it") from error
    return tuple(Counted(began, JudgeStep(*step), tuple(scrape(one) for one in rows)) for began, step, rows in found)


def row(found: Scrape) -> Row:
    """One scrape as lists."""
    counts = tuple((pod.pod, pod.arm is Arm.CANARY, (pod.bad, pod.total)) for pod in found.counts)
    buckets = tuple((pod.pod, pod.arm is Arm.CANARY, pod.counts) for pod in found.buckets)
    return found.metric, found.ended, found.length.total_seconds(), found.missed, found.bounds, counts, buckets


def scrape(found: Row) -> Scrape:
    """The scrape that `row` took apart."""
    metric, ended, seconds, missed, bounds, counts, buckets = found
    return Scrape(
        metric,
        ended,
        tuple(PodCounts(pod, arm(canary), numbers[0], numbers[1]) for pod, canary, numbers in counts),
        tuple(PodBuckets(pod, arm(canary), numbers) for pod, canary, numbers in buckets),
        bounds,
        timedelta(seconds=seconds),
        missed,
    )


def arm(canary: bool) -> Arm:
    """Which copy."""
    return Arm.CANARY if canary else Arm.PRIMARY
