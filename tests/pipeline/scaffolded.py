"""A repository on a real forge that `trimtab init` made, its cluster, and the runner of its workflows."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.testbed.plane import ControlPlane
from pipeline.testbed.actions import Job, Runner
from pipeline.testbed.gitea import BOT, REVIEWER, Gitea, Hosted
from pipeline.testbed.gitlab_ci import GitLabRunner

Raw = Any


PAGES = Path(__file__).parents[2] / "docs" / "strategies"
WATCHED = (
    ("trimtab.yaml", "duration: 5m", "duration: 2s"), ("trimtab.yaml", "interval: 15s", "interval: 200ms"),
    ("trimtab/error-rate.yaml", "[1m]", "[3s]"), ("trimtab/policy.yaml", "threshold: 3", "threshold: 1"),
)  # fmt: skip
CHECKED = (("k8s/canary.yaml", "\n    interval: 1m", "\n    interval: 2s"), ("k8s/canary.yaml", "interval: 1m", "interval: 3s"))
SHORTER = {**dict.fromkeys(("kustomize", "helm", "argocd"), WATCHED), "flagger": CHECKED}
"""What people would change for a trial that takes seconds, also on a slow machine: there one look that is bad must do."""


@dataclass
class Scaffold:
    """The repository, people's clone of it, and everybody around it."""

    hosted: Hosted
    plane: ControlPlane
    runner: Runner | GitLabRunner
    namespace: str
    head: str = ""
    installed: Callable[[], object] = lambda: None
    """Called where the page installs the operator: tests start one beside the cluster."""
    ran: dict[str, dict[str, Job]] = field(default_factory=dict)

    @property
    def clone(self) -> Path:
        return self.hosted.folder

    def begin(self, strategy: str, ci: str = "github", promotion: str = "") -> dict[str, dict[str, Job]]:
        """Somebody does what the strategy's page says to begin with, and makes times shorter; what their push starts."""
        asked = f" --yes --app shop --namespace {self.namespace} --forge gitea --ci {ci}"
        asked += f" --promotion {promotion}" if promotion else ""
        for line in shown(strategy, "Begin"):
            if line == f"trimtab init {strategy}":
                self.type(line + asked)
                for path, old, new in SHORTER[strategy]:
                    self.edit(path, old, new)
            elif "--print-manifests" in line:
                self.type(line.replace("kubectl apply", "kubectl create --dry-run=client"))
                self.installed()
            else:
                self.type(line.replace(" production", f" {self.namespace}"))
        return self.started()

    def look(self, strategy: str) -> list[str]:
        """Somebody looks back as the page says; what each line shows."""
        self.hosted.git("fetch", "--quiet", self.hosted.url(REVIEWER), "refs/trimtab/journal:refs/trimtab/journal")
        return [self.type(line) for line in shown(strategy, "Look")]

    def type(self, line: str) -> str:
        """A line at somebody's keyboard, which must end with 0."""
        secret = self.hosted.url(REVIEWER).removesuffix(f"{self.hosted.name}.git")
        known = {
            **self.runner.variables, "KUBECONFIG": str(self.plane.kubeconfig), "TRIMTAB_FORGE_TOKEN": self.hosted.server.tokens[REVIEWER],
            **{f"GIT_{role}_{what}": f"{REVIEWER}@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }  # fmt: skip
        if line.startswith("git "):
            known |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"url.{secret}.insteadOf",
                "GIT_CONFIG_VALUE_0": f"{self.hosted.server.address}/",
            }
        done = subprocess.run(
            ["bash", "-e", "-c", line], cwd=self.clone, env=known, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def edit(self, path: str, old: str, new: str) -> None:
        """Somebody changes a file."""
        text = (self.clone / path).read_text()
        assert old in text, text
        (self.clone / path).write_text(text.replace(old, new))

    def push(self, subject: str) -> dict[str, dict[str, Job]]:
        """Somebody pushes to main; every workflow that this starts."""
        self.hosted.git("add", "--all", login=REVIEWER)
        self.hosted.git("commit", "--quiet", "--allow-empty", "--message", subject, login=REVIEWER)
        self.hosted.push("main", login=REVIEWER)
        return self.started()

    def started(self) -> dict[str, dict[str, Job]]:
        """What the newest commits on main start."""
        self.hosted.git("pull", "--quiet", "--rebase", self.hosted.url(REVIEWER), "main")
        before, self.head = self.head, self.hosted.git("rev-parse", "HEAD")
        self.ran = self.runner.pushed(before, self.head) if before != self.head else {}
        return self.ran

    def merge(self) -> dict[str, dict[str, Job]]:
        """The only pull request is merged; what that starts."""
        (request,) = self.hosted.ask("GET", "/pulls?state=open", REVIEWER)
        self.hosted.merge(request["number"], request["head"]["sha"])
        return self.started()

    def approve(self) -> dict[str, dict[str, Job]]:
        """Somebody approves the only issue that asks for it, and what looks for that promotes; what its push starts."""
        (issue,) = self.hosted.ask("GET", "/issues?state=open&type=issues", REVIEWER)
        self.hosted.ask("POST", f"/issues/{issue['number']}/comments", REVIEWER, {"body": "Fine.\n\n/approve"})
        jobs = self.runner.approved(self.head)
        assert set(results(jobs).values()) == {"success"} and len(jobs) == 1, "\n".join(job.text for job in jobs.values())
        return self.started()

    def check(self, path: str, old: str, new: str) -> dict[str, Job]:
        """Somebody proposes a change; what the workflow of the pull request says."""
        self.hosted.git("checkout", "--quiet", "-B", "idea", "main")
        self.edit(path, old, new)
        self.hosted.git("commit", "--quiet", "--all", "--message", "An idea", login=REVIEWER)
        self.hosted.git("push", "--quiet", "--force", self.hosted.url(REVIEWER), "HEAD:refs/heads/idea", login=REVIEWER)
        commit = self.hosted.git("rev-parse", "HEAD")
        self.hosted.git("checkout", "--quiet", "main")
        return self.runner.proposed(self.head, commit)

    def workloads(self) -> list[str]:
        """The Deployments that there are."""
        return self.plane.kubectl("-n", self.namespace, "get", "deployments", "-o", "jsonpath={.items[*].metadata.name}").split()

    def configuration(self, workload: str) -> str:
        """What the pods of a Deployment are configured with, as the cluster has it."""
        volumes = json.loads(self.plane.kubectl("-n", self.namespace, "get", "deployment", workload, "-o", "json"))["spec"]["template"][
            "spec"
        ]["volumes"]
        name = next(one["configMap"]["name"] for one in volumes if "configMap" in one)
        found: str = json.loads(self.plane.kubectl("-n", self.namespace, "get", "configmap", name, "-o", "json"))["data"]["config.yaml"]
        return found


def shown(page: str, section: str) -> list[str]:
    """The lines that a page of docs/strategies shows in a section."""
    text = (PAGES / f"{page}.md").read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"^    (\S.*)$", text, re.MULTILINE)


def contexts(gitea: Gitea, plane: ControlPlane, prometheus: str) -> dict[str, Raw]:
    """What workflows get to know."""
    token = gitea.tokens[BOT]
    return {
        "github": {"token": token, "ref": "refs/heads/main", "base_ref": "main"},
        "secrets": {"KUBECONFIG": plane.kubeconfig.read_text()},
        "vars": {"TRIMTAB_PROMETHEUS": prometheus},
    }


def results(jobs: dict[str, Job]) -> dict[str, str]:
    """How each job ended."""
    return {name: job.result for name, job in jobs.items()}
