"""One decision in the making: the state as it changes, what is said about it, and when to look again.

Used inside `decide` only; everything in it is thrown away but the decision that comes out.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from trimtab.config.digest import webhook_checksum
from trimtab.model.commands import Command
from trimtab.model.counted import Counted
from trimtab.model.decision import Decision
from trimtab.model.facts import Facts
from trimtab.model.journal import Entry
from trimtab.model.names import ConfigKind
from trimtab.model.policy import Hook, HookType, Policy
from trimtab.model.revision import Revision
from trimtab.model.rollout import Answer, Ask, CanaryState, Gate, Held, Leaving, Outcome, Pause, Phase, Rollout
from trimtab.model.tellings import Telling, TellingKind
from trimtab.model.verdict import Evidence, Judgement, Result, Verdict
from trimtab.rollout.questions import next_glance
from trimtab.rollout.reasons import Alarm, Message, Names

RECEIVERS_RETRY = timedelta(seconds=5)
"""How soon to see whether what was to be told has been told."""
STRUCK_OFF_WITHIN = timedelta(seconds=15)
"""What was told is struck off by a pass that is due so soon anyway: with many rollouts at once, records for nothing else are half
of all. A process that dies before that tells as much once more."""

SOON = timedelta(seconds=1)
"""How soon to look again at something that should be so already."""


class StateChanges(TypedDict, total=False):
    """What may change in a state by `Turn.change`."""

    phase: Phase
    policy: Policy | None
    promoted: Revision | None
    applied: Revision | None
    kept: tuple[Revision, ...]
    fallback: Revision | None
    held: Held | None
    rollout: Rollout | None
    asks: Ask
    due: datetime | None
    grid: datetime | None
    evidence: Evidence
    suspended: bool
    leaving: Leaving


class RunChanges(TypedDict, total=False):
    """What may change in the attempt under way by `Turn.alter`."""

    policy: Policy
    began: datetime | None
    ready: datetime | None
    cleared: datetime | None
    position: int
    grown: datetime | None
    passed: datetime | None
    gate: Gate | None
    approved: tuple[HookType, ...]
    skip: bool
    waived: bool
    paused: Pause | None
    shifted: int
    promoting: datetime | None
    draining: bool
    outcome: Outcome | None
    why: str
    actor: str
    ended: datetime | None


class Words(TypedDict, total=False):
    """What a telling says; `phase` where it is not the one of the state."""

    phase: str
    text: str
    reason: str
    severity: str
    detailed: bool
    hooks: tuple[Hook, ...]


class Turn:
    """The state in the making. `state` and `run` always show it as it is now."""

    def __init__(self, state: CanaryState, facts: Facts, verdict: Verdict | None) -> None:
        self.before, self.state, self.facts, self.verdict = state, state, facts, verdict
        self.now = facts.now
        self.entries: list[Entry] = []
        self.wakes: list[datetime] = []

    @property
    def run(self) -> Rollout:
        """The attempt under way; only asked for where there is one."""
        run = self.state.running
        assert run is not None
        return run

    @property
    def policy(self) -> Policy:
        """The policy that counts now; only asked for where there is one."""
        policy = self.state.rules
        assert policy is not None
        return policy

    @property
    def names(self) -> Names:
        """How things are called in texts."""
        return Names.of(self.state, self.policy)

    def change(self, **changes: Unpack[StateChanges]) -> None:
        """Changes the state; a new phase remembers since when."""
        if "phase" in changes and changes["phase"] is not self.state.phase:
            self.state = replace(self.state, phase_since=self.now)
        self.state = replace(self.state, **changes)

    def alter(self, **changes: Unpack[RunChanges]) -> None:
        """Changes the attempt under way."""
        self.change(rollout=replace(self.run, **changes))

    def again(self) -> None:
        """There is more to decide at this very moment."""
        self.wakes.append(self.now)

    def look(self, moment: datetime | None) -> None:
        """Looks again at `moment` at the latest."""
        if moment is not None:
            self.wakes.append(moment)

    def next_grid(self) -> datetime:
        """The next point of the interval grid (P2)."""
        start, interval = self.state.grid or self.now, self.policy.interval
        return start + interval * ((self.now - start) // interval + 1)

    def pace(self, ask: Ask) -> None:
        """Asks `ask` at the next point of the grid."""
        self.change(asks=ask, due=self.next_grid())
        self.look(self.state.due)

    def say(self, message: Message | None, **words: Unpack[Words]) -> None:
        """Journals a message and has it told, once in a run."""
        if message is not None and self.announce(message, **words):
            self.note(message)

    def announce(self, message: Message, **words: Unpack[Words]) -> bool:
        """Has a message told, once in a run. False where it was told before."""
        mark = f"{message.reason}: {message.text}"
        if mark in self.state.spoken:
            return False
        self.state = replace(self.state, spoken=self.state.spoken | {mark})
        told: Words = {"text": message.text, "reason": message.reason, "severity": message.severity}
        self.tell(TellingKind.EVENT, **(told | words))
        return True

    def forget(self, reason: str, still: Iterable[str] = ()) -> None:
        """Whatever is said for this reason is news again, unless it still holds."""
        marks = {f"{reason}: {text}" for text in still}
        kept = frozenset(mark for mark in self.state.spoken if not mark.startswith(f"{reason}: ") or mark in marks)
        if kept != self.state.spoken:
            self.state = replace(self.state, spoken=kept)

    def note(self, message: Message, wish: Command | None = None, results: tuple[Result, ...] = ()) -> None:
        """Journals a message without telling anyone; with whose wish led to it."""
        run = self.state.rollout
        weight = run.steps[run.position - 1].weight if run is not None and run.ended is None and run.position else 0
        number = run.number if run is not None else 0
        actor, verified = (wish.actor, wish.verified) if wish is not None else ("", None)
        entry = Entry(
            self.now, number, message.reason, message.text, self.state.phase, message.severity, actor, weight, results, verified
        )  # fmt: skip
        self.entries.append(entry)

    def reply(self, answer: Answer, remembered: int) -> None:
        """Answers a wish; only the newest answers are kept."""
        self.state = replace(self.state, handled=(*self.state.handled, answer)[-remembered:])

    def alarm(self, alarm: Alarm) -> None:
        """Alerts people, once in a run for the same words."""
        mark = f"alert: {alarm.text}"
        if mark not in self.state.spoken:
            self.state = replace(self.state, spoken=self.state.spoken | {mark})
            self.tell(TellingKind.ALERT, text=alarm.text, severity=alarm.severity, detailed=alarm.detailed)

    def say_and_alarm(self, pair: tuple[Message, Alarm]) -> None:
        """Both."""
        self.say(pair[0])
        self.alarm(pair[1])

    def call_hooks(self, kind: HookType) -> None:
        """Has notifying hooks called; their answers change nothing."""
        hooks = self.policy.hooks_of(kind)
        if hooks:
            self.tell(TellingKind.HOOKS, hooks=hooks)

    def tell(self, kind: TellingKind, **words: Unpack[Words]) -> None:
        """Puts one thing on the list of what is to be told (P4)."""
        state, count = self.state, self.state.told + 1
        made = Telling(f"{state.key}/{count}", kind, self.now, state.phase, run=run_id(state))
        self.state = replace(state, told=count, to_tell=(*state.to_tell, replace(made, **words)))

    def soon(self) -> bool:
        """Is another pass due soon?"""
        return any(moment <= self.now + STRUCK_OFF_WITHIN for moment in self.wakes)

    def can_wait(self) -> bool:
        """Is all that is to be recorded that something was told, a short while ago, and is another pass due soon?"""
        left = {telling.id for telling in self.state.to_tell}
        struck = [telling for telling in self.before.to_tell if telling.id not in left]
        if not struck or self.entries or self.state.leaving is not Leaving.NO or not self.soon():
            return False
        young = all(self.now - telling.at < STRUCK_OFF_WITHIN for telling in struck)
        return young and replace(self.state, to_tell=self.before.to_tell) == self.before

    def decision(self) -> Decision:
        """What came out. A state that did not change keeps its serial, so nothing is written."""
        if self.can_wait():
            self.state = self.before
        if self.state.to_tell and not self.soon():
            self.look(self.now + RECEIVERS_RETRY)
        glance = next_glance(self.state)
        if glance is not None:
            # Another question went first, or traffic is not where it is to be compared: the one waits no longer, the other a little.
            self.look(max(glance, self.now if self.facts.asked not in (Ask.NOTHING, Ask.SCRAPES) else self.now + SOON))
        if self.state != self.before:
            self.state = replace(self.state, serial=self.before.serial + 1)
        return Decision(self.state, tuple(self.entries), min(self.wakes, default=None), self.counted(), self.check())

    def check(self) -> Judgement | None:
        """The judge's word, unless a canary that is not ready has failed the check; None between two checks."""
        said, run = self.verdict, self.state.rollout
        if said is None or said.evidence.checks == self.before.evidence.checks:
            return None
        if said.judgement is Judgement.PASS and self.state.evidence.failed_checks > said.evidence.failed_checks:
            return Judgement.FAIL if run is not None and run.outcome is not None else Judgement.INCONCLUSIVE
        return said.judgement

    def counted(self) -> tuple[Counted, ...]:
        """What the evidence was made of, unless this decision leaves it where it was."""
        said = self.verdict
        kept = said is not None and self.state.evidence.compared == said.evidence.compared
        return (said.counted,) if said is not None and kept and said.counted is not None else ()


def run_id(state: CanaryState) -> str:
    """The checksum that names a run to webhooks (flagger.md 5.3). Secrets take part with our keyed digest."""
    revision = state.applied
    if revision is None:
        return webhook_checksum(None, "")
    tracked = {
        str(ref.name): ref.digest[-16:] if ref.name.kind is ConfigKind.SECRET else ref.checksum for ref in revision.configs if ref.digest
    }
    return webhook_checksum(tracked, revision.fingerprint)
