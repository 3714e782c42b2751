"""Draws the pictures of `docs/judge.md` by the judge's own rule, on made-up requests; `--check` only says whether they are true."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from trimtab.analysis import counts, forecast
from trimtab.analysis.ledger import Array
from trimtab.faces.plots import BOTTOM, COLOURS, DASHES, HEIGHT, RIGHT, WIDTH, across, down, drawn, frame, gridline, legend, text
from trimtab.model.judging import JudgeRules

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "judge"
RULES = JudgeRules()
RATE, BASE, SCRAPE = 500.0, 0.001, 15.0
"""Requests in a second, the share of them that fails, seconds between scrapes: the service of all pictures."""
WEIGHT = 0.1
Line = tuple[str, Sequence[tuple[float, float]]]


def scrapes(ratio: float, number: int, runs: int, chance: np.random.Generator) -> Array:
    """(runs, scrapes, 2, 2): bad and total of the canary, which fails `ratio` times as often, and of the primary."""
    shares = np.asarray([WEIGHT, 1 - WEIGHT])
    total = chance.poisson(RATE * SCRAPE * shares, (runs, number, 2))
    bad = chance.binomial(total, BASE * np.asarray([ratio, 1.0]))
    return np.stack((bad, total), axis=-1).astype(np.float64)


def judged(found: Array, following: float) -> Iterator[counts.Odds]:
    """What the rule says after each scrape, for all runs at once."""
    runs = len(found)
    state, known = counts.start((runs,), RULES.constants, 1, 0), counts.unknown((runs,), RULES)
    for scrape in np.moveaxis(found, 1, 0):
        state = counts.update(state, counts.seen(scrape[:, :, None, :], np.ones(runs)), known, following, RULES)
        yield counts.odds(state, known, np.zeros(runs), RULES.constants)


def by_judge(found: Array) -> Array:
    """(runs, scrapes): rolled back by then?"""
    bars = np.log(RULES.rollback_odds), np.log(RULES.tolerance_odds)
    back = np.stack([(odds.worse >= bars[0]) & (odds.beyond >= bars[1]) for odds in judged(found, 1.0)], axis=-1)
    return np.asarray(np.logical_or.accumulate(back, axis=-1))


def by_p_value(found: Array) -> Array:
    """The same where a test of two shares says p < 1 % for the counts since the start, at any scrape."""
    (bad, size), (others, rest) = np.moveaxis(found.cumsum(axis=1), (2, 3), (0, 1))
    both, whole = bad + others, size + rest
    spread = np.sqrt(np.maximum(both / whole * (1 - both / whole) * size * rest / whole, 1e-9))
    back = (bad - both * size / whole) / spread > 2.326
    return np.asarray(np.logical_or.accumulate(back, axis=-1))


def by_threshold(found: Array) -> Array:
    """The same where in five minutes less than 99 % of the canary's requests succeed."""
    minutes = found[:, :, 0].reshape(len(found), -1, 4, 2).sum(axis=2)
    failed = np.cumsum(minutes[..., 0] > 0.01 * minutes[..., 1], axis=-1) >= 5
    return np.repeat(failed, 4, axis=-1)


def looking() -> tuple[str, str]:
    """Who is rolled back when nothing is wrong, and when the canary fails three times as often; a look at every scrape."""
    rules = {"p-value < 1 %": by_p_value, "success < 99 %": by_threshold, "the judge": by_judge}
    pictures = []
    for ratio, title in (
        (1.0, "Equal canaries rolled back so far, a look every 15 s"),
        (3.0, "Canaries that fail 3 times as often, rolled back so far"),
    ):
        found = scrapes(ratio, 240, 400, np.random.default_rng(7))
        named = [(name, shares(rule(found))) for name, rule in rules.items()]
        most = 0.2 if ratio == 1 else 1.0
        levels = [(mark * most, f"{100 * mark * most:g} %") for mark in (0, 0.5, 1)]
        pictures.append(chart(title, named, levels, (lambda share, most=most: share / most, lambda minutes: minutes / 60)))
    return pictures[0], pictures[1]


