"""Watches the canary of a repository until there is a verdict: waits for the commit, asks smoke checks, looks at metrics.

Called by the faces for `trimtab monitor`; made ready by `watched`. Nothing here changes the cluster, the repository or the metric server.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trimtab import __version__
from trimtab.adapters.kubernetes.arrival import Look, State
from trimtab.adapters.smoke import Answered
from trimtab.documents.durations import parse_duration
from trimtab.documents.pipeline import Monitor, Smoke
from trimtab.errors import Unavailable
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.verdict import Samples
from trimtab.ports import Clock, Metrics
from trimtab.promotion.content import Judged
from trimtab.promotion.evidence import Evidence, Figure, Query, Run, Verdict, Window, Word
from trimtab.promotion.figures import figures, reasons
from trimtab.promotion.recounting import kept
from trimtab.promotion.watching import Came, Conclusion, Rules, Seen, begun, concluded, in_repositories, line, looked
from trimtab.wiring.arriving import Arriving, Late
from trimtab.wiring.counting import Counting

SHOWN = 3
"""Lines of what a command wrote that are shown."""
MOST_MISSED = 240
"""Looks that are caught up with after a watch was left."""
UNSURE = timedelta(minutes=2)
"""So long after its time it is waited for pods that are not ready at the end."""
JUDGEMENTS: dict[str, Word] = {Came.PASS: "pass", Came.FAIL: "fail", Came.INCONCLUSIVE: "inconclusive", Came.NO_DATA: "no-data"}
TIMED_OUT, WATCHING, STOPPED = "timed-out", "watching", "stopped"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is watched, and what it is judged by."""

    app: str
    target: str
    commit: str
    judged: Judged
    policy: Policy
    """Of the model, as far as metrics need one."""
    digest: str
    """Of the rules that it is judged by."""
    key: CanaryKey
    monitor: Monitor
    window: timedelta
    """How far back its queries look."""
    rendering: str
    """The tool that rendered it, with its version."""
    run: Run

    @property
    def rules(self) -> Rules:
        """What it is watched by."""
        return Rules(self.policy.analysis, parse_duration(self.monitor.duration), self.window)

    def __str__(self) -> str:
        return f"{self.app}/{self.target}"


@dataclass(frozen=True, slots=True)
class Outside:
    """Who is asked."""

    clock: Clock
    arriving: Arriving
    metrics: Metrics
    as_of: Callable[[datetime], Metrics]
    """The same, asked about a moment of the past."""
    smoke: Callable[[Smoke], Awaitable[Answered]]
    counting: Counting | None = None
    """Where canary and stable are compared."""


