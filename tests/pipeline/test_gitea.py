"""The adapter for Gitea keeps its promises with a real Gitea, and says what that one refuses."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pipeline.testbed.gitea import ADMIN, BOT, REVIEWER, Gitea, Hosted, Refused
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.forges.api import Api, Token
from trimtab.adapters.forges.gitea import Gitea as GiteaForge
from trimtab.adapters.outgoing import outgoing_session
from trimtab.errors import Conflict, Denied, InputError
from trimtab.model.forge import CommitStatus, Edit, Issue, NewPullRequest, Permission, PullRequest, StatusState, Thread
from trimtab.testing.contracts import forge

pytestmark = pytest.mark.pipeline

BRANCH = "trimtab/shop/stable"


@dataclass
class OnGitea:
    """A repository of its own for each check."""

    hosted: Hosted
    forge: GiteaForge
    base: str = "main"
    reviewer: str = REVIEWER
    pushed: dict[str, int] = field(default_factory=dict)

    async def branch(self, name: str) -> str:
        self.hosted.git("checkout", "--quiet", "-B", "work", name if name in self.pushed else self.base)
        self.pushed[name] = self.pushed.get(name, 0) + 1
        commit = self.hosted.commit("stable/settings.yaml", f"branch: {name}\nchange: {self.pushed[name]}\n")
        self.hosted.push(name)
        self.hosted.git("branch", "--force", name)
        return commit

    async def approve(self, request: PullRequest, approves: bool = True) -> None:
        event = "APPROVED" if approves else "REQUEST_CHANGES"
        body = {"event": event, "body": "seen", "commit_id": request.head_commit}
        self.hosted.ask("POST", f"/pulls/{request.number}/reviews", REVIEWER, body)

    async def close(self, thread: Thread) -> None:
        kind = "issues" if isinstance(thread, Issue) else "pulls"
        self.hosted.ask("PATCH", f"/{kind}/{thread.number}", REVIEWER, {"state": "closed"})

    async def merge(self, request: PullRequest) -> None:
        self.hosted.merge(request.number, request.head_commit)

    async def comment(self, thread: Thread, text: str) -> None:
        self.hosted.ask("POST", f"/issues/{thread.number}/comments", REVIEWER, {"body": text})

    async def label(self, thread: Thread, name: str) -> None:
        self.hosted.ask("POST", "/labels", REVIEWER, {"name": name, "color": "#aabbcc"})
        self.hosted.ask("POST", f"/issues/{thread.number}/labels", REVIEWER, {"labels": [name]})


@pytest.fixture
async def asked(gitea: Gitea) -> AsyncIterator[Callable[[Hosted, str], GiteaForge]]:
    """The adapter over a repository, in somebody's name."""
    async with outgoing_session() as session:

        def made(hosted: Hosted, login: str = BOT) -> GiteaForge:
            token = Token(gitea.tokens[login], "GITEA_TOKEN")
            headers = {"Authorization": f"token {token.value}"}
            where = f"{hosted.name} on {gitea.address}"
            return GiteaForge(Api(session, SystemClock(), f"{gitea.address}/api/v1", token, headers, where, "limit"), hosted.name)

        yield made


@pytest.fixture
def there(gitea: Gitea, asked: Callable[[Hosted], GiteaForge], tmp_path: Path) -> OnGitea:
    hosted = gitea.repository(tmp_path / "clone")
    return OnGitea(hosted, asked(hosted))


@pytest.mark.parametrize("check", forge.CHECKS, ids=lambda check: check.__name__)
async def test_gitea_keeps_the_promises_of_a_forge(check: Callable[[forge.Harness], Awaitable[None]], there: OnGitea) -> None:
    await check(there)


async def test_a_protected_main_refuses_a_push_and_says_what_it_wants(there: OnGitea) -> None:
    there.hosted.protect("trimtab/shop", approvals=1)
    with pytest.raises(Refused, match="protected branch"):
        there.hosted.commit("stable/settings.yaml", "not reviewed\n")
        there.hosted.push("main")
    found = await there.forge.protection("main")
    assert found.protected and found.can_push is False
    assert (found.approvals, found.checks) == (1, ("trimtab/shop",))


async def test_a_merge_waits_for_approval_and_status_of_the_newest_commit(there: OnGitea) -> None:
    there.hosted.protect("trimtab/shop", approvals=1)
    made = await forge.opened(there, BRANCH)
    good = CommitStatus("trimtab/shop", StatusState.SUCCESS, "as good")
    with pytest.raises(Refused, match="405"):
        there.hosted.merge(made.number, made.head_commit)
    await there.approve(made)
    await there.forge.set_status(made.head_commit, good)
    commit = await there.branch(BRANCH)
    with pytest.raises(Refused, match="405"):
        there.hosted.merge(made.number, commit)
    now = await forge.again(there, made)
    assert not any(review.current for review in await there.forge.reviews(now)) and await there.forge.statuses(commit) == ()
    async with asyncio.timeout(30):
        # Gitea dismisses what is stale some time after the push, and whatever was said until then with it.
        while not all(said["dismissed"] for said in there.hosted.ask("GET", f"/pulls/{made.number}/reviews", BOT)):
            await asyncio.sleep(0.1)
    await there.approve(now)
    await there.forge.set_status(commit, good)
    there.hosted.merge(made.number, commit)
    assert (await forge.again(there, made)).merge_commit == there.hosted.git("ls-remote", there.hosted.url(BOT), "main").split()[0]


