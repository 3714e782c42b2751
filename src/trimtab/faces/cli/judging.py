"""`trimtab plan` and `trimtab backtest`: what the judge can see, and what it would have done. Loaded by `main` when called."""

import asyncio
import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trimtab.errors import InputError
from trimtab.faces.cli.options import duration, output_option, show_json
from trimtab.faces.cli.traffic import asked, latency_options, pairs_of, rules_of, share, traffic_options, weights_of

if TYPE_CHECKING:
    from trimtab.analysis.backtest.placebo import Regression
    from trimtab.analysis.backtest.recording import Recording, Windows
    from trimtab.analysis.backtest.runs import Plan, Run
    from trimtab.analysis.planning import Traffic
    from trimtab.faces.cli.policies import Replayed
    from trimtab.model.evidence import Calibration
    from trimtab.model.judging import JudgeRules

WEIGHTS = "1,5,10,25,50"
LONGEST_HISTORY = 4 * 3600.0


@click.command("plan")
@click.option("--rps", type=click.FloatRange(min=0, min_open=True), help="Requests in a second, of the whole service.")
@click.option("--baseline", default="", help="The share of them that fails on a good day, as 0.1%.")
@click.option("--weights", default=WEIGHTS, show_default=True, help="The canary's steps in percent.")
@click.option("--step", callback=duration, default="", help="How long a step lasts.  [default: as long as the evidence needs]")
@click.option("--pods", type=click.IntRange(min=1), help="Pods of the primary.")
@click.option("--canary-pods", type=click.IntRange(min=1), default=1, show_default=True, help="Pods of the canary.")
@click.option("--sticky", is_flag=True, help="Users stay with one copy (session affinity).")
@click.option("--interval", callback=duration, default="15s", show_default=True, help="Between scrapes, where it is not measured.")
@click.option("--set", "knobs", multiple=True, metavar="KEY=VALUE", help="Turns a knob of the judge, as growth=0.5.")
@traffic_options
@output_option
def plan_command(weights: str, step: timedelta | None, knobs: Sequence[str], sticky: bool, output: str, **options: Any) -> None:
    """What each step of a rollout can see, and how long it needs: from traffic and error rate, given or measured.

    \b
    Example:
      trimtab plan --rps 500 --baseline 0.1%
      trimtab plan --rps 500 --baseline 0.1% --step 5m --canary-pods 3
      trimtab plan --csv counters.csv
      trimtab plan --prometheus http://localhost:9090 --provider istio -n shop --target web
    """
    from trimtab.analysis.cautions import cautions
    from trimtab.analysis.planning import planned
    from trimtab.faces.plans import plan_text, plan_view
    from trimtab.model.judging import MetricRule

    wanted, pairs = asked(options), pairs_of(",".join(knobs), "--set")
    by_pod = wanted is None or wanted.recipe.by_pod
    rules = rules_of(pairs, "" if by_pod or "clumps" in pairs else "time")
    traffic, history = traffic_of(options, wanted, rules)
    warnings = cautions(replace(rules, metrics=(MetricRule("errors"),)), history, traffic.canary_pods if by_pod else 0, sticky)
    plan = planned(traffic, weights_of(weights), rules, step.total_seconds() if step is not None else None)
    view = plan_view(traffic, plan, rules, warnings)
    if output == "json":
        show_json(view)
    else:
        click.echo(plan_text(view))


def traffic_of(options: dict[str, Any], wanted: Any, rules: "JudgeRules") -> "tuple[Traffic, Calibration]":
    """Traffic as given, or else as measured; and what is known of the service by that."""
    from trimtab.analysis.planning import Traffic
    from trimtab.model.evidence import Calibration

    given = {"rate": options["rps"], "base": baseline(options["baseline"]) if options["baseline"] else None}
    given |= {"pods": options["pods"], "canary_pods": options["canary_pods"]}
    if wanted is not None:
        measured, history = from_recording(recording_of(wanted), rules)
    elif given["rate"] is None or given["base"] is None:
        raise InputError("say how many requests there are and how many fail: --rps and --baseline, or --csv, or --prometheus")
    else:
        measured, history = Traffic(given["rate"], given["base"], interval=options["interval"].total_seconds()), Calibration()
    return replace(measured, **{name: value for name, value in given.items() if value is not None}), history


