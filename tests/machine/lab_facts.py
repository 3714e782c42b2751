"""Facts for `decide` alone: a world that matches a record, and ways in which it may not."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trimtab.analysis.judge import judge
from trimtab.model.commands import Command, Verb
from trimtab.model.decision import Decision
from trimtab.model.facts import Capabilities, Copy, Facts, HookAnswer, Routes, Source
from trimtab.model.policy import HookType, Policy
from trimtab.model.revision import Revision
from trimtab.model.rollout import Ask, CanaryState
from trimtab.model.scrapes import Scrape
from trimtab.model.verdict import History, Sample, Samples, Verdict
from trimtab.rollout.decide import decide
from trimtab.rollout.exposure import wanted
from trimtab.rollout.questions import HOOKS_OF, due_question
from trimtab.rollout.safety import Passage, broken_laws
from trimtab.rollout.transitions import allowed
from trimtab.testing.traffic import Rates, requests
from trimtab.testing.world import START

AT_ONE_MOMENT = 60
"""Decisions at one moment; more than this is a loop that does not come to rest."""
MOST_SCRAPES = 8
REVISIONS = tuple(Revision.of("{}", f"v1:{name}", ()) for name in ("red", "blue", "green"))


@dataclass(frozen=True)
class Outlook:
    """What the world is like, beyond what a record wants of it. Everything is well unless said otherwise."""

    revision: Revision | None = REVISIONS[0]
    policy: Policy | None = None
    able: Capabilities = Capabilities()
    problem: str = ""
    suspended: bool = False
    skip: bool = False
    leaving: bool = False
    primary: str = "ready"
    """`ready`, `down`, `gone`, `stalled` or `other`: it runs another revision than is wanted."""
    canary: str = "ready"
    """As `primary`, or `still there`: ready, whether it is wanted any more or not."""
    routes: str = "wanted"
    """`wanted`, `drifted`, `full` or `none`."""
    metrics: float | None = 100.0
    requests: str = "good"
    """Of a canary that is compared: `good`, `bad`, or `none` that anybody counts."""
    hooks: bool = True
    """Every hook is open, but rollback hooks are closed; or the other way round."""
    commands: tuple[Command, ...] = ()
    away: bool = False
    """Nothing that is told is delivered."""


def copy_like(kind: str, revision: Revision | None, since: datetime) -> Copy:
    """A copy of the workload as `kind` says."""
    if revision is None or kind == "gone":
        return Copy(since=since)
    if kind == "other":
        return Copy(REVISIONS[2].id, 1, 1, 1, 1, since=since)
    up = int(kind == "ready")
    return Copy(revision.id, 1, 1, 1, up, stalled=kind == "stalled", since=since)


def canary_like(kind: str, state: CanaryState, since: datetime) -> Copy:
    """The canary as `kind` says."""
    if kind == "still there" and state.rollout is not None:
        return copy_like("ready", state.rollout.to, since)
    return copy_like(kind, wanted(state).canary, since)


def routes_like(kind: str, state: CanaryState) -> Routes | None:
    """Where traffic goes."""
    exposure = wanted(state)
    found = {
        "wanted": Routes(exposure.weight, exposure.matched, exposure.mirrored) if exposure.routed else None,
        "drifted": Routes(7),
        "full": Routes(100),
        "none": None,
    }
    return found[kind]


def facts_of(state: CanaryState, outlook: Outlook, now: datetime) -> Facts:
    """What `observe` would have found: it asks what the record says is due."""
    exposure = wanted(state)
    source = Source(
        None if outlook.problem else outlook.revision, outlook.problem, outlook.policy, "", outlook.suspended, outlook.skip,
        leaving=outlook.leaving,
    )  # fmt: skip
    told = {} if outlook.away else {telling.id: "" for telling in state.to_tell}
    since = state.phase_since or now
    facts = Facts(
        now, source, copy_like(outlook.primary, exposure.primary, since), canary_like(outlook.canary, state, since),
        routes_like(outlook.routes, state), capabilities=outlook.able, commands=outlook.commands, told=told,
    )  # fmt: skip
    return answered(state, facts, due_question(state, facts) if state.rules is not None else Ask.NOTHING, outlook)


def answered(state: CanaryState, facts: Facts, question: Ask, outlook: Outlook) -> Facts:
    """The facts with the answer to the question that is due."""
    policy = state.rules
    if question is Ask.NOTHING or policy is None:
        return facts
    if question is Ask.METRICS:
        samples = Samples(facts.now, tuple(Sample(metric.name, metric.kind, outlook.metrics) for metric in policy.analysis.metrics))
        return replace(facts, asked=question, samples=replace(samples, scrapes=counted(state, facts, outlook)))
    if question is Ask.SCRAPES:
        return replace(facts, asked=question, samples=Samples(facts.now, scrapes=counted(state, facts, outlook), glance=True))
    if question is Ask.HISTORY:
        return replace(facts, asked=question, history=History(problem="" if outlook.requests == "good" else "nobody knows"))
    if question is Ask.PROVIDERS:
        return replace(facts, asked=question)
    answers = []
    for hook in policy.hooks_of(HOOKS_OF[question]):
        is_open = outlook.hooks is not (hook.type is HookType.ROLLBACK)
        answers.append(HookAnswer(hook, is_open, "" if is_open else "no"))
        if is_open is (hook.type is HookType.ROLLBACK):
            break
    return replace(facts, asked=question, answers=tuple(answers))


def counted(state: CanaryState, facts: Facts, outlook: Outlook) -> tuple[Scrape, ...]:
    """What both copies counted since it was last looked at, no more of it than the last scrapes."""
    rules, evidence, run = state.analysis.judge, state.evidence, state.running
    if rules is None or run is None or evidence.step is None or evidence.compared is None or outlook.requests == "none":
        return ()
    length = evidence.compared.interval
    upto, last = evidence.compared.upto or run.grown or facts.now, (facts.now - START) // length
    first = max((upto - START) // length + 1, last - MOST_SCRAPES)
    rates = Rates(0.2) if outlook.requests == "bad" else Rates()
    ends = (START + length * number for number in range(first, last))
    return tuple(requests(metric, end, evidence.step.weight or 0.2, rates) for end in ends for metric in rules.metrics)


def verdict_of(state: CanaryState, facts: Facts) -> Verdict | None:
    """What the judge says of the facts."""
    return judge(state.analysis, state.evidence, facts.samples, facts.now)


def decided(state: CanaryState, outlook: Outlook, now: datetime) -> Decision:
    """One decision that keeps the laws and the table, or an AssertionError that says which it does not keep."""
    facts = facts_of(state, outlook, now)
    verdict = verdict_of(state, facts)
    decision = decide(state, facts, verdict)
    broken = broken_laws(Passage(state, facts, verdict, decision.state))
    assert not broken, (broken, state.phase, outlook)
    assert allowed(state.phase, decision.state.phase), (state.phase, decision.state.phase, outlook)
    assert decision.state.serial == state.serial + (decision.state != state)
    return decision


def at_rest(state: CanaryState, outlook: Outlook, now: datetime) -> Decision:
    """Decides until there is nothing more to decide at this moment."""
    decision = decided(state, outlook, now)
    for _ in range(AT_ONE_MOMENT):
        if decision.wake is None or decision.wake > now:
            return decision
        decision = decided(decision.state, outlook, now)
    raise AssertionError(f"{state.phase} does not come to rest: {outlook}, now {decision.state.phase} asks {decision.state.asks}")


def wish(state: CanaryState, verb: Verb, number: int, now: datetime, *, skip: bool = False) -> Command:
    """A person's wish for the newest attempt."""
    newest = state.rollout.number if state.rollout is not None else 0
    return Command(f"w{number}", verb, "ann", "", now, newest, skip_analysis=skip)


STEP = timedelta(seconds=10)