async def test_wanted_changes_are_told_from_an_approval(there: OnGitea) -> None:
    made = await forge.opened(there, BRANCH)
    await there.approve(made, approves=False)
    assert [review.approves for review in await there.forge.reviews(made)] == [False]
    await there.approve(made)
    assert [review.approves for review in await there.forge.reviews(made)] == [True]


async def test_a_comment_that_somebody_else_changed_is_marked(there: OnGitea) -> None:
    made = await forge.opened(there, BRANCH)
    await there.comment(made, "looks odd")
    (said,) = await there.forge.comments(made)

    async def edited() -> bool:
        # Gitea's times have whole seconds, so a change in the same one cannot be told.
        there.hosted.ask("PATCH", f"/issues/comments/{said.id}", ADMIN, {"body": f"/approve {uuid.uuid4()}"})
        (now,) = await there.forge.comments(made)
        return now.author == REVIEWER and now.edited

    async with asyncio.timeout(10):
        while not await edited():
            await asyncio.sleep(0.1)


async def test_reviewers_that_nobody_knows_are_left_out_and_a_draft_stays_one(there: OnGitea) -> None:
    await there.branch(BRANCH)
    new = NewPullRequest(BRANCH, "main", "Promote", "body", reviewers=("nobody-of-this-name", REVIEWER, BOT), draft=True)
    made = await there.forge.open_pull_request(new)
    asked_people = there.hosted.ask("GET", f"/pulls/{made.number}", BOT)["requested_reviewers"]
    assert [person["login"] for person in asked_people] == [REVIEWER]
    await there.forge.edit(made, Edit(title="Promote again"))
    now = await forge.again(there, made)
    assert made.draft and now.draft and now.title == "Promote again"


async def test_more_than_a_page_of_issues_and_labels_is_read(there: OnGitea) -> None:
    first = await there.forge.open_issue("Promote?", "<!-- first -->", ["trimtab"])
    label = there.hosted.ask("GET", "/labels", BOT)[0]["id"]
    for number in range(55):
        there.hosted.ask("POST", "/issues", BOT, {"title": f"other {number}", "body": "", "labels": [label]})
    await there.forge.edit(first, Edit(labels=tuple(f"label {number}" for number in range(55))))
    found = await there.forge.issue("trimtab", "<!-- first -->")
    assert found is not None and found.number == first.number
    assert len(await there.forge.labels(found)) == len(found.labels) == 56


@pytest.mark.parametrize("branch", ["trimtab/shop/ümlaut", "a%2Fb", "a#b%3Fc=d", "a&state=closed", "$(id)", "a;b", "x'\"y"])
async def test_hostile_names_of_branches_mean_nothing(there: OnGitea, branch: str) -> None:
    commit = await there.branch(branch)
    made = await there.forge.open_pull_request(NewPullRequest(branch, "main", branch, branch))
    found = await forge.again(there, made)
    assert (found.head, found.head_commit, found.number) == (branch, commit, made.number)
    assert not (await there.forge.protection(branch)).protected


async def test_a_fork_with_the_same_branch_is_not_taken_for_ours(there: OnGitea) -> None:
    fork = there.hosted.ask("POST", "/forks", REVIEWER, {"name": f"fork-{there.hosted.name.partition('/')[2]}"})["full_name"]
    await there.branch("elsewhere")
    theirs = Hosted(there.hosted.server, fork, there.hosted.folder)
    theirs.push(BRANCH, login=REVIEWER)
    there.hosted.ask("POST", "/pulls", REVIEWER, {"title": "Promote", "head": f"{REVIEWER}:{BRANCH}", "base": "main"})
    assert await there.forge.pull_request(BRANCH, "main") is None


async def test_what_gitea_refuses_is_said_without_the_token(
    gitea: Gitea, there: OnGitea, asked: Callable[[Hosted, str], GiteaForge], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"(?s)nothing-here.*spec\.forge\.repository"):
        await asked(Hosted(gitea, f"{ADMIN}/nothing-here", tmp_path), BOT).issue("trimtab", "x")
    stranger = GiteaForge(
        replace(there.forge.api, headers={"Authorization": "token 0123abcd"}, token=Token("0123abcd", "GITEA_TOKEN")), "a/b"
    )
    with pytest.raises(Denied, match="GITEA_TOKEN") as error:
        await stranger.set_status("0" * 40, CommitStatus("x", StatusState.SUCCESS))
    assert "0123abcd" not in str(error.value)
    with pytest.raises(Conflict, match=r"pull request.*look again"):
        made = await forge.opened(there, BRANCH)
        await there.forge.open_pull_request(NewPullRequest(made.head, "main", "again", ""))


async def test_in_an_organisation_permissions_are_denied_to_a_bot_that_does_not_administer(
    gitea: Gitea, asked: Callable[[Hosted, str], GiteaForge], tmp_path: Path
) -> None:
    hosted = gitea.repository(tmp_path / "clone", organisation=True)
    with pytest.raises(Denied, match="name the approvers"):
        await asked(hosted, BOT).permission(REVIEWER)
    assert await asked(hosted, BOT).permission("nobody-of-this-name") is Permission.NONE
    assert await asked(hosted, ADMIN).permission(REVIEWER) is Permission.WRITE
    assert await asked(hosted, ADMIN).permission(ADMIN) is Permission.ADMIN