def baseline(text: str) -> float:
    """The share that fails on a good day. None at all is no answer: so far nothing failed, which bounds the share by what was counted."""
    try:
        none = float(text.strip().removesuffix("%")) == 0
    except ValueError:
        none = False
    if none:
        raise InputError(
            f"--baseline is {text!r}, but no service never fails; where nothing failed so far, take 3 divided by the requests that were "
            "counted, which the true share hardly exceeds: after 1,000,000 requests --baseline 0.0003%"
        )
    return share(text, "--baseline")


def from_recording(found: "Recording", rules: "JudgeRules") -> "tuple[Traffic, Calibration]":
    """Traffic as it was recorded, and what is known of it by that."""
    from datetime import UTC, datetime

    import numpy as np

    from trimtab.analysis.backtest.recording import idling
    from trimtab.analysis.calibration import WINDOW, noise_of
    from trimtab.analysis.planning import Traffic
    from trimtab.model.evidence import Calibration, MetricCalibration

    errors = found.metrics[0]
    values = idling(found, errors, slice(None))
    counted = np.stack((values[..., 1], values.sum(axis=-1)), axis=-1)
    noise = noise_of(counted, max(1, round(found.seconds / WINDOW)), False, rules)
    began, ended = (datetime.fromtimestamp(float(each), UTC) for each in (found.ends[0], found.ends[-1]))
    history = Calibration((MetricCalibration("errors", noise, scrapes=len(found.ends), pods=len(found.pods), began=began, ended=ended),))
    pods = round(float(found.seen.sum(axis=-1).mean()))
    return Traffic(found.rate, errors.base, noise, found.interval, pods), history


def recording_of(wanted: Any) -> "Recording":
    """Read, with a bar while that takes its time."""
    from trimtab.wiring.recordings import recording

    with progress("reading counters", 1.0) as tell:
        return asyncio.run(recording(wanted, tell))


