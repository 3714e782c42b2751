"""The forge of a repository, opened with the token of the environment. Called by the commands of pipelines."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.forges import github
from trimtab.adapters.forges.api import Api, Token
from trimtab.adapters.forges.gitea import Gitea
from trimtab.adapters.forges.github import GitHub
from trimtab.adapters.forges.gitlab import GitLab
from trimtab.adapters.forges.place import Place, find_place, find_token
from trimtab.adapters.outgoing import outgoing_session
from trimtab.adapters.proxies import proxy_for
from trimtab.ports import Clock, Forge

__all__ = ["Place", "Token", "find_place", "find_token", "git_login", "open_forge"]


@asynccontextmanager
async def open_forge(place: Place, token: Token, clock: Clock | None = None) -> AsyncIterator[Forge]:
    """The forge, until the block is left."""
    async with outgoing_session(proxy=proxy_for(place.api, os.environ)) as session:
        size = "limit" if place.kind == "gitea" else "per_page"
        api = Api(session, clock or SystemClock(), place.api, token, headers(place, token), str(place), size)
        match place.kind:
            case "github":
                yield GitHub(api, place.repository)
            case "gitlab":
                yield GitLab(api, place.repository)
            case "gitea":
                yield Gitea(api, place.repository)


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
