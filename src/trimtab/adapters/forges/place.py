"""Which forge, which repository, which token: from `trimtab.yaml`, the CI's environment and the remote's address. Called by `wiring`.

A token is only sent where this machine's own settings lead: to the host of the remote, of the CI, or of TRIMTAB_FORGE_URL. A
`trimtab.yaml` that names another host would otherwise have every token that a pipeline holds sent there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from trimtab.adapters.forges.api import Token
from trimtab.documents.pipeline import Forge
from trimtab.errors import Denied, InputError

Kind = Literal["github", "gitlab", "gitea"]
PUBLIC: dict[Kind, str] = {"github": "https://github.com", "gitlab": "https://gitlab.com", "gitea": "https://gitea.com"}
HOSTS: dict[str, Kind] = {"github.com": "github", "gitlab.com": "gitlab", "gitea.com": "gitea", "codeberg.org": "gitea"}
WORDS: dict[str, Kind] = {"github": "github", "gitlab": "gitlab", "gitea": "gitea", "forgejo": "gitea"}
"""What a host's name may hold."""
API: dict[Kind, str] = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1"}
TOKENS: dict[Kind, tuple[str, ...]] = {
    "github": ("TRIMTAB_FORGE_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"),
    "gitlab": ("TRIMTAB_FORGE_TOKEN", "GITLAB_TOKEN", "CI_JOB_TOKEN"),
    "gitea": ("TRIMTAB_FORGE_TOKEN", "GITEA_TOKEN"),
}
RIGHTS: dict[Kind, str] = {
    "github": "contents: write, pull-requests: write, statuses: write; with `by: issue` also issues: write",
    "gitlab": "the role Developer and the scope api",
    "gitea": "the scopes write:repository, write:issue, read:user; in an organisation read:organization",
}
"""What a token must be allowed to do."""
OF_CI = ("GITHUB_TOKEN", "CI_JOB_TOKEN")
"""Tokens that a CI hands to its jobs for its own forge."""
SSH = re.compile(r"^(?:[^@/:\s]+@)?(?P<host>[^@/:\s]+):(?!/)(?P<path>\S+)$")
"""`git@github.com:acme/shop.git`"""


@dataclass(frozen=True, slots=True)
class Place:
    """One repository of one forge."""

    kind: Kind
    address: str
    """Of the server, without a slash at the end."""
    api: str
    repository: str

    @property
    def host(self) -> str:
        """For comparisons and messages."""
        return host_of(self.address)

    def __str__(self) -> str:
        return f"{self.repository} on {self.host}"


@dataclass(frozen=True, slots=True)
class Known:
    """A server that something outside the repository leads to."""

    address: str
    repository: str = ""
    kind: Kind | None = None
    api: str = ""


def find_place(document: Forge | None, environment: Mapping[str, str], remote: str) -> Place:
    """Where pull requests are opened; `remote` is the address of the git remote, of which credentials are left out.

    Raises:
        InputError: nothing says which forge it is, or `trimtab.yaml` leads to a server that nothing else leads to.
    """
    known = [found for found in (given(environment), remote_server(remote), ci_server(environment)) if found is not None]
    address = trusted(document, known)
    same = [one for one in known if host_of(one.address) == host_of(address)]
    kind = document.type if document is not None else next((one.kind for one in same if one.kind), None)
    if kind is None:
        raise InputError(
            f"nothing says which forge {host_of(address) or 'this repository'} is. "
            "Add spec.forge to trimtab.yaml: type (github, gitlab or gitea), url and repository"
        )
    named = document.repository if document is not None else None
    repository = named or next((one.repository for one in (*same, *known) if one.repository), "")
    if not repository:
        raise InputError("nothing says which repository of the forge this is. Add spec.forge.repository to trimtab.yaml: OWNER/NAME")
    api = next((one.api for one in same if one.api), "") or api_of(kind, address)
    return Place(kind, address, api, inside(repository, address))


