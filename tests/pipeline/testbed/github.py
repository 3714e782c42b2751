"""A GitHub of the tests: a `Hub` behind GitHub's API, with answers made of the examples in GitHub's own description."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pipeline.testbed.hosting import BOT, Asked, Hosting, Refuses
from pipeline.testbed.openapi import REPOSITORY, Description
from trimtab.model.forge import (
    CommitStatus,
    Issue,
    Permission,
    PullRequest,
    RequestState,
    StatusState,
    Thread,
)

NAME = "acme/shop"
Raw = Any
NOT_FOUND = Refuses(404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"})


class GitHubOfTests(Hosting):
    """One repository, `acme/shop`."""

    def __init__(self, description: Description) -> None:
        super().__init__(description, "")
        self.handler = self.handle
        self.handlers: dict[str, Callable[[Asked], tuple[int, Raw]]] = {
            "get /user": lambda asked: (200, {**self.example("get", "/user", 200), "login": BOT}),
            **{
                f"{method} {REPOSITORY}/{path}": handler
                for (method, path), handler in {
                    ("get", "pulls"): self.pulls,
                    ("post", "pulls"): self.open_pull,
                    ("patch", "pulls/{pull_number}"): self.edit,
                    ("get", "pulls/{pull_number}/commits"): self.commits,
                    ("get", "pulls/{pull_number}/reviews"): self.reviews,
                    ("post", "pulls/{pull_number}/requested_reviewers"): self.request_review,
                    ("get", "issues"): self.issues,
                    ("post", "issues"): self.open_issue,
                    ("get", "issues/{issue_number}"): lambda asked: (200, self.issue(self.thread(asked))),
                    ("patch", "issues/{issue_number}"): self.edit,
                    ("post", "issues/{issue_number}/labels"): self.add_labels,
                    ("get", "issues/{issue_number}/comments"): self.comments,
                    ("post", "issues/{issue_number}/comments"): self.say,
                    ("get", "issues/{issue_number}/events"): self.events,
                    ("get", "collaborators/{username}/permission"): self.permission,
                    ("get", "commits/{ref}/status"): self.statuses,
                    ("post", "statuses/{sha}"): self.set_status,
                    ("get", "branches/{branch}"): self.branch_of,
                    ("get", "rules/branches/{branch}"): self.rules,
                }.items()
            },
        }

    def handle(self, asked: Asked) -> tuple[int, Raw]:
        """Only our repository is known."""
        if asked.call.parameters.get("owner", "acme") != "acme" or asked.call.parameters.get("repo", "shop") != "shop":
            raise NOT_FOUND
        return self.handlers[asked.name](asked)

    def example(self, method: str, path: str, status: int = 200) -> Raw:
        """What GitHub shows; the first of a list."""
        found = self.description.example(method, path if path == "/user" else f"{REPOSITORY}/{path}", status)
        return found[0] if isinstance(found, list) else found

    def person(self, login: str) -> Raw:
        """An account."""
        return {**self.example("get", "issues/{issue_number}/comments")["user"], "login": login}

    def thread(self, asked: Asked) -> Thread:
        """What a number stands for."""
        number = int(asked.call.parameters.get("issue_number") or asked.call.parameters["pull_number"])
        if number not in self.hub.threads:
            raise NOT_FOUND
        return self.hub.fresh(self.hub.threads[number])

    def shared(self, thread: Thread) -> Raw:
        """What issues and pull requests have in common."""
        label = self.example("post", "issues/{issue_number}/labels")
        return {
            "number": thread.number,
            "html_url": f"https://github.com/{NAME}/pull/{thread.number}",
            "state": "open" if thread.state is RequestState.OPEN else "closed",
            "title": thread.title,
            "body": thread.body or None,
            "labels": [{**label, "name": name} for name in thread.labels],
            "user": self.person(thread.author),
        }

    def pull(self, found: PullRequest, method: str = "get", path: str = "pulls/{pull_number}", status: int = 200) -> Raw:
        """As single answers have it."""
        made = self.example(method, path, status)
        repository = {**made["base"]["repo"], "full_name": NAME, "name": "shop"}
        merged = found.state is RequestState.MERGED
        return {
            **made,
            **self.shared(found),
            "head": {**made["head"], "ref": found.head, "sha": found.head_commit, "repo": repository, "label": f"acme:{found.head}"},
            "base": {**made["base"], "ref": found.base, "repo": repository},
            "merged_at": "2026-01-01T00:00:00Z" if merged else None,
            "merge_commit_sha": found.merge_commit if merged else "e" * 40,  # of an open one: what a merge would give
            "draft": found.draft,
            "requested_teams": [],
        }

    def issue(self, found: Thread, method: str = "get", path: str = "issues/{issue_number}", status: int = 200) -> Raw:
        """As an issue, which a pull request is, too."""
        made = {**self.example(method, path, status), **self.shared(found)}
        links = made.pop("pull_request", None) or self.example("get", "issues").get("pull_request")
        return {**made, "pull_request": links} if isinstance(found, PullRequest) else made

    def listed(self, kind: type[Thread], state: str) -> list[Thread]:
        """Newest first."""
        found = [self.hub.fresh(thread) for thread in reversed(self.hub.threads.values()) if isinstance(thread, kind)]
        return [thread for thread in found if state == "all" or (state == "open") is (thread.state is RequestState.OPEN)]

    def pulls(self, asked: Asked) -> tuple[int, Raw]:
        """GitHub's filter by head is the owner's name and the branch."""
        head = asked.query["head"].removeprefix("acme:")
        found = [one for one in self.listed(PullRequest, asked.query["state"]) if isinstance(one, PullRequest)]
        chosen = [one for one in found if (one.head, one.base) == (head, asked.query["base"])]
        answers = [self.pull(one, "get", "pulls") for one in chosen]
        if asked.query["state"] == "closed":
            answers = [self.of_a_fork(one) for one in answers[:1]] + answers
        return 200, answers

    def of_a_fork(self, pull: Raw) -> Raw:
        """The same from a fork, which GitHub's filter finds where the owner's names are the same."""
        return {**pull, "number": 9000, "head": {**pull["head"], "repo": {**pull["head"]["repo"], "full_name": "acme/shop-fork"}}}

    def open_pull(self, asked: Asked) -> tuple[int, Raw]:
        """One for each head and base."""
        body = asked.body
        there = [one for one in self.listed(PullRequest, "open") if isinstance(one, PullRequest) and one.head == body["head"]]
        if there:
            message = f"A pull request already exists for acme:{body['head']}."
            error = {"resource": "PullRequest", "code": "custom", "message": message}
            raise Refuses(422, {"message": "Validation Failed", "errors": [error], "documentation_url": "https://docs.github.com/rest"})
        number, commits = len(self.hub.threads) + 1, self.branches[body["head"]]
        made = PullRequest(
            number, "", RequestState.OPEN, body["title"], body["body"], (), body["head"], commits[-1].id, body["base"], BOT,
            draft=body["draft"],
        )  # fmt: skip
        opened = self.hub.add(made, (), BOT)
        assert isinstance(opened, PullRequest)
        return 201, self.pull(opened, "post", "pulls", 201)

    def edit(self, asked: Asked) -> tuple[int, Raw]:
        """Of either kind."""
        thread = self.thread(asked)
        changed = {name: asked.body[name] for name in ("title", "body") if name in asked.body}
        now = self.hub.threads[thread.number]
        for name, value in changed.items():
            now = type(now)(**{**{slot: getattr(now, slot) for slot in now.__slots__}, name: value})
        self.hub.threads[thread.number] = now
        if asked.body.get("state") == "closed":
            self.hub.end(now)
        fresh = self.hub.fresh(now)
        return 200, self.pull(fresh) if isinstance(fresh, PullRequest) and "pull_number" in asked.call.parameters else self.issue(fresh)

    def commits(self, asked: Asked) -> tuple[int, Raw]:
        """Oldest first; an address without an account gives an empty object."""
        found = self.thread(asked)
        made = self.example("get", "pulls/{pull_number}/commits")
        assert isinstance(found, PullRequest)
        return 200, [
            {
                **made,
                "sha": one.id,
                "commit": {
                    **made["commit"],
                    "message": one.message,
                    "author": {**made["commit"]["author"], "email": one.email},
                    "committer": {**made["commit"]["committer"], "email": one.committer_email},
                },
                "author": self.person(one.author) if one.author else {},
            }
            for one in self.branches[found.head]
        ]

    def reviews(self, asked: Asked) -> tuple[int, Raw]:
        """With one that has no verdict after each."""
        made, found = self.example("get", "pulls/{pull_number}/reviews"), []
        for by, approves, commit in self.hub.reviewed.get(self.thread(asked).number, ()):
            state = "APPROVED" if approves else "CHANGES_REQUESTED"
            found += [{**made, "user": self.person(by), "state": word, "commit_id": commit} for word in (state, "COMMENTED")]
        return 200, found

    def request_review(self, asked: Asked) -> tuple[int, Raw]:
        """Only of people who are there."""
        if any(name not in self.hub.people for name in asked.body.get("reviewers", ())):
            message = (
                "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator"
            )
            raise Refuses(422, {"message": message, "documentation_url": "https://docs.github.com/rest"})
        found = self.thread(asked)
        assert isinstance(found, PullRequest)
        return 201, self.pull(found, "post", "pulls/{pull_number}/requested_reviewers", 201)

    def issues(self, asked: Asked) -> tuple[int, Raw]:
        """Pull requests are among them."""
        found = [*self.listed(PullRequest, asked.query["state"]), *self.listed(Issue, asked.query["state"])]
        return 200, [self.issue(one, "get", "issues") for one in found if asked.query["labels"] in one.labels]

    def open_issue(self, asked: Asked) -> tuple[int, Raw]:
        """A new one."""
        made = Issue(len(self.hub.threads) + 1, "", RequestState.OPEN, asked.body["title"], asked.body["body"], (), BOT)
        return 201, self.issue(self.hub.add(made, asked.body["labels"], BOT), "post", "issues", 201)

    def add_labels(self, asked: Asked) -> tuple[int, Raw]:
        """Those that are there stay."""
        self.hub.label(self.thread(asked), asked.body["labels"], BOT)
        return 200, self.shared(self.thread(asked))["labels"]

    def comments(self, asked: Asked) -> tuple[int, Raw]:
        """Oldest first."""
        made = self.example("get", "issues/{issue_number}/comments")
        return 200, [
            {
                **made,
                "id": one.id,
                "user": self.person(one.author) if one.author else None,
                "body": one.body,
                "created_at": written(one.at),
                "updated_at": written(one.at) if not one.edited else "2027-01-01T00:00:00Z",
            }
            for one in self.hub.said.get(self.thread(asked).number, ())
        ]

    def say(self, asked: Asked) -> tuple[int, Raw]:
        """As the bot."""
        self.hub.comment(self.thread(asked), asked.body["body"], BOT)
        return 201, self.example("post", "issues/{issue_number}/comments", 201)

    def events(self, asked: Asked) -> tuple[int, Raw]:
        """Labels, each with one that was put there and taken away again before."""
        made, found = self.example("get", "issues/{issue_number}/events"), []
        for one in self.hub.labelled.get(self.thread(asked).number, ()):
            event = {**made, "label": {"name": one.label, "color": "aabbcc"}, "created_at": written(one.at)}
            found += [{**event, "event": word, "actor": self.person("somebody")} for word in ("labeled", "unlabeled")]
            found.append({**event, "event": "labeled", "actor": self.person(one.by)})
        return 200, found

    def permission(self, asked: Asked) -> tuple[int, Raw]:
        """Whoever has an account."""
        may = self.hub.people.get(asked["username"])
        if may is None:
            raise NOT_FOUND
        name = {Permission.ADMIN: "admin", Permission.WRITE: "write", Permission.READ: "read"}.get(may, "none")
        return 200, {
            **self.example("get", "collaborators/{username}/permission"), "permission": name, "role_name": name,
            "user": {**self.person(asked["username"]), "role_name": name},
        }  # fmt: skip

    def statuses(self, asked: Asked) -> tuple[int, Raw]:
        """All on one page here."""
        made = self.example("get", "commits/{ref}/status")
        found = [
            {
                **made["statuses"][0],
                "context": one.context,
                "state": one.state.value,
                "description": one.description or None,
                "target_url": one.url or None,
            }
            for one in self.hub.verdicts.get(asked["ref"], {}).values()
        ]
        return 200, {**made, "statuses": found, "total_count": len(found), "state": "pending"}

    def set_status(self, asked: Asked) -> tuple[int, Raw]:
        """The newest counts."""
        body = asked.body
        status = CommitStatus(body["context"], StatusState(body["state"]), body["description"], body.get("target_url", ""))
        self.hub.verdicts.setdefault(asked["sha"], {})[status.context] = status
        return 201, self.example("post", "statuses/{sha}", 201)

    def branch_of(self, asked: Asked) -> tuple[int, Raw]:
        """Classic protection shows only that it is there."""
        guarded = asked["branch"] in self.hub.protections
        if not guarded and asked["branch"] not in self.branches:
            raise NOT_FOUND
        return 200, {**self.example("get", "branches/{branch}"), "name": asked["branch"], "protected": guarded}

    def rules(self, asked: Asked) -> tuple[int, Raw]:
        """Rulesets say what they want."""
        found = self.hub.protections.get(asked["branch"])
        if found is None or found.approvals is None:
            return 200, []
        source = {"ruleset_source_type": "Repository", "ruleset_source": NAME, "ruleset_id": 1}
        review = {
            "required_approving_review_count": found.approvals, "dismiss_stale_reviews_on_push": True, "require_code_owner_review": False,
            "require_last_push_approval": False, "required_review_thread_resolution": False,
        }  # fmt: skip
        checks = {"required_status_checks": [{"context": check} for check in found.checks], "strict_required_status_checks_policy": False}
        return 200, [
            {"type": "deletion", **source},
            {"type": "pull_request", **source, "parameters": review},
            {"type": "required_status_checks", **source, "parameters": checks},
        ]


def written(moment: datetime) -> str:
    """As GitHub writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
