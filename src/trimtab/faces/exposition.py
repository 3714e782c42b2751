"""What a Prometheus scrapes: Flagger's metrics, with their names and labels (flagger.md 7.1), and our own. Fed by `up` and `operator`."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from trimtab import __version__
from trimtab.errors import InputError
from trimtab.faces.standing import Standing
from trimtab.model.decision import Decision
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.rollout import CanaryState, Outcome, Rollout, RolloutKind

SUCCESSES = {Outcome.PROMOTED: "completed", Outcome.SKIPPED: "skipped"}
FAILURES = frozenset({Outcome.ROLLED_BACK, Outcome.ABORTED, Outcome.PROMOTION_FAILED, Outcome.INCONCLUSIVE})
LAST_PORT = 65535
LASTING = (1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 86_400)
"""Seconds that rollouts last."""
ENDINGS = ("name", "namespace", "deployment_strategy", "analysis_status")


class Exposition:
    """The metrics as they are now. `decided` keeps them up to date."""

    def __init__(self, provider: str) -> None:
        self.registry = one = CollectorRegistry()
        canary = ("name", "namespace")
        self.standing = Standing()
        one.register(self.standing)
        self.duration = Histogram("flagger_canary_duration_seconds", "Seconds that a check took.", canary, registry=one)
        self.successes = Counter("flagger_canary_successes", "Attempts that were promoted.", ENDINGS, registry=one)
        self.failures = Counter("flagger_canary_failures", "Attempts that went back.", ENDINGS, registry=one)
        self.ended = Counter("trimtab_rollouts", "Attempts that ended.", [*canary, "outcome"], registry=one)
        self.lasted = Histogram(
            "trimtab_rollout_duration_seconds", "From detection to the end, initialisation apart.", canary, registry=one, buckets=LASTING
        )
        self.checks = Counter(
            "trimtab_checks", "Checks by what came of them: pass, fail, inconclusive, no-data.", [*canary, "verdict"], registry=one
        )
        self.passes = Histogram("trimtab_pass_duration_seconds", "Looking at one Canary.", registry=one)
        self.queue = Gauge("trimtab_queue_length", "Canaries that a look is planned for.", registry=one)
        self.behind = Gauge("trimtab_status_behind", "Canaries whose status or answers could not be written.", registry=one)
        Gauge("flagger_info", "Version and mesh provider.", ["version", "mesh_provider"], registry=one).labels(__version__, provider).set(1)

    @property
    def states(self) -> Mapping[CanaryKey, CanaryState]:
        """The newest record of each Canary."""
        return self.standing.states

    def decided(self, decision: Decision, took: timedelta, now: datetime) -> None:
        """Takes notice of a decision; `took` is how long its pass lasted, which ended `now`."""
        state = decision.state
        self.passes.observe(took.total_seconds())
        before, policy = self.states.get(state.key), state.rules
        self.standing.take(state, now.timestamp())
        if policy is None:
            return
        target, namespace = policy.target.name, state.key.namespace
        if decision.check is not None:
            self.checks.labels(state.key.name, namespace, decision.check).inc()
            self.duration.labels(target, namespace).observe(took.total_seconds())
        self.count_ending(before, state)

    def forget(self, key: CanaryKey) -> None:
        """The Canary is gone. Counters stay."""
        self.standing.forget(key)

    def count_ending(self, before: CanaryState | None, state: CanaryState) -> None:
        """Counts an attempt when it ends, once; what had ended before this process started is not counted again."""
        run = state.rollout
        if before is not None and run is not None and run.ended is not None and run != before.rollout:
            self.ended.labels(state.key.name, state.key.namespace, run.outcome or "").inc()
            if run.kind is not RolloutKind.INITIALISATION:
                self.lasted.labels(state.key.name, state.key.namespace).observe((run.ended - run.detected).total_seconds())
            self.count(run, state.key.namespace)

    def count(self, run: Rollout, namespace: str) -> None:
        """One more success or failure. Initialisation, and attempts that were superseded, withdrawn or refused, are neither."""
        if run.kind is RolloutKind.INITIALISATION:
            return
        labels = (run.policy.target.name, namespace, strategy(run.policy))
        if run.outcome in SUCCESSES:
            self.successes.labels(*labels, SUCCESSES[run.outcome]).inc()
        elif run.outcome in FAILURES:
            self.failures.labels(*labels, "completed").inc()

    @asynccontextmanager
    async def serving(self, address: str) -> AsyncIterator[None]:
        """Answers `/metrics` and `/healthz` at `HOST:PORT` while the block runs; nothing where that is empty. InputError if it cannot."""
        if not address:
            yield
            return
        host, _, port = address.rpartition(":")
        if not port.isdecimal() or int(port) > LAST_PORT:
            raise InputError(f"--metrics-address {address!r}: write HOST:PORT, for example 127.0.0.1:8090")
        runner = web.AppRunner(self.application(), access_log=None)
        await runner.setup()
        try:
            await listen(runner, host or "127.0.0.1", int(port), "--metrics-address")
            yield
        finally:
            await runner.cleanup()

    def application(self) -> web.Application:
        """What answers `/metrics` and `/healthz`."""
        app = web.Application()
        app.add_routes([web.get("/metrics", self.metrics), web.get("/healthz", healthy)])
        return app

    async def metrics(self, request: web.Request) -> web.Response:
        """All of them, in Prometheus' text format."""
        return web.Response(body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def listen(runner: web.AppRunner, host: str, port: int, option: str) -> None:
    """InputError, which names the option, where the address cannot be had."""
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise InputError(f"{option} {host}:{port}: {os.strerror(error.errno or 0)}. Name another address") from None


async def healthy(request: web.Request) -> web.Response:
    """The process answers."""
    return web.Response(text="OK")


def strategy(policy: Policy) -> str:
    """What Flagger calls it."""
    return "ab-testing" if policy.match else "blue-green" if policy.iterations else "canary"
