"""Scrapes and histories for tests of the judge."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from trimtab.model.evidence import Calibration, MetricCalibration, Noise
from trimtab.model.scrapes import Arm, PodBuckets, PodCounts, Scrape

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SCRAPE = timedelta(seconds=15)


def history(load: float, single: float = 1, lasting: float = 1, bad: int = 400, total: int = 400_000) -> Calibration:
    """Of one metric, `errors`."""
    return Calibration((MetricCalibration("errors", Noise(single, lasting, bad, total), load),))


def counted(
    number: int, canary: Sequence[tuple[int, int]], primary: Sequence[tuple[int, int]], metric: str = "errors", missed: int = 0
) -> Scrape:
    """The scrape with this number (from 0): bad and total of each pod."""
    arms = ((Arm.CANARY, canary), (Arm.PRIMARY, primary))
    pods = tuple(PodCounts(f"{arm}-{place}", arm, *pod) for arm, pods in arms for place, pod in enumerate(pods))
    return Scrape(metric, BEGAN + SCRAPE * (number + 1), pods, missed=missed)


def bucketed(
    number: int, canary: Sequence[Sequence[int]], primary: Sequence[Sequence[int]], bounds: tuple[float, ...], metric: str = "latency"
) -> Scrape:
    """The same for a histogram."""
    arms = ((Arm.CANARY, canary), (Arm.PRIMARY, primary))
    pods = tuple(PodBuckets(f"{arm}-{place}", arm, tuple(pod)) for arm, pods in arms for place, pod in enumerate(pods))
    return Scrape(metric, BEGAN + SCRAPE * (number + 1), buckets=pods, bounds=bounds)