def trusted(document: Forge | None, known: Sequence[Known]) -> str:
    """The address of the server; empty where there is none. InputError for one that only the document leads to, or without TLS."""
    public = PUBLIC[document.type] if document is not None else ""
    wanted = ((document.url if document is not None else None) or "").rstrip("/")
    if not known and wanted in ("", public):
        return public
    chosen = next((one for one in known if not wanted or host_of(one.address) == host_of(wanted)), None)
    if chosen is None:
        leads = " and ".join(sorted({host_of(one.address) for one in known})) or "no server"
        raise InputError(
            f"spec.forge.url of trimtab.yaml is {wanted}, but the remote and the CI lead to {leads}. "
            f"No token goes where only the repository says: set TRIMTAB_FORGE_URL={wanted} if this is right"
        )
    if urlsplit(wanted).scheme == "http" and urlsplit(chosen.address).scheme == "https":
        raise InputError(f"spec.forge.url of trimtab.yaml is {wanted}, without TLS. Set TRIMTAB_FORGE_URL={wanted} if a token may go there")
    same = [one.address for one in known if host_of(one.address) == host_of(chosen.address)]
    return wanted or max(same, key=lambda address: len(urlsplit(address).path))  # a remote does not say what path the server is under


def given(environment: Mapping[str, str]) -> Known | None:
    """What TRIMTAB_FORGE_URL says."""
    address = environment.get("TRIMTAB_FORGE_URL", "").rstrip("/")
    return Known(address, kind=kind_of(address)) if address else None


def ci_server(environment: Mapping[str, str]) -> Known | None:
    """The forge that runs this job. Gitea's and Forgejo's runners set GitHub's variables, too."""
    read = environment.get
    if read("GITHUB_ACTIONS") == "true" and (address := read("GITHUB_SERVER_URL", "").rstrip("/")):
        kind: Kind = "gitea" if read("GITEA_ACTIONS") == "true" or read("FORGEJO_ACTIONS") == "true" else "github"
        return Known(address, read("GITHUB_REPOSITORY", ""), kind, read("GITHUB_API_URL", "").rstrip("/"))
    if read("GITLAB_CI") == "true" and (address := read("CI_SERVER_URL", "").rstrip("/")):
        return Known(address, read("CI_PROJECT_PATH", ""), "gitlab", read("CI_API_V4_URL", "").rstrip("/"))
    return None


def remote_server(remote: str) -> Known | None:
    """What a git remote leads to; None for a path on this machine."""
    try:
        parts = urlsplit(remote)
        scheme, host, port, path = parts.scheme, parts.hostname, parts.port, parts.path
    except ValueError:
        return None
    if scheme in ("http", "https", "ssh") and host:
        address = f"{scheme}://{host}:{port}" if scheme != "ssh" and port else f"{'https' if scheme == 'ssh' else scheme}://{host}"
    elif found := SSH.match(remote):
        address, path = f"https://{found['host']}", found["path"]
    else:
        return None
    return Known(address, path.strip("/").removesuffix(".git"), kind_of(address))


def kind_of(address: str) -> Kind | None:
    """What a host is by its name; None where it says nothing."""
    host = host_of(address)
    found = HOSTS.get(host) or ("github" if host.endswith(".ghe.com") else None)
    return found or next((kind for word, kind in WORDS.items() if word in host.split(".")), None)


def api_of(kind: Kind, address: str) -> str:
    """Where a server's API is."""
    parts = urlsplit(address)
    if kind == "github" and (host_of(address) == "github.com" or host_of(address).endswith(".ghe.com")):
        return f"{parts.scheme}://api.{parts.netloc}"
    return f"{address}{API[kind]}"


def inside(repository: str, address: str) -> str:
    """The repository without the path under which the server itself is (`https://example.com/gitlab`)."""
    under = urlsplit(address).path.strip("/")
    found = repository.removeprefix(f"{under}/") if under else repository
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)+", found) or any(part in (".", "..") for part in found.split("/")):
        raise InputError(f"{found!r} is not the name of a repository. Write OWNER/NAME in spec.forge.repository of trimtab.yaml")
    return found


def host_of(address: str) -> str:
    """The host in small letters; empty where the address has none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def find_token(place: Place, environment: Mapping[str, str]) -> Token:
    """The first token there is; one that a CI made is for that CI's own forge only. Denied where there is none."""
    server = ci_server(environment)
    for name in TOKENS[place.kind]:
        value = environment.get(name, "").strip()
        foreign = name in OF_CI and server is not None and host_of(server.address) != place.host
        if value and not foreign:
            if not value.isascii() or not value.isprintable() or " " in value:
                raise InputError(f"{name} is not a token: it holds characters that no token has")
            return Token(value, name, RIGHTS[place.kind])
    names = ", ".join(TOKENS[place.kind])
    raise Denied(f"there is no token for {place}. Set one of {names}; it needs {RIGHTS[place.kind]}")
