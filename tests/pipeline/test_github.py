"""The adapter for GitHub keeps its promises, and every request and answer in it is as GitHub's own description of its API says."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from cluster.testbed.binaries import CannotBuild
from pipeline.testbed.github import NAME, GitHubOfTests
from pipeline.testbed.hosting import REVIEWER, hosting
from pipeline.testbed.openapi import Description
from pipeline.testbed.openapi import github as description_of_github
from trimtab.adapters.forges.api import Api, Token
from trimtab.adapters.forges.github import HEADERS, GitHub
from trimtab.adapters.outgoing import outgoing_session
from trimtab.errors import InputError
from trimtab.model.forge import CommitStatus, Edit, NewPullRequest, Permission, Protection, StatusState
from trimtab.testing.contracts import forge
from trimtab.testing.jumping import JumpingClock

pytestmark = pytest.mark.pipeline


class OnGitHub(GitHubOfTests):
    """With the bot's adapter."""

    forge: GitHub


@pytest.fixture(scope="session")
def description() -> Description:
    """GitHub's; skips where it cannot be had, but never where CI is set."""
    try:
        return description_of_github()
    except CannotBuild as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no description of GitHub's API: {error}")


@pytest.fixture
async def there(description: Description) -> AsyncIterator[OnGitHub]:
    made = OnGitHub(description)
    async with hosting(made), outgoing_session() as session:
        api = Api(session, JumpingClock(), made.address, Token("t0ken", "GITHUB_TOKEN"), {**HEADERS, "Authorization": "Bearer t0ken"}, NAME)
        made.forge = GitHub(api, NAME)
        yield made


@pytest.mark.parametrize("check", forge.CHECKS, ids=lambda check: check.__name__)
async def test_github_keeps_the_promises_of_a_forge(check: Callable[[forge.Harness], Awaitable[None]], there: OnGitHub) -> None:
    await check(there)


async def test_a_token_goes_into_a_header_and_nowhere_else(there: OnGitHub) -> None:
    await forge.opened(there)
    assert all(headers["Authorization"] == "Bearer t0ken" and headers["User-Agent"] == "trimtab" for headers in there.headers)
    assert not any("t0ken" in str((asked.query, asked.body, asked.call.parameters)) for asked in there.seen)
    assert "t0ken" not in repr(there.forge)


async def test_reviewers_are_asked_one_by_one_and_those_who_may_not_review_are_left_out(there: OnGitHub) -> None:
    await there.branch("trimtab/shop/stable")
    people = ("nobody-of-this-name", "trimtab-bot", REVIEWER, "acme/keepers")
    await there.forge.open_pull_request(NewPullRequest("trimtab/shop/stable", "main", "Promote", "body", reviewers=people))
    wanted = [asked.body for asked in there.seen if asked.name.endswith("requested_reviewers")]
    assert wanted == [{"reviewers": ["nobody-of-this-name"]}, {"reviewers": [REVIEWER]}, {"team_reviewers": ["keepers"]}]


async def test_a_draft_is_opened_as_one(there: OnGitHub) -> None:
    await there.branch("trimtab/shop/stable")
    made = await there.forge.open_pull_request(NewPullRequest("trimtab/shop/stable", "main", "Promote", "body", draft=True))
    assert made.draft and (await forge.again(there, made)).draft


async def test_a_review_without_a_verdict_takes_nothing_back(there: OnGitHub) -> None:
    made = await forge.opened(there)
    await there.approve(made)
    await there.approve(made, approves=False)
    assert [(review.by, review.approves) for review in await there.forge.reviews(made)] == [(REVIEWER, False)]


async def test_an_edited_comment_is_marked(there: OnGitHub) -> None:
    made = await forge.opened(there)
    there.hub.comment(made, "/approve", REVIEWER, edited=True)
    there.hub.comment(made, "by somebody whose account is gone", "")
    assert [(said.author, said.edited) for said in await there.forge.comments(made)] == [(REVIEWER, True), ("", False)]


async def test_rulesets_say_what_a_branch_wants_and_classic_protection_only_that_it_is_there(there: OnGitHub) -> None:
    there.hub.protections |= {"main": Protection(True, 2, ("trimtab/shop",)), "old": Protection(True)}
    assert await there.forge.protection("main") == Protection(True, 2, ("trimtab/shop",))
    assert await there.forge.protection("old") == Protection(True)
    assert await there.forge.protection("not/there") == Protection(False)


async def test_permissions_have_ranks(there: OnGitHub) -> None:
    there.hub.people |= {"eve": Permission.READ, "root": Permission.ADMIN, "ann-lee": Permission.NONE}
    found = [await there.forge.permission(login) for login in ("eve", "root", "ann-lee", "../../user")]
    assert found == [Permission.READ, Permission.ADMIN, Permission.NONE, Permission.NONE]


async def test_a_description_is_cut_to_what_github_takes(there: OnGitHub) -> None:
    await there.forge.set_status("a" * 40, CommitStatus("trimtab/shop", StatusState.ERROR, "x" * 500))
    assert [len(status.description) for status in await there.forge.statuses("a" * 40)] == [140]


async def test_a_repository_that_is_not_there_is_named(there: OnGitHub) -> None:
    elsewhere = GitHub(there.forge.api, "acme/nothing")
    with pytest.raises(InputError, match=r"(?s)/repos/acme/nothing/issues.*GITHUB_TOKEN may not see it.*spec\.forge\.repository"):
        await elsewhere.issue("trimtab", "marker")


@pytest.mark.parametrize("branch", ["trimtab/shop/ümlaut", "a%2Fb", "a#b&state=all", "$(id)", "a;b"])
async def test_hostile_names_of_branches_mean_nothing(there: OnGitHub, branch: str) -> None:
    await there.branch(branch)
    made = await there.forge.open_pull_request(NewPullRequest(branch, "main", branch, branch))
    assert (await forge.again(there, made)).number == made.number
    await there.forge.edit(made, Edit(labels=(branch,)))
    assert [label.label for label in await there.forge.labels(made)] == [branch]
    assert not (await there.forge.protection(branch)).protected
