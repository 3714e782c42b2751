"""What one endpoint answers in OpenMetrics or in Prometheus' text format, read directly. Called by `wiring`, where no server scrapes pods.

Only OpenMetrics says since when a counter counts (`_created`), so only there the first reading of a new pod says something.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

import aiohttp
import numpy as np
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from prometheus_client.samples import Sample

from trimtab.adapters.metrics.prometheus import Server, start_of, unanswered
from trimtab.analysis.recipes import BOUND, Found
from trimtab.errors import Denied, Unavailable

ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
MOST_READ = 16 << 20
KINDS = ("counter", "histogram")
CREATED = "_created"

PARSERS: dict[bool, Callable[[str], Iterable[Metric]]] = {True: openmetrics, False: plain}

Labels = tuple[tuple[str, str], ...]


async def scrape(session: aiohttp.ClientSession, server: Server, at: float, labels: Mapping[str, str]) -> list[Found]:
    """Its counters and the buckets of its histograms at this moment, with `labels` (pod, arm) added. OutsideError without an answer."""
    try:
        async with session.get(
            server.address, headers=[*server.headers, ("Accept", ACCEPT)], ssl=not server.skip_tls_verify,
            timeout=aiohttp.ClientTimeout(total=server.deadline),
        ) as answer:  # fmt: skip
            body = await start_of(answer, MOST_READ)
            if answer.status in (401, 403):
                raise Denied(f"{server} refuses with {answer.status}; it was asked with {server.asked_with}")
            if answer.status != 200 or len(body) > MOST_READ:
                problem = f"answered {answer.status}" if answer.status != 200 else f"has more than {MOST_READ} bytes of metrics"
                raise Unavailable(f"scraping {server}: it {problem}")
            speaks = answer.content_type == "application/openmetrics-text"
    except (TimeoutError, aiohttp.ClientError, ValueError, OSError) as error:
        raise unanswered(server, error) from None
    try:
        return list(read(body.decode(), speaks, at, labels))
    except ValueError as error:
        raise Unavailable(
            f"scraping {server}: its answer is neither OpenMetrics nor Prometheus' text: {server.clean(str(error))}"
        ) from None


def read(text: str, speaks_openmetrics: bool, at: float, labels: Mapping[str, str]) -> Iterator[Found]:
    """Counters and buckets in an answer, each with one reading. ValueError where it cannot be read."""
    for family in PARSERS[speaks_openmetrics](text):
        if family.type not in KINDS:
            continue
        created = {key(sample): sample.value for sample in family.samples if sample.name.endswith(CREATED)} if speaks_openmetrics else {}
        for sample in family.samples:
            if not sample.name.endswith(CREATED) and np.isfinite(sample.value):
                began = created.get(key(sample))
                yield Found(
                    {"__name__": sample.name, **sample.labels, **labels},
                    np.asarray([at]),
                    np.asarray([float(sample.value)]),
                    None if began is None else np.asarray([began]),
                )


def key(sample: Sample) -> Labels:
    """What a histogram's buckets have in common."""
    return tuple(sorted((name, value) for name, value in sample.labels.items() if name != BOUND))


class Readings:
    """The answers of the last `seconds`, scrape after scrape."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: dict[Labels, list[Found]] = defaultdict(list)

    def add(self, found: Iterable[Found]) -> None:
        """One more answer."""
        for each in found:
            kept = self._kept[tuple(sorted(each.labels.items()))]
            kept.append(each)
            while kept[0].times[-1] < each.times[-1] - self._seconds:
                del kept[0]

    def series(self) -> list[Found]:
        """All of them, as a server would have kept them."""
        return [together(parts) for parts in self._kept.values()]


def together(parts: list[Found]) -> Found:
    """Readings of one series."""
    began = [np.full(len(part.times), np.nan) if part.created is None else part.created for part in parts]
    return Found(
        parts[0].labels,
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate(began),
    )
