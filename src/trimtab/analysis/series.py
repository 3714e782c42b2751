"""How the odds grew, scrape by scrape: kept in little room, drawn in one line (judge.md 11). Called by `evidence`, `turning`, faces.

As text it is base64 of float32: number, seconds, step and odds of each moment, at most `MOST` of them.
"""

import base64
from collections.abc import Sequence
from datetime import timedelta
from math import log

import numpy as np
from numpy.typing import NDArray

from trimtab.model.evidence import JudgeEvidence, Moment

MOST = 40
"""Moments that are kept. Of a longer rollout every second, every fourth ... scrape, evenly, and always the newest."""
WIDTH = 6
BLOCKS = "▁▂▃▄▅▆▇█"


def added(evidence: JudgeEvidence, moment: Moment) -> str:
    """The series of this evidence with one more scrape; of `moment` the number is not looked at."""
    kept = numbers(evidence.series)
    number = int(kept[-1, 0]) + 1 if len(kept) else 1
    every = 1
    while number > every * MOST:
        every *= 2
    row = (number, (moment.at - evidence.began).total_seconds(), moment.step, moment.worse, moment.beyond, moment.refuted)
    rows = np.vstack((kept[kept[:, 0] % every == 0], np.asarray(row, "<f4")))
    return base64.b64encode(rows.astype("<f4").tobytes()).decode("ascii")


def moments(evidence: JudgeEvidence) -> tuple[Moment, ...]:
    """The odds after each scrape that was kept, oldest first; none where the record has none, or none that can be read."""
    return tuple(
        Moment(evidence.began + timedelta(seconds=round(seconds, 2)), int(step), worse, beyond, refuted, int(number))
        for number, seconds, step, worse, beyond, refuted in numbers(evidence.series).tolist()
    )


def numbers(text: str) -> NDArray[np.float32]:
    """(moments, `WIDTH`). It is only shown, so that what cannot be read is nothing, and no verdict hangs on it."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    whole = len(raw) // (4 * WIDTH) * 4 * WIDTH
    return np.frombuffer(raw[:whole], "<f4").reshape(-1, WIDTH)


def drawn(found: Sequence[Moment], odds: Sequence[float], bar: float) -> str:
    """One sign for each moment, from even odds or less to a full block: these odds have come to the bar. `|` where a step begins."""
    signs = list[str]()
    for place, (moment, value) in enumerate(zip(found, odds, strict=True)):
        began = place and moment.step != found[place - 1].step
        full = value >= log(bar)
        signs += ["|"] if began else []
        signs.append(BLOCKS[-1] if full else BLOCKS[int((len(BLOCKS) - 1) * max(0.0, value) / log(bar))])
    return "".join(signs)
