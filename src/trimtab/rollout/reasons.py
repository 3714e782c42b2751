"""Why something happened, in words. The only place that holds Flagger's event and alert texts (flagger.md 2, 4.4, 5.1, 7.3).

Functions from data to messages; called by the phases, which never write prose themselves.
"""

from dataclasses import dataclass

from trimtab.model.facts import HookAnswer
from trimtab.model.policy import Hook, HookType, MetricKind, Policy, counts_itself
from trimtab.model.rollout import CanaryState, Step
from trimtab.model.tellings import Telling
from trimtab.model.verdict import Reading, Result
from trimtab.rollout.readiness import DAEMON_SET
from trimtab.rollout.steps import KUBERNETES_ITERATIONS

SOURCE_PROBLEM, NOT_CARRIED_OUT, ROUTE_PROBLEM = "SourceProblem", "NotCarriedOut", "RouteProblem"
MOST_TOLD = 10
"""Problems that are named in one event."""
STANDING = (SOURCE_PROBLEM, NOT_CARRIED_OUT, ROUTE_PROBLEM)
"""Reasons of what is wrong until somebody changes something: forgotten when it is so no longer."""


@dataclass(frozen=True, slots=True)
class Message:
    """An event: what happened as one word, in words, and how bad it is (`info`, `warn`, `error`)."""

    reason: str
    text: str
    severity: str = "info"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alert; `detailed` ones list target, threshold, deadline and routing (AL-3)."""

    text: str
    severity: str = "info"
    detailed: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """How the things of one Canary are called in texts."""

    canary: str
    target: str
    primary: str
    workload: str
    kind: str

    @classmethod
    def of(cls, state: CanaryState, policy: Policy) -> "Names":
        """The names for a Canary whose target is in its own namespace."""
        namespace, target = state.key.namespace, policy.target
        return cls(str(state.key), f"{target.name}.{namespace}", f"{target.name}-primary.{namespace}", target.name, target.kind)


GATE_WAITS = {
    HookType.CONFIRM_ROLLOUT: ("advancement waiting for approval", "Canary is waiting for approval."),
    HookType.CONFIRM_TRAFFIC_INCREASE: (
        "advancement waiting for traffic increase approval",
        "Canary traffic increase is waiting for approval.",
    ),
    HookType.CONFIRM_PROMOTION: ("advancement waiting for promotion approval", "Canary promotion is waiting for approval."),
}


def providers(problems: tuple[str, ...]) -> Message:
    """What became of asking the metric providers."""
    if problems:
        return Message("MetricProviderUnavailable", f"Error checking metric providers: {'; '.join(problems)}", "warn")
    return Message("MetricProvidersAvailable", "all the metrics providers are available!")


def terminating(names: Names) -> Message:
    """The Canary is being deleted, and everything is put back (DEL-2)."""
    return Message("Terminating", f"Terminating canary {names.canary}")


def terminated(names: Names) -> Message:
    """Everything is as it was before; the Canary goes."""
    return Message("Terminated", f"Terminated canary {names.canary}")


def target_stuck(names: Names, text: str) -> tuple[Message, Alarm]:
    """The target does not get ready, so traffic is not given back to it."""
    words = f"Terminating canary {names.canary} waits, {names.target} not ready: {text}. {names.primary} goes on serving"
    way_out = "To let the Canary go as it is, set spec.revertOnDeletion to false"
    return Message("TargetNotReady", f"{words}. {way_out}", "warn"), Alarm(f"{words}. {way_out}.", "error", detailed=True)


def initialized(names: Names) -> tuple[Message, Alarm]:
    """The first primary serves."""
    alarm = Alarm(f"New {names.kind} detected, initialization completed.", detailed=True)
    return Message("Initialized", f"Initialization done! {names.canary}"), alarm


def initialisation_failed(names: Names, text: str) -> tuple[Message, Alarm]:
    """The first primary did not become ready; everything stays as it was found (R10)."""
    words = f"Initialization of {names.canary} failed, primary not ready: {text}. Nothing was scaled or rerouted"
    return Message("InitializationFailed", words, "warn"), Alarm(words + ".", "error", detailed=True)


def detected(names: Names) -> tuple[Message, Alarm]:
    """A run begins."""
    alarm = Alarm("New revision detected, progressing canary analysis.", detailed=True)
    return Message("NewRevision", f"New revision detected! Scaling up {names.target}"), alarm


def restarted(names: Names) -> Message:
    """A newer change ends this run."""
    return Message("Superseded", f"New revision detected! Restarting analysis for {names.target}")


def withdrawn(names: Names) -> Message:
    """The source holds the promoted content again."""
    return Message("Withdrawn", f"The change of {names.target} was taken back: its source holds what is promoted")


def refused(names: Names, problems: tuple[str, ...]) -> tuple[Message, Alarm]:
    """Content was found unfit to be shown to anyone."""
    words = f"New revision of {names.target} refused before any pod saw it: {several(problems)}"
    return Message("Refused", words, "warn"), Alarm(words, "error", detailed=True)


def refused_while_serving(names: Names, problems: tuple[str, ...]) -> tuple[Message, Alarm]:
    """Rules got stricter after a promotion failed, which left everybody on what they refuse now."""
    words = f"Everybody stays on a revision of {names.target} whose promotion failed and that rules refuse by now: {several(problems)}"
    return Message("Refused", words, "warn"), Alarm(words, "error", detailed=True)


def doubtful(names: Names, warnings: tuple[str, ...]) -> Message:
    """Content that may be shown, but that somebody should look at."""
    return Message("ContentWarning", f"New revision of {names.target} has warnings: {several(warnings)}", "warn")


def several(problems: tuple[str, ...]) -> str:
    """The first few; the record has more of them."""
    rest = (f"and {len(problems) - MOST_TOLD} more",) if len(problems) > MOST_TOLD else ()
    return "; ".join((*problems[:MOST_TOLD], *rest))


def not_ready(names: Names, text: str, *, primary: bool, overdue: bool = False) -> Message:
    """A copy is waited for, or has had its time."""
    if primary:
        return Message("PrimaryNotReady", primary_waits(names, text), "warn")
    if names.kind == DAEMON_SET:
        # Spelled so in Flagger, and matched by what people have built on it (WL-6).
        return Message(
            "CanaryNotReady", f"canary damonset {names.target} not ready with retryable {str(not overdue).lower()}: {text}", "warn"
        )
    return Message("CanaryNotReady", f"canary {names.kind.lower()} {names.target} not ready: {text}", "warn")


def primary_waits(names: Names, text: str) -> str:
    """What keeps the primary from being ready; of a DaemonSet with its kind (WL-6)."""
    kind = "primary daemonset " if names.kind == DAEMON_SET else ""
    return f"{kind}{names.primary} not ready: {text}"


def starting(names: Names) -> Message:
    """The canary is ready, the first tick begins."""
    return Message("AnalysisStarted", f"Starting canary analysis for {names.target}")


def no_weights(policy: Policy) -> tuple[Message, ...]:
    """What a provider without weights makes of a policy (flagger.md 2.2 step 27)."""
    messages: tuple[Message, ...] = ()
    if policy.match:
        text = "A/B testing is not supported when using the kubernetes provider"
        messages = (Message("MatchIgnored", text, "warn"),)
    if not policy.iterations:
        text = "Progressive traffic is not supported when using the kubernetes provider"
        messages += (Message("WeightsIgnored", text, "warn"),)
        messages += (Message("WeightsIgnored", "Setting canaryAnalysis.iterations: 10", "warn"),)
    return messages


def mirror_ignored(provider: str) -> Message:
    """A weighted or blue/green run without the mirroring that was asked for (QUIRK-13)."""
    return Message("MirrorIgnored", f"provider {provider or 'default'} cannot mirror requests here: mirror is ignored", "warn")


def advanced(names: Names, step: Step, policy: Policy) -> Message | None:
    """Exposure grew by one step. The extra round without weights is silent, as in Flagger."""
    if not step.iteration:
        return Message("Advanced", f"Advance {names.canary} canary weight {step.weight}")
    if step.weight:
        words = "Stop traffic mirroring and route all traffic to canary" if policy.mirror else "Routing all traffic to canary"
        return Message("Advanced", words)
    total = policy.iterations or KUBERNETES_ITERATIONS
    if step.iteration > total:
        return None
    return Message("Advanced", f"Advance {names.canary} canary iteration {step.iteration}/{total}")


def promoting(names: Names) -> Message:
    """The primary is given what was judged."""
    return Message("Promoting", f"Copying {names.target} template spec to {names.primary}")


def shifted(names: Names, primary: int) -> Message:
    """Traffic moves to the new primary by steps."""
    return Message("Shifted", f"Advance {names.canary} primary weight {primary}")


def all_to_primary() -> Message:
    """Traffic moves to the new primary at once."""
    return Message("Routed", "Routing all traffic to primary")


def promoted(names: Names, *, skipped: bool) -> tuple[Message, Alarm]:
    """A run ended well."""
    if skipped:
        text = f"Promotion completed! Canary analysis was skipped for {names.target}"
        return Message("Promoted", text), Alarm("Canary analysis was skipped, promotion finished.")
    text = f"Promotion completed! Scaling down {names.target}"
    return Message("Promoted", text), Alarm("Canary analysis completed successfully, promotion finished.")


def undoing(names: Names, revision: str, actor: str, why: str = "") -> tuple[Message, Alarm]:
    """A person goes back to a kept revision; or the watch after promotion, which says why."""
    words = f"Undo of {names.canary} by {actor}{f' ({why})' if why else ''}: going back to revision {revision} without analysis"
    return Message("Undoing", words, "warn"), Alarm(words, "error" if why else "warn", detailed=True)


def undone(names: Names, revision: str) -> tuple[Message, Alarm]:
    """The kept revision serves; the source says something else."""
    words = f"Undo of {names.canary} completed: revision {revision} serves. The source differs from what runs"
    return Message("Undone", words, "warn"), Alarm(words, "warn")


def promotion_failed(names: Names, text: str) -> tuple[Message, Alarm]:
    """The new primary did not become ready in time (SM-27)."""
    reason = f"primary not ready: {primary_waits(names, text)}"
    message = Message("PromotionFailed", f"Promotion of {names.target} failed, {reason}", "warn")
    return message, Alarm(f"Promotion failed, {reason}", "error")


def primary_stuck(names: Names, text: str) -> tuple[Message, Alarm]:
    """After a failed promotion the old primary does not come back either; a person is needed (R12)."""
    words = f"{names.primary} does not get ready with its last good revision: {text}. The canary goes on serving"
    return Message("PrimaryStuck", words, "warn"), Alarm(words, "error", detailed=True)


def threshold_reached(names: Names, failed: int) -> tuple[Message, Alarm]:
    """The last allowed check failed."""
    words = f"failed checks threshold reached {failed}"
    return Message("ThresholdReached", f"Rolling back {names.canary} {words}", "warn"), Alarm(f"F{words[1:]}", "error")


def deadline_passed(names: Names, text: str) -> tuple[Message, Alarm]:
    """The canary did not become ready in time (QUIRK-5: this is told)."""
    message = Message("DeadlineExceeded", f"Rolling back {names.canary} progress deadline exceeded: {text}", "warn")
    return message, Alarm(f"Progress deadline exceeded: {text}", "error")


def hook_rolls_back(names: Names, answer: HookAnswer) -> tuple[Message, Message, Alarm]:
    """A rollback hook said so."""
    told = Message("HookPassed", f"Rollback check {answer.hook.name} passed", "warn")
    rolling = Message("RolledBackByHook", f"Rolling back {names.canary} manual webhook invoked", "warn")
    return told, rolling, Alarm("Rolling back manual webhook invoked", "warn")


def hook_does_not_roll_back(answer: HookAnswer) -> Message:
    """A rollback hook said no."""
    return Message("HookClosed", f"Rollback hook {answer.hook.name} not signaling a rollback")


def scaled_down(names: Names) -> Message:
    """A run ended badly."""
    return Message("RolledBack", f"Canary failed! Scaling down {names.canary}", "warn")


def aborted(names: Names, actor: str, reason: str) -> tuple[Message, Alarm]:
    """A person, or a gate's deadline, ended a run."""
    words = f"Rolling back {names.canary} aborted by {actor}" + (f": {reason}" if reason else "")
    return Message("Aborted", words, "warn"), Alarm(words, "warn")


