"""What the metrics port counts for the judge: out of a Prometheus by the Canary's provider, with pods from the API; trouble is data."""

import json
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from contracts.fake_prometheus import FakePrometheus
from trimtab.adapters.metrics.envoy import EnvoyCounters
from trimtab.adapters.metrics.envoy_scrapes import EnvoyScrapes
from trimtab.adapters.metrics.measure import MetricSources
from trimtab.analysis.objectives import of_primary
from trimtab.model.counting import Counting
from trimtab.model.judging import JudgeRules, Measured, MetricRule
from trimtab.model.names import CanaryKey, Target
from trimtab.model.policy import Analysis, Policy, Provider, Service
from trimtab.model.scrapes import Arm
from trimtab.model.verdict import History, Samples
from trimtab.testing.jumping import JumpingClock
from trimtab.testing.receiver import Receiver, receiver

KEY = CanaryKey("shop", "web")
RULES = JudgeRules(metrics=(MetricRule("errors"),))
PODS = {"web-5f7b9c6d8d-aaaaa": Arm.CANARY, "web-primary-6c5d4b3a29-bbbbb": Arm.PRIMARY, "web-primary-6c5d4b3a29-ccccc": Arm.PRIMARY}


def policy(rules: JudgeRules = RULES, provider: str = "", at: Provider | None = None) -> Policy:
    return Policy(Target("Deployment", "web"), Service("web"), provider, analysis=Analysis(judge=rules, counted_at=at))


@dataclass
class Place:
    """A Prometheus that scrapes every 15 s, and the port that asks it."""

    prometheus: FakePrometheus
    session: aiohttp.ClientSession
    address: str
    clock: JumpingClock

    async def pods(self, key: CanaryKey, policy: Policy) -> tuple[tuple[str, Arm], ...]:
        return tuple(PODS.items())

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        return {}

    def port(self, server: str | None = None, *, known: bool = True) -> MetricSources:
        address = self.address if server is None else server
        return MetricSources(self.session, self.clock, self.secret, address, pods=self.pods if known else None)

    async def count(self, policy: Policy, minutes: int = 2) -> Samples:
        now = self.clock.now()
        return await self.port().count(KEY, policy, now - timedelta(hours=1), now - timedelta(minutes=minutes))

    def serves(self, name: str, hours: float = 0.2, **labels: str) -> None:
        """Every pod has answered 30 requests between two scrapes, one of them badly."""
        now = math.floor(self.clock.now().timestamp() / 15) * 15 + 4
        looks = int(hours * 240)
        for pod in PODS:
            for place in range(looks):
                for code, count in (("200", 29), ("500", 1)):
                    self.prometheus.scraped(
                        now - 15 * (looks - place), count * place, name, namespace="shop", pod=pod, status=code, **labels
                    )


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    prometheus = FakePrometheus()
    async with receiver() as there, aiohttp.ClientSession() as session:
        there.answers["/api/v1/query"] = prometheus.answer
        yield Place(prometheus, session, there.address, JumpingClock())


async def test_both_copies_are_counted_pod_by_pod_by_the_names_that_the_api_knows(place: Place) -> None:
    place.serves("http_request_duration_seconds_count")
    found = await place.count(policy())
    assert found.glance and not found.missing
    assert {(pod.pod, pod.arm, pod.bad, pod.total) for scrape in found.scrapes for pod in scrape.counts} == {
        (name, arm, 1, 30) for name, arm in PODS.items()
    }
    asked = place.prometheus.asked[0][0]
    assert "|".join(PODS) in asked, "pods are named, not guessed"


async def test_only_what_ended_later_than_what_was_counted_is_handed_over(place: Place) -> None:
    place.serves("http_request_duration_seconds_count")
    counted = place.clock.now() - timedelta(minutes=1)
    found = await place.port().count(KEY, policy(), counted - timedelta(hours=1), counted)
    assert found.scrapes and all(scrape.ended > counted for scrape in found.scrapes)


async def test_metrics_that_share_a_counter_ask_for_it_once(place: Place) -> None:
    place.serves("http_request_duration_seconds_count")
    rules = replace(RULES, metrics=(MetricRule("errors"), MetricRule("promise", Measured.OBJECTIVE, limit=0.01)))
    found = await place.count(policy(rules))
    assert {scrape.metric for scrape in found.scrapes} == {"errors", "promise"}
    assert len(place.prometheus.asked) == 1


async def test_after_promotion_objectives_are_counted_of_the_primary_alone_though_no_canary_is_left(place: Place) -> None:
    place.serves("http_request_duration_seconds_count")
    rules = replace(RULES, metrics=(MetricRule("errors"), MetricRule("promise", Measured.OBJECTIVE, limit=0.01)))
    now = place.clock.now()
    asked = policy(rules)
    gone = {("pod", pod) for pod, arm in PODS.items() if arm is Arm.CANARY}
    place.prometheus.kept = {labels: pairs for labels, pairs in place.prometheus.kept.items() if not gone & set(labels)}
    found = await place.port().afterwards(KEY, asked, now - timedelta(minutes=3), now - timedelta(minutes=2))
    assert {scrape.metric for scrape in found.scrapes} == {"promise"}
    assert {pod.arm for scrape in found.scrapes for pod in scrape.counts} == {Arm.PRIMARY}
    assert of_primary(rules, found.scrapes, now - timedelta(minutes=3))[0][1].rate == pytest.approx(1 / 30)
    away = await place.port("http://127.0.0.1:1").afterwards(KEY, asked, now, now)
    assert not away.scrapes and "cannot connect to http://127.0.0.1:1" in away.missing[0]
    # Without an objective nobody is asked for counters.
    assert not (await place.port("http://127.0.0.1:1").afterwards(KEY, policy(), now, now)).missing


