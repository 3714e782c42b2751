"""Who said yes: approvals of an issue, and what was done to a branch and a pull request of ours by others. Called by `wiring`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from trimtab.model.forge import Comment, Labelling, Permission, PullRequest, RequestState, Thread, same_person
from trimtab.promotion.text import content_in, trailers_of

APPROVED = "trimtab/approved"
"""The label that approves an issue, if an approver put it there."""
ASKED = "trimtab/promotion"
"""The label of our issues, beside those that trimtab.yaml names; a label cannot be set by everybody."""
WORD = "/approve"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of our branch: what it says, and the tree that it really has."""

    id: str
    message: str
    tree: str


def foreign(commits: Sequence[Commit]) -> tuple[Commit, ...]:
    """The commits that somebody else made or changed: ours name the tree that they have."""
    return tuple(commit for commit in commits if trailers_of(commit.message).get("Tree") != commit.tree)


def declined(request: Thread | None, content: str) -> bool:
    """Did somebody close it without a merge, for this very content?"""
    return request is not None and request.state is RequestState.CLOSED and content_in(request.body) == content


def merged(request: PullRequest | None, content: str) -> TypeGuard[PullRequest]:
    """Was it merged with this content?"""
    return request is not None and request.state is RequestState.MERGED and content_in(request.body) == content


def those_who_asked(comments: Sequence[Comment], labels: Sequence[Labelling], bot: str) -> tuple[str, ...]:
    """Logins that said yes so that it was them for certain: a line `/approve` in an unchanged comment, or the label. Never the bot."""
    said = [comment.author for comment in comments if not comment.edited and WORD in (line.strip() for line in comment.body.splitlines())]
    put = [labelling.by for labelling in labels if labelling.label == APPROVED and labelling.by]
    return tuple(dict.fromkeys(login for login in (*said, *put) if login and not same_person(login, bot)))


def approver(asked: Sequence[str], approvers: Sequence[str], permissions: Mapping[str, Permission]) -> str | None:
    """The first of those who asked whose word counts: one of the approvers, else whoever may write."""
    for login in asked:
        if (
            any(same_person(login, named) for named in approvers)
            if approvers
            else permissions.get(login, Permission.NONE) >= Permission.WRITE
        ):
            return login
    return None