def check_hook_failed(names: Names, answer: HookAnswer) -> Message:
    """A pre-rollout or rollout hook said no."""
    kind = "pre-rollout check" if answer.hook.type is HookType.PRE_ROLLOUT else "external check"
    return Message("CheckFailed", f"Halt {names.canary} advancement {kind} {answer.hook.name} failed {answer.text}", "warn")


def hook_passed(hook: Hook) -> Message:
    """A gate or pre-rollout hook said yes."""
    return Message("HookPassed", f"{hook.type.capitalize()} check {hook.name} passed")


def gate_closed(names: Names, gate: HookType, name: str) -> tuple[Message, Alarm]:
    """A gate keeps the run waiting."""
    words, alarm = GATE_WAITS[gate]
    return Message("Waiting", f"Halt {names.canary} {words} {name}", "warn"), Alarm(alarm, "warn")


def suspended() -> Message:
    """`spec.suspend` is set: nothing at all happens."""
    return Message("Suspended", "skipping canary run as object is suspended")


def source_problem(text: str) -> Message:
    """The source cannot be used as it is."""
    return Message(SOURCE_PROBLEM, text, "warn")


def refused_outside(text: str) -> Message:
    """What is wanted cannot be made so until somebody changes something."""
    return Message(NOT_CARRIED_OUT, text, "warn")


