"""Counters of one workload for `trimtab plan` and `trimtab backtest`: from CSV files or from a Prometheus. Called by the faces."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.metrics.prometheus import Server, with_credentials
from trimtab.adapters.metrics.prometheus_samples import first, samples
from trimtab.adapters.metrics.recorded import read
from trimtab.adapters.outgoing import outgoing_session
from trimtab.adapters.proxies import proxy_for
from trimtab.analysis.backtest.recording import Recording, recorded
from trimtab.analysis.increments import Binned, Part, Series, binned, measured_interval
from trimtab.analysis.recipes import Found, Recipe, Whose, counters, histograms
from trimtab.errors import InputError, Unavailable
from trimtab.model.scrapes import Arm
from trimtab.model.spans import spoken

ERRORS, LATENCY = "errors", "latency"
DEADLINE = 60.0
"""Seconds for a page of samples."""

MOST_SCRAPES = 2_000_000
"""More is a wrong time in some line."""

Tell = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to read. Either `files` or `prometheus`."""

    recipe: Recipe
    whose: Whose
    files: tuple[Path, ...] = ()
    prometheus: str = ""
    token: str = ""
    last: timedelta = timedelta(hours=24)
    """How far back a Prometheus is asked."""
    objective: float | None = None
    """Seconds; then latency is a second metric."""


async def recording(asked: Asked, tell: Tell | None = None) -> Recording:
    """The primary's requests in complete scrapes; `tell` hears which part of them is there. InputError where there are none."""
    found = await everything(asked, tell)
    failures = as_primary(counters(found, asked.recipe, asked.whose))
    if all(each.part is Part.BAD for each in failures):
        raise InputError(nothing(asked, found, asked.recipe.requests))
    if asked.files and asked.recipe.errors and all(each.part is not Part.BAD for each in failures):
        raise InputError(nothing(asked, found, asked.recipe.errors) + ", or say by which label a request failed (--bad)")
    metrics = {ERRORS: differenced(failures, asked)}
    if asked.objective is not None:
        durations = as_primary(histograms(found, asked.recipe, asked.whose))
        if not durations:
            raise InputError(nothing(asked, found, asked.recipe.names(latency=True)[0], latency=True))
        metrics[LATENCY] = differenced(durations, asked)
    return recorded(metrics, asked.objective)


async def everything(asked: Asked, tell: Tell | None) -> list[Found]:
    """All series that may matter."""
    if asked.files:
        return read(asked.files)
    names = [*asked.recipe.names(latency=False), *(asked.recipe.names(latency=True) if asked.objective is not None else ())]
    server = Server(asked.prometheus, deadline=DEADLINE)
    if asked.token:
        server = with_credentials(server, {"token": asked.token.encode()}, "TRIMTAB_PROMETHEUS_TOKEN")
    end = SystemClock().now()
    found: list[Found] = []
    async with outgoing_session(proxy=proxy_for(asked.prometheus, os.environ)) as session:
        for done, name in enumerate(names):
            told = None if tell is None else scaled(tell, done, len(names))
            ask = partial(samples, session, server, span=(end - asked.last, end), tell=told)
            try:
                found += await first(asked.recipe.queries(name, asked.whose), ask)
            except Unavailable as error:
                if str(server) in str(error):
                    raise
                raise Unavailable(f"{server}: {error}. Is this the address of a Prometheus?") from error
    return found


def scaled(tell: Tell, done: int, parts: int) -> Tell:
    """The progress of one part as that of all."""
    return lambda share: tell((done + share) / parts)


def differenced(series: Sequence[Series], asked: Asked) -> Binned:
    """Increments in bins of the scrape interval."""
    where = str(Server(asked.prometheus)) if asked.prometheus else ", ".join(str(file) for file in asked.files)
    interval = measured_interval(series)
    if interval is None:
        raise InputError(f"every counter in {where} has fewer than three readings; record more")
    times = [each.times for each in series if each.times.size]
    apart = max(float(each.max()) for each in times) - min(float(each.min()) for each in times)
    if apart / interval > MOST_SCRAPES:
        raise InputError(f"readings in {where} lie {apart / 86400:.0f} days apart, with one every {interval:g} s; look at their times")
    found = binned(series, interval)
    assert found is not None  # a source that was read three times can be differenced
    return found


def as_primary(series: list[Series]) -> list[Series]:
    """A workload that no Canary looks after yet has no pods of its own for the primary: all are."""
    if any(each.arm is Arm.PRIMARY for each in series):
        return series
    return [replace(each, arm=Arm.PRIMARY) for each in series]


def nothing(asked: Asked, found: Sequence[Found], name: str, *, latency: bool = False) -> str:
    """Why there is nothing under this name, and what there is."""
    wanted = f"{name} with the label le" if latency else name
    if asked.files:
        there = ", ".join(sorted({each.labels["__name__"] for each in found}))
        return f"{', '.join(str(file) for file in asked.files)}: there is no counter {wanted}; there are: {there}. Name the right one"
    queries = " or ".join(query for name in asked.recipe.names(latency) for query in asked.recipe.queries(name, asked.whose))
    return (
        f"{Server(asked.prometheus)} has nothing for {wanted} of the last {spoken(asked.last.total_seconds())}. Asked was {queries}. "
        "Correct --target, --namespace, --provider, or the names of counters (--requests, --errors, --durations)"
    )
