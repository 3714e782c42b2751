"""What Gitea takes in the very form of GitHub: review requests and commit statuses. Called by the modules of both."""

from contextlib import suppress

from trimtab.adapters.forges.api import Api
from trimtab.errors import InputError, Vanished
from trimtab.model.forge import CommitStatus


async def ask_for_review(api: Api, request: str, reviewer: str) -> None:
    """A person, or a team as `ORGANISATION/TEAM`; whoever may not review is left out. `request` is the path of the pull request."""
    kind, name = ("team_reviewers", reviewer.rpartition("/")[2]) if "/" in reviewer else ("reviewers", reviewer)
    with suppress(InputError, Vanished):
        await api.call("POST", f"{request}/requested_reviewers", body={kind: [name]})


async def set_status(api: Api, commit: str, status: CommitStatus, longest: int) -> None:
    """A status with at most `longest` characters of its description. `commit` is the path of the commit's statuses."""
    body = {"state": status.state.value, "context": status.context, "description": status.description[:longest]}
    await api.call("POST", commit, body={**body, "target_url": status.url} if status.url else body)
