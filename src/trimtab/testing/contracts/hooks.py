"""What `ports.Hooks` promises: hooks are asked in order, up to the one that decides (HOOK-1), and trouble is a closed one."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from trimtab.model.facts import HookAnswer
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Hook, HookType
from trimtab.ports import HookCall, Hooks
from trimtab.testing.contracts.promise import holds

CALL = HookCall(CanaryKey("shop", "app"), "Progressing", "57955f556c")
LONGEST = 256


class Harness(Protocol):
    """Receivers that answer as they are told."""

    hooks: Hooks

    def hook(self, name: str, kind: HookType) -> Hook:
        """A hook with a receiver of its own."""

    def says(self, hook: Hook, is_open: bool, text: str = "") -> None:
        """What its receiver answers from now on."""

    def breaks(self, hook: Hook) -> None:
        """From now on its receiver gives no proper answer."""

    def called(self) -> list[str]:
        """The names of the hooks that were called, in order."""


async def answers(harness: Harness, kind: HookType, *opens: bool) -> tuple[HookAnswer, ...]:
    """What hooks `a`, `b`, `c` ... say that are open or closed like this."""
    hooks = [harness.hook(name, kind) for name, _ in zip("abc", opens, strict=False)]
    for hook, is_open in zip(hooks, opens, strict=True):
        harness.says(hook, is_open, "not today" if not is_open else "")
    return await harness.hooks.ask(CALL, hooks)


async def without_hooks_there_are_no_answers(harness: Harness) -> None:
    """And nobody is called."""
    holds(await harness.hooks.ask(CALL, []) == () and harness.called() == [], "nobody is asked", harness.called())


async def open_gates_are_all_asked_in_order(harness: Harness) -> None:
    """And say so."""
    found = await answers(harness, HookType.CONFIRM_ROLLOUT, True, True, True)
    holds([answer.open for answer in found] == [True] * 3, "all are open", found)
    holds(harness.called() == ["a", "b", "c"], "they are asked in order", harness.called())


async def the_first_closed_gate_decides(harness: Harness) -> None:
    """The rest is not asked (HOOK-1)."""
    found = await answers(harness, HookType.CONFIRM_ROLLOUT, True, False, True)
    holds([answer.open for answer in found] == [True, False], "answers end with the closed one", found)
    holds(harness.called() == ["a", "b"], "nobody is asked after the closed one", harness.called())
    holds("not today" in found[-1].text, "what the receiver said is passed on", found[-1].text)


async def the_first_open_rollback_hook_decides(harness: Harness) -> None:
    """The rest is not asked (HOOK-1)."""
    found = await answers(harness, HookType.ROLLBACK, False, True, False)
    holds([answer.open for answer in found] == [False, True], "answers end with the open one", found)
    holds(harness.called() == ["a", "b"], "nobody is asked after the open one", harness.called())


async def a_receiver_in_trouble_is_a_closed_hook_with_a_reason(harness: Harness) -> None:
    """And no exception: a gate opens only when it is said to be open."""
    hook = harness.hook("a", HookType.CONFIRM_PROMOTION)
    harness.breaks(hook)
    (answer,) = await harness.hooks.ask(CALL, [hook])
    holds(not answer.open and bool(answer.text), "trouble is a closed hook that says why", answer)
    holds(answer.hook == hook, "an answer says whose it is", answer)


async def an_answer_is_at_most_256_printable_characters(harness: Harness) -> None:
    """Whatever the receiver says."""
    hook = harness.hook("a", HookType.CONFIRM_PROMOTION)
    harness.says(hook, False, "no\n\x1b[31m" + "o" * 5000)
    (answer,) = await harness.hooks.ask(CALL, [hook])
    holds(len(answer.text) <= LONGEST and answer.text.isprintable(), "an answer is short and printable", answer.text)


CHECKS: tuple[Callable[[Harness], Awaitable[None]], ...] = (
    without_hooks_there_are_no_answers,
    open_gates_are_all_asked_in_order,
    the_first_closed_gate_decides,
    the_first_open_rollback_hook_decides,
    a_receiver_in_trouble_is_a_closed_hook_with_a_reason,
    an_answer_is_at_most_256_printable_characters,
)
