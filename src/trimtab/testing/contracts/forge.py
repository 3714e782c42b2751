"""What `ports.Forge` promises: one open pull request per branch, found again; people's words with who said them."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from trimtab.model.forge import (
    CommitStatus,
    Edit,
    Issue,
    NewPullRequest,
    Permission,
    PullRequest,
    RequestState,
    Review,
    StatusState,
    Thread,
)
from trimtab.ports import Forge
from trimtab.testing.contracts.promise import conflicts, holds

BODY = """<!-- trimtab:begin -->
| key | before | after |
| --- | --- | --- |
| `µ.limit` | 10 | "20" & 'x' |
<!-- trimtab:end -->

By hand: ✓"""
"""What a body may hold: hidden markers, tables, quotes, letters beyond ASCII."""


class Harness(Protocol):
    """A repository with a base branch, in which `forge` is the bot and `reviewer` somebody else who may write."""

    forge: Forge
    base: str
    reviewer: str

    async def branch(self, name: str) -> str:
        """The bot pushes one more commit to a branch, which is made from the base first if it is new; the commit."""

    async def approve(self, request: PullRequest, approves: bool = True) -> None:
        """The reviewer approves what is there, or wants changes."""

    async def close(self, thread: Thread) -> None:
        """The reviewer closes it."""

    async def merge(self, request: PullRequest) -> None:
        """The reviewer merges it."""

    async def comment(self, thread: Thread, text: str) -> None:
        """The reviewer says something."""

    async def label(self, thread: Thread, name: str) -> None:
        """The reviewer puts a label there."""


def wanted(head: str, base: str) -> NewPullRequest:
    """What the checks open."""
    return NewPullRequest(head, base, "Promote shop to stable (3f2a)", BODY, ("trimtab", "shop/stable"))


async def opened(harness: Harness, head: str = "trimtab/shop/stable") -> PullRequest:
    """A branch with one commit, and its pull request."""
    await harness.branch(head)
    return await harness.forge.open_pull_request(wanted(head, harness.base))


async def again(harness: Harness, request: PullRequest) -> PullRequest:
    """It, as it is found now."""
    found = await harness.forge.pull_request(request.head, request.base)
    if found is None:
        holds(False, "what was opened is found", request)
        raise AssertionError
    return found


async def a_branch_without_a_pull_request_has_none(harness: Harness) -> None:
    """And that is no error."""
    found = await harness.forge.pull_request("trimtab/shop/nobody", harness.base)
    holds(found is None, "there is none", found)


async def an_opened_pull_request_is_found_as_it_was_written(harness: Harness) -> None:
    """Text, labels, branch and commit."""
    commit = await harness.branch("trimtab/shop/stable")
    made = await harness.forge.open_pull_request(wanted("trimtab/shop/stable", harness.base))
    found = await again(harness, made)
    holds(found.number == made.number and found.url == made.url and bool(found.url), "it is the same", made, found)
    holds((found.title, found.body) == ("Promote shop to stable (3f2a)", BODY), "its text is what was written", found)
    holds(set(found.labels) == {"trimtab", "shop/stable"}, "its labels are there", found.labels)
    holds((found.state, found.head_commit) == (RequestState.OPEN, commit), "it is open, at the commit", found)
    holds(found.author == await harness.forge.me(), "it is the bot's", found.author)


async def a_second_open_one_is_a_conflict(harness: Harness) -> None:
    """So two who promote at once open one."""
    made = await opened(harness)
    await conflicts(harness.forge.open_pull_request(wanted(made.head, made.base)), "one open pull request per branch")


async def an_edit_keeps_the_number_and_other_peoples_labels(harness: Harness) -> None:
    """And what it does not name."""
    made = await opened(harness)
    await harness.label(made, "by hand")
    await harness.forge.edit(made, Edit(body=BODY + "\nmore", labels=("one more",)))
    found = await again(harness, made)
    holds((found.number, found.title, found.body) == (made.number, made.title, BODY + "\nmore"), "the body changed, no more", found)
    holds(set(found.labels) == {"trimtab", "shop/stable", "by hand", "one more"}, "labels are added only", found.labels)
    await harness.forge.edit(made, Edit(title="Promote shop to stable (77aa)"))
    found = await again(harness, made)
    holds((found.title, found.body) == ("Promote shop to stable (77aa)", BODY + "\nmore"), "the title changed, no more", found)


async def a_push_moves_the_same_pull_request(harness: Harness) -> None:
    """In place."""
    made = await opened(harness)
    commit = await harness.branch(made.head)
    found = await again(harness, made)
    holds((found.number, found.head_commit) == (made.number, commit), "the number stays, the commit is the new one", found)
    commits = await harness.forge.commits(found)
    holds([one.id for one in commits] == [made.head_commit, commit], "both commits are there, oldest first", commits)
    holds(all(one.email and one.message for one in commits), "with who made them and why", commits)


async def a_closed_one_is_found_until_another_is_opened(harness: Harness) -> None:
    """Closed by a person means declined; so it must be seen."""
    made = await opened(harness)
    await harness.close(made)
    found = await again(harness, made)
    holds((found.number, found.state) == (made.number, RequestState.CLOSED), "it is closed", found)
    holds(found.head_commit == made.head_commit, "what was declined is known", found)
    second = await harness.forge.open_pull_request(wanted(made.head, made.base))
    found = await again(harness, made)
    holds((found.number, found.state) == (second.number, RequestState.OPEN), "the open one goes first", found)
    await harness.forge.edit(second, Edit(close=True))
    found = await again(harness, made)
    holds((found.number, found.state) == (second.number, RequestState.CLOSED), "the newest that ended goes next", found)


async def a_merged_one_says_what_the_base_got(harness: Harness) -> None:
    """And is not taken for a declined one."""
    made = await opened(harness)
    await harness.merge(made)
    found = await again(harness, made)
    holds(found.state is RequestState.MERGED and bool(found.merge_commit), "it is merged, as a commit", found)


async def an_approval_counts_for_what_was_seen(harness: Harness) -> None:
    """Not for what was pushed later."""
    made = await opened(harness)
    holds(await harness.forge.reviews(made) == (), "at first nobody has looked")
    await harness.approve(made)
    found = await harness.forge.reviews(made)
    holds(found == (Review(harness.reviewer, True, True),), "the reviewer approves", found)
    await harness.branch(made.head)
    found = await harness.forge.reviews(await again(harness, made))
    holds(not any(review.current for review in found), "no approval is left for the new commit", found)
    await harness.approve(await again(harness, made))
    found = await harness.forge.reviews(await again(harness, made))
    holds(found == (Review(harness.reviewer, True, True),), "the last word counts", found)


async def words_come_with_who_said_them(harness: Harness) -> None:
    """In order."""
    made = await opened(harness)
    await harness.forge.say(made, BODY)
    await harness.comment(made, "/approve")
    found = await harness.forge.comments(made)
    said = [(comment.author, comment.body) for comment in found]
    holds(said == [(await harness.forge.me(), BODY), (harness.reviewer, "/approve")], "both are there, in order", said)
    holds(not any(comment.edited for comment in found), "as they were said", found)


async def a_label_says_who_put_it_there(harness: Harness) -> None:
    """For a label may start something."""
    made = await harness.forge.open_issue("Promote shop to stable?", BODY, ("trimtab",))
    await harness.label(made, "approved")
    found = {label.label: label.by for label in await harness.forge.labels(made)}
    holds(found == {"trimtab": await harness.forge.me(), "approved": harness.reviewer}, "each label has a person", found)


async def an_issue_is_found_by_label_and_marker(harness: Harness) -> None:
    """Not by a label alone, nor by a text alone."""
    for body, labels in (("<!-- one -->", ("trimtab",)), ("<!-- two -->", ("trimtab",)), ("<!-- three -->", ("other",))):
        await harness.forge.open_issue("Promote?", body, labels)
    await opened(harness)
    found = await harness.forge.issue("trimtab", "<!-- one -->")
    holds(isinstance(found, Issue) and found.body == "<!-- one -->" and "trimtab" in found.labels, "the one with the marker", found)
    holds(await harness.forge.issue("trimtab", "<!-- three -->") is None, "another label does not do")
    holds(await harness.forge.issue("trimtab", "trimtab:begin") is None, "a pull request is no issue")
    if found is not None:
        await harness.close(found)
        now = await harness.forge.issue("trimtab", "<!-- one -->")
        holds(now is not None and (now.number, now.state) == (found.number, RequestState.CLOSED), "a closed one is found, too", now)


async def a_status_replaces_the_one_of_its_context(harness: Harness) -> None:
    """And none yet is not pending."""
    made = await opened(harness)
    holds(await harness.forge.statuses(made.head_commit) == (), "a commit begins without")
    await harness.forge.set_status(made.head_commit, CommitStatus("trimtab/shop", StatusState.PENDING, "watching"))
    await harness.forge.set_status(made.head_commit, CommitStatus("trimtab/pay", StatusState.FAILURE, "worse", "https://example.com/1"))
    await harness.forge.set_status(made.head_commit, CommitStatus("trimtab/shop", StatusState.SUCCESS, "as good"))
    found = {status.context: (status.state, status.description) for status in await harness.forge.statuses(made.head_commit)}
    expected = {"trimtab/shop": (StatusState.SUCCESS, "as good"), "trimtab/pay": (StatusState.FAILURE, "worse")}
    holds(found == expected, "one of each context, the newest", found)


async def permissions_are_told_apart(harness: Harness) -> None:
    """Who may approve is asked of the forge, not of the comment."""
    holds(await harness.forge.permission(harness.reviewer) >= Permission.WRITE, "the reviewer may write")
    found = await harness.forge.permission("nobody-of-this-name")
    holds(found <= Permission.READ, "a stranger may not", found)


async def an_unprotected_branch_is_said_to_be_one(harness: Harness) -> None:
    """So that `promote` can say what is open."""
    await harness.branch("trimtab/shop/stable")
    found = await harness.forge.protection("trimtab/shop/stable")
    holds(not found.protected, "nothing guards it", found)


CHECKS: tuple[Callable[[Harness], Awaitable[None]], ...] = (
    a_branch_without_a_pull_request_has_none,
    an_opened_pull_request_is_found_as_it_was_written,
    a_second_open_one_is_a_conflict,
    an_edit_keeps_the_number_and_other_peoples_labels,
    a_push_moves_the_same_pull_request,
    a_closed_one_is_found_until_another_is_opened,
    a_merged_one_says_what_the_base_got,
    an_approval_counts_for_what_was_seen,
    words_come_with_who_said_them,
    a_label_says_who_put_it_there,
    an_issue_is_found_by_label_and_marker,
    a_status_replaces_the_one_of_its_context,
    permissions_are_told_apart,
    an_unprotected_branch_is_said_to_be_one,
)
