"""How long something takes, as people say it. Used by all that tells of times; `documents.durations` reads them."""

from datetime import timedelta
from math import isfinite


def spoken(time: float | timedelta) -> str:
    """`0.4 s`, `45 s`, `4 min 30 s`, `25 min`, `2 h 5 min`, `30 h`, `5 days`; an infinite one in words. `time` is in seconds."""
    seconds = time.total_seconds() if isinstance(time, timedelta) else time
    if not isfinite(seconds):
        return "more time than there is"
    whole = round(seconds)
    if seconds < 1:
        return f"{round(seconds, 1):g} s"
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10:
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    minutes = round(whole / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h" + (f" {rest} min" if rest else "")
    return f"{round(minutes / 60)} h" if hours < 72 else f"{round(minutes / 1440)} days"
