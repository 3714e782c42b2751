"""Runs workflows of GitHub Actions as far as `trimtab init` writes them: jobs in their order, `if`, `run:` lines in a real bash, real git.

Of actions it knows those that the workflows use. Another one, or an expression that it does not know, ends the test.
"""

import fnmatch
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import trimtab

Raw = Any
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")
NAMES = re.compile(r"'(?:[^']|'')*'|[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)+|[A-Za-z_]\w*|&&|\|\||!=|==|!")
OPERATORS = {"&&": " and ", "||": " or ", "!": " not ", "!=": "!=", "==": "=="}
STATUS = ("always", "failure", "success", "cancelled")
STEP_LIMIT = 180
REPOSITORY = "acme/shop"


@dataclass
class Job:
    """How a job ended: success, failure or skipped; what it said, step by step."""

    result: str
    outputs: dict[str, str] = field(default_factory=dict)
    said: list[tuple[str, int, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Everything, for messages."""
        return "\n".join(f"$ {line}\n{said}[{code}]" for line, code, said in self.said)

    def code(self, words: str) -> int:
        """How the step ended whose line begins so."""
        return next(code for line, code, _ in self.said if line.startswith(words))


@dataclass
class Runner:
    """A machine that runs workflows of one repository. `contexts` are `secrets`, `vars` and `github`."""

    folder: Path
    remote: str
    variables: Mapping[str, str]
    contexts: dict[str, Raw]
    own: bool = True
    """Do pull requests come from the repository itself, and not from a fork?"""
    runs: int = 0
    summary: str = ""

    def workflows(self, commit: str) -> dict[str, Raw]:
        """By their names, as a commit has them. Loaded as text: `on` would be a boolean."""
        names = self.git("ls-tree", "-r", "--name-only", commit, ".github/workflows").split()
        read = [yaml.load(self.git("show", f"{commit}:{name}"), yaml.BaseLoader) for name in names]
        return {one["name"]: one for one in read}

    def pushed(self, before: str, after: str) -> dict[str, dict[str, Job]]:
        """All workflows that a push to main starts, run; by workflow and job."""
        changed = (
            self.git("diff", "--name-only", before, after).split() if before else self.git("ls-tree", "-r", "--name-only", after).split()
        )
        found = {}
        for name, one in self.workflows(after).items():
            push = one["on"].get("push") if isinstance(one["on"], dict) else None
            if push and "main" in push["branches"] and any(fits(path, pattern) for path in changed for pattern in push["paths"]):
                found[name] = self.run(one, after, "push")
        return found

    def proposed(self, base: str, commit: str) -> dict[str, Job]:
        """The workflow of a pull request."""
        (found,) = (one for one in self.workflows(commit).values() if "pull_request" in one["on"])
        return self.run(found, commit, "pull_request")

    def approved(self, commit: str) -> dict[str, Job]:
        """The workflow that somebody's comment on an issue starts."""
        (found,) = (one for one in self.workflows(commit).values() if "issue_comment" in one["on"])
        return self.run(found, commit, "issue_comment")

    def git(self, *words: str) -> str:
        mirror = self.folder / "mirror"
        if not mirror.exists():
            self.shell(["git", "clone", "--quiet", "--mirror", self.remote, str(mirror)], self.folder)
        self.shell(["git", "remote", "update", "--prune"], mirror)
        return self.shell(["git", *words], mirror)

    def shell(self, words: list[str], where: Path) -> str:
        done = subprocess.run(words, cwd=where, env=dict(self.variables), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, workflow: Raw, commit: str, event: str) -> dict[str, Job]:
        """One run of a workflow: every job, each in a workspace of its own."""
        self.runs += 1
        place, jobs = self.folder / f"run-{self.runs}", dict[str, Job]()
        known = {**self.contexts["github"], "event": {"head_commit": {"message": self.git("log", "-1", "--format=%B", commit)}}}
        waiting = dict(workflow["jobs"])
        while waiting:
            name = next(name for name, one in waiting.items() if set(listed(one.get("needs"))) <= set(jobs))
            one = waiting.pop(name)
            needed = {other: jobs[other] for other in listed(one.get("needs"))}
            contexts = {
                **self.contexts,
                "github": known,
                "needs": {other: {"result": job.result, "outputs": job.outputs} for other, job in needed.items()},
            }
            fine = all(job.result == "success" for job in needed.values())
            if not truth(one.get("if", ""), contexts, failed=any(job.result == "failure" for job in needed.values()), fine=fine):
                jobs[name] = Job("skipped")
                continue
            about = {"GITHUB_SHA": commit, "GITHUB_EVENT_NAME": event, "GITHUB_RUN_ID": str(self.runs)}
            jobs[name] = self.job(place, one, contexts, about | (self.event(place) if event == "pull_request" else {}))
        return jobs

    def event(self, place: Path) -> dict[str, str]:
        """The repository, and the file that says of a pull request where it comes from."""
        place.mkdir(parents=True, exist_ok=True)
        path, head = place / "event.json", REPOSITORY if self.own else "stranger/shop"
        path.write_text(json.dumps({"pull_request": {"head": {"repo": {"full_name": head}}}}))
        return {"GITHUB_REPOSITORY": REPOSITORY, "GITHUB_EVENT_PATH": str(path)}

    def job(self, place: Path, one: Raw, contexts: dict[str, Raw], told: dict[str, str]) -> Job:
        """The steps of a job, up to the first that fails."""
        home = place / f"job-{len(list(place.iterdir())) if place.exists() else 0}"
        workspace, temp = home / "workspace", home / "temp"
        for folder in (workspace, temp, place / "artifacts"):
            folder.mkdir(parents=True, exist_ok=True)
        variables = {**self.variables, **told, "RUNNER_TEMP": str(temp), "CI": "true", "GITHUB_ACTIONS": "true"}
        variables |= {name: filled(value, contexts) for name, value in one.get("env", {}).items()}
        ended, steps = Job("success"), dict[str, Raw]()
        for number, step in enumerate(one["steps"]):
            known = {**contexts, "steps": steps}
            if not truth(step.get("if", ""), known, failed=ended.result == "failure", fine=ended.result == "success"):
                continue
            files = {name: temp / f"{name.lower()}-{number}" for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY")}
            for file in files.values():
                file.touch()
            own = {**variables, **{name: str(path) for name, path in files.items()}}
            own |= {name: filled(value, known) for name, value in step.get("env", {}).items()}
            line = step.get("run") or step["uses"]
            code, said = self.bash(line, workspace, own) if "run" in step else self.action(step, workspace, place, told["GITHUB_SHA"])
            ended.said.append((line, code, said))
            self.summary += files["GITHUB_STEP_SUMMARY"].read_text()
            variables |= outputs(files["GITHUB_ENV"].read_text())
            if "id" in step:
                steps[step["id"]] = {"outputs": outputs(files["GITHUB_OUTPUT"].read_text())}
            if code:
                ended.result = "failure"
        ended.outputs = {name: filled(value, {**contexts, "steps": steps}) for name, value in one.get("outputs", {}).items()}
        return ended

    def bash(self, script: str, workspace: Path, variables: dict[str, str]) -> tuple[int, str]:
        """A `run:` line as GitHub runs it where no shell is named."""
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=workspace, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=STEP_LIMIT, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def action(self, step: Raw, workspace: Path, place: Path, commit: str) -> tuple[int, str]:
        """What an action does, as far as these workflows use it."""
        name, given = step["uses"].partition("@")[0], step.get("with", {})
        match name:
            case "actions/checkout":
                if not (workspace / ".git").exists():
                    self.shell(["git", "clone", "--quiet", self.remote, "."], workspace)
                self.shell(["git", "fetch", "--quiet", "origin"], workspace)
                self.shell(["git", "clean", "-ffdxq"], workspace)
                self.shell(["git", "checkout", "--quiet", "--detach", f"origin/{given['ref']}" if "ref" in given else commit], workspace)
                assert given.get("persist-credentials") == "false", "a token would stay in the work tree"
            case "actions/setup-python":
                assert given["python-version"]
            case "actions/upload-artifact":
                shutil.copy(workspace / given["path"], place / "artifacts" / given["name"])
            case "actions/download-artifact":
                shutil.copy(place / "artifacts" / given["name"], workspace / "evidence.json")
            case _:
                raise AssertionError(f"no action {name} is known here")
        return 0, ""


def fits(path: str, pattern: str) -> bool:
    """Does a path filter mean a path?"""
    return path.startswith(pattern.removesuffix("**")) if pattern.endswith("/**") else fnmatch.fnmatchcase(path, pattern)


def listed(found: Raw) -> list[str]:
    return [found] if isinstance(found, str) else found or []


def outputs(text: str) -> dict[str, str]:
    """Lines `name=value`, and such with a delimiter."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, mark, value = line.partition("<<") if re.match(r"[\w-]+<<", line) else line.partition("=")
        if mark == "<<":
            held = []
            for inner in lines:
                if inner == value:
                    break
                held.append(inner)
            value = "\n".join(held)
        found[name] = value
    return found


def filled(text: str, contexts: Mapping[str, Raw]) -> str:
    """A text with its expressions in it worked out."""
    return EXPRESSION.sub(lambda found: str(value(found[1], contexts, {}) or ""), text)


def truth(condition: str, contexts: Mapping[str, Raw], *, failed: bool, fine: bool) -> bool:
    """An `if`: without a function about the status it means `success() &&`."""
    text = EXPRESSION.sub(lambda found: found[1], condition).strip()
    functions = {"always": lambda: True, "failure": lambda: failed, "success": lambda: fine, "cancelled": lambda: False}
    if not any(f"{name}()" in text for name in STATUS):
        return fine and (not text or bool(value(text, contexts, functions)))
    return bool(value(text, contexts, functions))


def value(text: str, contexts: Mapping[str, Raw], functions: Mapping[str, Raw]) -> Raw:
    """An expression, in the part of the language that the workflows use."""

    def put(found: re.Match[str]) -> str:
        word = found[0]
        if word in OPERATORS:
            return OPERATORS[word]
        if word.startswith("'"):
            return repr(word[1:-1].replace("''", "'"))
        return f"look({word!r})" if "." in word else word

    def look(path: str) -> Raw:
        here: Raw = contexts
        for part in path.split("."):
            here = here.get(part, "") if isinstance(here, Mapping) else ""
        return here

    known = {"look": look, "contains": lambda all_, one: one in all_, "fromJSON": json.loads, **functions}
    return eval(NAMES.sub(put, text).strip(), {"__builtins__": {}}, known)


def machine(folder: Path, path: str, version: str) -> dict[str, str]:
    """The variables of a runner: nothing of this machine's CI, and a pip that needs no network for the version that is checked out."""
    about = folder / "packages" / f"trimtab-{version}.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: trimtab\nVersion: {version}\n")
    plain = {
        name: given for name, given in os.environ.items() if not re.match("GITHUB_|CI|TRIMTAB_|GITLAB_|GITEA_|GIT_|KUBECONFIG|PYTHON", name)
    }
    return {
        **plain, "PATH": path, "PYTHONPATH": f"{Path(trimtab.__file__).parents[1]}:{about.parent}",
        "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull,
    }  # fmt: skip
