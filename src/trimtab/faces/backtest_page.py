"""A backtest as one page of HTML with its plots inside, to be attached to a pull request. Called by `trimtab backtest --html`."""

from collections.abc import Sequence
from html import escape

from trimtab.analysis.backtest.reporting import Report
from trimtab.faces import plots
from trimtab.faces.backtests import catches, heading, placebo_rows, policies, quarrel, regression_rows

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse; margin: .5rem 0 1.5rem }
th, td { padding: .25rem .75rem; text-align: left; border-bottom: 1px solid #ddd }
th { font-weight: 600; font-size: 13px }
.warning { border-left: 4px solid #d55e00; padding-left: .75rem }
svg { max-width: 100%; height: auto }
"""


def page(found: Report) -> str:
    """The whole page. Nothing is loaded from elsewhere."""
    body = [f"<h1>Backtest</h1><p>{escape(heading(found))}</p>"]
    body += [f'<p class="warning">{escape(warning)}</p>' for warning in found.warnings]
    body += ["<h2>Nothing was wrong</h2>", false_rollbacks(found), table(placebo_rows(found))]
    if any(not cell.placebo for cell in found.cells):
        body += ["<h2>Something was wrong</h2>", listed([catches(found, policy) for policy in policies(found)])]
        body += [caught(found, name) for name in regressions(found)]
        body.append(table(regression_rows(found)))
    if found.quarrels:
        body += ["<h2>Windows in which policies disagree though nothing was wrong</h2>", listed([quarrel(each) for each in found.quarrels])]
    body += ["<h2>What a backtest cannot show</h2>", listed(found.limits)]
    inside = "\n".join(body)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Backtest</title>'
        f"<style>{STYLE}</style></head><body>\n{inside}\n</body></html>\n"
    )


def false_rollbacks(found: Report) -> str:
    """The A/A test as a picture."""
    named = [(cell.policy, cell.rolled_back, cell.rolled_back_most_windows) for cell in found.cells if cell.placebo]
    return plots.bars("False rollbacks, with the limit by windows", named)


def caught(found: Report, regression: str) -> str:
    """How many rollouts each policy has rolled back by when."""
    named = [(cell.policy, cell.caught) for cell in found.cells if cell.regression == regression]
    return f"<h3>{escape(regression)}</h3>" + plots.lines(f"Rolled back by then: {regression}", named)


def regressions(found: Report) -> list[str]:
    """In their order, each once."""
    return list(dict.fromkeys(cell.regression for cell in found.cells if not cell.placebo))


def table(rows: Sequence[Sequence[str]]) -> str:
    """The first row names the columns."""
    head, *rest = rows
    made = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rest)
    return f"<table><thead><tr>{made}</tr></thead><tbody>{lines}</tbody></table>"


def listed(words: Sequence[str]) -> str:
    """A list."""
    return "<ul>" + "".join(f"<li>{escape(each)}</li>" for each in words) + "</ul>"
