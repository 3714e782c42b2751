"""What `ports.Workloads` promises: it works towards what is wanted, and takes orders from the newest record only."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from trimtab.model.facts import Copy
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.revision import Revision
from trimtab.model.rollout import Exposure
from trimtab.ports import Wanted, Workloads
from trimtab.testing.contracts.promise import conflicts, holds


class Harness(Protocol):
    """A runtime without pods of this Canary, and two revisions whose pods get ready."""

    workloads: Workloads
    key: CanaryKey
    policy: Policy
    one: Revision
    two: Revision

    async def settled(self, claim: Callable[[Copy, Copy], bool]) -> tuple[Copy, Copy]:
        """Lets time pass until the claim about primary and canary holds, or until it should have; the copies as they are then."""

    def pods(self) -> frozenset[str]:
        """The pods that there are, each under a name of its own."""


def runs(copy: Copy, revision: Revision | None, count: int) -> bool:
    """Exactly these pods, all of them available."""
    seen = (copy.desired, copy.total, copy.updated, copy.available)
    return seen == (count,) * 4 and (revision is None or copy.revision == revision.id)


async def want(harness: Harness, serial: int, exposure: Exposure, replicas: int | None = 1) -> None:
    """What record `serial` says."""
    await harness.workloads.set(harness.key, Wanted(serial, harness.policy, exposure, replicas))


async def settles(harness: Harness, primary: tuple[Revision | None, int], canary: tuple[Revision | None, int]) -> None:
    """BrokenPromise unless it comes to that."""
    found = await harness.settled(lambda one, two: runs(one, *primary) and runs(two, *canary))
    holds(runs(found[0], *primary), f"the primary comes to run {primary[1]} pods of what is wanted", found)
    holds(runs(found[1], *canary), f"the canary comes to run {canary[1]} pods of what is wanted", found)


async def what_was_never_wanted_has_no_pods(harness: Harness) -> None:
    """And can be looked at."""
    found = await harness.workloads.look(harness.key, harness.policy)
    holds(all(runs(copy, None, 0) for copy in found), "there are no pods before any are wanted", found)


async def it_works_towards_what_is_wanted(harness: Harness) -> None:
    """Both copies, each with its revision."""
    await want(harness, 1, Exposure(harness.one), 2)
    await settles(harness, (harness.one, 2), (None, 0))
    await want(harness, 2, Exposure(harness.one, harness.two), 2)
    await settles(harness, (harness.one, 2), (harness.two, 2))


async def the_same_order_twice_is_one(harness: Harness) -> None:
    """The pods that serve stay."""
    await want(harness, 1, Exposure(harness.one, harness.two))
    await settles(harness, (harness.one, 1), (harness.two, 1))
    before = harness.pods()
    for serial in (1, 1, 2):
        await want(harness, serial, Exposure(harness.one, harness.two))
    await settles(harness, (harness.one, 1), (harness.two, 1))
    holds(harness.pods() == before, "an order that is repeated restarts nothing", before, harness.pods())


async def a_stale_order_is_a_conflict_and_changes_nothing(harness: Harness) -> None:
    """A deposed leader must not undo what the new one did."""
    await want(harness, 2, Exposure(harness.one))
    await settles(harness, (harness.one, 1), (None, 0))
    before = harness.pods()
    await conflicts(want(harness, 1, Exposure(harness.two, harness.one), 3), "an older record gives no orders")
    await settles(harness, (harness.one, 1), (None, 0))
    holds(harness.pods() == before, "a Conflict leaves the pods alone", before, harness.pods())


async def a_copy_that_is_not_wanted_any_more_goes_and_the_other_stays(harness: Harness) -> None:
    """The canary after a rollback."""
    await want(harness, 1, Exposure(harness.one))
    await settles(harness, (harness.one, 1), (None, 0))
    primary = harness.pods()
    await want(harness, 2, Exposure(harness.one, harness.two))
    await settles(harness, (harness.one, 1), (harness.two, 1))
    await want(harness, 3, Exposure(harness.one))
    await settles(harness, (harness.one, 1), (None, 0))
    holds(harness.pods() == primary, "the other copy is left alone", primary, harness.pods())


async def a_new_revision_replaces_the_old_one(harness: Harness) -> None:
    """With pods that were started for it (S7)."""
    await want(harness, 1, Exposure(harness.one))
    await settles(harness, (harness.one, 1), (None, 0))
    before = harness.pods()
    await want(harness, 2, Exposure(harness.two))
    await settles(harness, (harness.two, 1), (None, 0))
    holds(not harness.pods() & before, "another revision means other pods", before, harness.pods())


async def the_number_of_pods_follows_what_is_wanted(harness: Harness) -> None:
    """Up and down."""
    for serial, count in enumerate((1, 3, 2), 1):
        await want(harness, serial, Exposure(harness.one), count)
        await settles(harness, (harness.one, count), (None, 0))


async def new_pods_have_no_restarts(harness: Harness) -> None:
    """Nor has a copy that was never wanted; and it is known."""
    for wanted in (False, True):
        if wanted:
            await want(harness, 1, Exposure(harness.one, harness.two))
            await settles(harness, (harness.one, 1), (harness.two, 1))
        found = await harness.workloads.restarts(harness.key, harness.policy)
        holds(not found.pods, "containers that were never started again have no restarts", found)
        holds(not (wanted and found.problem), "of pods that are there restarts are known", found)


CHECKS: tuple[Callable[[Harness], Awaitable[None]], ...] = (
    what_was_never_wanted_has_no_pods,
    it_works_towards_what_is_wanted,
    the_same_order_twice_is_one,
    a_stale_order_is_a_conflict_and_changes_nothing,
    a_copy_that_is_not_wanted_any_more_goes_and_the_other_stays,
    a_new_revision_replaces_the_old_one,
    the_number_of_pods_follows_what_is_wanted,
    new_pods_have_no_restarts,
)
