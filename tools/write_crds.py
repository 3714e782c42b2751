"""Writes `crds/` from the types in `src/trimtab/documents`; `--check` only says whether the files are true."""

import sys
from pathlib import Path

from trimtab.documents.schema import crd_files

FOLDER = Path(__file__).resolve().parent.parent / "crds"


def main() -> None:
    """Writes every file and says so, or compares."""
    files = crd_files()
    if "--check" in sys.argv[1:]:
        drifted = [name for name, text in files.items() if not (FOLDER / name).exists() or (FOLDER / name).read_text() != text]
        extra = [path.name for path in FOLDER.iterdir() if path.name not in files]
        if drifted or extra:
            sys.exit(f"crds/: not what the types say any more: {', '.join(drifted + extra)}. Run: make crds")
        return
    FOLDER.mkdir(exist_ok=True)
    for name, text in files.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"wrote {FOLDER / name}")


if __name__ == "__main__":
    main()
