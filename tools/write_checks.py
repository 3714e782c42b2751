"""Writes the list of checks in docs/checks.md from the catalogue; `--check` only says whether it is true."""

import sys
from pathlib import Path

from trimtab.inspection.catalogue import EVERY

PAGE = Path(__file__).resolve().parent.parent / "docs" / "checks.md"
BEGIN, END = "<!-- checks: made by tools/write_checks.py -->", "<!-- end of checks -->"


def table() -> str:
    """Every check with its usual severity and what holds."""
    rows = [f"| `{check.id}` | {check.severity.value} | {check.says} |" for check in EVERY]
    return "\n".join(["| Check | Usual severity | What holds |", "| --- | --- | --- |", *rows])


def main() -> None:
    """Writes, or checks."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    new = f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.split(END)[1]}"
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(new, encoding="utf-8")
    elif new != page:
        sys.exit("docs/checks.md: the list of checks is not true any more. Run: make docs")


if __name__ == "__main__":
    main()
