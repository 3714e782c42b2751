"""What `ports.Router` promises: traffic goes where the newest record wants it, by the data plane's own word."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from trimtab.model.facts import Routes
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.rollout import Exposure
from trimtab.ports import Router, Wanted
from trimtab.testing.contracts.promise import conflicts, holds


class Harness(Protocol):
    """A router that was never told anything about this Canary."""

    router: Router
    key: CanaryKey
    policy: Policy
    """With weights, a match on a header, and mirroring; of a provider that can do most."""

    def weightless(self) -> Policy | None:
        """The policy for a provider without weights, which is then in force; None where there is no such thing."""


async def move(harness: Harness, serial: int, exposure: Exposure, policy: Policy | None = None) -> Routes | None:
    """Where traffic goes after record `serial`."""
    policy = policy or harness.policy
    await harness.router.set(harness.key, Wanted(serial, policy, exposure, None))
    return await harness.router.look(harness.key, policy)


async def what_was_never_routed_has_no_routes(harness: Harness) -> None:
    """And can be looked at."""
    found = await harness.router.look(harness.key, harness.policy)
    holds(found is None, "there are no routes before there are any", found)


async def traffic_that_is_not_ours_yet_is_left_alone(harness: Harness) -> None:
    """With `routed` False nothing reaches the canary."""
    found = await move(harness, 1, Exposure(weight=50, routed=False))
    holds(found in (None, Routes(0)), "traffic is left as it was found", found)


async def each_weight_is_seen_as_it_was_wanted(harness: Harness) -> None:
    """Up and down, to the ends."""
    for serial, weight in enumerate((0, 1, 50, 99, 100, 33, 0), 1):
        found = await move(harness, serial, Exposure(weight=weight))
        holds(found == Routes(weight), f"the canary gets {weight} %", found)


async def the_same_order_twice_is_one(harness: Harness) -> None:
    """From the same record, and from a newer one."""
    for serial in (1, 1, 2):
        found = await move(harness, serial, Exposure(weight=20))
        holds(found == Routes(20), "an order may be repeated", found)


async def a_stale_order_is_a_conflict_and_changes_nothing(harness: Harness) -> None:
    """A deposed leader must not undo what the new one did."""
    await move(harness, 2, Exposure(weight=20))
    await conflicts(move(harness, 1, Exposure(weight=80)), "an older record gives no orders")
    found = await harness.router.look(harness.key, harness.policy)
    holds(found == Routes(20), "a Conflict leaves traffic alone", found)


async def matched_and_mirrored_requests_are_seen_where_it_can_do_that(harness: Harness) -> None:
    """And end when they are not wanted any more."""
    able = harness.router.capabilities(harness.policy)
    for serial, (matched, mirrored) in enumerate(((True, False), (False, True), (False, False)), 1):
        if (matched and not able.match) or (mirrored and not able.mirror):
            continue
        found = await move(harness, serial, Exposure(matched=matched, mirrored=mirrored))
        holds(found == Routes(0, matched, mirrored), "matching and mirroring are as wanted", found)


async def a_provider_without_weights_keeps_everybody_on_the_primary(harness: Harness) -> None:
    """Whatever weight is wanted."""
    policy = harness.weightless()
    if policy is None:
        return
    able = harness.router.capabilities(policy)
    holds(not able.weights, "it says that it knows no weights", able)
    found = await move(harness, 1, Exposure(weight=50), policy)
    holds(found == Routes(0), "nobody gets the canary", found)


CHECKS: tuple[Callable[[Harness], Awaitable[None]], ...] = (
    what_was_never_routed_has_no_routes,
    traffic_that_is_not_ours_yet_is_left_alone,
    each_weight_is_seen_as_it_was_wanted,
    the_same_order_twice_is_one,
    a_stale_order_is_a_conflict_and_changes_nothing,
    matched_and_mirrored_requests_are_seen_where_it_can_do_that,
    a_provider_without_weights_keeps_everybody_on_the_primary,
)
