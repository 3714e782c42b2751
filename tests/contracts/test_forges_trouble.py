"""What adapters of forges make of trouble: limits, lost answers, redirects, refusals, answers that are none; and that no token is shown."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

import pytest

from trimtab.adapters.forges.api import MOST_PAGES, Api, Token
from trimtab.adapters.forges.gitea import Gitea
from trimtab.adapters.forges.github import GitHub
from trimtab.adapters.forges.gitlab import GitLab
from trimtab.adapters.forges.place import RIGHTS
from trimtab.adapters.outgoing import outgoing_session
from trimtab.errors import Conflict, Denied, InputError, OutsideError, Throttled, Unavailable, Vanished
from trimtab.model.forge import CommitStatus, NewPullRequest, PullRequest, RequestState, StatusState
from trimtab.testing.jumping import JumpingClock
from trimtab.testing.receiver import Receiver, receiver

SECRET = "ghs_verysecret"
LIST = "/repos/acme/shop/issues/7/comments"
SAID = {"id": 1, "user": {"login": "ann"}, "body": "hello", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
REQUEST = PullRequest(7, "", RequestState.OPEN, "", "", (), "a", "0" * 40, "main", "trimtab-bot")


@asynccontextmanager
async def asked_over(there: Receiver) -> AsyncIterator[tuple[Api, JumpingClock]]:
    clock = JumpingClock()
    async with outgoing_session() as session:
        yield (
            Api(
                session,
                clock,
                there.address,
                Token(SECRET, "GITHUB_TOKEN", RIGHTS["github"]),
                {"Authorization": f"Bearer {SECRET}"},
                "acme/shop on github.com",
            ),
            clock,
        )


def rests(clock: JumpingClock, start: datetime) -> float:
    return (clock.now() - start).total_seconds()


async def test_a_read_is_tried_again_with_growing_rests_and_a_write_is_not() -> None:
    async with receiver() as there, asked_over(there) as (api, clock):
        begin = clock.now()
        there.says(LIST, (502, "bad gateway"), (503, ""), (200, json.dumps([SAID])))
        assert [said.body for said in await GitHub(api, "acme/shop").comments(REQUEST)] == ["hello"]
        assert rests(clock, begin) == 1 + 2
        there.says(LIST, (502, "bad gateway"))
        with pytest.raises(Unavailable, match="POST /repos/acme/shop/issues/7/comments: 502: bad gateway"):
            await GitHub(api, "acme/shop").say(REQUEST, "hello")
        assert there.paths() == [f"GET {LIST}"] * 3 + [f"POST {LIST}"]


async def test_a_forge_that_stays_away_is_given_up() -> None:
    async with receiver() as there, asked_over(there) as (api, clock):
        begin = clock.now()
        there.cuts(LIST)
        with pytest.raises(Unavailable, match="the connection broke"):
            await GitHub(api, "acme/shop").comments(REQUEST)
        assert rests(clock, begin) == 1 + 2 + 4
        there.hangs(LIST)
        with pytest.raises(Unavailable, match=r"no answer within 0\.05 s"):
            await GitHub(replace(api, deadline=0.05), "acme/shop").comments(REQUEST)


@pytest.mark.parametrize(
    ("status", "headers", "body", "after"),
    [
        (429, {"Retry-After": "7"}, "{}", 7),
        (403, {"Retry-After": "7"}, '{"message": "not so fast"}', 7),
        (403, {}, '{"message": "You have exceeded a secondary rate limit. Please wait"}', 60),
        (403, {}, '{"message": "You have triggered an abuse detection mechanism"}', 60),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "+30"}, '{"message": "API rate limit exceeded for user"}', 30),
        (429, {"RateLimit-Reset": "+30"}, '{"message": {"error": "too many requests"}}', 30),
        (403, {}, '{"message": "was submitted too quickly"}', 60),
        (405, {}, '{"message": "Please try again later"}', 1),
    ],
)
async def test_a_forge_that_wants_a_rest_gets_it_also_before_a_write(status: int, headers: dict[str, str], body: str, after: float) -> None:
    async with receiver() as there, asked_over(there) as (api, clock):
        begin = clock.now()
        moved = {name: str(int(begin.timestamp()) + int(value)) if value[0] == "+" else value for name, value in headers.items()}
        there.says(LIST, (status, body, moved), (201, "{}"))
        await GitHub(api, "acme/shop").say(REQUEST, "hello")
        assert rests(clock, begin) == after and len(there.seen) == 2


async def test_a_long_rest_is_handed_on_with_its_length() -> None:
    async with receiver() as there, asked_over(there) as (api, clock):
        reset = str(int(clock.now().timestamp()) + 1800)
        there.says(LIST, (403, '{"message": "API rate limit exceeded"}', {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}))
        with pytest.raises(Throttled, match="left alone for 1800 s") as error:
            await GitHub(api, "acme/shop").comments(REQUEST)
        assert error.value.after == 1800 and len(there.seen) == 1


async def test_an_endless_wish_for_short_rests_is_given_up() -> None:
    async with receiver() as there, asked_over(there) as (api, _):
        there.says(LIST, (429, "{}", {"Retry-After": "1"}))
        with pytest.raises(Throttled):
            await GitHub(api, "acme/shop").comments(REQUEST)
        assert len(there.seen) == 4


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (401, '{"message": "Bad credentials"}', Denied, "Bad credentials.*GITHUB_TOKEN, which needs contents: write"),
        (403, '{"message": "Resource not accessible by integration"}', Denied, "not accessible by integration"),
        (404, '{"message": "Not Found"}', Vanished, "GITHUB_TOKEN may not see it"),
        (410, '{"message": "Issues are disabled for this repo"}', Vanished, "Issues are disabled"),
        (409, '{"message": "merge conflict"}', Conflict, "look again"),
        (422, '{"message": "Validation Failed", "errors": [{"resource": "Issue", "code": "missing_field", "field": "title"}]}', InputError,
         "422: Validation Failed; resource Issue, code missing_field, field title"),
        (422, '{"message": "Validation Failed", "errors": ["body is too long"]}', InputError, "Failed; body is too long"),
        (422, "not json \x1b[31m\n at all", InputError, r"not json \[31m at all"),
        (400, '{"message": {"labels": ["is invalid", "is too long"]}}', InputError, "labels is invalid, is too long"),
        (500, "<html>", Unavailable, "500: <html>"),
    ],
)  # fmt: skip
async def test_each_refusal_says_what_to_do(status: int, body: str, kind: type[Exception], text: str) -> None:
    async with receiver() as there, asked_over(there) as (api, _):
        there.says(LIST, (status, body))
        with pytest.raises(kind, match=text) as error:
            await GitHub(api, "acme/shop").say(REQUEST, "hello")
        assert type(error.value) is kind and str(error.value).isprintable()


async def test_a_token_in_an_answer_is_not_shown() -> None:
    async with receiver() as there, asked_over(there) as (api, _):
        there.says(LIST, (422, json.dumps({"message": f"bad token {SECRET}"})))
        with pytest.raises(InputError, match=r"bad token \*\*\*"):
            await GitHub(api, "acme/shop").say(REQUEST, "hello")
        there.says(LIST, (200, json.dumps([{"id": SECRET}])))
        with pytest.raises(OutsideError) as error:
            await GitHub(api, "acme/shop").comments(REQUEST)
        assert SECRET not in str(error.value) and SECRET not in repr(api)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed_so_that_no_token_goes_elsewhere(status: int) -> None:
    async with receiver() as there, receiver() as elsewhere, asked_over(there) as (api, _):
        there.says(LIST, (status, "", {"Location": f"{elsewhere.address}/repositories/1?access=x"}))
        with pytest.raises(InputError, match=r"moved to http://127\.0\.0\.1/repositories/1\. Correct spec\.forge"):
            await GitHub(api, "acme/shop").comments(REQUEST)
        assert not elsewhere.seen


async def test_the_next_page_is_asked_for_at_the_same_address_only() -> None:
    async with receiver() as there, receiver() as elsewhere, asked_over(there) as (api, _):
        link = f'<{elsewhere.address}/other?per_page=50&after=abc%3D>; rel="next", <{elsewhere.address}/other?page=9>; rel="last"'
        there.says(LIST, (200, json.dumps([SAID]), {"Link": link}), (200, json.dumps([SAID])))
        assert len(await GitHub(api, "acme/shop").comments(REQUEST)) == 2
        assert [(seen.path, dict(seen.query)) for seen in there.seen] == [
            (LIST, {"per_page": "50"}),
            (LIST, {"per_page": "50", "after": "abc="}),
        ]
        assert not elsewhere.seen


async def test_a_list_without_an_end_is_given_up() -> None:
    async with receiver() as there, asked_over(there) as (api, _):
        there.says(LIST, (200, "[]", {"Link": '<https://x/?page=2>; rel="next"'}))
        with pytest.raises(Unavailable, match=f"more than {MOST_PAGES} pages"):
            await GitHub(api, "acme/shop").comments(REQUEST)


@pytest.mark.parametrize("body", ["", "<html>sign in</html>", '{"message": "hello"}', "[{}]", '[{"id": "one"}]', "\x00"])
async def test_an_answer_that_is_none_is_trouble_outside(body: str) -> None:
    async with receiver() as there, asked_over(there) as (api, _):
        there.says(LIST, (200, body))
        with pytest.raises(Unavailable, match="not as its documentation says"):
            await GitHub(api, "acme/shop").comments(REQUEST)


async def test_an_address_that_is_none_and_one_where_nobody_listens_are_told_apart() -> None:
    async with receiver() as there, asked_over(there) as (api, _):
        with pytest.raises(InputError, match="must begin with https"):
            await GitHub(replace(api, address="ftp://example.com"), "acme/shop").say(REQUEST, "x")
        with pytest.raises(Unavailable, match="cannot connect"):
            await GitHub(replace(api, address="http://127.0.0.1:1"), "acme/shop").say(REQUEST, "x")


async def test_link_local_addresses_are_not_asked() -> None:
    async with receiver() as there, asked_over(there) as (api, _):
        with pytest.raises(Unavailable, match="link-local"):
            await GitHub(replace(api, address="http://169.254.169.254"), "acme/shop").say(REQUEST, "x")


@pytest.mark.parametrize("kind", [GitHub, GitLab, Gitea])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (409, '{"message": ["Another open merge request already exists for this source branch: !5"]}'),
        (409, '{"message": "pull request already exists for these targets [id: 5]"}'),
        (422, '{"message": "Validation Failed", "errors": [{"message": "A pull request already exists for acme:a."}]}'),
    ],
)
async def test_an_open_pull_request_that_is_there_already_is_a_conflict(
    kind: type[GitHub] | type[GitLab] | type[Gitea], status: int, body: str
) -> None:
    async with receiver() as there, asked_over(there) as (api, _):
        for path in ("/repos/acme/shop/pulls", "/projects/acme/shop/merge_requests"):
            there.says(path, (status, body))
        with pytest.raises(Conflict, match="already exists"):
            await kind(api, "acme/shop").open_pull_request(NewPullRequest("a", "main", "t", "b"))


async def test_a_fork_that_is_gone_is_not_taken_for_ours() -> None:
    end = {"ref": "a", "sha": "0" * 40, "repo": None}
    pull = {
        "number": 7, "html_url": "x", "state": "open", "title": "", "head": end, "labels": [], "user": None,
        "base": {**end, "ref": "main", "repo": {"full_name": "acme/shop"}},
    }  # fmt: skip
    async with receiver() as there, asked_over(there) as (api, _):
        there.says("/repos/acme/shop/pulls", (200, json.dumps([pull])))
        assert await GitHub(api, "acme/shop").pull_request("a", "main") is None


async def test_an_app_that_may_not_ask_who_it_is_does_not_know() -> None:
    async with receiver() as there, asked_over(there) as (api, _):
        there.says("/user", (403, '{"message": "Resource not accessible by integration"}'))
        assert [await kind(api, "acme/shop").me() for kind in (GitHub, GitLab, Gitea)] == [""] * 3


async def test_a_status_that_gitlab_has_already_is_done_and_another_one_is_a_conflict() -> None:
    async with receiver() as there, asked_over(there) as (api, _):
        refused = (400, '{"message": {"status": ["Cannot transition status via :run from :running"]}}')
        there.says(f"/projects/acme/shop/statuses/{'a' * 40}", refused)
        there.says(f"/projects/acme/shop/repository/commits/{'a' * 40}/statuses", (200, '[{"name": "trimtab/shop", "status": "success"}]'))
        gitlab = GitLab(api, "acme/shop")
        await gitlab.set_status("a" * 40, CommitStatus("trimtab/shop", StatusState.SUCCESS))
        with pytest.raises(Conflict, match="Cannot transition"):
            await gitlab.set_status("a" * 40, CommitStatus("trimtab/shop", StatusState.FAILURE))


async def test_a_forge_is_asked_through_a_proxy_where_one_is_named() -> None:
    async with receiver() as proxy, outgoing_session(proxy=proxy.address) as session:
        proxy.says(LIST, (200, json.dumps([SAID])))
        api = Api(session, JumpingClock(), "http://forge.test", Token(SECRET, "GITHUB_TOKEN"), {}, "acme/shop on forge.test")
        assert [said.body for said in await GitHub(api, "acme/shop").comments(REQUEST)] == ["hello"]
        assert proxy.paths() == [f"GET {LIST}"]
