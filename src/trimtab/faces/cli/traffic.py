"""Options that say whose requests are meant, where they were counted, and by which rules. Shared by `plan` and `backtest`."""

import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from trimtab.errors import InputError
from trimtab.faces.cli.options import duration

Command = TypeVar("Command", bound=Callable[..., None])
TOKEN = "TRIMTAB_PROMETHEUS_TOKEN"
ELSEWHERE = frozenset({"history", "step-minimum", "ask-for", "silence-hold", "silence-deadline"})
"""Knobs that mean nothing to a replay, or have an option of their own."""
PROVIDERS = ("http", "istio", "linkerd", "nginx", "traefik", "contour")


def traffic_options(command: Command) -> Command:
    """Where the counters are."""
    for option in reversed(
        (
            click.option(
                "--csv", "files", multiple=True, type=click.Path(path_type=Path), help="Recorded counters: time,pod,counter,le,value."
            ),
            click.option("--prometheus", default="", help=f"Or the address of a Prometheus. A token may be in {TOKEN}."),
            click.option("--provider", type=click.Choice(PROVIDERS), default="http", show_default=True, help="Who counts the requests."),
            click.option("-n", "--namespace", default="default", show_default=True, help="Of the workload."),
            click.option("--target", default="", help="The workload, as in the Canary."),
            click.option("--service", default="", help="Its Service.  [default: the target]"),
            click.option("--ingress", default="", help="Its Ingress.  [default: the target]"),
            click.option("--last", callback=duration, default="24h", show_default=True, help="How far back a Prometheus is asked."),
            click.option("--requests", default="", help="Another counter of requests."),
            click.option("--errors", default="", help="A counter of failed requests, where no label tells them."),
            click.option("--bad", default="", metavar="LABEL=PATTERN", help="What says that a request failed."),
        )
    ):
        command = option(command)
    return command


def latency_options(command: Command) -> Command:
    """Slow requests beside failed ones."""
    for option in reversed(
        (
            click.option("--durations", default="", help="Another histogram of durations."),
            click.option("--slo", callback=duration, default="", help="Judge latency too; requests slower than this are bad ones."),
        )
    ):
        command = option(command)
    return command


def asked(options: dict[str, Any]) -> Any:
    """What to read, from these options; None where they name no source."""
    from trimtab.analysis.recipes import RECIPES, RECORDED, Whose
    from trimtab.wiring.recordings import Asked

    files, prometheus = options["files"], options["prometheus"]
    if files and prometheus:
        raise InputError("--csv and --prometheus: name one of them")
    if not files and not prometheus:
        return None
    if prometheus and not options["target"]:
        raise InputError("--prometheus needs --target, the workload whose requests are meant")
    changed = {name: options[name] for name in ("requests", "errors", "durations") if options.get(name)}
    if options["bad"]:
        label, equals, pattern = options["bad"].partition("=")
        if not label or not equals:
            raise InputError(f"--bad {options['bad']}: it must be LABEL=PATTERN, as in code=5..")
        changed |= {"bad_label": label, "bad": checked(pattern), "errors": ""}
    recipe = replace(RECORDED if files else RECIPES[options["provider"]], **changed)
    whose = Whose(options["namespace"], options["target"], options["service"], options["ingress"])
    slo = options.get("slo")
    objective = slo.total_seconds() if slo is not None else None
    return Asked(recipe, whose, tuple(files), prometheus, os.environ.get(TOKEN, ""), options["last"], objective)


def checked(pattern: str) -> str:
    """A pattern that can be used."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise InputError(f"--bad: {pattern!r} is not a regular expression: {error}") from None
    return pattern


def share(text: str, what: str) -> float:
    """`0.1%`, `0.1 %` or `0.001` as a fraction."""
    try:
        found = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        raise InputError(f"{what} is {text!r}; it must be like 0.1% or 0.001") from None
    if not 0 < found < 1:
        raise InputError(f"{what} is {text!r}; it must be more than 0 % and less than 100 %")
    return found


def weights_of(text: str) -> tuple[float, ...]:
    """`1,5,10` as fractions."""
    try:
        found = tuple(float(part) / 100 for part in re.split("[,-]", text))
    except ValueError:
        raise InputError(f"weights are {text!r}; they must be percentages like 1,5,10,25,50") from None
    if not found or any(not 0 < weight < 1 for weight in found) or list(found) != sorted(set(found)):
        raise InputError(f"weights are {text!r}; they must rise, and lie between 0 and 100")
    return found


def rules_of(pairs: dict[str, str], clumps: str = "") -> Any:
    """The judge's rules with some knobs turned; InputError for what is none."""
    from trimtab.model.judging import Clumps, JudgeRules

    rules = JudgeRules()
    known = {field.name.replace("_", "-"): getattr(rules, field.name) for field in fields(rules)}
    kinds = (int, float, timedelta, Clumps)
    usable = {name: value for name, value in known.items() if type(value) in kinds and name not in ELSEWHERE}
    changed: dict[str, Any] = {"clumps": Clumps(clumps)} if clumps else {}
    for name, text in pairs.items():
        if name not in usable:
            raise InputError(f"there is no knob {name!r}; there are: {', '.join(sorted(usable))}")
        changed[name.replace("-", "_")] = turned(name, text, usable[name])
    return replace(rules, **changed)


def turned(name: str, text: str, before: object) -> object:
    """A knob's value, of the kind that it has."""
    from trimtab.documents.durations import parse_duration
    from trimtab.model.judging import Clumps

    try:
        if isinstance(before, timedelta):
            return parse_duration(text)
        if isinstance(before, Clumps):
            if text not in tuple(Clumps):
                raise ValueError(f"it must be {' or '.join(Clumps)}")
            return Clumps(text)
        return number(name, text, isinstance(before, int))
    except (ValueError, InputError) as error:
        raise InputError(f"{name}={text}: {error}") from None


def number(name: str, text: str, whole: bool) -> float:
    """`2`, `0.5` or `50%`. ValueError where it is none, or where the judge could not work by it."""
    percent, least = text.endswith("%") and not whole, 1.0 if name.endswith("odds") or name.startswith(("cap", "least")) else 0.0
    try:
        found = int(text) if whole else float(text.removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        raise ValueError(f"{'a whole number' if whole else 'a number, as 0.5 or 50%,'} is needed") from None
    if not least <= found < math.inf:
        raise ValueError(f"it must be {least:g} or more")
    return found


def pairs_of(text: str, what: str) -> dict[str, str]:
    """`growth=0.5,grace=1m`."""
    return dict(pieces(text, what))


def pieces(text: str, what: str) -> Iterator[tuple[str, str]]:
    """Each KEY=VALUE."""
    for piece in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = piece.partition("=")
        if not equals:
            raise InputError(f"{what}: {piece!r} must be KEY=VALUE")
        yield key.strip(), value.strip()
