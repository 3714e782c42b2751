"""Which forge, repository and token: from `trimtab.yaml`, the CI and the remote; and that no token goes where only a repository says."""

import pytest

from trimtab.adapters.forges.place import Place, find_place, find_token
from trimtab.documents.pipeline import Forge
from trimtab.errors import Denied, InputError

ACTIONS = {
    "GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_API_URL": "https://api.github.com",
}  # fmt: skip
COMPANY = {
    "GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://git.acme.example", "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_API_URL": "https://git.acme.example/api/v3",
}  # fmt: skip
GITLAB = {
    "GITLAB_CI": "true", "CI_SERVER_URL": "https://code.acme.example/gitlab", "CI_PROJECT_PATH": "group/sub/shop",
    "CI_API_V4_URL": "https://code.acme.example/gitlab/api/v4",
}  # fmt: skip
RUNNER = {**COMPANY, "GITEA_ACTIONS": "true", "GITHUB_API_URL": "https://git.acme.example/api/v1"}


@pytest.mark.parametrize(
    ("environment", "remote", "expected"),
    [
        ({}, "https://github.com/acme/shop.git", ("github", "https://api.github.com", "acme/shop")),
        ({}, "git@github.com:acme/shop.git", ("github", "https://api.github.com", "acme/shop")),
        ({}, "https://tok:en@github.com/acme/shop", ("github", "https://api.github.com", "acme/shop")),
        ({}, "ssh://git@gitlab.com:22/group/sub/shop.git", ("gitlab", "https://gitlab.com/api/v4", "group/sub/shop")),
        ({}, "https://codeberg.org/acme/shop.git", ("gitea", "https://codeberg.org/api/v1", "acme/shop")),
        ({}, "https://forgejo.acme.example:3000/acme/shop", ("gitea", "https://forgejo.acme.example:3000/api/v1", "acme/shop")),
        ({}, "https://acme.ghe.com/acme/shop", ("github", "https://api.acme.ghe.com", "acme/shop")),
        ({}, "https://github.acme.example/acme/shop", ("github", "https://github.acme.example/api/v3", "acme/shop")),
        (ACTIONS, "https://github.com/acme/shop", ("github", "https://api.github.com", "acme/shop")),
        (ACTIONS, "", ("github", "https://api.github.com", "acme/shop")),
        (COMPANY, "https://git.acme.example/acme/shop", ("github", "https://git.acme.example/api/v3", "acme/shop")),
        (RUNNER, "https://git.acme.example/acme/shop", ("gitea", "https://git.acme.example/api/v1", "acme/shop")),
        (GITLAB, "https://code.acme.example/gitlab/group/sub/shop.git", ("gitlab", GITLAB["CI_API_V4_URL"], "group/sub/shop")),
        (ACTIONS, "https://gitlab.com/acme/mirror", ("gitlab", "https://gitlab.com/api/v4", "acme/mirror")),
    ],
)
def test_remote_and_ci_say_which_forge_it_is(environment: dict[str, str], remote: str, expected: tuple[str, str, str]) -> None:
    found = find_place(None, environment, remote)
    assert (found.kind, found.api, found.repository) == expected


def test_the_document_goes_before_what_is_guessed() -> None:
    document = Forge(type="gitea", repository="other/shop")
    found = find_place(document, {}, "git@git.acme.example:acme/shop.git")
    assert found == Place("gitea", "https://git.acme.example", "https://git.acme.example/api/v1", "other/shop")


def test_a_host_that_says_nothing_is_asked_about() -> None:
    with pytest.raises(InputError, match=r"which forge git\.acme\.example is.*spec\.forge"):
        find_place(None, {}, "https://git.acme.example/acme/shop")
    with pytest.raises(InputError, match="which forge this repository is"):
        find_place(None, {}, "/srv/shop.git")


def test_without_a_remote_the_document_may_name_the_public_server() -> None:
    assert find_place(Forge(type="github", repository="acme/shop"), {}, "").api == "https://api.github.com"
    with pytest.raises(InputError, match=r"spec\.forge\.repository"):
        find_place(Forge(type="github"), {}, "")


@pytest.mark.parametrize("remote", ["https://github.com/acme/shop", "git@github.com:acme/shop.git", ""])
def test_no_token_goes_to_a_server_that_only_the_repository_names(remote: str) -> None:
    document = Forge(type="github", url="https://evil.example", repository="acme/shop")
    with pytest.raises(InputError, match=r"TRIMTAB_FORGE_URL=https://evil\.example"):
        find_place(document, ACTIONS if not remote else {}, remote)
    with pytest.raises(InputError, match="no server"):
        find_place(document, {}, "/srv/shop.git")


def test_the_environment_may_name_another_server() -> None:
    document = Forge(type="gitea", url="https://forge.acme.example")
    found = find_place(document, {"TRIMTAB_FORGE_URL": "https://forge.acme.example/"}, "ssh://git@ssh.acme.example/acme/shop")
    assert (found.address, found.kind, found.repository) == ("https://forge.acme.example", "gitea", "acme/shop")


def test_a_repository_cannot_have_a_token_sent_without_tls() -> None:
    document = Forge(type="gitea", url="http://git.acme.example")
    with pytest.raises(InputError, match="without TLS"):
        find_place(document, {}, "https://git.acme.example/acme/shop")
    assert find_place(document, {}, "http://git.acme.example/acme/shop").address == "http://git.acme.example"


@pytest.mark.parametrize("repository", ["shop", "../shop", "acme/../../user", "acme/shop?x=1", "acme/sh op", "acme/shop#"])
def test_what_is_not_the_name_of_a_repository_is_refused(repository: str) -> None:
    with pytest.raises(InputError, match="not the name of a repository"):
        find_place(Forge(type="github", repository=repository), {}, "https://github.com/acme/shop")


GITHUB = Place("github", "https://github.com", "https://api.github.com", "acme/shop")


def test_the_first_token_there_is_counts_and_is_not_shown() -> None:
    found = find_token(GITHUB, {"GH_TOKEN": "two", "GITHUB_TOKEN": "one\n"})
    assert (found.value, found.name) == ("one", "GITHUB_TOKEN") and "one" not in repr(found)
    assert find_token(GITHUB, {"GITHUB_TOKEN": "one", "TRIMTAB_FORGE_TOKEN": "ours"}).value == "ours"


def test_a_token_of_the_ci_is_for_its_own_forge_only() -> None:
    with pytest.raises(Denied, match="TRIMTAB_FORGE_TOKEN, GITHUB_TOKEN, GH_TOKEN"):
        find_token(GITHUB, {**COMPANY, "GITHUB_TOKEN": "the company's"})
    gitlab = Place("gitlab", "https://gitlab.com", "https://gitlab.com/api/v4", "acme/shop")
    with pytest.raises(Denied, match="CI_JOB_TOKEN"):
        find_token(gitlab, {**GITLAB, "CI_JOB_TOKEN": "the company's"})
    assert find_token(GITHUB, {**ACTIONS, "GITHUB_TOKEN": "one"}).value == "one"


def test_what_cannot_be_a_token_is_refused_without_showing_it() -> None:
    with pytest.raises(InputError) as error:
        find_token(GITHUB, {"GITHUB_TOKEN": "se cret"})
    assert "GITHUB_TOKEN" in str(error.value) and "cret" not in str(error.value)
