"""What the watch after promotion says, in words. Called by `afterwards`, by stores and by the faces."""

from trimtab.model.judging import MetricRule
from trimtab.model.names import how_many
from trimtab.model.ruling import Counts
from trimtab.model.spans import spoken
from trimtab.model.verdict import Reading, Result
from trimtab.model.watching import Checked, Watch, Watched, WatchRules
from trimtab.rollout.reasons import Alarm, Message, Names, out_of_limits

ACTOR = "the watch after promotion"
"""Who started an undo, where nobody did."""


def begun(watch: Watch) -> Message:
    """From here on the primary is watched."""
    return Message("Watching", f"The primary is watched for {spoken(watch.until - watch.began)} after promotion")


def broke(names: Names, watch: Watch, name: str, nothing_kept: bool) -> tuple[Message, Alarm]:
    """People are told what was seen, and how to go back."""
    words = f"{names.canary} is broken after promotion: {watch.broken}"
    way = "There is no revision before it to go back to" if nothing_kept else f"Go back with: trimtab undo {name}"
    return Message("BrokenAfterPromotion", f"{words}. {way}", "warn"), Alarm(f"{words}. {way}", "error", detailed=True)


def going_back(watch: Watch) -> Message:
    """The record of what was seen, before the undo."""
    return Message("BrokenAfterPromotion", f"Broken after promotion: {watch.broken}. It goes back", "warn")


def over(watch: Watch, rules: WatchRules) -> Message:
    """Nothing was broken, as far as anything was known."""
    return Message("Watched", f"The watch after promotion is over: {state(watch, rules)}")


def stopped(watch: Watch) -> Message:
    """It was left off early."""
    return Message("WatchStopped", f"The watch after promotion ends after {how_many(watch.looks, 'look')}: {watch.stopped}")


def line(watch: Watch, rules: WatchRules, until: str) -> str:
    """The same with its time; `until` is when it will be over, as its reader spells times."""
    if watch.broken:
        return f"broken after promotion: {watch.broken}"
    time = f"until {until}" if watch.ended is None else f"for {spoken(watch.ended - watch.began)}"
    return f"watched {time}: {state(watch, rules)}"


def state(watch: Watch, rules: WatchRules) -> str:
    """How it stands where nothing was found broken, without its time."""
    looks = how_many(watch.looks, "look")
    found = [f"{one.said} (in {one.broken} of {rules.looks} looks in a row)" for one in watch.seen if one.broken]
    found += [f"{how_many(watch.restarts, 'restart')} of containers"] if watch.restarts else []
    silent = [f"{one.what} in {one.unknown} of them ({one.said})" if one.known else f"{one.what} ({one.said})" for one in unknown(watch)]
    silence = f"; nothing is known of {', '.join(silent)}" if silent else ""
    stop = f"; it was left off: {watch.stopped}" if watch.stopped else ""
    return f"{looks}, {'; '.join(found) or 'nothing broken'}{silence}{stop}"


def limit(result: Result) -> Checked:
    """A metric of the primary against its limits. Where there is no value, nothing is known."""
    if result.reading is Reading.WITHIN:
        return Checked(result.metric, True)
    if result.reading in (Reading.ABOVE, Reading.BELOW):
        return Checked(result.metric, False, out_of_limits(result))
    return Checked(result.metric, None, result.problem or "no values")


def objective(metric: MetricRule, counts: Counts, missing: tuple[str, ...]) -> Checked:
    """What the primary failed since the look before, against an objective of the judge."""
    most = metric.limit or 0.0
    if not counts.total:
        return Checked(metric.name, None, "; ".join(missing) or "no requests were counted")
    said = f"{metric.name}: {counts.bad} of {counts.total} requests failed, more than {most * 100:g} %"
    return Checked(metric.name, False, said) if counts.rate > most else Checked(metric.name, True)


def unknown(watch: Watch) -> tuple[Watched, ...]:
    """What some looks said nothing of."""
    return tuple(one for one in watch.seen if one.unknown)
