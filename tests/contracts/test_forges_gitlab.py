"""The adapter for GitLab keeps its promises, and every request and answer in it is as GitLab's documentation says."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from pipeline.testbed.gitlab import NAME, GitLabOfTests
from pipeline.testbed.hosting import BOT, REVIEWER, hosting
from trimtab.adapters.forges.api import Api, Token
from trimtab.adapters.forges.gitlab import GitLab, harmless
from trimtab.adapters.outgoing import outgoing_session
from trimtab.errors import InputError
from trimtab.model.forge import CommitStatus, Edit, NewPullRequest, Permission, Protection, RequestState, StatusState
from trimtab.testing.contracts import forge
from trimtab.testing.jumping import JumpingClock

BRANCH = "trimtab/shop/stable"


class OnGitLab(GitLabOfTests):
    """With the bot's adapter."""

    forge: GitLab


@pytest.fixture
async def there() -> AsyncIterator[OnGitLab]:
    made = OnGitLab()
    async with hosting(made), outgoing_session() as session:
        api = Api(
            session, JumpingClock(), f"{made.address}/api/v4", Token("t0ken", "GITLAB_TOKEN"), {"Authorization": "Bearer t0ken"}, NAME
        )
        made.forge = GitLab(api, NAME)
        yield made


@pytest.mark.parametrize("check", forge.CHECKS, ids=lambda check: check.__name__)
async def test_gitlab_keeps_the_promises_of_a_forge(check: Callable[[forge.Harness], Awaitable[None]], there: OnGitLab) -> None:
    await check(there)


async def test_no_line_of_ours_is_a_command_to_gitlab(there: OnGitLab) -> None:
    text = "/merge\nhello\n  /close\n```\n/approve\n```\n/etc is a folder\n// a comment\n a/b"
    await there.branch(BRANCH)
    made = await there.forge.open_pull_request(NewPullRequest(BRANCH, "main", "t", text))
    await there.forge.edit(made, Edit(body=text))
    await there.forge.say(made, text)
    await there.forge.open_issue("t", text, ())
    assert not there.commands
    assert harmless(harmless(text)) == harmless(text) and harmless(text).replace("\\/", "/") == text


async def test_an_approval_without_a_time_or_by_the_author_counts_for_nothing(there: OnGitLab) -> None:
    made = await forge.opened(there)
    there.approved[made.number] = [("old-server", None), (BOT, there.hub.now()), (REVIEWER, there.hub.now())]
    found = {review.by: review.current for review in await there.forge.reviews(made)}
    assert found == {"old-server": False, REVIEWER: True}
    stale = replace(made, head_commit="f" * 40)
    assert not any(review.current for review in await there.forge.reviews(stale))


async def test_wanted_changes_go_before_an_approval(there: OnGitLab) -> None:
    made = await forge.opened(there)
    await there.approve(made)
    await there.approve(made, approves=False)
    assert [(review.by, review.approves) for review in await there.forge.reviews(made)] == [(REVIEWER, False)]


async def test_a_draft_is_one_by_its_title_and_stays_one(there: OnGitLab) -> None:
    await there.branch(BRANCH)
    made = await there.forge.open_pull_request(NewPullRequest(BRANCH, "main", "Promote", "b", reviewers=("nobody", REVIEWER), draft=True))
    assert made.draft and made.title == "Promote" and there.hub.threads[made.number].title == "Draft: Promote"
    await there.forge.edit(made, Edit(title="Promote again"))
    assert there.hub.threads[made.number].title == "Draft: Promote again"
    assert [asked.body["reviewer_ids"] for asked in there.seen if asked.name == "post /projects/{id}/merge_requests"] == [
        [there.person(REVIEWER)["id"]]
    ]


async def test_a_merge_without_a_commit_of_its_own_put_the_head_on_the_base(there: OnGitLab) -> None:
    made = await forge.opened(there)
    there.hub.threads[made.number] = replace(made, state=RequestState.MERGED, merge_commit="")
    assert (await forge.again(there, made)).merge_commit == made.head_commit


async def test_an_edited_note_is_marked_and_remarks_of_gitlab_are_left_out(there: OnGitLab) -> None:
    made = await forge.opened(there)
    there.hub.comment(made, "/approve", REVIEWER, edited=True)
    there.hub.comment(made, "yes", REVIEWER)
    assert [(said.body, said.edited) for said in await there.forge.comments(made)] == [("/approve", True), ("yes", False)]


async def test_permissions_come_from_the_level_of_an_active_member(there: OnGitLab) -> None:
    there.hub.people |= {"eve": Permission.READ, "root": Permission.ADMIN, "zoe": Permission.NONE}
    found = [await there.forge.permission(login) for login in ("EVE", "root", "zoe", "nobody&username=root")]
    assert found == [Permission.READ, Permission.ADMIN, Permission.NONE, Permission.NONE]


async def test_a_protected_branch_says_that_we_may_not_push(there: OnGitLab) -> None:
    there.hub.protections["main"] = Protection(True)
    assert await there.forge.protection("main") == Protection(True, can_push=False)
    assert await there.forge.protection("not/there") == Protection(False)


async def test_a_label_with_a_comma_is_refused_before_it_becomes_two(there: OnGitLab) -> None:
    made = await forge.opened(there)
    seen = len(there.seen)
    with pytest.raises(InputError, match="'a,b' holds a comma"):
        await there.forge.edit(made, Edit(labels=("a,b",)))
    assert len(there.seen) == seen


async def test_every_state_is_written_and_read(there: OnGitLab) -> None:
    for state in StatusState:
        await there.forge.set_status("a" * 40, CommitStatus(state.value, state, "x" * 500))
    assert {status.context: status.state.value for status in await there.forge.statuses("a" * 40)} == {
        state.value: state.value for state in StatusState
    }


@pytest.mark.parametrize("branch", ["trimtab/shop/ümlaut", "a%2Fb", "a#b&state=all", "$(id)", "a;b"])
async def test_hostile_names_of_branches_mean_nothing(there: OnGitLab, branch: str) -> None:
    await there.branch(branch)
    made = await there.forge.open_pull_request(NewPullRequest(branch, "main", branch, branch))
    assert (await forge.again(there, made)).number == made.number
    assert not (await there.forge.protection(branch)).protected