@contextlib.contextmanager
def progress(words: str, total: float) -> Iterator[Any]:
    """A bar on a terminal; calls set how much is done."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(words, total=total)
        yield lambda done: bar.update(task, completed=done)


@click.command("backtest")
@click.option(
    "--policy", "policies", multiple=True, metavar="FILE|NAME[:KEY=VALUE,...]",
    help="A policy to try: a file with Canaries and RolloutPolicies; or a name, where KEY is weights (1-5-10), step, a knob of the judge, "
    "or interval, failures and limit as Flagger has them."
    "  [default: trimtab and flagger]",
)  # fmt: skip
@click.option(
    "--regression", "regressions", multiple=True, metavar="[METRIC:]SIZE[@WHERE]",
    help="What to add to the canary's failures: 5x, 2%, 5x@10m, 5x@step3, 5x@pod, latency:3x, +25%.  [default: 2x, 5x, 10x]",
)  # fmt: skip
@click.option("--weights", default=WEIGHTS, show_default=True, help="The canary's steps in percent, where a policy names none.")
@click.option("--length", callback=duration, default="30m", show_default=True, help="How long one rollout is followed.")
@click.option(
    "--history", callback=duration, default="", help="What the judge learns noise from before each.  [default: 4h, or half of it]"
)
@click.option("--rollouts", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="For each policy and regression.")
@click.option("--canary-pods", type=click.IntRange(min=1), default=3, show_default=True, help="Pods that play the canary.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The same seed draws the same rollouts.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a report with plots to this file.")
@traffic_options
@latency_options
@output_option
def backtest_command(
    policies: Sequence[str], regressions: Sequence[str], weights: str, html: Path | None, output: str, **options: Any
) -> None:
    """What policies would have done to this service: how often they roll back for nothing, what they catch, and how fast.

    Some pods of the primary play the canary, in windows of a recording; regressions of known size are added.

    \b
    Example:
      trimtab backtest --csv counters.csv
      trimtab backtest --csv counters.csv --policy trimtab --policy slow:step=2m --policy flagger:limit=2% --regression 3x
      trimtab backtest --csv counters.csv --policy canary.yaml --policy policy.yaml
      trimtab backtest --prometheus http://localhost:9090 --provider istio -n shop --target web --last 72h --html report.html
    """
    from trimtab.analysis.backtest.reporting import report
    from trimtab.faces.backtests import backtest_json, backtest_text
    from trimtab.faces.cli.policies import Replayed

    wanted = asked(options)
    if wanted is None:
        raise InputError("there is nothing to replay: name --csv, or --prometheus")
    if html is not None and not os.access(html.parent, os.W_OK | os.X_OK):
        raise InputError(f"--html {html}: there is no folder {html.parent} that can be written to")
    recorded = recording_of(wanted)
    by_pod = wanted.recipe.by_pod and len(recorded.pods) > 1
    names = frozenset(metric.name for metric in recorded.metrics)
    plan = plan_of(policies, regressions, Replayed(weights_of(weights), names, by_pod), options)
    windows = windows_of(recorded, options["length"], options["history"])
    found = report(windows, plan, runs_of(windows, plan))
    if html is not None:
        write(html, found)
    if output == "json":
        show_json(backtest_json(found))
    else:
        click.echo(backtest_text(found))


def windows_of(found: "Recording", length: timedelta, history: timedelta | None) -> "Windows":
    """Where rollouts are replayed."""
    from trimtab.analysis.backtest.recording import windows

    before = min(LONGEST_HISTORY, found.seconds / 2) if history is None else history.total_seconds()
    return windows(found, length.total_seconds(), before)


def runs_of(windows: "Windows", plan: "Plan") -> "list[Run]":
    """All runs, with a bar."""
    from trimtab.analysis.backtest.runs import run

    found: list[Run] = []
    with progress("replaying", len(plan.candidates) * len(plan.regressions)) as tell:
        for each in run(windows, plan):
            found.append(each)
            tell(len(found))
    return found


def write(file: Path, found: Any) -> None:
    """The report as a page."""
    from trimtab.faces.backtest_page import page

    try:
        file.write_text(page(found), encoding="utf-8")
    except OSError as error:
        raise InputError(f"--html {file}: it cannot be written: {error.strerror}") from None
    click.echo(f"report: {file}", err=True)


def plan_of(policies: Sequence[str], regressions: Sequence[str], recording: "Replayed", options: dict[str, Any]) -> "Plan":
    """What is to be tried; an A/A test always is."""
    from trimtab.analysis.backtest.placebo import Regression
    from trimtab.analysis.backtest.runs import Plan
    from trimtab.faces.cli.policies import candidates

    tried = candidates(policies or ("trimtab", "flagger"), recording)
    added = tuple(regression(text) for text in regressions or ("2x", "5x", "10x"))
    canaries = options["canary_pods"] if recording.by_pod else 1
    return Plan(tried, (Regression("none"), *added), options["rollouts"], canaries, options["seed"])


def regression(text: str) -> "Regression":
    """`[METRIC:]SIZE[@WHERE]...`."""
    from trimtab.analysis.backtest.placebo import Regression
    from trimtab.documents.durations import parse_duration
    from trimtab.faces.cli.policies import whole

    size, *places = text.split("@")
    metric, _, size = size.rpartition(":")
    found = Regression(text, metric)
    for place in places:
        if place == "pod":
            found = replace(found, one_pod=True)
        elif place.startswith("step"):
            found = replace(found, from_step=whole(place.removeprefix("step"), f"--regression {text}: the step") - 1)
        else:
            found = replace(found, after=parse_duration(place).total_seconds())
    if size.startswith("+") and size.endswith("%"):
        return replace(found, metric=metric or "latency", slower=share(size[1:], f"--regression {text}"))
    if size.endswith("%"):
        return replace(found, share=share(size, f"--regression {text}"))
    try:
        ratio = float(size.removesuffix("x"))
    except ValueError:
        ratio = 0.0
    if not size.endswith("x") or ratio <= 1:
        raise InputError(f"--regression {text}: the size must be like 5x, more than 1x, or like 2% or +25%")
    return replace(found, ratio=ratio)
