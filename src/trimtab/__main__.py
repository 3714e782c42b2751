"""`python -m trimtab`, and the programs `trimtab` and `kubectl-trimtab`."""

import os

from trimtab.faces.cli.main import main


def plugin() -> None:
    """`kubectl trimtab ...`: the same commands, which look at the cluster."""
    os.environ["TRIMTAB_IN"] = "cluster"
    main()


if __name__ == "__main__":
    main()
