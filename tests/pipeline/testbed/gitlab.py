"""A GitLab of the tests: a `Hub` behind its API as `gitlab.yaml` describes it, with GitLab's own ways: commands in texts, draft titles."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from pipeline.testbed.hosting import BOT, Asked, Hosting, Refuses
from pipeline.testbed.openapi import Description
from trimtab.model.forge import CommitStatus, Issue, Permission, PullRequest, RequestState, StatusState, Thread
from trimtab.testing.forge import START

NAME = "group/sub/shop"
PROJECT = 42
LEVELS = {Permission.ADMIN: 40, Permission.WRITE: 30, Permission.READ: 20}
WORDS = {RequestState.OPEN: "opened", RequestState.CLOSED: "closed", RequestState.MERGED: "merged"}
VERDICTS = {"success": StatusState.SUCCESS, "failed": StatusState.FAILURE, "canceled": StatusState.ERROR, "pending": StatusState.PENDING}
Raw = Any
NOT_FOUND = Refuses(404, {"message": "404 Not found"})


class GitLabOfTests(Hosting):
    """One project, `group/sub/shop`."""

    def __init__(self) -> None:
        super().__init__(Description(yaml.safe_load((Path(__file__).parent / "gitlab.yaml").read_text())), "/api/v4")
        self.handler = self.handle
        self.pushes: dict[str, list[tuple[str, datetime]]] = {}
        self.approved: dict[int, list[tuple[str, datetime | None]]] = {}
        self.commands: list[str] = []
        """Lines of texts that GitLab would have obeyed."""
        project, request, issue = "/projects/{id}", "/merge_requests/{merge_request_iid}", "/issues/{issue_iid}"
        self.handlers: dict[str, Callable[[Asked], tuple[int, Raw]]] = {
            "get /user": lambda asked: (200, self.person(BOT)),
            "get /users": self.users,
            f"get {project}/merge_requests": self.requests,
            f"post {project}/merge_requests": self.open_request,
            f"get {project}{request}": lambda asked: (200, self.request(self.thread(asked))),
            f"put {project}{request}": self.edit,
            f"get {project}{request}/commits": self.commits,
            f"get {project}{request}/versions": self.versions,
            f"get {project}{request}/approvals": self.approvals,
            f"get {project}{request}/reviewers": self.reviewers,
            f"get {project}/issues": self.issues,
            f"post {project}/issues": self.open_issue,
            f"get {project}{issue}": lambda asked: (200, self.issue(self.thread(asked))),
            f"put {project}{issue}": self.edit,
            f"get {project}/members/all/{{user_id}}": self.member,
            f"get {project}/repository/commits/{{sha}}/statuses": self.statuses,
            f"post {project}/statuses/{{sha}}": self.set_status,
            f"get {project}/repository/branches/{{branch}}": self.branch_of,
            **{f"get {project}{kind}/notes": self.notes for kind in (request, issue)},
            **{f"post {project}{kind}/notes": self.say for kind in (request, issue)},
            **{f"get {project}{kind}/resource_label_events": self.label_events for kind in (request, issue)},
        }

    def handle(self, asked: Asked) -> tuple[int, Raw]:
        """Only our project is known."""
        if asked.call.parameters.get("id", NAME) != NAME:
            raise NOT_FOUND
        for text in (asked.body or {}).get("description", ""), (asked.body or {}).get("body", ""):
            self.commands += re.findall(r"^\s*/\w+.*$", text, re.MULTILINE)
        return self.handlers[asked.name](asked)

    async def branch(self, name: str) -> str:
        """A push makes a version of each open request."""
        commit = await super().branch(name)
        self.pushes.setdefault(name, []).append((commit, self.hub.now()))
        return commit

    async def approve(self, request: PullRequest, approves: bool = True) -> None:
        """An approval has a time and no commit; a wish for changes is a state of the reviewer."""
        self.hub.review(request, self.reviewer, approves)
        if approves:
            mine = [one for one in self.approved.get(request.number, ()) if one[0] != self.reviewer]
            self.approved[request.number] = [*mine, (self.reviewer, self.hub.now())]

    def person(self, login: str) -> Raw:
        """An account."""
        number = sum(login.encode())
        return {"id": number, "username": login, "name": login, "state": "active", "web_url": f"https://gitlab.example/{login}"}

    def users(self, asked: Asked) -> tuple[int, Raw]:
        """By name; letters may be large or small."""
        return 200, [self.person(one) for one in self.hub.people if one.casefold() == asked.query["username"].casefold()]

    def thread(self, asked: Asked) -> Thread:
        """What a number of this kind stands for."""
        number = int(asked.call.parameters.get("issue_iid") or asked.call.parameters["merge_request_iid"])
        kind = Issue if "issue_iid" in asked.call.parameters else PullRequest
        found = self.hub.threads.get(number)
        if not isinstance(found, kind):
            raise NOT_FOUND
        return self.hub.fresh(found)

    def shared(self, found: Thread) -> Raw:
        """What both kinds have."""
        return {
            "id": 1000 + found.number, "iid": found.number, "project_id": PROJECT, "title": found.title, "description": found.body or None,
            "state": WORDS[found.state], "created_at": written(START), "updated_at": written(START), "closed_at": None,
            "labels": list(found.labels), "author": self.person(found.author), "web_url": f"https://gitlab.example/{NAME}/-/{found.number}",
        }  # fmt: skip

    def request(self, found: Thread) -> Raw:
        """A merge request."""
        assert isinstance(found, PullRequest)
        return {
            **self.shared(found), "merged_at": None, "target_branch": found.base, "source_branch": found.head, "source_project_id": PROJECT,
            "target_project_id": PROJECT, "draft": found.title.startswith("Draft: "), "sha": found.head_commit, "squash_commit_sha": None,
            "merge_commit_sha": found.merge_commit or None, "reviewers": [],
        }  # fmt: skip

    def issue(self, found: Thread) -> Raw:
        """An issue."""
        return self.shared(found)

    def listed(self, kind: type[Thread], state: str) -> list[Thread]:
        """Newest first."""
        found = [self.hub.fresh(thread) for thread in reversed(self.hub.threads.values()) if isinstance(thread, kind)]
        return [thread for thread in found if state in ("all", WORDS[thread.state])]

    def requests(self, asked: Asked) -> tuple[int, Raw]:
        """One of a fork goes before each of ours."""
        wanted = (asked.query["source_branch"], asked.query["target_branch"])
        found = [self.request(one) for one in self.listed(PullRequest, asked.query["state"])]
        chosen = [one for one in found if (one["source_branch"], one["target_branch"]) == wanted]
        return 200, [entry for one in chosen for entry in ({**one, "iid": 9000, "source_project_id": 43}, one)]

    def open_request(self, asked: Asked) -> tuple[int, Raw]:
        """One for each pair of branches."""
        body = asked.body
        for one in self.listed(PullRequest, "opened"):
            if isinstance(one, PullRequest) and one.head == body["source_branch"]:
                raise Refuses(409, {"message": [f"Another open merge request already exists for this source branch: !{one.number}"]})
        head = body["source_branch"]
        branches = (head, self.branches[head][-1].id, body["target_branch"])
        made = PullRequest(len(self.hub.threads) + 1, "", RequestState.OPEN, body["title"], body["description"], (), *branches, BOT)
        return 201, self.request(self.hub.add(made, split(body["labels"]), BOT))

    def edit(self, asked: Asked) -> tuple[int, Raw]:
        """Of either kind."""
        thread, body = self.thread(asked), asked.body
        now = self.hub.threads[thread.number]
        changed = {"title": body.get("title", now.title), "body": body.get("description", now.body)}
        now = type(now)(**{**{slot: getattr(now, slot) for slot in now.__slots__}, **changed})
        self.hub.threads[thread.number] = now
        self.hub.label(now, split(body.get("add_labels", "")), BOT)
        if body.get("state_event") == "close":
            self.hub.end(now)
        fresh = self.hub.fresh(now)
        return 200, self.request(fresh) if isinstance(fresh, PullRequest) else self.issue(fresh)

    def commits(self, asked: Asked) -> tuple[int, Raw]:
        """Newest first."""
        found = self.thread(asked)
        assert isinstance(found, PullRequest)
        return 200, [
            {
                "id": one.id, "short_id": one.id[:8], "title": one.message, "message": one.message, "author_name": "x",
                "author_email": one.email, "authored_date": written(START), "committer_name": "x",
                "committer_email": one.committer_email, "committed_date": written(START),
            }
            for one in reversed(self.branches[found.head])
        ]  # fmt: skip

    def versions(self, asked: Asked) -> tuple[int, Raw]:
        """Newest first."""
        found = self.thread(asked)
        assert isinstance(found, PullRequest)
        return 200, [
            {
                "id": number, "head_commit_sha": commit, "base_commit_sha": "b" * 40, "start_commit_sha": "b" * 40,
                "created_at": written(at), "merge_request_id": 1, "state": "collected",
            }
            for number, (commit, at) in reversed(list(enumerate(self.pushes[found.head])))
        ]  # fmt: skip

    def approvals(self, asked: Asked) -> tuple[int, Raw]:
        """GitLab keeps them over pushes unless the project says otherwise. The author may approve, too."""
        given = self.approved.get(self.thread(asked).number, [])
        return 200, {
            "approved": bool(given),
            "approved_by": [{"user": self.person(by), **({"approved_at": written(at)} if at else {})} for by, at in given],
        }

    def reviewers(self, asked: Asked) -> tuple[int, Raw]:
        """The last word of each."""
        last = {by: approves for by, approves, _ in self.hub.reviewed.get(self.thread(asked).number, ())}
        states = {True: "approved", False: "requested_changes"}
        return 200, [{"user": self.person(by), "state": states[said], "created_at": written(START)} for by, said in last.items()]

    def issues(self, asked: Asked) -> tuple[int, Raw]:
        """With all of the labels."""
        wanted = set(split(asked.query["labels"]))
        return 200, [self.issue(one) for one in self.listed(Issue, asked.query["state"]) if wanted <= set(one.labels)]

    def open_issue(self, asked: Asked) -> tuple[int, Raw]:
        """A new one."""
        body = asked.body
        made = Issue(len(self.hub.threads) + 1, "", RequestState.OPEN, body["title"], body["description"], (), BOT)
        return 201, self.issue(self.hub.add(made, split(body["labels"]), BOT))

    def notes(self, asked: Asked) -> tuple[int, Raw]:
        """With a remark of GitLab's own first."""
        thread = self.thread(asked)
        remark = self.note(thread, 1, BOT, "added 1 commit", START, START)
        said = [
            self.note(thread, one.id, one.author, one.body, one.at, one.at + timedelta(seconds=60 if one.edited else 0.4))
            for one in self.hub.said.get(thread.number, ())
        ]
        return 200, [{**remark, "system": True}, *said]

    def note(self, thread: Thread, number: int, by: str, body: str, at: datetime, changed: datetime) -> Raw:
        """A note."""
        kind = "MergeRequest" if isinstance(thread, PullRequest) else "Issue"
        return {
            "id": number, "body": body, "author": self.person(by), "created_at": written(at), "updated_at": written(changed),
            "system": False, "noteable_id": 1, "noteable_type": kind, "resolvable": False,
        }  # fmt: skip

    def say(self, asked: Asked) -> tuple[int, Raw]:
        """As the bot."""
        thread = self.thread(asked)
        self.hub.comment(thread, asked.body["body"], BOT)
        return 201, self.note(thread, 1, BOT, asked.body["body"], START, START)

    def label_events(self, asked: Asked) -> tuple[int, Raw]:
        """Each label was put there and taken away before; one was deleted."""
        thread = self.thread(asked)
        kind = "MergeRequest" if isinstance(thread, PullRequest) else "Issue"
        shared = {"id": 1, "resource_type": kind, "resource_id": 1, "created_at": written(START)}
        found: list[Raw] = [{**shared, "user": None, "label": None, "action": "add"}]
        for one in self.hub.labelled.get(thread.number, ()):
            label = {"id": 1, "name": one.label, "color": "#aabbcc", "description": None}
            found += [{**shared, "user": self.person("somebody"), "label": label, "action": word} for word in ("add", "remove")]
            found.append({**shared, "user": self.person(one.by), "label": label, "action": "add", "created_at": written(one.at)})
        return 200, found

    def member(self, asked: Asked) -> tuple[int, Raw]:
        """By number."""
        for login, may in self.hub.people.items():
            person = self.person(login)
            if str(person["id"]) == asked["user_id"] and may in LEVELS:
                return 200, {**person, "access_level": LEVELS[may], "expires_at": None}
        raise NOT_FOUND

    def status(self, one: CommitStatus, sha: str) -> Raw:
        """Ours."""
        word = next(word for word, state in VERDICTS.items() if state is one.state)
        return {
            "id": 1, "sha": sha, "ref": "main", "status": word, "name": one.context, "target_url": one.url or None,
            "description": one.description or None, "created_at": written(START), "started_at": None, "finished_at": None,
            "allow_failure": False, "author": self.person(BOT),
        }  # fmt: skip

    def statuses(self, asked: Asked) -> tuple[int, Raw]:
        """The newest of each name."""
        return 200, [self.status(one, asked["sha"]) for one in self.hub.verdicts.get(asked["sha"], {}).values()]

    def set_status(self, asked: Asked) -> tuple[int, Raw]:
        """The newest counts."""
        body = asked.body
        status = CommitStatus(body["name"], VERDICTS[body["state"]], body["description"], body.get("target_url", ""))
        self.hub.verdicts.setdefault(asked["sha"], {})[status.context] = status
        return 201, self.status(status, asked["sha"])

    def branch_of(self, asked: Asked) -> tuple[int, Raw]:
        """Whether it is protected, and whether we may push."""
        name = asked["branch"]
        if name not in self.branches and name not in self.hub.protections:
            raise NOT_FOUND
        guarded = name in self.hub.protections
        return 200, {
            "name": name, "merged": False, "protected": guarded, "default": False, "can_push": not guarded, "developers_can_push": False,
            "developers_can_merge": False, "web_url": "https://gitlab.example", "commit": {},
        }  # fmt: skip


def split(labels: str) -> list[str]:
    """Labels as GitLab reads them."""
    return [label for label in labels.split(",") if label]


def written(moment: datetime) -> str:
    """As GitLab writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
