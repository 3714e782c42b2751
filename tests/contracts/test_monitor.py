"""How `trimtab monitor` watches, in virtual time: a real repository, and an API server and a Prometheus that say what they are told."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.git_places import git
from contracts.monitored import POLICY, Watched, World, deployed, outside, place
from trimtab.analysis.replay import Replay, replayed
from trimtab.errors import Denied, InputError, Unavailable
from trimtab.promotion.recounting import comparison
from trimtab.promotion.text import verdict_summary
from trimtab.testing.jumping import JumpingClock
from trimtab.wiring import keeping
from trimtab.wiring.monitoring import STOPPED, WATCHING, Finish, Monitoring
from trimtab.wiring.repository import repository
from trimtab.wiring.watched import Asked, watch

BEGIN = datetime(2026, 1, 2, 4, 0, tzinfo=UTC)
JUDGED = """apiVersion: trimtab.dev/v1alpha1
kind: RolloutPolicy
metadata: {name: careful}
spec:
  judge: {scrapeInterval: 15s, history: 1h}
"""
PODS = {"canary": ("shop-canary-5b8-aaaaa", "shop-canary-5b8-bbbbb"), "stable": ("shop-stable-5b8-aaaaa", "shop-stable-5b8-bbbbb")}
APPLICATION = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop-canary"


@dataclass
class Service:
    """Counters of both copies as a Prometheus scrapes them every 15 s. One of 1000 requests fails, of the canary's `bad`."""

    world: World
    bad: float = 1.0
    at: float = (BEGIN - timedelta(hours=1)).timestamp()
    totals: dict[tuple[str, str], float] = field(default_factory=dict)

    def scraped(self, until: datetime) -> None:
        while self.at + 15 <= until.timestamp():
            self.at += 15
            for copy, pods in PODS.items():
                for pod in pods:
                    failed = 3 * (self.bad if copy == "canary" else 1)
                    for status, more in (("500", failed), ("200", 3000 - failed)):
                        total = self.totals[pod, status] = self.totals.get((pod, status), 0) + more
                        labels = {"namespace": "production", "pod": pod, "status": status, "instance": pod}
                        self.world.counted.scraped(self.at, total, "http_request_duration_seconds_count", **labels)


@dataclass
class Place:
    """A watch of shop/canary with its clock. `at` says what happens when so much time has gone."""

    shop: Watched
    world: World
    clock: JumpingClock = field(default_factory=lambda: JumpingClock(BEGIN))
    said: list[str] = field(default_factory=list)

    def happens(self, *events: tuple[timedelta, Callable[[], object]]) -> None:
        before, waiting = self.clock.meanwhile, list(events)

        def meanwhile() -> None:
            before()
            while waiting and self.clock.now() >= BEGIN + waiting[0][0]:
                waiting.pop(0)[1]()

        self.clock.meanwhile = meanwhile

    @asynccontextmanager
    async def made(self) -> AsyncIterator[Monitoring]:
        found = await repository(self.shop.clone, self.shop.environment())
        asked = Asked("shop", kubeconfig=self.shop.kubeconfig)
        async with watch(found, asked, lambda _, text: self.said.append(text), self.clock) as made:
            yield made.monitoring

    async def watched(self) -> Finish:
        async with self.made() as monitoring:
            return await monitoring.watch()


def prepared(folder: Path, world: World, policy: str = POLICY, **options: str) -> Place:
    shop = place(folder, world, duration="2m", **{"timeout": "2m", **options})
    pipeline = (shop.clone / "trimtab.yaml").read_text().replace("100ms", "15s")
    if policy is JUDGED:
        pipeline = pipeline.replace(", metrics: [metric.yaml]", "")
        world.objects |= deployed("stable", "10")
    shop.change("rules", **{"policy.yaml": policy, "trimtab.yaml": pipeline})
    return Place(shop, world)


def compared(folder: Path, world: World, bad: float = 1.0) -> tuple[Place, Service]:
    made, service = prepared(folder, world, JUDGED), Service(world, bad)
    service.scraped(BEGIN)
    made.clock.meanwhile = lambda: service.scraped(made.clock.now())
    return made, service


def again(counted: str) -> Replay:
    """The verdict in evidence, computed anew."""
    found = comparison(counted)
    assert found is not None
    return replayed(found.record, found.counted(), found.rules)


