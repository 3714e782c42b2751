"""Writes `schemas/`, the JSON Schemas for editors, from the types in `src/trimtab/documents`; `--check` only says whether they are true."""

import sys
from pathlib import Path

from trimtab.documents.editor import schema_files

FOLDER = Path(__file__).resolve().parent.parent / "schemas"


def main() -> None:
    """Writes every file and says so, or compares."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in schema_files().items():
        path = FOLDER / name
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"schemas/{name}: not what the types say any more. Run: make schemas")


if __name__ == "__main__":
    main()
