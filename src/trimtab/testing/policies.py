"""Policies of every kind, for simulations and property tests."""

import random
from dataclasses import replace
from datetime import timedelta

from trimtab.model.facts import Capabilities
from trimtab.model.judging import Ending, JudgeRules, MetricRule, Ramp
from trimtab.model.names import Target
from trimtab.model.policy import Analysis, Hook, HookType, Match, Metric, MetricKind, OnNewer, Policy, Service, StringMatch
from trimtab.model.watching import WatchRules

SUCCESS = Metric("request-success-rate", MetricKind.SUCCESS_RATE, minimum=99.0)
BASE = Policy(Target("Deployment", "app"), Service("app"), interval=timedelta(seconds=10), progress_deadline=timedelta(seconds=60))
STRATEGIES: tuple[dict[str, object], ...] = (
    {"weights": (20, 40)},
    {"weights": (10, 50, 100), "step_weight_promotion": 50},
    {"weights": (50,), "mirror": True},
    {"iterations": 2},
    {"iterations": 2, "mirror": True},
    {"iterations": 2, "match": (Match(headers=(StringMatch("x-canary", "exact", "yes"),)),)},
)


def any_policy(chance: random.Random) -> tuple[Policy, Capabilities]:
    """A policy and a router that can follow it."""
    strategy = chance.choice(STRATEGIES)
    metrics = (SUCCESS,) if chance.random() < 0.8 else ()
    hooks = tuple(hook for hook in (
        Hook("gate", chance.choice(tuple(HookType)[:5]), "http://hook/gate"),
        Hook("check", HookType.ROLLOUT, "http://hook/check"),
        Hook("abort", HookType.ROLLBACK, "http://hook/abort"),
        Hook("after", HookType.POST_ROLLOUT, "http://hook/after"),
    ) if chance.random() < 0.4)  # fmt: skip
    rules: dict[str, object] = {
        **strategy,
        "analysis": Analysis(metrics, threshold=chance.choice((1, 2, 3))),
        "hooks": hooks,
        "on_newer": chance.choice((OnNewer.SUPERSEDE, OnNewer.SUPERSEDE, OnNewer.QUEUE, OnNewer.REJECT)),
        "approvals": frozenset({HookType.CONFIRM_PROMOTION}) if chance.random() < 0.15 else frozenset(),
        "gate_deadline": timedelta(minutes=5) if chance.random() < 0.3 else None,
        "skip_analysis": chance.random() < 0.1,
        "ask_again": chance.random() < 0.3,
    }
    able = Capabilities() if chance.random() < 0.85 or "match" in strategy else Capabilities(weights=False, match=False, mirror=False)
    return policy_with(rules), able


def compared(policy: Policy, able: Capabilities, chance: random.Random) -> Policy:
    """The same with a judge, where the canary gets requests that can be compared."""
    if not able.weights or (policy.iterations and not policy.match and not (policy.mirror and able.mirror)):
        return policy
    endings = tuple(Ending)
    rules = JudgeRules(
        (MetricRule("errors"),),
        bake=chance.choice((timedelta(0), timedelta(minutes=1))),
        step_deadline=timedelta(minutes=3),
        rollout_deadline=timedelta(minutes=20),
        ask_for=timedelta(minutes=5),
        silence_deadline=timedelta(minutes=2),
        on_insufficient=chance.choice(endings),
        on_doubt=chance.choice(endings),
        on_no_data=chance.choice(endings),
        interval=timedelta(seconds=15),
        promote_without_evidence=chance.random() < 0.5,
    )
    return replace(policy, analysis=replace(policy.analysis, judge=rules, ramp=chance.choice(tuple(Ramp))))


def watched(policy: Policy, chance: random.Random) -> Policy:
    """The same with a watch after promotion, to which no gate bars the way."""
    lasts = timedelta(seconds=chance.choice((50, 300)))
    rules = WatchRules(chance.random() < 0.7, lasts, chance.choice((1, 2, 3)), chance.choice((1, 3)))
    return replace(policy, watch=rules, hooks=(), approvals=frozenset())


def policy_with(rules: dict[str, object]) -> Policy:
    """The base policy with some rules changed."""
    return Policy(**{**{name: getattr(BASE, name) for name in BASE.__dataclass_fields__}, **rules})