async def test_a_canary_as_good_as_stable_passes_by_comparison_with_all_its_counts_as_evidence(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made, _ = compared(tmp_path, world)
        found = await made.watched()
    assert found.word == "pass" and "Good enough to promote" in found.text and found.evidence is not None
    assert made.clock.now() - BEGIN >= timedelta(minutes=2)
    (figure,) = found.evidence.verdict.figures
    assert (figure.metric, figure.judgement) == ("errors", "good") and figure.canary == "42 of 42 000 (0.1 %)"
    sums = {of: [one.total for one in found.evidence.sums if one.of == of] for of in ("canary", "stable")}
    assert sums["canary"] == sums["stable"] and len(sums["canary"]) >= 7 and set(sums["canary"]) == {6000.0}
    asked = found.evidence.queries[0]
    assert asked.metric == "errors" and "shop-canary-5b8-aaaaa|shop-canary-5b8-bbbbb|shop-stable" in asked.query
    assert any("the canary has 2 pods" in note for note in found.notes), "what the judge cannot do here is said"
    assert again(found.evidence.counted).same, "the verdict can be computed anew from the evidence alone"


async def test_a_canary_that_is_worse_than_stable_fails_within_the_first_minutes(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made, _ = compared(tmp_path, world, bad=50)
        found = await made.watched()
    assert found.word == "fail" and found.text.startswith("Rolled back after") and "stable" in found.text
    assert made.clock.now() - BEGIN < timedelta(minutes=2)
    assert found.evidence is not None
    page = verdict_summary("shop/canary", found.evidence, ())
    for part in ("- errors carried it", "- the bar that came last: ", "- scrape until ", "- what would change it: Nothing any more"):
        assert part in page, page


async def test_counters_that_nobody_has_are_no_data_unless_their_server_is_down(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world, JUDGED)
        found = await made.watched()
        assert found.word == "no-data" and "has nothing for errors" in found.text
        made.happens((timedelta(0), lambda: setattr(world, "down", True)))
        with pytest.raises(Unavailable, match="503"):
            await made.watched()


async def test_without_stable_pods_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world, JUDGED)
        world.objects = deployed()
        with pytest.raises(InputError, match="no pods of deployment/shop-stable in namespace production"):
            await made.watched()


async def test_two_namespaces_need_a_selector_that_finds_both_copies(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world, JUDGED)
        pipeline = (made.shop.clone / "trimtab.yaml").read_text().replace("name: stable,", "name: stable, namespace: elsewhere,")
        made.shop.change("elsewhere", **{"trimtab.yaml": pipeline})
        with pytest.raises(InputError, match=r"in namespace production and deployment/shop-stable in elsewhere.*source\.selector"):
            await made.watched()


async def test_content_that_changes_while_it_is_watched_is_judged_by_nobody(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world)
        config = world.objects["/api/v1/namespaces/production/configmaps/app-config-canary"]
        made.happens((timedelta(minutes=1), lambda: config["data"].update(pool="40")))
        found = await made.watched()
    assert (found.word, made.clock.now() - BEGIN) == ("inconclusive", timedelta(minutes=1))
    assert "something else came while it was watched: configmap/app-config-canary has other values" in found.text


async def test_a_canary_that_begins_to_crash_fails(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world)
        pod = world.objects["/api/v1/namespaces/production/pods/shop-canary-5b8-aaaaa"]
        crash = {"name": "app", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
        made.happens((timedelta(minutes=1), lambda: pod["status"].update(containerStatuses=[crash])))
        found = await made.watched()
    assert found.word == "fail" and "crashed 3 times" in found.text


async def test_pods_that_are_not_ready_at_the_end_are_waited_for_and_no_pass(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world)
        app = world.objects["/apis/apps/v1/namespaces/production/deployments/shop-canary"]
        made.happens((timedelta(minutes=1), lambda: app["status"].update(availableReplicas=1)))
        found = await made.watched()
        assert found.word == "inconclusive" and "1 of 2 pods are ready" in found.text
        assert made.clock.now() - BEGIN == timedelta(minutes=4)
        app["status"]["availableReplicas"] = 2
        made = Place(made.shop, world)
        made.happens(
            (timedelta(minutes=1), lambda: app["status"].update(availableReplicas=1)),
            (timedelta(minutes=3), lambda: app["status"].update(availableReplicas=2)),
        )
        assert (await made.watched()).word == "pass"


async def test_a_metric_server_that_is_away_for_a_moment_is_waited_for_and_one_that_stays_away_leads_to_no_verdict(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world)
        made.happens(
            (timedelta(seconds=100), lambda: setattr(world, "down", True)), (timedelta(minutes=3), lambda: setattr(world, "down", False))
        )
        assert (await made.watched()).word == "pass"
        made = Place(made.shop, world)
        made.happens((timedelta(seconds=100), lambda: setattr(world, "down", True)))
        with pytest.raises(Unavailable, match="there is no answer from the metric server: error-rate no answer"):
            await made.watched()


async def test_a_metric_without_values_is_no_data(tmp_path: Path) -> None:
    async with outside(World(value=None)) as world:
        found = await prepared(tmp_path, world).watched()
    assert found.word == "no-data" and "Missing data is never a pass" in found.text


async def test_limits_are_asked_about_when_their_window_no_longer_holds_what_was_before_the_commit(tmp_path: Path) -> None:
    async with outside(World(value=7)) as world:
        made = prepared(tmp_path, world)
        template = (made.shop.clone / "metric.yaml").read_text().replace("'errors{", "'rate(errors{").replace("\"}'", "\"}[90s])'")
        made.shop.change("a window", **{"metric.yaml": template})
        asked: list[timedelta] = []
        world.meanwhile = lambda _: asked.append(made.clock.now() - BEGIN)
        made.happens((timedelta(seconds=80), lambda: setattr(world, "value", 0.2)))
        found = await made.watched()
    assert found.word == "pass" and asked == [timedelta(seconds=seconds) for seconds in (90, 105, 120)]
    assert "0 s of 2 min: limits wait for a window of their own" in made.said
    assert "all within limits at 3 of 3 looks" in found.text


async def test_a_smoke_check_that_is_wrong_fails_before_any_metric_is_asked(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world, smoke=f'[{{name: home, url: "{world.server}/home", json: {{ready: false}}}}]')
        found = await made.watched()
    assert found.word == "fail" and found.text == "smoke check home: ready is True, expected False" and world.queries == []
    assert found.evidence is not None and found.evidence.verdict.figures[0].judgement == "failed"


async def test_the_token_is_shown_to_the_server_that_the_pipeline_names_and_to_no_other(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world)
        made.shop.secrets = {"TRIMTAB_PROMETHEUS_TOKEN": "hunter2"}
        found = await made.watched()
        assert set(world.tokens) == {"Bearer hunter2"}
        assert "hunter2" not in repr(found) + "".join(made.said)
        pipeline = made.shop.clone / "trimtab.yaml"
        without = pipeline.read_text().replace(f', prometheus: "{world.server}/prometheus"', "")
        template = (made.shop.clone / "metric.yaml").read_text().replace("http://prometheus.monitoring:9090", f"{world.server}/prometheus")
        made.shop.change("by the template's own address", **{"trimtab.yaml": without, "metric.yaml": template})
        world.tokens.clear()
        assert (await Place(made.shop, world).watched()).word == "pass"
        assert set(world.tokens) == {""}
        secret = template.replace("type: prometheus,", "type: prometheus, secretRef: {name: login},")
        made.shop.change("a secret of the cluster", **{"metric.yaml": secret})
        with pytest.raises(InputError, match="names a Secret of the cluster, which a pipeline does not read"):
            await Place(made.shop, world).watched()


async def test_what_is_stopped_has_evidence_that_decides_nothing(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world)
        async with made.made() as monitoring:
            early = monitoring.unfinished(STOPPED)
            await monitoring.watch(once=True)
            found = monitoring.unfinished(STOPPED)
    assert early.evidence is None and found.evidence is not None
    assert found.evidence.verdict.judgement == "inconclusive" and "stopped before the end" in found.evidence.verdict.text


async def left(made: Place, state: Path, away: timedelta) -> Finish:
    """A watch that is left after each look, and gone on with by another process later."""
    async with made.made() as monitoring:
        found = await monitoring.watch(once=True)
        keeping.save(state, monitoring)
    while found.word == WATCHING:
        await made.clock.sleep_until(made.clock.now() + away)
        async with made.made() as monitoring:
            keeping.resume(keeping.load(state), monitoring)
            found = await monitoring.watch(once=True)
            keeping.save(state, monitoring)
    return found


async def test_a_watch_that_is_left_and_gone_on_with_counts_the_same(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made, service = compared(tmp_path, world)
        whole = await made.watched()
        service.scraped(BEGIN + timedelta(hours=1))
        parts = await left(Place(made.shop, world), tmp_path / "monitor.json", timedelta(minutes=1))
    assert whole.word == parts.word == "pass" and whole.evidence is not None and parts.evidence is not None
    assert parts.evidence.sums[: len(whole.evidence.sums)] == whole.evidence.sums[: len(parts.evidence.sums)]
    assert parts.evidence.policy == whole.evidence.policy and parts.evidence.window.began == BEGIN
    assert again(parts.evidence.counted).same


async def test_a_limit_that_was_broken_while_nobody_looked_counts(tmp_path: Path) -> None:
    async with outside(World(bad_between=(BEGIN.timestamp() + 20, BEGIN.timestamp() + 60))) as world:
        made = prepared(tmp_path, world)
        found = await left(made, tmp_path / "monitor.json", timedelta(minutes=1))
    assert found.word == "fail" and "at 2 of" in found.text
    assert "caught up with 3 looks since 04:00:00" in made.said


async def test_what_was_left_is_not_gone_on_with_by_other_rules_or_for_other_content(tmp_path: Path) -> None:
    state = tmp_path / "monitor.json"
    with pytest.raises(InputError, match="nothing is being watched"):
        keeping.load(state)
    async with outside(World()) as world:
        made = prepared(tmp_path, world)
        async with made.made() as monitoring:
            await monitoring.watch(once=True)
            assert keeping.save(state, monitoring)
        made.shop.change("softer", **{"policy.yaml": POLICY.replace("max: 1", "max: 9")})
        async with made.made() as monitoring:
            with pytest.raises(InputError, match="the rules of shop/canary at commit"):
                keeping.resume(keeping.load(state), monitoring)
    state.write_text(state.read_text().replace("errors", "x")[:100])
    with pytest.raises(InputError, match="cannot be read"):
        keeping.load(state)


def application(commit: str, health: str = "Healthy") -> dict[str, object]:
    synced = {"status": "Synced", "revision": commit}
    state = {
        "phase": "Succeeded", "startedAt": "2026-01-02T03:59:00Z", "finishedAt": "2026-01-02T03:59:01Z", "syncResult": {"revision": commit},
    }  # fmt: skip
    return {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "shop-canary", "namespace": "argocd"},
        "spec": {"source": {"path": "canary", "targetRevision": "main"}, "syncPolicy": {"automated": {}}},
        "status": {"sync": synced, "health": {"status": health}, "operationState": state, "reconciledAt": "2026-01-02T03:59:02Z"},
    }  # fmt: skip


def with_argocd(made: Place) -> str:
    pipeline = (made.shop.clone / "trimtab.yaml").read_text().replace("name: canary,", "name: canary, argocd: {application: shop-canary},")
    return made.shop.change("by Argo CD", **{"trimtab.yaml": pipeline})


async def test_an_application_has_to_run_the_commit_before_its_pods_are_looked_at(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world)
        commit = with_argocd(made)
        world.objects[APPLICATION] = application(git(made.shop.clone, "rev-parse", f"{commit}~1"))
        made.happens((timedelta(seconds=30), lambda: world.objects.update({APPLICATION: application(commit)})))
        found = await made.watched()
        assert found.word == "pass", found.text
        assert f"PATCH {APPLICATION}" in world.asked
        assert [text for text in made.said if "synced and healthy" in text or "2 pods run it" in text] == [
            "the Application argocd/shop-canary is synced and healthy", "deployment/shop-canary: 2 pods run it",
        ]  # fmt: skip


@pytest.mark.parametrize("hidden", ["denied", "absent"])
async def test_where_only_the_application_may_be_seen_it_is_believed_and_said(tmp_path: Path, hidden: str) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world)
        commit = with_argocd(made)
        if hidden == "absent":
            world.objects.clear()
        else:
            world.refuses = frozenset({"/deployments"})
        world.objects[APPLICATION] = application(commit)
        found = await made.watched()
    assert found.word == "pass" and any(note.startswith("the pods were not looked at") for note in found.notes)


async def test_an_application_that_turns_degraded_is_a_canary_that_failed_and_one_that_is_not_synced_is_late(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world)
        commit = with_argocd(made)
        world.objects[APPLICATION] = application(commit, "Degraded")
        found = await made.watched()
        assert found.word == "fail" and "is Degraded" in found.text
        made = Place(made.shop, world)
        world.objects[APPLICATION] = application(git(made.shop.clone, "rev-parse", f"{commit}~1"))
        late = await made.watched()
    assert late.word == "timed-out" and "does not run" in late.text


async def test_pods_that_may_not_be_read_are_an_error_where_no_application_says_more(tmp_path: Path) -> None:
    async with outside(World()) as world:
        made = prepared(tmp_path, world)
        world.refuses = frozenset({"/pods"})
        with pytest.raises(Denied):
            await made.watched()