def route_problem(text: str) -> Message:
    """The data plane says that something is wrong with the route."""
    return Message(ROUTE_PROBLEM, text, "warn")


def not_in_force(names: Names) -> Message:
    """The data plane says nothing about the newest route."""
    return Message(
        ROUTE_PROBLEM, f"the route of {names.canary} is not in force yet: see whether its mesh or gateway controller runs", "warn"
    )


def undelivered(telling: Telling, why: str) -> Message:
    """Something was told to nobody, or not to everybody (P4)."""
    about = telling.text or ", ".join(f"{hook.type} hook {hook.name}" for hook in telling.hooks)
    return Message("Undelivered", f"not delivered: {about!r}: {why}", "warn")


def metric_failed(names: Names, result: Result, provider: str) -> Message:
    """The first bad metric of a check, in Flagger's words (MET-8)."""
    halt = f"Halt {names.canary} advancement"
    match result.reading:
        case Reading.UNUSABLE:
            text = result.problem or "Metric query failed for no usable metrics template and query were configured"
        case Reading.UNREACHABLE:
            text = unreachable(result, provider)
        case Reading.EMPTY:
            text = no_values(names, result, provider)
        case Reading.EARLY:
            return Message("CheckHeld", f"{halt} no values of {result.metric} yet but those of the canary before, which do not count")
        case Reading.ABOVE | Reading.BELOW:
            text = f"{halt} {out_of_limits(result)}"
        case Reading.WITHIN:
            text = f"{halt} {result.metric} is within its limits"
    return Message("CheckFailed", text, "warn")


