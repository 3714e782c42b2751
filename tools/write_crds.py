"""Writes `crds/` anew from the types in `src/trimtab/documents`. Run it after a change of a type; a test compares."""

from pathlib import Path

from trimtab.documents.schema import crd_files


def main() -> None:
    """Writes every file and says so."""
    folder = Path(__file__).parent.parent / "crds"
    folder.mkdir(exist_ok=True)
    for name, text in crd_files().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(f"wrote {folder / name}")


if __name__ == "__main__":
    main()
