"""The watch after promotion: how the primary does once no canary is left to compare it with (ADR 19).

Called by `decide` and the phases. The attempt has ended as Promoted and stays so; what is seen stands in its record. Once something is
broken by the policy's rule, people are told, or the revision before is promoted again (R8).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from math import ceil

from trimtab.model.facts import Copy
from trimtab.model.names import how_many
from trimtab.model.policy import Policy
from trimtab.model.rollout import Ask, CanaryState, Rollout, RolloutKind
from trimtab.model.watching import Checked, Look, PodRestarts, Watch, Watched, WatchRules
from trimtab.rollout import watchwords
from trimtab.rollout.endings import undo_to
from trimtab.rollout.turn import Turn
from trimtab.rollout.wishes import refusal, who

RESTARTS, READINESS = "restarts", "readiness"


def under_way(state: CanaryState) -> Watch | None:
    """The watch that is on; None where there is none."""
    run = state.rollout
    watch = run.watch if run is not None and run.ended is not None else None
    return watch if watch is not None and watch.ended is None else None


def begin(turn: Turn) -> None:
    """A change was just promoted: from here on its primary is watched, where the policy says so and nothing newer waits."""
    run = turn.state.rollout
    assert run is not None
    if run.policy.watch is None or run.kind is not RolloutKind.CHANGE or interruption(turn, run):
        return
    watch = Watch(turn.now, turn.now + run.policy.watch.lasts, turn.facts.primary.desired)
    keep(turn, watch)
    turn.change(asks=Ask.AFTERWARDS, due=turn.now)
    turn.note(watchwords.begun(watch))


def left_off(turn: Turn) -> bool:
    """Ends the watch where something else goes on now, in a decision of its own: an attempt that is opened next seals this one."""
    watch, run = under_way(turn.state), turn.state.rollout
    if watch is None or run is None or not (why := interruption(turn, run)):
        return False
    watch = replace(watch, stopped=why)
    finish(turn, watch)
    turn.note(watchwords.stopped(watch))
    turn.again()
    return True


def put_back(turn: Turn) -> None:
    """Somebody set the clock back: a watch that began in a time to come would last until then."""
    watch = under_way(turn.state)
    if watch is not None and watch.began > turn.now:
        keep(turn, replace(watch, began=turn.now, until=turn.now + (watch.until - watch.began)))


def interruption(turn: Turn, run: Rollout) -> str:
    """What ends a watch early: an edit, a wish that is obeyed, suspension, deletion, or a policy that asks for none any more."""
    source = turn.facts.source
    if source.leaving:
        return "the Canary is being deleted"
    if source.suspended:
        return "the Canary is suspended"
    handled = {answer.command for answer in turn.state.handled}
    wishes = (wish for wish in turn.facts.commands if wish.id not in handled)
    if (wish := next((wish for wish in wishes if not refusal(turn, wish)), None)) is not None:
        return f"{who(wish)} says {wish.verb}"
    if source.revision is not None and not source.problem and source.revision != run.to:
        return "its source holds something else now"
    return "its policy does not ask for it any more" if source.policy is not None and source.policy.watch is None else ""


def watched(turn: Turn) -> bool:
    """One pass of the watch, if one is on. True where it led to an attempt of its own."""
    watch, run = under_way(turn.state), turn.state.rollout
    if watch is None or run is None or run.policy.watch is None:
        return False
    if watch.broken:
        undo_to(turn, turn.state.kept[0], watchwords.ACTOR, watch.broken)
        return True
    rules, now, pace = run.policy.watch, turn.now, between(turn.policy, run.policy.watch)
    timely = now <= watch.until + pace
    if turn.facts.asked is Ask.AFTERWARDS and turn.facts.look is not None and timely:
        watch = looked(watch, turn.facts.look, readiness(watch, turn.facts.primary, run), rules)
        keep(turn, watch)
        turn.change(due=min(watch.began + pace * ((now - watch.began) // pace + 1), max(watch.until, now)))
        if watch.broken:
            breach(turn, watch, rules)
            return False
    if now >= watch.until:
        finish(turn, watch)
        turn.note(watchwords.over(watch, rules))
    else:
        due = turn.state.due or now
        # What is due and was not asked waits for traffic to be where it should be.
        turn.look(due if due > now else min(now + pace, watch.until))
    return False


def between(policy: Policy, rules: WatchRules) -> timedelta:
    """From look to look: the Canary's interval, or less where what is broken could not be found by the rule in the time there is."""
    return min(policy.interval, rules.lasts / (rules.looks + 1))