def shares(back: Array) -> list[tuple[float, float]]:
    """The share of runs, every two minutes."""
    means = back.mean(axis=0)
    return [(0.0, 0.0), *((place * SCRAPE / 60, float(means[place - 1])) for place in range(8, len(means) + 1, 8))]


def odds() -> str:
    """One bad and one good rollout, scrape by scrape."""
    named: list[Line] = []
    for name, ratio, which in (("5x: worse?", 5.0, "worse"), ("equal: worse?", 1.0, "worse"), ("equal: fine?", 1.0, "refuted")):
        found = scrapes(ratio, 12, 1, np.random.default_rng(4))
        points = [(place * SCRAPE / 60, float(getattr(said, which)[0])) for place, said in enumerate(judged(found, 0.25), 1)]
        named.append((name, points))
    levels = [(float(np.log(bar)), f"{bar:g}:1") for bar in (0.1, 1, 20, 100, 1000)]
    low, high = np.log(0.1), np.log(3000)
    notes = [(float(np.log(20)), "held, or goes on"), (float(np.log(100)), "rolled back")]
    places = (lambda log: (log - low) / (high - low), minute(3))
    return chart("Odds, scrape by scrape, at 10 % of the requests", named, levels, places, notes=notes)


def minute(most: float) -> Callable[[float], float]:
    """Where a minute is on an axis that ends with so many."""
    return lambda minutes: minutes / most


def sight() -> str:
    """The least regression that a step of so many minutes sees, at each weight."""
    minutes = np.geomspace(1, 60, 60)
    named: list[Line] = []
    for weight in (0.01, 0.05, 0.1, 0.5):
        least = forecast.detectable(RATE * (60 * minutes - SCRAPE), BASE, weight, 1.0, RULES)
        named.append((f"{100 * weight:g} %", [(float(x), float(y)) for x, y in zip(minutes, least, strict=True) if np.isfinite(y)]))
    levels = [(ratio, f"{ratio:g}x") for ratio in (1, 2, 5, 10, 20)]
    places = (lambda ratio: np.log(max(ratio, 1.0)) / np.log(20), lambda minutes: np.log(minutes) / np.log(60))
    return chart("The least regression that is seen, by weight", named, levels, places, (1, 2, 5, 10, 20, 60))


def chart(
    title: str,
    named: Sequence[Line],
    levels: Sequence[tuple[float, str]],
    places: tuple[Callable[[float], float], Callable[[float], float]],
    times: Sequence[float] = (),
    notes: Sequence[tuple[float, str]] = (),
) -> str:
    """Lines over minutes; `places` says where a value, and a minute, lies between 0 and 1. `notes` stand beside values."""
    up, along = places
    last = max(points[-1][0] for _, points in named)
    parts = [frame(title)]
    for value, words in levels:
        parts += gridline(up(value), words)
    parts += [text(WIDTH - RIGHT + 6, down(up(value)) + 4, words, "start") for value, words in notes]
    parts += [
        text(across(along(time)), HEIGHT - BOTTOM + 16, f"{time:g} min", "middle")
        for time in times or [last * part / 4 for part in range(5)]
    ]
    for number, (name, points) in enumerate(named):
        path = " ".join(f"{'L' if place else 'M'}{across(along(x)):.0f} {down(max(0.0, up(y))):.0f}" for place, (x, y) in enumerate(points))
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>')
        parts.append(legend(number, name))
    return drawn(parts, title)


def pictures() -> dict[str, str]:
    """By file."""
    alarms, caught = looking()
    return {"odds.svg": odds(), "alarms.svg": alarms, "caught.svg": caught, "sight.svg": sight()}


def main() -> None:
    """Writes every picture, or compares."""
    FOLDER.mkdir(exist_ok=True)
    for name, picture in pictures().items():
        path = FOLDER / name
        if "--check" not in sys.argv[1:]:
            path.write_text(picture + "\n", encoding="utf-8")
            print(f"wrote {path}")
        elif not path.exists() or path.read_text(encoding="utf-8") != picture + "\n":
            sys.exit(f"docs/judge/{name}: not what the judge does any more. Run: make docs")


if __name__ == "__main__":
    main()
