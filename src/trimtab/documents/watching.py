"""`spec.afterPromotion` and `spec.watch` of a RolloutPolicy: how the primary is watched after promotion, and the translation of it.

Read by `documents.decode`, translated by `documents.translate`. What the rule is, and why: ADR 19.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from trimtab.documents.durations import parse_duration
from trimtab.documents.fields import Fields, LongDuration, Percent
from trimtab.documents.fitting import Misfit
from trimtab.documents.judging import fraction
from trimtab.model.watching import WatchRules

AfterPromotion = Annotated[
    Literal["alert", "undo", "none"],
    Meta(
        description=(
            "What follows if the primary is found broken while it is watched after promotion: people are told how to go back (alert), "
            "or the revision before is promoted again by itself (undo). none: nobody looks."
        )
    ),
]


class PrimaryWatch(Fields, frozen=True, kw_only=True):
    """By which rule the primary is found broken after promotion: by restarts, readiness, limits of metrics, objectives of the judge."""

    duration: Annotated[LongDuration, Meta(description="So long after promotion it is looked at, every interval of the Canary.")] = "15m"
    looks: Annotated[
        int,
        Meta(ge=1, description="A limit, an objective or readiness has to be broken in so many looks in a row. Silence breaks nothing."),
    ] = 3
    restarts: Annotated[int, Meta(ge=1, description="So many restarts of its containers since promotion are too many,")] = 3
    restarts_of_pods: Annotated[Percent, Meta(description="if there are as many as this share of its pods, too.")] = "10%"
    ready: Annotated[
        Percent,
        Meta(description="Fewer ready pods are too few: of as many as there were to be at promotion, or are to be now, if that is fewer."),
    ] = "75%"


def misfits(written: PrimaryWatch | None) -> Iterator[Misfit]:
    """What a schema of the CRD cannot say."""
    if written is None:
        return
    if not parse_duration(written.duration):
        yield Misfit(("spec", "watch", "duration"), "must be longer than nothing. To watch nothing, write afterPromotion: none")
    if fraction(written.ready) > 1:
        yield Misfit(("spec", "watch", "ready"), f"is {written.ready}, and there are never more ready pods than pods. Write at most 100%")


def watch_rules(action: str, written: PrimaryWatch | None) -> WatchRules | None:
    """The rule of the model; None where nobody looks."""
    rule = written if written is not None else PrimaryWatch()
    if action == "none":
        return None
    return WatchRules(
        undo=action == "undo",
        lasts=parse_duration(rule.duration),
        looks=rule.looks,
        restarts=rule.restarts,
        restarts_of_pods=fraction(rule.restarts_of_pods),
        ready=fraction(rule.ready),
    )