def readiness(watch: Watch, copy: Copy, run: Rollout) -> Checked:
    """Are enough of the primary's pods ready? Nothing is known of one that is scaled to nothing or that the runtime has not looked at."""
    rules = run.policy.watch
    if rules is None or not copy.observed or copy.revision != run.to.id or not copy.desired:
        return Checked(READINESS, None, "no pods of what was promoted are asked for")
    expected = min(watch.pods or copy.desired, copy.desired)
    return Checked(READINESS, copy.available >= ceil(rules.ready * expected), f"{copy.available} of {copy.desired} pods were ready")


def looked(watch: Watch, look: Look, ready: Checked, rules: WatchRules) -> Watch:
    """With one more look, and with what is broken by now."""
    restarts = look.restarts
    known = Checked(RESTARTS, None if restarts.problem else True, restarts.problem)
    gained, counts = (0, watch.counts) if restarts.problem else since(watch.counts, restarts.pods)
    watch = replace(
        watch,
        looks=watch.looks + 1,
        restarts=watch.restarts + gained,
        counts=counts,
        seen=noted(watch.seen, (known, ready, *look.checked)),
        upto=look.upto or watch.upto,
    )
    return replace(watch, broken="; ".join(broken(watch, rules)))


def since(before: tuple[PodRestarts, ...] | None, now: tuple[PodRestarts, ...]) -> tuple[int, tuple[PodRestarts, ...]]:
    """Restarts since the look before, and the counts to go on from. The first look counts none: they were before promotion.

    A pod that was not there before is newer than that look, so all its restarts count.
    """
    if before is None:
        return 0, now
    known = {one.pod: one.count for one in before}
    return sum(max(0, one.count - known.get(one.pod, 0)) for one in now), now


def noted(seen: tuple[Watched, ...], checked: Iterable[Checked]) -> tuple[Watched, ...]:
    """With what one look said of each thing. What is unknown breaks no row, and adds to none."""
    found = {one.what: one for one in seen}
    for one in checked:
        before = found.get(one.what, Watched(one.what))
        if one.good is None:
            found[one.what] = replace(before, unknown=before.unknown + 1, said=before.said if before.broken else one.said)
        elif one.good:
            found[one.what] = replace(before, known=before.known + 1, broken=0)
        else:
            found[one.what] = replace(before, known=before.known + 1, broken=before.broken + 1, said=one.said)
    return tuple(found.values())


def broken(watch: Watch, rules: WatchRules) -> tuple[str, ...]:
    """What is broken by the rule, in words."""
    many = max(rules.restarts, ceil(rules.restarts_of_pods * watch.pods))
    restarts = (f"{how_many(watch.restarts, 'restart')} of containers since promotion",) if watch.restarts >= many else ()
    rows = tuple(f"{one.said}, in {how_many(one.broken, 'look')} in a row" for one in watch.seen if one.broken >= rules.looks)
    return restarts + rows


def breach(turn: Turn, watch: Watch, rules: WatchRules) -> None:
    """Told once, or gone back from by the next decision: an attempt that is opened seals this one, so this is recorded first."""
    if rules.undo and turn.state.kept:
        turn.change(asks=Ask.NOTHING, due=None)
        turn.note(watchwords.going_back(watch))
    else:
        finish(turn, watch)
        turn.say_and_alarm(watchwords.broke(turn.names, watch, turn.state.key.name, not turn.state.kept))
    turn.again()


def finish(turn: Turn, watch: Watch) -> None:
    """Nobody looks any more."""
    keep(turn, replace(watch, ended=turn.now))
    turn.change(asks=Ask.NOTHING, due=None)


def keep(turn: Turn, watch: Watch) -> None:
    """Into the record of the attempt that has ended."""
    run = turn.state.rollout
    assert run is not None
    turn.change(rollout=replace(run, watch=watch))
