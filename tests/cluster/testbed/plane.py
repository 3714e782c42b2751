"""A Kubernetes control plane on loopback: etcd, API server, controller manager and scheduler on free ports, with our CRDs.

Every request but those of the control plane itself is in the audit log.
"""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from cluster.testbed.binaries import PROGRAMS, build
from cluster.testbed.process import Process

PROJECT = Path(__file__).resolve().parents[3]
OWN_CRDS = Path(__file__).resolve().parent.parent / "crds"
CONTROLLERS = "deployment,replicaset,daemonset,garbagecollector,namespace,endpointslice"
START_LIMIT = 60.0
QUIET = ("testbed", "manager", "scheduler")
USERS = ("admin", "controller", *QUIET)
"""All are administrators; what QUIET ones do is not in the audit log. Restricted accounts are ServiceAccounts with real tokens."""
Raw = dict[str, Any]


class PlaneError(Exception):
    """The control plane did not do what the tests need; the text has the end of a log."""


class ControlPlane:
    """One control plane with all it writes in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.audit = folder / "audit.log"
        self.server = ""
        self.processes: dict[str, Process] = {}
        self._commands: dict[str, list[str]] = {}

    def __enter__(self) -> "ControlPlane":
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.down()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, for tests and people."""
        return self.kubeconfig_of("admin")

    def kubeconfig_of(self, user: str) -> Path:
        """`controller` is for whom a scenario is played against, `testbed` for the node and for those who only watch."""
        return self.folder / f"{user}.kubeconfig"

    def up(self) -> None:
        """Starts everything and waits until the CRDs are served: about three seconds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        program = build()
        for name in PROGRAMS:
            (self.folder / name).symlink_to(program)
        etcd, peer, port, manager, scheduler = free_ports(5)
        self.server = f"https://127.0.0.1:{port}"
        self._write_files()
        self._commands = {
            "etcd": _etcd(etcd, peer),
            "kube-apiserver": _api_server(etcd, port, self.audit),
            "kube-controller-manager": [*self._client("manager", manager), f"--controllers={CONTROLLERS}"],
            "kube-scheduler": self._client("scheduler", scheduler),
        }
        self.start("etcd")
        self.start("kube-apiserver")
        self._wait_for_certificate()
        for user in USERS:
            self.write_kubeconfig(user, user)
        self.wait_ready()
        self.start("kube-controller-manager")
        self.start("kube-scheduler")
        files = [word for path in crd_files() for word in ("-f", str(path))]
        self.kubectl("apply", "--server-side", *files)
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", f"--timeout={START_LIMIT:.0f}s")

    def down(self) -> None:
        """Ends every process; what they wrote stays in the folder."""
        for process in reversed(self.processes.values()):
            process.stop(signal.SIGKILL)
        self.processes.clear()

    def start(self, name: str) -> None:
        """Starts one of the programs, for the first time or again."""
        command = [str(self.folder / name), *self._commands[name]]
        self.processes[name] = Process(command, self.folder / f"{name}.log", self.folder)

    def stop(self, name: str) -> None:
        """Kills one of the programs; `start` brings it back with what etcd holds."""
        self.processes.pop(name).stop(signal.SIGKILL)

    def kubectl(self, *arguments: str, given: str = "") -> str:
        """What kubectl prints, run as the administrator with `given` as its input."""
        command = [str(self.folder / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=2 * START_LIMIT, check=False)
        if done.returncode:
            raise PlaneError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def account(self, namespace: str, name: str, rules: list[Raw], *, seconds: int = 3600) -> Path:
        """A kubeconfig of a ServiceAccount that may do what the ClusterRole rules say and nothing else."""
        role = f"{namespace}-{name}"
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        items: list[Raw] = [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
            {**_rbac("ClusterRole", role), "rules": rules},
            {**_rbac("ClusterRoleBinding", role), "roleRef": reference, "subjects": [subject]},
        ]
        self.kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        token = self.kubectl("create", "token", name, f"--namespace={namespace}", f"--duration={seconds}s").strip()
        return self.write_kubeconfig(role, token, namespace)

    def write_kubeconfig(self, user: str, token: str, namespace: str = "default") -> Path:
        """A kubeconfig with a bearer token; the server's certificate is checked."""
        cluster = {"server": self.server, "certificate-authority": str(self.folder / "certs" / "apiserver.crt")}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": user,
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": user, "context": {"cluster": "tests", "user": user, "namespace": namespace}}],
        }
        path = self.kubeconfig_of(user)
        path.write_text(json.dumps(content))
        path.chmod(0o600)
        return path

    def audited(self, user: str) -> list[Raw]:
        """Every request of a user so far, oldest first, as the audit log has it; `system:serviceaccount:NAMESPACE:NAME` is an account."""
        # What has no end yet is being written.
        lines = self.audit.read_text().split("\n")[:-1] if self.audit.exists() else []
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if entry["user"].get("username") == user]

    def wait_ready(self, within: float = START_LIMIT) -> None:
        """Until the API server says that it is ready."""
        request = urllib.request.Request(f"{self.server}/readyz", headers={"Authorization": "Bearer admin"})
        context = ssl.create_default_context(cafile=str(self.folder / "certs" / "apiserver.crt"))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))

        def ready() -> bool:
            try:
                return int(opener.open(request, timeout=2).status) == 200
            except OSError:
                return False

        self._until(ready, "the API server is not ready", within)

    def _wait_for_certificate(self) -> None:
        certificate = self.folder / "certs" / "apiserver.crt"
        self._until(lambda: certificate.exists() and "END CERTIFICATE" in certificate.read_text(), "the API server made no certificate")

    def _until(self, claim: Any, what: str, within: float = START_LIMIT) -> None:
        end = time.monotonic() + within
        while not claim():
            for name, process in self.processes.items():
                if process.ended is not None:
                    raise PlaneError(f"{what}: {name} ended with {process.ended}: {process.last_lines()}")
            if time.monotonic() > end:
                raise PlaneError(f"{what} after {within:.0f} s: {self.processes['kube-apiserver'].last_lines()}")
            time.sleep(0.05)  # noqa: TID251

    def _write_files(self) -> None:
        """The key of ServiceAccount tokens, the administrators and what is audited."""
        subprocess.run(["openssl", "genrsa", "-out", "sa.key", "2048"], cwd=self.folder, check=True, capture_output=True)
        lines = [f'{user},{user},{user},"system:masters"' for user in USERS]
        (self.folder / "tokens.csv").write_text("\n".join(lines) + "\n")
        rules = [{"level": "None", "users": [*QUIET, "system:apiserver"]}, {"level": "Metadata", "omitStages": ["RequestReceived"]}]
        (self.folder / "audit.json").write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}))

    def _client(self, user: str, port: int) -> list[str]:
        path = self.kubeconfig_of(user)
        return [
            f"--kubeconfig={path}",
            f"--authentication-kubeconfig={path}",
            f"--authorization-kubeconfig={path}",
            "--authentication-skip-lookup=true",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir=certs-{user}",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ]


def _etcd(port: int, peer: int) -> list[str]:
    client, between = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    return [
        "--data-dir=etcd-data",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={between}",
        f"--initial-advertise-peer-urls={between}",
        f"--initial-cluster=default={between}",
        "--unsafe-no-fsync",
    ]


def _api_server(etcd: int, port: int, audit: Path) -> list[str]:
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--service-cluster-ip-range=10.0.0.0/16",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--cert-dir=certs",
        "--token-auth-file=tokens.csv",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=sa.key",
        "--service-account-signing-key-file=sa.key",
        "--disable-admission-plugins=ServiceAccount",
        "--enable-priority-and-fairness=false",
        "--audit-policy-file=audit.json",
        f"--audit-log-path={audit}",
    ]


def _rbac(kind: str, name: str) -> Raw:
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}}


def crd_files() -> list[Path]:
    """Our CRDs, and those of meshes: small ones of the tests' own, or the published ones where they are at hand.

    `TRIMTAB_CRDS` names a folder of published ones; without it, `shared/crds` beside the checkout is looked at.
    """
    published = Path(os.environ.get("TRIMTAB_CRDS") or PROJECT.parent / "shared" / "crds")
    own = sorted(OWN_CRDS.glob("*.yaml"))
    return sorted((PROJECT / "crds").glob("*.yaml")) + [published / path.name if (published / path.name).exists() else path for path in own]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in sockets]
    finally:
        for probe in sockets:
            probe.close()


def remove(folder: Path) -> None:
    """A control plane's folder, after `down`."""
    shutil.rmtree(folder, ignore_errors=True)