@dataclass(frozen=True, slots=True)
class Finish:
    """How watching ended: a word for programs, a sentence, and the evidence where there is a verdict."""

    word: str
    text: str
    evidence: Evidence | None = None
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Monitoring:
    """One watch. `tell` hears a line at each look."""

    subject: Subject
    outside: Outside
    tell: Callable[[datetime, str], None]
    started: datetime
    seen: Seen | None = None
    """None while it is waited for the commit."""
    smoked: tuple[Figure, ...] = ()
    queries: tuple[Query, ...] = ()
    counted: tuple[Query, ...] = ()
    """Of the counters by which canary and stable are compared."""
    notes: tuple[str, ...] = ()

    async def watch(self, *, once: bool = False) -> Finish:
        """To the end; with `once` no further than the first look that decides nothing."""
        if self.seen is not None:
            await self.catch_up()
        elif (early := await self.arrive()) is not None:
            return early
        while True:
            found = await self.look()
            if found is not None:
                return self.finish(found)
            if once:
                return self.unfinished(WATCHING)
            await self.outside.clock.sleep_until(self.next())

    async def arrive(self) -> Finish | None:
        """Waits for the commit, then asks the smoke checks; None where nothing speaks against looking at metrics."""
        within = parse_duration(self.subject.monitor.timeout)
        last = Look(State.WAITING, "")
        try:
            async for last in self.outside.arriving.wait(within):
                self.say(last.reason)
        except Late as late:
            return self.finish(Conclusion(Came.INCONCLUSIVE, str(late)), TIMED_OUT)
        self.notes = last.notes
        if last.state is State.FAILED:
            return self.finish(Conclusion(Came.FAIL, last.reason))
        for smoke in self.subject.monitor.smoke:
            answered = await self.outside.smoke(smoke)
            said = answered.wrong or answered.text
            self.say("\n".join([f"smoke check {smoke.name}: {said}", *answered.said.splitlines()[-SHOWN:]]))
            self.smoked += (Figure(metric=f"smoke {smoke.name}", judgement="failed" if answered.wrong else "good", text=said),)
            if answered.wrong:
                return self.finish(Conclusion(Came.FAIL, f"smoke check {smoke.name}: {said}"))
        await self.begin()
        return None

    async def begin(self) -> None:
        """The canary runs: what is known before it is looked at."""
        now, counting = self.outside.clock.now(), self.outside.counting
        if counting is None:
            self.seen = begun(now)
            return
        known = await counting.begin()
        for note in known.notes:
            self.say(note)
        self.counted, self.notes = known.queries, (*self.notes, *known.notes)
        self.seen = begun(now, known.past, known.share)

    async def catch_up(self) -> None:
        """Asks what nobody asked while it was left, so that a limit broken meanwhile counts."""
        seen, subject = self.seen, self.subject
        if seen is None or seen.checks.upto is None or not subject.policy.analysis.metrics:
            return
        interval, now = parse_duration(subject.monitor.interval), self.outside.clock.now()
        since = max(seen.checks.upto, seen.began + subject.window)
        apart = max(interval, (now - since) / MOST_MISSED)
        missed = max(0, int((now - since) / apart) - 1)
        for count in range(1, missed + 1):
            moment = since + count * apart
            samples = await self.outside.as_of(moment).measure(subject.key, subject.policy, seen.began)
            self.seen = looked(self.seen or seen, subject.rules, samples, moment)
        if missed:
            self.say(f"caught up with {missed} looks since {since:%H:%M:%S}")

    async def samples(self, seen: Seen) -> Samples:
        """The answers to all metrics, and what was counted since."""
        subject, metrics = self.subject, self.outside.metrics
        found = Samples(self.outside.clock.now(), glance=True)
        if found.asked - seen.began >= subject.window:
            found = await metrics.measure(subject.key, subject.policy, seen.began)
        self.queries = tuple(Query(metric=one.metric, query=one.query, of="canary") for one in found.answers if one.query) or self.queries
        if self.outside.counting is None or seen.checks.compared is None:
            return found
        counted = await metrics.count(subject.key, subject.policy, seen.began, seen.checks.compared.upto or seen.began)
        return replace(found, scrapes=counted.scrapes, missing=counted.missing)

    async def look(self) -> Conclusion | None:
        """One look at pods and metrics; what it comes to, where it comes to something."""
        subject, rules, clock = self.subject, self.subject.rules, self.outside.clock
        assert self.seen is not None
        pods = await self.outside.arriving.look()
        if pods.state is State.FAILED:
            return Conclusion(Came.FAIL, pods.reason)
        if pods.moved:
            return Conclusion(Came.INCONCLUSIVE, f"something else came while it was watched: {pods.reason}")
        samples = await self.samples(self.seen)
        now = clock.now()
        self.seen = looked(self.seen, rules, samples, now)
        self.say(line(self.seen, rules, now) + ("" if pods.state is State.RUNNING else f"; {pods.reason}"))
        found = concluded(self.seen, rules, now)
        if found is not None and found.came is Came.NO_DATA and self.outside.counting is not None:
            await self.outside.counting.reachable()
        if found is None or found.came is not Came.PASS or pods.state is State.RUNNING:
            return found
        if now < self.seen.began + rules.least + UNSURE:
            return None
        if pods.blind:
            raise Unavailable(f"it is not known whether {subject} still runs the commit: {pods.reason}")
        return Conclusion(Came.INCONCLUSIVE, f"not all pods are well at the end: {pods.reason}")

    def next(self) -> datetime:
        """When to look again: after the interval, as soon as limits may be asked about, and at the end."""
        assert self.seen is not None
        now, following = self.outside.clock.now(), self.outside.clock.now() + parse_duration(self.subject.monitor.interval)
        ends = (self.seen.began + self.subject.window, self.seen.began + self.subject.rules.least)
        return min((following, *(end for end in ends if end > now)))

    def finish(self, found: Conclusion, word: str = "") -> Finish:
        """With evidence. Unavailable where nothing is known for want of a metric server."""
        if found.came is Came.UNREACHABLE:
            raise Unavailable(found.text)
        return Finish(word or found.came, found.text, self.evidence(JUDGEMENTS[found.came], found.text), self.notes)

    def unfinished(self, word: str) -> Finish:
        """Left, or stopped, before there is a verdict."""
        if self.seen is None:
            return Finish(word, "it is not known yet whether the commit runs")
        text = "nothing is decided yet"
        evidence = self.evidence("inconclusive", f"stopped before the end: {text}") if word == STOPPED else None
        return Finish(word, text, evidence, self.notes)

    def evidence(self, judgement: Word, text: str) -> Evidence:
        """Everything that is known, with a verdict."""
        subject, now = self.subject, self.outside.clock.now()
        seen, rules = self.seen, subject.policy.analysis.judge
        return Evidence(
            app=subject.app, target=subject.target, commit=subject.commit, source=subject.judged.source, content=subject.judged.content,
            keys=subject.judged.keys, policy=subject.digest,
            window=Window(began=seen.began if seen is not None else self.started, ended=now), queries=(*self.queries, *self.counted),
            sums=seen.sums if seen is not None else (),
            counted=kept(rules, seen.checks, seen.counted) if seen is not None else "",
            verdict=Verdict(
                judgement=judgement, text=text, figures=(*self.smoked, *(figures(seen.checks, rules) if seen is not None else ())),
                reasons=tuple(map(in_repositories, reasons(seen.checks, rules))) if seen is not None else (),
            ),
            versions={"trimtab": __version__, "rendering": subject.rendering}, run=subject.run,
        )  # fmt: skip

    def say(self, text: str) -> None:
        """A line for whoever watches."""
        self.tell(self.outside.clock.now(), text)
