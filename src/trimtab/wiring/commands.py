"""Commands of a repository: where their program is, and which variables they get. Called by `validators` and `smoking`.

Whoever may write to a repository may not have what its pipelines have, so a command gets no token, neither of ours nor of a forge.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from trimtab.adapters.forges.place import TOKENS

OURS = "TRIMTAB_"
"""Variables that begin so hold our keys and tokens, or addresses of chats."""
HIDDEN = frozenset(name for names in TOKENS.values() for name in names) | {
    "FORGEJO_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "CI_REPOSITORY_URL", "CI_REGISTRY_PASSWORD",
    "CI_DEPLOY_PASSWORD", "CI_DEPENDENCY_PROXY_PASSWORD",
}  # fmt: skip
"""Tokens by which forges know a pipeline; GitLab's address of the repository has one in it."""


def program_of(command: tuple[str, ...], root: Path, environment: Mapping[str, str]) -> str | None:
    """The program of a command: a path is from the repository's root, a name is looked for in PATH. None where nothing can be run."""
    name = command[0]
    return shutil.which(str(root / name) if "/" in name else name, path=environment.get("PATH"))


def variables_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without tokens."""
    return {name: value for name, value in environment.items() if not name.startswith(OURS) and name not in HIDDEN}
