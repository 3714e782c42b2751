"""Runs `.gitlab-ci.yml` with gitlab-ci-local and its shell executor: rules and their `changes`, stages, needs, artifacts.

The program comes from npm, once per machine; it copies work trees with rsync.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cluster.testbed.binaries import CannotBuild, alone, cache, run, say
from pipeline.testbed.actions import Job

PACKAGE = ("gitlab-ci-local", "4.61.1")
RUN_LIMIT = 240


def build() -> Path:
    """The program. CannotBuild without node, npm, rsync or the network."""
    for needed in ("node", "npm", "rsync"):
        if shutil.which(needed) is None:
            raise CannotBuild(f"there is no {needed}")
    name, version = PACKAGE
    found = cache() / f"{name}-{version}"
    with alone(found):
        if not found.exists():
            say(f"fetching {name} {version}")
            folder = cache() / f"{name}-{version}.new"
            command = [
                "npm",
                "install",
                "--prefix",
                str(folder),
                "--no-save",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                f"{name}@{version}",
            ]
            run(command, name, dict(os.environ))
            folder.rename(found)
    return found / "node_modules" / ".bin" / name


@dataclass
class GitLabRunner:
    """A machine that runs the pipelines of one repository. `variables` are those of the project, beside those of the machine."""

    folder: Path
    remote: str
    variables: Mapping[str, str]
    project: dict[str, str]
    own: bool = True
    """Do merge requests come from the project itself, and not from a fork?"""
    runs: int = 0
    cloned: list[Path] = field(default_factory=list)

    def pushed(self, before: str, after: str) -> dict[str, dict[str, Job]]:
        """The pipeline that a push to main starts; empty where no rule fits."""
        jobs = self.run(before or f"{after}~1", after, "push")
        return {"pipeline": jobs} if jobs else {}

    def proposed(self, base: str, commit: str) -> dict[str, Job]:
        """The pipeline of a merge request."""
        return self.run(base, commit, "merge_request_event")

    def approved(self, commit: str) -> dict[str, Job]:
        """The pipeline of a schedule, after somebody's comment on an issue."""
        return self.run(f"{commit}~1", commit, "schedule")

    def run(self, before: str, after: str, source: str) -> dict[str, Job]:
        """A pipeline for the changes between two commits; jobs that no rule lets run are left out."""
        self.runs += 1
        place = self.folder / f"pipeline-{self.runs}"
        self.git(self.folder, "clone", "--quiet", self.remote, str(place))
        branch = "idea" if source == "merge_request_event" else "main"
        self.git(place, "checkout", "--quiet", "-B", branch, after)
        # Rules about changes look at what is new since the remote's own branch.
        self.git(place, "update-ref", "refs/remotes/origin/before", before)
        self.git(place, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/before")
        self.cloned.append(place)
        told = {
            "CI_PIPELINE_SOURCE": source, "CI_MERGE_REQUEST_DIFF_BASE_SHA": before, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "CI_MERGE_REQUEST_PROJECT_ID": "1", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1" if self.own else "2",
        }  # fmt: skip
        message = {"CI_COMMIT_MESSAGE": self.git(place, "log", "-1", "--format=%B", after)}
        given = {"push": message, "schedule": {**message, "CI_PIPELINE_SOURCE": source}}.get(source, told | message)
        options = [word for name, value in given.items() for word in ("--variable", f"{name}={value}")]
        words = [str(build()), "--force-shell-executor", "--shell-isolation", "--no-color", *options]
        variables = {**self.variables, **self.project, "HOME": str(self.folder)}
        done = subprocess.run(
            words, cwd=place, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=RUN_LIMIT, check=False
        )
        said = done.stdout
        found = {name: word for word, name in re.findall(r"^ (PASS|FAIL) +(\S+) *$", said, re.MULTILINE)}
        assert found or done.returncode == 0, said
        return {
            name: Job("success" if word == "PASS" else "failure", said=[("pipeline", done.returncode, said)])
            for name, word in found.items()
        }

    def git(self, where: Path, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=where, env=dict(self.variables), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout
