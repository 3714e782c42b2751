"""A real Argo CD beside a control plane: application controller, repo server and Redis as processes, without its own API server."""

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.testbed.binaries import CannotBuild
from cluster.testbed.binaries import build as build_plane
from cluster.testbed.plane import ControlPlane, PlaneError, free_ports
from cluster.testbed.process import Process
from pipeline.testbed.argocd_program import CRDS, build

NAMESPACE = "argocd"
START_LIMIT = 90.0
KINDS = ("applications", "appprojects")
OWN = {"app.kubernetes.io/part-of": "argocd"}
Raw = dict[str, Any]


@dataclass
class ArgoCD:
    """It follows git by polling every few seconds, and at once when an Application is annotated."""

    plane: ControlPlane
    folder: Path
    processes: dict[str, Process] = field(default_factory=dict)

    def start(self) -> None:
        """Programs, objects, processes."""
        program, redis = build(), shutil.which("redis-server")
        if redis is None:
            raise CannotBuild("there is no redis-server")
        self.lay_out(program)
        self.objects(program)
        cache, repository, *metrics = free_ports(5)
        where = f"127.0.0.1:{cache}"
        commands = {
            "redis": [redis, "--bind", "127.0.0.1", "--port", str(cache), "--save", "", "--dir", str(self.folder)],
            "argocd-repo-server": [
                "--redis", where, "--address", "127.0.0.1", "--port", str(repository), "--metrics-address", "127.0.0.1", "--metrics-port",
                str(metrics[0]), "--disable-tls", "--client-ca-path=", "--revision-cache-expiration", "1s",
            ],
            "argocd-application-controller": [
                "-n", NAMESPACE, "--redis", where, "--repo-server", f"127.0.0.1:{repository}", "--repo-server-plaintext", "--metrics-port",
                str(metrics[1]), "--app-resync", "5", "--app-resync-jitter", "0",
            ],
        }  # fmt: skip
        for name, command in commands.items():
            own = command if name == "redis" else [str(self.folder / "bin" / name), *command]
            self.processes[name] = Process(own, self.folder / f"{name}.log", self.folder, self.environment())
            if name != "argocd-application-controller":
                self.wait_for(cache if name == "redis" else repository)

    def lay_out(self, program: Path) -> None:
        """What Argo CD looks for on its PATH: git's helper, kustomize, and a program that checks signatures, although none are checked."""
        for name in ("bin", "tls", "ssh", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("argocd", "argocd-repo-server", "argocd-application-controller"):
            (self.folder / "bin" / name).symlink_to(program / "argocd")
        (self.folder / "bin" / "kubectl").symlink_to(build_plane())
        wrapper = 'case "$1" in version) echo v5.8.1 ;; *) shift; exec kubectl kustomize "$@" ;; esac'
        for name, line in (("kustomize", wrapper), ("git-verify-wrapper.sh", "exit 0")):
            path = self.folder / "bin" / name
            path.write_text(f"#!/bin/sh\n{line}\n")
            path.chmod(0o755)

    def environment(self) -> dict[str, str]:
        """Nothing of the machine's own git and Kubernetes."""
        return {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "HOME": str(self.folder), "TMPDIR": str(self.folder / "tmp"),
            "KUBECONFIG": str(self.plane.kubeconfig_of("testbed")), "ARGOCD_FAKE_IN_CLUSTER": "true", "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_TLS_DATA_PATH": str(self.folder / "tls"), "ARGOCD_SSH_DATA_PATH": str(self.folder / "ssh"),
            "ARGOCD_ASK_PASS_SOCK": str(self.folder / "tmp" / "ask.sock"), "GIT_CONFIG_NOSYSTEM": "1",
        }  # fmt: skip

    def wait_until_served(self) -> None:
        """Until the CRDs are established. One that was made just now has no conditions yet, which `kubectl wait` takes for an error."""
        limit = time.monotonic() + START_LIMIT
        while True:
            try:
                self.plane.kubectl("wait", "--for=condition=Established", *(f"crd/{kind}.argoproj.io" for kind in KINDS), "--timeout=30s")
                return
            except PlaneError:
                if time.monotonic() > limit:
                    raise

    def objects(self, program: Path) -> None:
        """CRDs, settings, and a project that may do everything."""
        for name in CRDS:
            self.plane.kubectl("apply", "--server-side", "-f", str(program / name))
        self.wait_until_served()
        meta = {"namespace": NAMESPACE, "labels": OWN}
        everything = {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        }
        self.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", **meta}},
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "argocd-secret", **meta},
                "stringData": {"server.secretkey": "tests"},
            },
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "default", **meta}, "spec": everything},
        )

    def apply(self, *objects: Raw) -> None:
        """Creates or changes objects."""
        self.plane.kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def application(self, name: str, repository: str, path: str, namespace: str, policy: Mapping[str, Any] | None = None) -> None:
        """Follows `main` of a repository; by itself, unless the policy says otherwise."""
        automatic = {"automated": {"selfHeal": True, "prune": True}, "retry": {"limit": 1, "backoff": {"duration": "1s"}}}
        spec = {
            "project": "default", "source": {"repoURL": repository, "path": path, "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            "syncPolicy": automatic if policy is None else dict(policy),
        }  # fmt: skip
        self.apply(
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
        )

    def remove(self, name: str) -> None:
        """Without what it deployed."""
        self.plane.kubectl("delete", "application", name, f"--namespace={NAMESPACE}", "--wait=false")

    def wait_for(self, port: int) -> None:
        """Until something listens there."""
        limit = time.monotonic() + START_LIMIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                gone = [f"{name}: {process.last_lines()}" for name, process in self.processes.items() if process.ended is not None]
                if gone or time.monotonic() > limit:
                    raise AssertionError(f"nothing listens on {port}: {gone}") from None

    def stop(self) -> None:
        """Ends all of it, the last first."""
        for process in reversed(self.processes.values()):
            process.stop()


@contextmanager
def argocd_running(plane: ControlPlane, folder: Path) -> Iterator[ArgoCD]:
    """It runs until the block is left."""
    made = ArgoCD(plane, folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