async def test_a_metric_may_have_a_counter_and_a_server_of_its_own(place: Place) -> None:
    place.serves("hits_total", app="web")
    own = MetricRule("errors", counting=Counting("hits_total", bad_label="status", bad="5..", selector='app="{target}", pod=~"{pods}"'))
    there = policy(replace(RULES, metrics=(own,)), at=Provider("prometheus", place.address))
    now = place.clock.now()
    found = await place.port("http://127.0.0.1:1").count(KEY, there, now - timedelta(hours=1), now - timedelta(minutes=2))
    assert found.scrapes and not found.missing


async def test_a_counter_that_is_not_there_is_named_with_what_was_asked(place: Place) -> None:
    found = await place.count(policy(provider="istio"))
    assert not found.scrapes
    (missing,) = found.missing
    assert "has nothing for errors: asked was istio_requests_total{" in missing


async def test_a_server_that_is_away_or_not_named_is_a_problem_and_no_exception(place: Place) -> None:
    now = place.clock.now()
    away = await place.port("http://127.0.0.1:1").count(KEY, policy(), now, now)
    assert not away.scrapes and "cannot connect to http://127.0.0.1:1" in away.missing[0]
    nowhere = await place.port("").count(KEY, policy(), now, now)
    assert "Name one in spec.judge.prometheus of the RolloutPolicy" in nowhere.missing[0]
    assert "Name one in" in (await place.port("").history(KEY, policy())).problem


async def test_the_history_is_that_of_the_primary_whatever_its_pods_are_called_now(place: Place) -> None:
    place.serves("http_request_duration_seconds_count", hours=1.5)
    found = await place.port().history(KEY, policy())
    known = found.calibration.of("errors")
    assert (found.by_pod, found.problem, known.pods) == (True, "", 2)
    assert known.noise.bad * 30 == known.noise.total > 0
    assert known.began is not None and known.ended is not None
    assert timedelta(hours=1) < known.ended - known.began < timedelta(hours=2)


async def test_where_a_gateway_counts_the_history_says_that_no_pods_are_known(place: Place) -> None:
    assert not (await place.port().history(KEY, policy(provider="nginx"))).by_pod


async def test_a_canary_that_is_not_compared_asks_nobody(place: Place) -> None:
    plain = replace(policy(), analysis=Analysis())
    now = place.clock.now()
    assert await place.port("").count(KEY, plain, now, now) == Samples(now, glance=True)
    assert await place.port("").history(KEY, plain) == History()


@dataclass
class Machine:
    """An Envoy that counts both copies, looked at every second."""

    there: Receiver
    clock: JumpingClock
    counts: dict[Arm, list[int]]

    def serves(self, **more: tuple[int, int]) -> None:
        """So many bad ones and requests more of each copy, and a second has passed."""
        for arm in Arm:
            bad, total = more.get(arm, (0, 0))
            self.counts[arm][0] += bad
            self.counts[arm][1] += total
        stats = [
            {"name": f"cluster.shop_web-{arm}_80.upstream_rq_{name}", "value": str(value)}
            for arm, (bad, total) in self.counts.items()
            for name, value in (("completed", total), ("5xx", bad))
        ]
        self.there.says("/stats", (200, json.dumps({"stats": stats})))
        self.clock.moment += timedelta(seconds=1)


async def test_on_one_machine_envoys_counters_become_scrapes_of_five_seconds_of_one_service_a_copy(tmp_path: Path) -> None:
    async with receiver() as there, aiohttp.ClientSession() as session:
        machine = Machine(there, JumpingClock(), {arm: [0, 0] for arm in Arm})
        counters = EnvoyCounters(session, lambda: there.address, machine.clock, tmp_path)
        scrapes = EnvoyScrapes(counters, lambda key, policy, arm: f"shop_web-{arm}_80")
        port = replace(Place(FakePrometheus(), session, "", machine.clock).port(""), envoy=scrapes)
        began = machine.clock.now()
        machine.serves()
        for _ in range(30):
            await counters.readings("shop_web-canary_80")
            machine.serves(canary=(1, 4), primary=(0, 36))
        found = await port.count(KEY, policy(), began, began)
        assert {scrape.ended - began for scrape in found.scrapes} == {timedelta(seconds=5 * place) for place in range(1, 6)}
        last = found.scrapes[-1]
        assert [(pod.arm, pod.bad, pod.total) for pod in last.counts] == [(Arm.CANARY, 5, 20), (Arm.PRIMARY, 0, 180)]
        rules = replace(RULES, metrics=(MetricRule("promise", Measured.OBJECTIVE, limit=0.01),))
        after = await port.afterwards(KEY, policy(rules), began, began)
        assert [(pod.arm, pod.bad, pod.total) for pod in after.scrapes[-1].counts] == [(Arm.PRIMARY, 0, 180)]
        past = await port.history(KEY, policy())
        assert (past.by_pod, past.calibration.of("errors").noise.bad) == (False, 0)
        assert past.calibration.of("errors").noise.total > 500
        there.says("/stats", (500, "no"))
        assert (await port.count(KEY, policy(), began, began)).missing
