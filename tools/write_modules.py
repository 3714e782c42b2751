"""Writes the list of modules in ARCHITECTURE.md from their docstrings; `--check` only says whether it is true."""

import ast
import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PAGE = TOP / "ARCHITECTURE.md"
BEGIN, END = "<!-- modules: made by tools/write_modules.py -->", "<!-- end of modules -->"


def sentence(path: Path) -> str:
    """The first sentence of a module's docstring."""
    text = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split())
    return re.split(r"(?<=[.!?]) (?=[A-Z`])", text)[0]


def listing() -> str:
    """Every package and its modules."""
    source = TOP / "src" / "trimtab"
    folders = sorted({path.parent for path in source.rglob("*.py")}, key=lambda folder: (folder != source, str(folder)))
    lines = []
    for folder in folders:
        lines += ["", f"### `{folder.relative_to(source.parent)}/`", ""]
        if (folder / "__init__.py").exists():
            lines += [sentence(folder / "__init__.py"), ""]
        modules = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
        lines += [f"- `{path.name}`: {sentence(path)}" for path in modules]
    return "\n".join(lines).strip()


def main() -> None:
    """Writes, or checks."""
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    new = f"{before}{BEGIN}\n\n{listing()}\n\n{END}{after}"
    if "--check" in sys.argv[1:]:
        if new != page:
            sys.exit("ARCHITECTURE.md: the list of modules is not true any more. Run: make docs")
        return
    PAGE.write_text(new)


if __name__ == "__main__":
    main()
