"""The founding document's repositories (`founding/README.md`) as tests want them: as it has them, or with its defects mended."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOUNDING = Path(__file__).parent / "founding"


@dataclass(frozen=True, slots=True)
class Mend:
    """One defect: what stands in a file, and what should. `name` is what README.md lists it under."""

    name: str
    file: str
    old: str
    new: str


AS_RESOURCE, AS_PATCH = "- configmap.yaml\n", "patches:\n- path: configmap.yaml\n"
CHECKSUM = '    checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}\n'
MENDS = {
    "strategy-1": (
        Mend("namespace-in-base", "apps/myapp/base/configmap.yaml", "  namespace: production\n", ""),
    ),
    "strategy-3": (
        Mend("checksum-of-itself", "helm-charts/myapp/templates/configmap.yaml", CHECKSUM, ""),
        Mend("annotations-of-nothing", "helm-charts/myapp/templates/configmap.yaml", "  annotations:\n", ""),
    ),
    "strategy-4": (
        Mend("twice-canary", "k8s/overlays/production-canary/kustomization.yaml", AS_RESOURCE, AS_PATCH),
        Mend("twice-stable", "k8s/overlays/production-stable/kustomization.yaml", AS_RESOURCE, AS_PATCH),
    ),
}  # fmt: skip
"""What keeps each repository from rendering at all. What is merely unwise stays."""


def founding(strategy: str, to: Path, mends: Sequence[Mend] | None = None) -> Path:
    """A copy of a repository in `to`, under git, with one commit; mended in all that keeps it from rendering, unless told otherwise."""
    shutil.copytree(FOUNDING / strategy, to, dirs_exist_ok=True)
    for mend in MENDS[strategy] if mends is None else mends:
        path = to / mend.file
        text = path.read_text()
        assert mend.old in text, mend
        path.write_text(text.replace(mend.old, mend.new))
    commit(to, "the founding document's repository")
    return to


def commit(folder: Path, message: str) -> str:
    """Commits everything in a folder; the commit's id."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", f"--message={message}")
    return git(folder, "rev-parse", "HEAD")


def git(folder: Path, *words: str) -> str:
    """Runs git as somebody who depends on no settings of this machine."""
    who = [word for setting in ("user.name=Test", "user.email=test@localhost", "commit.gpgsign=false") for word in ("-c", setting)]
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
