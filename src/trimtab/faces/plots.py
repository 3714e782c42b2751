"""Small pictures in SVG, without a library: lines over time, and bars with limits. Called by `backtest_page`."""

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 560, 220
LEFT, RIGHT, TOP, BOTTOM = 48, 120, 14, 34
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Told apart by people who see colours differently; lines differ by their dashes as well."""
DASHES = ("", "6 3", "2 3", "9 3 2 3", "1 2", "12 4", "4 6")

Points = Sequence[tuple[float, float]]


def lines(title: str, named: Sequence[tuple[str, Points]], unit: str = "min") -> str:
    """Shares from 0 to 1 over time; `named` has each line's name and its points (time, share)."""
    most = max((points[-1][0] for _, points in named if points), default=0.0) or 1.0
    parts = [frame(title), *share_marks(), *time_marks(most, unit)]
    for number, (name, points) in enumerate(named):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        path = " ".join(f"{'L' if place else 'M'}{across(time / most):.1f} {down(share):.1f}" for place, (time, share) in enumerate(points))
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>')
        parts.append(legend(number, name))
    return drawn(parts, title)


def bars(title: str, named: Sequence[tuple[str, float, float]]) -> str:
    """Shares with their upper limits; `named` has name, share and limit."""
    most = max([0.01, *(limit for _, _, limit in named)])
    scale = next((step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if step >= most), 1.0)
    parts = [frame(title)]
    for mark in (0.0, 0.5, 1.0):
        parts += gridline(mark, f"{100 * mark * scale:g} %")
    each = (WIDTH - LEFT - RIGHT) / max(1, len(named))
    for number, (name, share, limit) in enumerate(named):
        middle = LEFT + (number + 0.5) * each
        top, most_at = down(share / scale), down(limit / scale)
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<rect x="{middle - 12:.1f}" y="{top:.1f}" width="24" height="{down(0) - top:.1f}" fill="{colour}"/>')
        parts.append(f'<path d="M{middle:.1f} {top:.1f}V{most_at:.1f}M{middle - 6:.1f} {most_at:.1f}h12" stroke="{colour}" fill="none"/>')
        parts.append(text(middle, HEIGHT - BOTTOM + 16, name, "middle"))
    return drawn(parts, title)


def drawn(parts: Sequence[str], title: str) -> str:
    """The whole picture, on white whatever the page's own colour."""
    inside = "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="11" fill="#222"><rect width="100%" height="100%" fill="#fff"/>'
        f"{inside}</svg>"
    )


def frame(title: str) -> str:
    """The title, above the axes and for those who hear pages, and the axes."""
    return (
        f"<title>{escape(title)}</title>{text(LEFT, TOP - 2, title, 'start')}"
        + f'<path d="M{LEFT} {TOP}V{down(0):.1f}H{WIDTH - RIGHT}" stroke="#888" fill="none"/>'
    )


def share_marks() -> list[str]:
    """0, 50 and 100 %."""
    return [part for mark in (0.0, 0.5, 1.0) for part in gridline(mark, f"{100 * mark:g} %")]


def gridline(mark: float, words: str) -> list[str]:
    """One level."""
    line = f'<path d="M{LEFT} {down(mark):.1f}H{WIDTH - RIGHT}" stroke="#ddd" fill="none"/>'
    return [line, text(LEFT - 6, down(mark) + 4, words, "end")]


def time_marks(most: float, unit: str) -> list[str]:
    """Four moments."""
    return [text(across(part / 4), HEIGHT - BOTTOM + 16, f"{most * part / 4 / 60:.3g} {unit}", "middle") for part in range(5)]


def legend(number: int, name: str) -> str:
    """What a line is called, to the right."""
    x, y = WIDTH - RIGHT + 10, TOP + 10 + 16 * number
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    return f'<path d="M{x} {y - 4}h18" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>' + text(x + 22, y, name, "start")


def text(x: float, y: float, words: str, anchor: str) -> str:
    """Some words."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def across(part: float) -> float:
    """Where a part of the width is."""
    return LEFT + part * (WIDTH - LEFT - RIGHT)


def down(share: float) -> float:
    """Where a part of the height is."""
    return HEIGHT - BOTTOM - min(1.0, share) * (HEIGHT - TOP - BOTTOM)
