"""Smoke checks against a real server on loopback, and commands as processes."""

import asyncio
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from trimtab.adapters.outgoing import outgoing_session
from trimtab.adapters.smoke import Answered
from trimtab.documents.pipeline import Smoke
from trimtab.errors import InputError, TrimtabError, Unavailable
from trimtab.testing.jumping import JumpingClock
from trimtab.wiring.smoking import Smoking


@asynccontextmanager
async def canary(status: int = 200, text: str = '{"ready": true, "pools": [{"size": 20}], "n": 1}') -> AsyncIterator[tuple[str, list[str]]]:
    """Its address, and what it was asked."""
    asked: list[str] = []
    never = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(f"{request.method} {request.path}")
        if request.path == "/slow":
            await never.wait()
        if request.path == "/once" and len(asked) == 1:
            return web.Response(status=502)
        if request.path == "/away":
            raise web.HTTPFound("/home")
        return web.Response(status=status, text=text, headers={"X-App": "shop"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        never.set()
        await runner.cleanup()


async def checked(smoke: Smoke, folder: Path = Path(), environment: Mapping[str, str] | None = None) -> Answered:
    async with outgoing_session() as session:
        return await Smoking(session, JumpingClock(), folder, environment or {}).check(smoke)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, ""),
        ({"headers": {"x-app": "shop"}, "json": {"ready": True, "pools.0.size": 20, "n": 1.0}}, ""),
        ({"status": 201}, "status 200, expected 201"),
        ({"headers": {"X-App": "other"}}, "header X-App is 'shop', expected 'other'"),
        ({"headers": {"X-None": "1"}}, "header X-None is None, expected '1'"),
        ({"json": {"ready": False}}, "ready is True, expected False"),
        ({"json": {"n": True}}, "n is 1, expected True"),
        ({"json": {"pools.1.size": 20}}, "the answer has no pools.1.size"),
    ],
)
async def test_an_answer_is_held_against_status_headers_and_json(fields: dict[str, object], wrong: str) -> None:
    async with canary() as (address, asked):
        found = await checked(Smoke(name="home", url=f"{address}/home", **fields))  # type: ignore[arg-type]
    assert found.wrong == wrong
    assert len(asked) == (3 if wrong else 1), "what is wrong is asked again"


async def test_an_answer_that_is_no_json_is_wrong_and_shown_shortly() -> None:
    async with canary(text="<html>" + "x" * 1000) as (address, _):
        found = await checked(Smoke(name="home", url=address, json={"ready": True}))
    assert found.wrong.startswith("the answer is not JSON: '<html>xxx") and len(found.wrong) < 120


async def test_a_canary_that_answers_well_after_a_moment_is_good() -> None:
    async with canary() as (address, asked):
        found = await checked(Smoke(name="home", url=f"{address}/once"))
    assert found.wrong == "" and len(asked) == 2


async def test_redirects_are_answers_and_not_followed() -> None:
    async with canary() as (address, asked):
        found = await checked(Smoke(name="home", url=f"{address}/away", method="HEAD", status=302))
    assert found.wrong == "" and asked == ["HEAD /away"]


async def test_no_answer_in_time_and_a_closed_port_are_the_canarys_fault() -> None:
    async with canary() as (address, _):
        assert (await checked(Smoke(name="slow", url=f"{address}/slow", within="50ms"))).wrong == "no answer within 50ms"
    assert (await checked(Smoke(name="gone", url=address))).wrong.startswith("no answer: ")


@pytest.mark.parametrize(
    ("url", "kind"),
    [("ftp://shop/home", InputError), ("shop", InputError), ("http://canary.invalid/home", Unavailable)],
)
async def test_an_address_that_cannot_be_asked_says_nothing_about_the_canary(url: str, kind: type[TrimtabError]) -> None:
    with pytest.raises(kind, match="smoke check home"):
        await checked(Smoke(name="home", url=url))


async def test_addresses_that_only_machines_of_a_cloud_may_ask_are_not_asked() -> None:
    found = await checked(Smoke(name="home", url="http://169.254.169.254/latest/meta-data"))
    assert "link-local addresses are not connected to" in found.wrong


def script(folder: Path, text: str) -> Path:
    file = folder / "smoke.sh"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


async def test_a_command_runs_in_the_repository_without_a_shell_and_without_our_secrets(tmp_path: Path) -> None:
    script(
        tmp_path,
        'test "$PWD" = "$WANTED" -a "$1" = \'a b; $(exit 1)\' -a -z "$TRIMTAB_FORGE_TOKEN$GITHUB_TOKEN$CI_JOB_TOKEN" -a -n "$KUBECONFIG"',
    )
    tokens = dict.fromkeys(("TRIMTAB_FORGE_TOKEN", "GITHUB_TOKEN", "CI_JOB_TOKEN"), "secret")
    known = {"PATH": "/usr/bin:/bin", "KUBECONFIG": "k", "WANTED": str(tmp_path), **tokens}
    found = await checked(Smoke(name="script", command=("./smoke.sh", "a b; $(exit 1)")), tmp_path, known)
    assert found.wrong == "" and found.text.startswith("ended with 0 in ")


async def test_a_command_that_fails_says_why_to_people_alone(tmp_path: Path) -> None:
    script(tmp_path, "echo no such user >&2; exit 3")
    found = await checked(Smoke(name="script", command=("./smoke.sh",)), tmp_path, {"PATH": "/usr/bin:/bin"})
    assert (found.wrong, found.said) == ("./smoke.sh ended with 3", "no such user") and "such" not in repr(found)


async def test_a_command_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    script(tmp_path, "exec sleep 60")
    found = await checked(Smoke(name="script", command=("./smoke.sh",), within="100ms"), tmp_path, {"PATH": "/usr/bin:/bin"})
    assert found.wrong == "smoke.sh did not finish within 0.1 s and was stopped"


async def test_a_command_that_is_not_there_is_invalid_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no program"):
        await checked(Smoke(name="script", command=("./nothing.sh",)), tmp_path, {"PATH": "/usr/bin"})
