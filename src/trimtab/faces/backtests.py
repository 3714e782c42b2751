"""A backtest as text. Called by `trimtab backtest`."""

import re
from datetime import UTC, datetime

from msgspec import to_builtins

from trimtab.analysis.backtest.reporting import Cell, Quarrel, Report
from trimtab.analysis.planning import percent
from trimtab.faces.cli.tables import aligned
from trimtab.model.spans import spoken


def backtest_text(found: Report) -> str:
    """All of it."""
    lines = [heading(found), "", "Nothing was wrong (A/A):", aligned(placebo_rows(found)), ""]
    if any(not cell.placebo for cell in found.cells):
        lines += ["Something was wrong:", aligned(regression_rows(found)), ""]
        lines += [catches(found, policy) for policy in policies(found)]
        lines.append("")
    if found.quarrels:
        lines += ["Windows in which policies disagree though nothing was wrong:", *(f"  {quarrel(each)}" for each in found.quarrels), ""]
    lines += [f"warning: {warning}" for warning in found.warnings]
    lines += ["What a backtest cannot show:", *(f"  - {limit}" for limit in found.limits)]
    return "\n".join(lines)


def backtest_json(found: Report) -> object:
    """All of it, named as in other views."""
    return camel(to_builtins(found))


def camel(value: object) -> object:
    """Names of fields as JSON has them."""
    if isinstance(value, dict):
        return {re.sub("_([a-z])", lambda match: match[1].upper(), str(name)): camel(each) for name, each in value.items()}
    return [camel(each) for each in value] if isinstance(value, list | tuple) else value


def heading(found: Report) -> str:
    """What was recorded, and how it was replayed."""
    metrics = ", ".join(f"{metric} {percent(base)}" for metric, base in zip(found.metrics, found.base, strict=True))
    rollouts = found.cells[0].rollouts if found.cells else 0
    played = f"{found.canaries} of {found.pods} pods play the canary" if found.canaries else "requests are split at random"
    noise = ", ".join(
        f"{metric} {single:.3g} within a scrape, {lasting:.3g} lasting"
        for metric, (single, lasting) in zip(found.metrics, found.noise, strict=True)
    )
    return (
        f"{moment(found.began)} to {moment(found.ended)}: {found.rate:.4g} requests a second of {found.pods} pods, a scrape every "
        f"{found.interval:.3g} s; {metrics}\n"
        f"{rollouts} rollouts of {spoken(found.length)}, {played}; noise is learned from {spoken(found.history)} before each: {noise}"
    )


def placebo_rows(found: Report) -> list[tuple[str, ...]]:
    """Every rollback is a false one."""
    made: list[tuple[str, ...]] = [("POLICY", "FALSE ROLLBACKS", "AT MOST", "BY WINDOWS", "PROMOTED", "AFTER", "UNDECIDED", "DOUBTED")]
    for cell in found.cells:
        if cell.placebo:
            made.append(
                (
                    cell.policy,
                    per_hundred(cell.rolled_back),
                    per_hundred(cell.rolled_back_most),
                    per_hundred(cell.rolled_back_most_windows),
                    per_hundred(cell.promoted),
                    after(cell.until_promotion),
                    per_hundred(cell.undecided),
                    per_hundred(cell.doubted),
                )
            )
    return made


def regression_rows(found: Report) -> list[tuple[str, ...]]:
    """What was caught, how fast, and how many requests it cost."""
    made: list[tuple[str, ...]] = [
        ("REGRESSION", "POLICY", "ROLLED BACK", "PROMOTED", "UNDECIDED", "DOUBTED AFTER", "ROLLED BACK AFTER", "FAILED REQUESTS (1 IN 20)")
    ]
    for cell in found.cells:
        if not cell.placebo:
            made.append(
                (
                    cell.regression,
                    cell.policy,
                    per_hundred(cell.rolled_back),
                    per_hundred(cell.promoted),
                    per_hundred(cell.undecided),
                    after(cell.until_doubt),
                    after(cell.until_rollback),
                    hurt(cell),
                )
            )
    return made


def per_hundred(share: float) -> str:
    """Of 100 rollouts."""
    return f"{100 * share:.3g} %"


def after(seconds: float | None) -> str:
    """A median; a dash where most never came to it."""
    return spoken(seconds) if seconds is not None else "-"


def hurt(cell: Cell) -> str:
    """On average, and in the worst of twenty."""
    return f"{cell.hurt:.0f} ({cell.hurt_most:.0f})"


def policies(found: Report) -> list[str]:
    """In their order, each once."""
    return list(dict.fromkeys(cell.policy for cell in found.cells))


def catches(found: Report, policy: str) -> str:
    """What a policy catches, and what it does not."""
    caught, missed = found.caught_by(policy)
    if not caught:
        return f"{policy} catches none of these in 80 of 100 rollouts"
    but = f", but not {', '.join(missed)}" if missed else ""
    return f"{policy} catches {', '.join(caught)} in 80 of 100 rollouts or more{but}"


def quarrel(found: Quarrel) -> str:
    """One window."""
    said = ", ".join(f"{policy} rolls back {per_hundred(share)}" for policy, share in found.ends)
    return f"{moment(found.began)}: {said}"


def moment(seconds: float) -> str:
    """UTC, because recordings travel."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
