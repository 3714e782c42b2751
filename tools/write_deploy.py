"""Writes what `deploy/base` and the types say into the places that need a copy: the CRDs, the chart's files, and the package's manifests.

`--check` only says whether the copies are true.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from trimtab.documents.schema import crd_files

TOP = Path(__file__).resolve().parent.parent
BASE, CHART = TOP / "deploy" / "base", TOP / "charts" / "trimtab"
CRDS = "crds.yaml"
MADE = "# Made by tools/write_deploy.py.\n"


def copies() -> dict[Path, str]:
    """The content of every copy, by its path."""
    crds = crd_files()
    parts = [name for name in yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"] if name != CRDS]
    return {
        BASE / CRDS: MADE + joined(crds.values()),
        TOP / "src" / "trimtab" / "faces" / "manifests.yaml": MADE + joined((BASE / name).read_text() for name in parts),
        CHART / "files" / "rbac.yaml": (BASE / "rbac.yaml").read_text(),
        CHART / "files" / "admission.yaml": (BASE / "admission.yaml").read_text(),
        CHART / "files" / "dashboard.json": (TOP / "deploy" / "monitoring" / "dashboard.json").read_text(),
        **{CHART / "crds" / name: text for name, text in crds.items()},
    }


def joined(texts: Iterable[str]) -> str:
    """Several files of documents as one."""
    return "---\n".join(re.sub(r"\A(#.*\n)?---\n", "", text) for text in texts)


def main() -> None:
    """Writes every copy and says so, or compares."""
    made = copies()
    if "--check" in sys.argv[1:]:
        drifted = [str(path.relative_to(TOP)) for path, text in made.items() if not path.exists() or path.read_text() != text]
        if drifted:
            sys.exit(f"not what deploy/base and the types say any more: {', '.join(drifted)}. Run: make deploy")
        return
    for path, text in made.items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(TOP)}")


if __name__ == "__main__":
    main()
