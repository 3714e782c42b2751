"""The forge of a repository, opened with the token of the environment. Called by the commands of pipelines."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.forges import github
from trimtab.adapters.forges.api import Api, Token
from trimtab.adapters.forges.gitea import Gitea
from trimtab.adapters.forges.github import GitHub
from trimtab.adapters.forges.gitlab import GitLab
from trimtab.adapters.forges.place import Place, find_place, find_token
from trimtab.adapters.outgoing import outgoing_session
from trimtab.documents import pipeline
from trimtab.ports import Clock, Forge

__all__ = ["Place", "Token", "find_place", "find_token", "git_login", "open_forge"]


@asynccontextmanager
async def open_forge(place: Place, token: Token, clock: Clock | None = None) -> AsyncIterator[Forge]:
    """The forge, until the block is left."""
    async with outgoing_session() as session:
        api = Api(session, clock or SystemClock(), place.api, token, headers(place, token), str(place))
        match place.kind:
            case "github":
                yield GitHub(api, place.repository)
            case "gitlab":
                yield GitLab(api, place.repository)
            case "gitea":
                yield Gitea(api, place.repository)


@asynccontextmanager
async def forge_of(document: pipeline.Forge | None, environment: Mapping[str, str], remote: str) -> AsyncIterator[Forge]:
    """The forge of a remote. InputError where nothing says which that is, Denied without a token."""
    place = find_place(document, environment, remote)
    async with open_forge(place, find_token(place, environment)) as forge:
        yield forge


def headers(place: Place, token: Token) -> dict[str, str]:
    """How a token is shown to each forge; the job token of GitLab has a header of its own."""
    match place.kind:
        case "github":
            return {**github.HEADERS, "Authorization": f"Bearer {token.value}"}
        case "gitlab":
            return {"JOB-TOKEN": token.value} if token.name == "CI_JOB_TOKEN" else {"Authorization": f"Bearer {token.value}"}
        case "gitea":
            return {"Authorization": f"token {token.value}"}


def git_login(place: Place, token: Token) -> tuple[str, str]:
    """Name and password with which git pushes over HTTP; for a credential helper, never for an address or a command line."""
    names = {"github": "x-access-token", "gitlab": "oauth2", "gitea": "trimtab"}
    return ("gitlab-ci-token" if token.name == "CI_JOB_TOKEN" else names[place.kind], token.value)
