"""The whole story of promotions on a real forge: Gitea, git over HTTP, the commands as processes, people who interfere."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contracts.git_places import PERSON, QUIET, git
from contracts.promotion_places import AT, CONFIG, DEPLOYMENT
from pipeline.testbed.gitea import BOT, REVIEWER, Gitea, Hosted
from trimtab.promotion.edges import receiving
from trimtab.promotion.evidence import Evidence, Figure, Run, Verdict, Window, encode
from trimtab.promotion.text import trailers_of
from trimtab.wiring.repository import repository, workshop_for

RUN = "4711"
"""The run of the pipeline that judges and promotes."""
pytestmark = pytest.mark.pipeline

PIPELINE = """apiVersion: trimtab.dev/v1alpha1
kind: Pipeline
metadata: {{name: shop}}
spec:
  forge: {{type: gitea}}
  apps:
  - name: shop
    targets:
    - {{name: canary, path: canary}}
    - {{name: stable, path: stable, from: canary, promotion: {promotion}}}
"""
BRANCH, STATUS = "trimtab/shop/stable", "trimtab/shop/stable"
READS = "spec: {containers: [{name: app, image: app, envFrom: [{configMapRef: {name: app-config}}]}]}"


@dataclass
class Place:
    """One repository on Gitea: the clone of people, and that of the pipeline, which has no credentials but a token."""

    hosted: Hosted
    clone: Path

    @property
    def environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not re.match("GITHUB_|CI|TRIMTAB_|GITLAB_|GIT_", name)}
        return {**plain, **QUIET, **PERSON, "GITEA_TOKEN": self.hosted.server.tokens[BOT], "CI_PIPELINE_ID": RUN}

    def change(self, target: str, level: str, pool: int) -> None:
        """Somebody changes a target on main."""
        self.hosted.git("pull", "--quiet", "--ff-only", self.hosted.url(REVIEWER), "main")
        self.hosted.commit(f"{target}/config.yaml", CONFIG.format(level=level, pool=pool), login=REVIEWER)
        self.hosted.push("main", login=REVIEWER)

    def judged(self, judgement: str = "pass") -> str:
        """Evidence about the canary as it is now, in a file."""

        async def work() -> bytes:
            async with workshop_for(await repository(self.clone, self.environment), receiving, "", dry=False) as (shop, edge, _):
                head = await shop.head(edge.ref)
                found = await shop.judged(head, edge.app, edge.source)
                figures = (Figure(metric="request-success-rate", judgement="pass", canary="99.95 %", stable="99.94 %"),)
                return encode(
                    Evidence(
                        app="shop", target="canary", commit=head, source=found.source, content=found.content, keys=found.keys,
                        window=Window(began=AT, ended=AT), run=Run(id=RUN),
                        verdict=Verdict(judgement=judgement, text="as before", figures=figures),  # type: ignore[arg-type]
                    )
                )  # fmt: skip

        file = self.clone.parent / "evidence.json"
        file.write_bytes(asyncio.run(work()))
        return str(file)

    def trimtab(self, *words: str, code: int = 0, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A command that ends as it should; what it says as JSON, and in words where it fails."""
        command = [sys.executable, "-m", "trimtab", *words, "-o", "json"]
        known = {**self.environment, **(environment or {})}
        done = subprocess.run(command, cwd=self.clone, env=known, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stderr + done.stdout
        assert self.hosted.server.tokens[BOT] not in done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"text": done.stderr}
        return found

    def request(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.hosted.ask("GET", f"/pulls/{number}", REVIEWER)
        return found

    def approve_and_merge(self, number: int) -> None:
        commit = self.request(number)["head"]["sha"]
        self.hosted.ask("POST", f"/pulls/{number}/reviews", REVIEWER, {"event": "APPROVED", "body": "seen", "commit_id": commit})
        self.hosted.merge(number, commit)


def placed(gitea: Gitea, folder: Path, promotion: str = "{labels: [promotion]}") -> Place:
    """A canary with another pool size than stable."""
    hosted = gitea.repository(folder / "people")
    files = {"trimtab.yaml": PIPELINE.format(promotion=promotion), "stable/config.yaml": CONFIG.format(level="info", pool=10)}
    for target in ("canary", "stable"):
        files[f"{target}/deployment.yaml"] = DEPLOYMENT.format(replicas=1).replace("spec: {containers: [{name: app, image: app}]}", READS)
    for name, text in files.items():
        hosted.commit(name, text, login=REVIEWER)
    hosted.commit("canary/config.yaml", CONFIG.format(level="info", pool=20), login=REVIEWER)
    hosted.push("main", login=REVIEWER)
    git(folder, "clone", "--quiet", f"{gitea.address}/{hosted.name}.git", str(folder / "clone"))
    return Place(hosted, folder / "clone")


def test_a_pull_request_is_opened_updated_approved_and_merged_into_a_protected_main(gitea: Gitea, tmp_path: Path) -> None:
    place = placed(gitea, tmp_path)
    place.hosted.protect(STATUS, approvals=1)
    first = place.trimtab("promote", "shop/stable", "--evidence", place.judged())
    assert (first["outcome"], first["operation"]) == ("proposed", "created")
    request = place.request(first["number"])
    assert request["user"]["login"] == BOT and [label["name"] for label in request["labels"]] == ["promotion"]
    assert "pool: 10 -> 20 (x2)" in request["body"] and "| request-success-rate | 99.95 % | 99.94 % |" in request["body"]
    again = place.trimtab("promote")
    assert (again["operation"], again["commit"]) == ("none", first["commit"])
    place.hosted.ask("PATCH", f"/pulls/{first['number']}", REVIEWER, {"body": f"Look!\n\n{request['body']}"})
    place.hosted.git("pull", "--quiet", "--ff-only", place.hosted.url(REVIEWER), "main")
    place.approve_and_merge(first["number"])
    assert place.trimtab("promote")["outcome"] == "nothing"
    history = place.trimtab("history", "--in", "repo", "--verify")
    assert [entry["kind"] for entry in history["entries"]] == ["verdict", "proposed", "promoted"] and history["verified"] is True
    place.hosted.git("fetch", "--quiet", place.hosted.url(REVIEWER), "main")
    assert place.hosted.git("show", "FETCH_HEAD:stable/config.yaml") + "\n" == CONFIG.format(level="info", pool=20)
    merged = place.hosted.git("log", "--format=%B", "--grep=Trimtab-Promotion", "FETCH_HEAD")
    assert trailers_of(merged)["Promotion"] == "shop/stable"


def test_newer_content_updates_it_in_place_and_people_are_respected(gitea: Gitea, tmp_path: Path) -> None:
    place = placed(gitea, tmp_path)
    first = place.trimtab("promote", "--evidence", place.judged())
    body = place.request(first["number"])["body"]
    place.hosted.ask("PATCH", f"/pulls/{first['number']}", REVIEWER, {"body": f"Look!\n\n{body}"})
    place.change("canary", "debug", 30)
    second = place.trimtab("promote", "--evidence", place.judged())
    assert (second["number"], second["operation"]) == (first["number"], "updated")
    request = place.request(first["number"])
    assert request["body"].startswith("Look!") and "level: info -> debug" in request["body"]
    place.hosted.git("fetch", "--quiet", place.hosted.url(REVIEWER), BRANCH)
    place.hosted.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    theirs = place.hosted.commit("stable/config.yaml", CONFIG.format(level="debug", pool=25), login=REVIEWER)
    place.hosted.push(BRANCH, login=REVIEWER)
    left = place.trimtab("promote", code=4)
    assert left["outcome"] == "foreign" and place.request(first["number"])["head"]["sha"] == theirs


def test_closed_means_declined_until_it_is_reopened(gitea: Gitea, tmp_path: Path) -> None:
    place = placed(gitea, tmp_path)
    first = place.trimtab("promote", "--evidence", place.judged())
    place.hosted.ask("PATCH", f"/issues/{first['number']}", REVIEWER, {"state": "closed"})
    assert place.trimtab("promote", code=1)["outcome"] == "declined"
    place.hosted.ask("PATCH", f"/issues/{first['number']}", REVIEWER, {"state": "open"})
    again = place.trimtab("promote")
    assert (again["outcome"], again["number"]) == ("proposed", first["number"])


def test_a_protected_main_refuses_a_push_and_a_rollback_asks_people_instead(gitea: Gitea, tmp_path: Path) -> None:
    place = placed(gitea, tmp_path, "{by: push}")
    proof, bad = place.judged(), ""
    place.hosted.protect(approvals=1)
    refused = place.trimtab("promote", "--evidence", proof, code=6)
    assert "refs/heads/main" in refused["text"] and "must be allowed to write" in refused["text"]
    bad = place.judged("fail")
    asked = place.trimtab("rollback", "shop/canary", "--evidence", bad, code=4)
    assert asked["branch"] == "trimtab/shop/canary" and "goes back to what" in place.request(asked["number"])["body"]
    place.approve_and_merge(asked["number"])
    assert place.trimtab("rollback", "--evidence", bad)["outcome"] == "nothing"
    held = place.trimtab("show", "--in", "repo")
    assert held["kind"] == "rolled-back" and held["proof"]["verdict"]["judgement"] == "fail"


def test_an_issue_is_approved_by_a_comment(gitea: Gitea, tmp_path: Path) -> None:
    place = placed(gitea, tmp_path, f"{{by: issue, approvers: [{REVIEWER}]}}")
    asked = place.trimtab("promote", "--evidence", place.judged(), code=4)
    assert asked["operation"] == "created"
    place.hosted.ask("POST", f"/issues/{asked['number']}/comments", BOT, {"body": "/approve"})
    assert place.trimtab("promote", code=4)["outcome"] == "waiting"
    place.hosted.ask("POST", f"/issues/{asked['number']}/comments", REVIEWER, {"body": "Fine.\n\n/approve"})
    done = place.trimtab("promote")
    assert (done["outcome"], done["number"], done["operation"]) == ("promoted", asked["number"], "closed")
    assert place.hosted.ask("GET", f"/issues/{asked['number']}", REVIEWER)["state"] == "closed"
    place.hosted.git("fetch", "--quiet", place.hosted.url(REVIEWER), "main")
    assert trailers_of(place.hosted.git("log", "-1", "--format=%B", "FETCH_HEAD"))["Approved-By"] == REVIEWER


def test_a_wrong_token_is_named_and_nothing_is_left_behind(gitea: Gitea, tmp_path: Path) -> None:
    place = placed(gitea, tmp_path)
    proof = place.judged()
    refused = place.trimtab("promote", "--evidence", proof, code=6, environment={"GITEA_TOKEN": "hunter2"})
    assert "hunter2" not in refused["text"] and "must be allowed to read the repository" in refused["text"]
    assert BRANCH not in place.hosted.git("ls-remote", place.hosted.url(REVIEWER))
