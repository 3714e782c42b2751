"""A control plane with a node to try things on, until it is interrupted.

PYTHONPATH=tests .venv/bin/python -m cluster.up [FOLDER]
"""

import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

from cluster.testbed.binaries import CannotBuild
from cluster.testbed.node import node_running
from cluster.testbed.plane import ControlPlane, PlaneError

READY_AFTER = 1.0


def main() -> int:
    """0: it was interrupted; 2: there is none."""
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="trimtab-plane-"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ControlPlane(folder) as plane, node_running(plane.kubeconfig_of("testbed"), READY_AFTER):
            print(f"export KUBECONFIG={plane.kubeconfig}\nkubectl: {folder / 'kubectl'}\nCtrl-C ends it and removes {folder}", flush=True)
            threading.Event().wait()
    except (CannotBuild, PlaneError, FileExistsError) as error:
        print(f"up: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
