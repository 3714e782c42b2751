"""What `kubectl apply` needs to run the operator in a cluster: CRDs, rights, Deployment, admission policies. Called by `operator`.

`manifests.yaml` beside this module is a copy of `deploy/base`, made by `tools/write_deploy.py`.
"""

import re
import sys
from collections.abc import Sequence
from importlib.resources import files

import yaml

from trimtab.documents.schema import crd_files

BEGINNING = re.compile(r"\A(#.*\n)?(---\n)?")
BETWEEN = "\n---\n"
ARGUMENTS = "args: [operator]"


def manifests(flags: Sequence[str] = ()) -> str:
    """All of it as YAML, the CRDs first; the operator gets these flags."""
    base = files("trimtab.faces").joinpath("manifests.yaml").read_text(encoding="utf-8")
    written = yaml.safe_dump(["operator", *flags], default_flow_style=True, width=sys.maxsize).strip()
    parts = (*crd_files().values(), base.replace(ARGUMENTS, f"args: {written}", 1))
    return BETWEEN.join(BEGINNING.sub("", part).strip() for part in parts) + "\n"
