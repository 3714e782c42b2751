"""A real Envoy between real clients and pods on the loopback interface: shares, matches, copies of requests, draining."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from trimtab.adapters.local import envoy_ports
from trimtab.adapters.local.dataplane import Backend, CopyName, DataPlane, Endpoint
from trimtab.adapters.local.envoy import Envoy
from trimtab.adapters.local.envoy_dataplane import EnvoyDataPlane
from trimtab.adapters.local.envoy_process import find_program
from trimtab.adapters.local.envoy_router import EnvoyRouter
from trimtab.errors import Conflict, InputError, Unavailable
from trimtab.model.facts import Capabilities, Routes
from trimtab.model.names import CanaryKey, Target
from trimtab.model.policy import Match, Policy, Service, StringMatch
from trimtab.model.rollout import Exposure
from trimtab.ports import Router, Wanted

KEY = CanaryKey("shop", "web")
NOBODY = Exposure()
PRIMARY, CANARY = (Backend("shop", "web", copy) for copy in CopyName)


def free_port() -> int:
    """Not one of those that the system gives to clients, and rarely one that another test process looks at."""
    first = 5_000 + os.getpid() % 150 * 30
    return next(port for port in range(first, first + 1000) if envoy_ports.free(port))


def test_the_copies_of_a_service_leave_the_port_beside_it_to_the_next_service() -> None:
    first = next(port for port in range(10_100, 19_000, 2) if envoy_ports.free(port) and envoy_ports.free(port + 1))
    one = envoy_ports.choose("shop", "web", first, frozenset())
    taken = {one.port, one.primary_port, one.canary_port}
    assert one.port == first and len(taken) == 3
    assert envoy_ports.choose("shop", "api", first + 1, taken).port == first + 1


@dataclass
class Pod:
    """A pod that says its name, keeps the paths that it saw, and holds back answers to /slow until it is let go."""

    name: str
    endpoint: Endpoint = field(default_factory=lambda: Endpoint(0))
    seen: list[str] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(f"{request.headers.get('Host', '').partition(':')[0]}{request.path}")
        self.arrived.set()
        if request.path == "/slow":
            await self.go.wait()
        return web.Response(text=self.name)


@dataclass
class World:
    """One Envoy with a primary and a canary behind Service web."""

    envoy: Envoy
    session: aiohttp.ClientSession
    policy: Policy
    primary: Pod
    canary: Pod

    def __post_init__(self) -> None:
        self.router: Router = EnvoyRouter(self.envoy)
        self.plane: DataPlane = EnvoyDataPlane(self.envoy)
        self.serial = 0

    async def expose(self, policy: Policy | None = None, exposure: Exposure = NOBODY) -> Routes | None:
        self.serial += 1
        await self.router.set(KEY, Wanted(self.serial, policy or self.policy, exposure, None))
        return await self.router.look(KEY, self.policy)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.envoy.addresses()['shop', 'web'].actual}"

    async def get(self, path: str = "/", **headers: str) -> str:
        async with self.session.get(self.url + path, headers=headers) as answer:
            return await answer.text()

    async def split(self, requests: int) -> Counter[str]:
        return Counter([await self.get() for _ in range(requests)])


@asynccontextmanager
async def pod(name: str) -> AsyncIterator[Pod]:
    made = Pod(name)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.endpoint = Endpoint(runner.addresses[0][1])
    try:
        yield made
    finally:
        made.go.set()
        await runner.cleanup()


@asynccontextmanager
async def one_machine(folder: Path) -> AsyncIterator[World]:
    policy = Policy(Target("Deployment", "web"), Service("web", free_port()), provider="istio", weights=(10, 50))
    async with aiohttp.ClientSession() as session, pod("primary") as primary, pod("canary") as canary:
        envoy = Envoy(folder / "envoy", session, lambda: find_program(os.environ))
        try:
            world = World(envoy, session, policy, primary, canary)
            await world.expose(exposure=Exposure(routed=False))
            await world.plane.publish(PRIMARY, [primary.endpoint])
            await world.plane.publish(CANARY, [canary.endpoint])
            yield world
        finally:
            await envoy.stop(grace=0.2)


def on_one_machine(folder: Path, story: Callable[[World], Awaitable[None]]) -> None:
    async def play() -> None:
        async with one_machine(folder) as world, asyncio.timeout(20):
            await story(world)

    asyncio.run(play())


def test_a_new_service_gets_the_port_it_asks_for_and_sends_everything_to_the_primary(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        address = world.envoy.addresses()["shop", "web"]
        assert address.actual == address.wanted == world.policy.service.port
        assert await world.split(20) == {"primary": 20}
        assert await world.router.look(KEY, world.policy) == Routes(0)

    on_one_machine(tmp_path, story)


def test_a_service_that_was_never_routed_has_no_routes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        other = replace(world.policy, service=Service("other"))
        assert await world.router.look(CanaryKey("shop", "other"), other) is None

    on_one_machine(tmp_path, story)


@pytest.mark.slow
def test_requests_are_shared_by_weight(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert await world.expose(exposure=Exposure(weight=20)) == Routes(20)
        counted = await world.split(600)
        # Envoy draws each request: six standard deviations of a binomial with 600 draws of 0.2 are 59.
        assert 60 <= counted["canary"] <= 180
        assert await world.expose(exposure=Exposure(weight=100)) == Routes(100)
        assert await world.split(50) == {"canary": 50}
        assert await world.expose(exposure=Exposure(weight=0)) == Routes(0)
        assert await world.split(50) == {"primary": 50}

    on_one_machine(tmp_path, story)


def test_traffic_that_is_not_routed_by_us_yet_is_left_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.expose(exposure=Exposure(weight=30))
        assert await world.expose(exposure=Exposure(routed=False)) == Routes(30)

    on_one_machine(tmp_path, story)


def test_an_older_record_moves_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.expose(exposure=Exposure(weight=30))
        await world.expose(exposure=Exposure(weight=0))
        with pytest.raises(Conflict, match=r"moving traffic of web\.shop by record 2: record 3"):
            await world.router.set(KEY, Wanted(2, world.policy, Exposure(weight=30), None))
        assert await world.router.look(KEY, world.policy) == Routes(0)

    on_one_machine(tmp_path, story)


def test_only_requests_that_match_reach_the_canary_of_an_ab_test(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        header = Match(headers=(StringMatch("x-user", "exact", "insider"),))
        regex = Match(headers=(StringMatch("cookie", "regex", "^(.*?;)?(canary=always)(;.*)?$"),))
        query = Match(query=(StringMatch("try", "exact", "new"),), headers=(StringMatch("x-browser", "prefix", "Fire"),))
        policy = replace(world.policy, match=(header, regex, query), iterations=3)
        assert await world.expose(policy, exposure=Exposure(matched=True)) == Routes(0, matched=True)
        assert await world.get() == "primary"
        assert await world.get(**{"x-user": "insider"}) == "canary"
        assert await world.get(**{"x-user": "insider2"}) == "primary"
        assert await world.get(Cookie="a=b;canary=always;c=d") == "canary"
        assert await world.get("/?try=new") == "primary"
        assert await world.get("/?try=new", **{"x-browser": "Firefox"}) == "canary"
        assert await world.expose(policy) == Routes(0)
        assert await world.get(**{"x-user": "insider"}) == "primary"

    on_one_machine(tmp_path, story)


def test_for_nginx_a_cookie_is_matched_by_its_name(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        policy = replace(world.policy, provider="nginx", match=(Match(headers=(StringMatch("cookie", "exact", "beta"),)),))
        await world.expose(policy, exposure=Exposure(matched=True))
        assert await world.get(Cookie="x=y; beta=always") == "canary"
        assert await world.get(Cookie="beta=never") == "primary"

    on_one_machine(tmp_path, story)


def test_a_condition_that_envoy_refuses_is_an_input_error_in_its_words_and_changes_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.expose(exposure=Exposure(weight=10))
        policy = replace(world.policy, match=(Match(headers=(StringMatch("x", "regex", "(("),)),))
        with pytest.raises(InputError, match=r"refuses spec\.analysis\.match of Canary web\.shop: missing \)"):
            await world.expose(policy, exposure=Exposure(matched=True))
        assert await world.router.look(KEY, world.policy) == Routes(10)
        file = json.loads((world.envoy.folder / "routes" / "shop_web.json").read_bytes())
        assert len(file["resources"][0]["virtual_hosts"][0]["routes"]) == 1
        assert await world.expose(exposure=Exposure(weight=0)) == Routes(0)

    on_one_machine(tmp_path, story)


def test_mirrored_requests_are_answered_by_the_primary_and_seen_by_the_canary_unchanged(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        policy = replace(world.policy, mirror=True)
        assert await world.expose(policy, exposure=Exposure(mirrored=True)) == Routes(0, mirrored=True)
        assert await world.get("/hello", Host="shop.example") == "primary"
        await world.canary.arrived.wait()
        assert world.canary.seen == ["shop.example/hello"]
        assert await world.expose(policy, exposure=Exposure(weight=10)) == Routes(10)

    on_one_machine(tmp_path, story)


@pytest.mark.slow
def test_the_mirrored_share_is_the_policys(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.expose(replace(world.policy, mirror=True, mirror_weight=30), Exposure(mirrored=True))
        assert await world.split(300) == {"primary": 300}
        assert 40 <= len(world.canary.seen) <= 140

    on_one_machine(tmp_path, story)


def test_the_kubernetes_provider_keeps_everybody_on_the_primary(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        plain = replace(world.policy, provider="kubernetes")
        assert world.router.capabilities(plain) == Capabilities(weights=False, match=False, mirror=False)
        assert world.router.capabilities(replace(plain, provider="")) == Capabilities()
        assert await world.expose(plain, exposure=Exposure(weight=100)) == Routes(0)
        assert await world.split(20) == {"primary": 20}

    on_one_machine(tmp_path, story)


def test_each_copy_can_be_reached_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        address = world.envoy.addresses()["shop", "web"]
        for port, name in ((address.primary, "primary"), (address.canary, "canary")):
            async with world.session.get(f"http://127.0.0.1:{port}/") as answer:
                assert await answer.text() == name

    on_one_machine(tmp_path, story)


def test_a_pod_that_is_taken_away_answers_what_it_has_and_gets_nothing_new(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with pod("next") as newer:
            under_way = asyncio.create_task(world.get("/slow"))
            await world.primary.arrived.wait()
            await world.plane.publish(PRIMARY, [newer.endpoint])
            assert await world.plane.active(PRIMARY, world.primary.endpoint) == 1
            assert await world.split(20) == {"next": 20}
            world.primary.go.set()
            assert await under_way == "primary"
            assert await world.plane.active(PRIMARY, world.primary.endpoint) == 0
            assert await world.plane.active(PRIMARY, newer.endpoint) == 0

    on_one_machine(tmp_path, story)


def test_the_last_pod_can_be_taken_away_and_come_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.plane.publish(PRIMARY, [])
        assert "no healthy upstream" in await world.get()
        assert world.primary.seen == []
        await world.plane.publish(PRIMARY, [world.primary.endpoint])
        assert await world.get() == "primary"

    on_one_machine(tmp_path, story)


def test_pods_of_a_service_that_nobody_listens_for_are_refused_until_somebody_does(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        other = Backend("shop", "other", CopyName.PRIMARY)
        with pytest.raises(Unavailable, match=r"primary of Service other\.shop: Envoy does not listen for it yet"):
            await world.plane.publish(other, [world.primary.endpoint])
        assert await world.plane.active(other, world.primary.endpoint) == 0
        await world.envoy.expose("shop", "other", free_port())
        await world.plane.publish(other, [world.primary.endpoint])

    on_one_machine(tmp_path, story)


def test_a_request_whose_pod_is_gone_is_answered_by_another(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.plane.publish(PRIMARY, [world.primary.endpoint, Endpoint(free_port())])
        assert await world.split(40) == {"primary": 40}

    on_one_machine(tmp_path, story)


@pytest.mark.slow
def test_no_request_is_lost_while_weights_and_pods_change_under_load(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        answers: Counter[str] = Counter()
        done = asyncio.Event()

        async def client() -> None:
            while not done.is_set():
                try:
                    async with world.session.post(world.url, data=b"x") as answer:
                        answers[await answer.text() if answer.status == 200 else f"{answer.status}"] += 1
                except aiohttp.ClientError as error:
                    answers[repr(error)] += 1

        async with pod("next") as newer, asyncio.TaskGroup() as tasks:
            for _ in range(8):
                tasks.create_task(client())
            for change in range(50):
                await world.expose(exposure=Exposure(weight=(change * 7) % 101))
                await world.plane.publish(PRIMARY, [newer.endpoint if change % 2 else world.primary.endpoint])
            done.set()
        assert set(answers) == {"primary", "canary", "next"}
        assert answers.total() > 100

    on_one_machine(tmp_path, story)


def test_a_route_survives_a_change_of_the_services_port(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.expose(exposure=Exposure(weight=100))
        moved = replace(world.policy, service=Service("web", free_port()))
        await world.envoy.expose("shop", "web", moved.service.port)
        assert await world.get() == "canary"
        assert await world.router.look(KEY, moved) == Routes(100)
        assert await world.expose(moved, exposure=Exposure(weight=0)) == Routes(0)
        assert await world.get() == "primary"

    on_one_machine(tmp_path, story)


def test_a_withdrawn_service_is_not_listened_for(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        url = world.url
        await world.envoy.withdraw("shop", "web")
        assert world.envoy.addresses() == {}
        assert await world.envoy.admin.listeners() == frozenset()
        async with aiohttp.ClientSession() as fresh:
            with pytest.raises(aiohttp.ClientConnectionError):
                await fresh.get(url)

    on_one_machine(tmp_path, story)
