"""Policies to try in a backtest: in words on the command line, or as files with Canaries and RolloutPolicies. Called by `judging`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from trimtab.analysis.backtest.trialled import Candidate, Thresholds
from trimtab.documents.decode import Decoded, read_documents
from trimtab.documents.durations import parse_duration
from trimtab.documents.flagger import POLICY_ANNOTATION, Canary
from trimtab.documents.judging import judge_rules
from trimtab.documents.translate import Companions, translate
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.errors import InputError
from trimtab.faces.cli.traffic import pairs_of, rules_of, share, weights_of
from trimtab.model.judging import Clumps, JudgeRules, Measured, MetricRule, Ramp, Role
from trimtab.model.policy import MetricKind, Policy
from trimtab.wiring.recordings import ERRORS, LATENCY

WORDS = frozenset({"interval", "failures", "limit"})
"""What makes a policy one of thresholds."""
FILES = (".yaml", ".yml", ".json")
KINDS = {Measured.ERRORS: ERRORS, Measured.LATENCY: LATENCY}
ALL = 100
"""Percent: at this weight there is nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What is known of the recording."""

    weights: tuple[float, ...]
    """Of policies that name none."""
    metrics: frozenset[str]
    by_pod: bool
    """Can pods be told apart?"""


def candidates(texts: Sequence[str], recording: Replayed) -> tuple[Candidate, ...]:
    """Each policy: those in words in their order, then those in files."""
    files = [text for text in texts if text.endswith(FILES)]
    documents = [document for file in files for document in documents_of(Path(file))]
    found = [in_words(text, recording) for text in texts if text not in files]
    found += in_files(documents, recording)
    names = [each.name for each in found]
    if len(set(names)) < len(names):
        raise InputError(f"--policy: names must differ; there are: {', '.join(names)}")
    return tuple(found)


def in_words(text: str, recording: Replayed) -> Candidate:
    """`NAME` or `NAME:KEY=VALUE,...`."""
    name, _, rest = text.partition(":")
    pairs = pairs_of(rest, f"--policy {name}")
    steps = weights_of(pairs.pop("weights")) if "weights" in pairs else recording.weights
    if name == "flagger" or WORDS & set(pairs):
        if unknown := set(pairs) - WORDS:
            raise InputError(f"--policy {name}: a policy of thresholds has interval, failures and limit, not {', '.join(sorted(unknown))}")
        usual = Thresholds()
        interval = parse_duration(pairs["interval"]).total_seconds() if "interval" in pairs else usual.interval
        limit = share(pairs["limit"], f"--policy {name}: limit") if "limit" in pairs else usual.limit
        failures = whole(pairs.get("failures", str(usual.failures)), f"--policy {name}: failures")
        return Candidate(name, steps, thresholds=Thresholds(interval, failures, limit))
    lasts = parse_duration(pairs.pop("step")).total_seconds() if "step" in pairs else None
    return Candidate(name, steps, rules_of(pairs, "" if recording.by_pod or "clumps" in pairs else "time"), step=lasts)


def whole(text: str, what: str) -> int:
    """A number from 1 on."""
    if not text.isdigit() or int(text) < 1:
        raise InputError(f"{what} is {text!r}; it must be a number from 1 on")
    return int(text)


def documents_of(file: Path) -> list[Decoded]:
    """What a file holds."""
    try:
        return read_documents(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise InputError(f"--policy {file}: it cannot be read: {reason}") from None


def in_files(documents: Sequence[Decoded], recording: Replayed) -> Iterator[Candidate]:
    """Each Canary, with the RolloutPolicy that it names; then every RolloutPolicy that none of them names."""
    canaries = [document.value for document in documents if isinstance(document.value, Canary)]
    policies = [document.value for document in documents if isinstance(document.value, RolloutPolicy)]
    if documents and not canaries and not policies:
        raise InputError("--policy: the files hold neither a Canary nor a RolloutPolicy")
    known = Companions(policies={(each.metadata.namespace or "default", each.metadata.name): each for each in policies})
    named = {each.metadata.annotations.get(POLICY_ANNOTATION) for each in canaries}
    for canary in canaries:
        yield of_canary(canary, translate(canary, known), recording)
    for policy in policies:
        if policy.metadata.name not in named:
            yield of_policy(policy, recording)


def of_canary(canary: Canary, policy: Policy, recording: Replayed) -> Candidate:
    """A Canary: judged where its RolloutPolicy says so, else by its threshold on the success rate."""
    name, seconds = canary.metadata.name, policy.interval.total_seconds()
    steps = tuple(weight / 100 for weight in policy.weights if weight < ALL) or recording.weights
    analysis = policy.analysis
    if analysis.judge is not None:
        lasts = seconds if analysis.ramp is Ramp.CLOCK else None
        said_of(name, [metric.name for metric in analysis.metrics], "not replayed; with spec.judge a replay goes by that alone")
        return Candidate(name, steps, replayable(name, analysis.judge, recording), step=lasts)
    limits = [metric.minimum for metric in analysis.metrics if metric.kind is MetricKind.SUCCESS_RATE and metric.minimum is not None]
    if not limits:
        raise InputError(
            f"Canary {name}: a replay of thresholds goes by request-success-rate with thresholdRange.min, which it does not have. "
            f"Add it, or write --policy {name}:limit=1%,interval=1m"
        )
    others = [metric.name for metric in analysis.metrics if metric.kind is not MetricKind.SUCCESS_RATE]
    said_of(name, others, "not replayed; of limits only that on the success rate is")
    return Candidate(name, steps, thresholds=Thresholds(seconds, analysis.threshold, 1 - limits[0] / 100))


def of_policy(policy: RolloutPolicy, recording: Replayed) -> Candidate:
    """A RolloutPolicy without its Canary."""
    name, spec = policy.metadata.name, policy.spec
    if spec.judge is None:
        raise InputError(f"RolloutPolicy {name}: has no spec.judge, so there is nothing to replay; name its Canary's file as well")
    if spec.ramp == "clock":
        raise InputError(f"RolloutPolicy {name}: with ramp: clock a step lasts as long as the Canary's interval; name its file as well")
    rules = judge_rules(spec.judge, spec.ramp, by_service=not recording.by_pod)
    return Candidate(name, recording.weights, replayable(name, rules, recording))


def replayable(name: str, rules: JudgeRules, recording: Replayed) -> JudgeRules:
    """With its metrics by the names under which they were recorded. What was not recorded is left out, and said."""
    found: dict[str, MetricRule] = {}
    for metric in rules.metrics:
        recorded = KINDS.get(metric.kind, "")
        if recorded in recording.metrics and recorded not in found:
            found[recorded] = replace(metric, name=recorded)
        elif metric.role is not Role.INFO:
            slow = metric.kind is Measured.LATENCY and LATENCY not in recording.metrics
            said_of(name, [metric.name], "not replayed; --slo records latency" if slow else "not replayed")
    if not any(metric.role is Role.GATE for metric in found.values()):
        raise InputError(
            f"--policy {name}: none of the metrics that gate was recorded; recorded are: {', '.join(sorted(recording.metrics))}"
        )
    # A recorded metric that the policy does not judge moves nothing.
    for kind, recorded in KINDS.items():
        found.setdefault(recorded, MetricRule(recorded, kind, Role.INFO))
    clumps = rules.clumps if recording.by_pod else Clumps.TIME
    return replace(rules, metrics=tuple(found.values()), clumps=clumps)


def said_of(policy: str, metrics: Sequence[str], why: str) -> None:
    """A note beside the report."""
    if metrics:
        click.echo(f"{policy}: {', '.join(metrics)}: {why}", err=True)
