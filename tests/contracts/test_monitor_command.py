"""`trimtab monitor` as a process: a real repository, and a cluster and a metric server that answer as they are told."""

import asyncio
import json
import re
import signal
from pathlib import Path

import pytest

from contracts.git_places import git
from contracts.monitored import World, deployed, outside, place
from trimtab.adapters.git.journal import REF
from trimtab.errors import InputError
from trimtab.wiring.repository import repository
from trimtab.wiring.watched import Asked, watch


async def test_a_canary_within_its_limits_passes_and_is_promoted_by_its_evidence(tmp_path: Path) -> None:
    smoke = '[{name: home, url: "%s/home", headers: {X-App: shop}, json: {ready: true, pools.0.size: 20}}]'
    async with outside(World()) as world:
        shop = place(tmp_path, world, smoke=smoke % world.server)
        outputs, dotenv, page = tmp_path / "outputs", tmp_path / "trimtab.env", tmp_path / "summary.md"
        files = {"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(page)}
        told = await shop.trimtab("monitor", "shop", "--dotenv", str(dotenv), environment=files)
        assert told.code == 0, told.errors
        assert told.out.startswith("shop/canary: pass: all within limits at ")
        assert "error-rate 0.2 (at most 1)" in told.errors and "deployment/shop-canary: 2 pods run it" in told.errors
        assert world.queries[0] == 'errors{deployment="shop-canary",namespace="production"}'
        proof = shop.evidence()
        assert (proof["commit"], proof["verdict"]["judgement"]) == (git(shop.clone, "rev-parse", "HEAD"), "pass")
        assert [figure["metric"] for figure in proof["verdict"]["figures"]] == ["smoke home", "error-rate"]
        assert proof["queries"] == [{"metric": "error-rate", "query": world.queries[0], "of": "canary"}]
        assert "outcome<<" in outputs.read_text() and "TRIMTAB_VERDICT=pass\n" in dotenv.read_text()
        assert page.read_text().startswith("### shop/canary: pass") and "| error-rate | 0.2 |" in page.read_text()
        assert json.loads(git(shop.origin, "show", f"{REF}:entry.json"))["verdict"] == "pass"
        done = await shop.trimtab("promote", "--evidence", "evidence.json")
        assert done.code == 0, done.errors
        assert "pool: '20'" in git(shop.origin, "show", "main:stable/config.yaml")


async def test_limits_broken_too_often_fail_at_once_and_the_canary_is_rolled_back_by_the_evidence(tmp_path: Path) -> None:
    async with outside(World(value=7)) as world:
        shop = place(tmp_path, world, duration="1h")
        told = await shop.trimtab("monitor", "shop/canary", "-o", "json")
        assert told.code == 1, told.errors
        said = json.loads(told.out)
        assert said["outcome"] == "fail" and "error-rate 7 (at most 1)" in said["text"]
        assert len(world.queries) == 2, "the threshold of the policy is two"
        back = await shop.trimtab("rollback", "--evidence", "evidence.json")
        assert back.code == 0, back.errors
        assert "pool: '10'" in git(shop.origin, "show", "main:canary/config.yaml")


async def test_missing_data_never_pass(tmp_path: Path) -> None:
    async with outside(World(value=None)) as world:
        shop = place(tmp_path, world)
        process = await shop.started("monitor")
        while len(world.queries) < 4:
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, errors = await process.communicate()
        assert process.returncode == 130, errors
        assert "stopped" in out.decode() and "error-rate no value" in errors.decode()
        assert shop.evidence()["verdict"]["judgement"] == "inconclusive"
        assert git(shop.origin, "for-each-ref", REF) == "", "what is unfinished is no verdict"
        left = await shop.trimtab("monitor", "--resume", "--detach", "-o", "json")
        assert left.code == 0 and json.loads(left.out)["outcome"] == "watching", left.errors
        world.value = 7
        went_on = await shop.trimtab("monitor", "--resume")
        assert went_on.code == 1 and not (shop.clone / "monitor.json").exists(), went_on.errors


async def test_a_canary_that_does_not_run_the_commit_in_time_is_no_failure_of_it(tmp_path: Path) -> None:
    async with outside(World(objects=deployed(pool="10"))) as world:
        shop = place(tmp_path, world, timeout="1s")
        told = await shop.trimtab("monitor")
        assert told.code == 5, told.errors
        assert "does not run the commit after 1 s: configmap/app-config-canary has other values than the commit under pool" in told.out
        assert "puts canary back by a commit, without an alert" in told.out
        assert shop.evidence()["verdict"]["judgement"] == "inconclusive"
        assert world.queries == []


async def test_a_cluster_that_may_not_be_looked_at_leads_to_no_verdict(tmp_path: Path) -> None:
    async with outside(World()) as world:
        shop = place(tmp_path, world)
        world.refuses = frozenset({"/pods"})
        told = await shop.trimtab("monitor")
        assert told.code == 6 and "there is no verdict: nothing was changed" in told.errors, told.out
        assert not (shop.clone / "evidence.json").exists()
        assert git(shop.origin, "for-each-ref", REF) == ""


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("policy.yaml", None, "nothing is measured of shop/canary"),
        ("metric.yaml", ("name: error-rate", "name: other"), "metric template error-rate.production error"),
        ("metric.yaml", ("{{ target }}", "{{ nobody }}"), "the query of metric error-rate"),
        ("metric.yaml", ("'errors", "'sum(errors"), "is not PromQL"),
        ("metric.yaml", ("type: prometheus", "type: datadog"), "asked from datadog"),
        ("policy.yaml", (", thresholdRange: {max: 1}", ""), "has no limit"),
        ("trimtab.yaml", ("smoke: []", "smoke: [{name: home}]"), "smoke check home must have either url or command"),
        ("trimtab.yaml", ("smoke: []", "smoke: [{name: home, url: shop}]"), "'shop' must begin with http:// or https://"),
    ],
)
async def test_what_could_never_be_measured_is_invalid_input_before_anything_is_asked(
    tmp_path: Path, name: str, text: tuple[str, str] | None, found: str
) -> None:
    async with outside(World()) as world:
        shop = place(tmp_path, world)
        before = (shop.clone / name).read_text()
        changed = before.replace(*text) if text is not None else "\n".join(before.split("\n")[:3]) + "\nspec: {}\n"
        more = {"trimtab.yaml": (shop.clone / "trimtab.yaml").read_text().replace(", metrics: [metric.yaml]", "")} if text is None else {}
        shop.change("wrong", **{name: changed}, **more)
        with pytest.raises(InputError, match=re.escape(found)):
            async with watch(await repository(shop.clone, shop.environment()), Asked("shop", kubeconfig=shop.kubeconfig), print):
                pass
        assert world.asked == [] and world.queries == []


async def test_nothing_is_judged_in_the_pipeline_of_a_pull_request(tmp_path: Path) -> None:
    async with outside(World()) as world:
        shop = place(tmp_path, world)
        told = await shop.trimtab("monitor", environment={"GITHUB_EVENT_NAME": "pull_request"})
        assert told.code == 2 and world.asked == []


async def test_stable_is_seen_to_run_what_was_merged_although_nothing_is_measured_of_it(tmp_path: Path) -> None:
    async with outside(World(objects=deployed("stable", "10"))) as world:
        shop = place(tmp_path, world)
        told = await shop.trimtab("monitor", "shop/stable")
        assert told.code == 0, told.errors
        assert "nothing is measured here" in told.out and "promote" not in told.out