def asking(provider: str) -> str:
    """What Flagger puts before the problem of a built-in query, as recorded: nothing where the workload's own metrics are asked."""
    return "" if counts_itself(provider) else "running query failed: "


def unreachable(result: Result, provider: str) -> str:
    """A metric server that did not do its part."""
    if result.kind is MetricKind.TEMPLATE:
        return f"Metric query failed for {result.metric}: {result.problem}"
    if result.kind is MetricKind.INLINE:
        return f"Prometheus query failed for {result.metric}: {result.problem}"
    return f"Prometheus query failed: {asking(provider)}{result.problem}"


def no_values(names: Names, result: Result, provider: str) -> str:
    """A metric server that answered, but with nothing."""
    if result.kind is MetricKind.INLINE:
        return f"Halt advancement no values found for metric: {result.metric}"
    if result.kind is MetricKind.TEMPLATE:
        return f"Halt advancement no values found for custom metric: {result.metric}: {result.problem or 'no values found'}"
    suffix = f": {asking(provider)}{result.problem or 'no values found'}" if result.kind is MetricKind.SUCCESS_RATE else ""
    words = f"Halt advancement no values found for {provider or 'default'} metric {result.metric} probably {names.target}"
    return f"{words} is not receiving traffic{suffix}"


def out_of_limits(result: Result) -> str:
    """Value, sign and limit."""
    above = result.reading is Reading.ABOVE
    sign, limit = (">", result.maximum) if above else ("<", result.minimum)
    value = result.value if result.value is not None else float("nan")
    if result.kind is MetricKind.SUCCESS_RATE:
        return f"success rate {value:.2f}% {sign} {plain(limit)}%"
    if result.kind is MetricKind.DURATION:
        return f"request duration {go_duration(value)} {sign} {go_duration((limit or 0.0) / 1000)}"
    return f"{result.metric} {value:.2f} {sign} {plain(limit)}"


def plain(number: float | None) -> str:
    """A limit as Go's %v prints it: no point where it is whole."""
    return "0" if number is None else f"{number:g}"


def go_duration(seconds: float) -> str:
    """A duration in whole milliseconds, as Go prints it: `800ms`, `1.5s`, `1m5s` (MET-5)."""
    milliseconds = int(round(seconds * 1000, 6))
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return (f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else "") + text
