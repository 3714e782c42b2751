"""What people and machines do to a simulated Canary beyond the everyday: bad bytes, other routers, clocks, keys. Called by `simulation`."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from trimtab.config.digest import DigestKey
from trimtab.model.content import Content
from trimtab.model.facts import Capabilities, Routes
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.revision import Revision
from trimtab.testing.memory import Memory, MemoryRouter, MemorySources, port_call
from trimtab.testing.policies import any_policy
from trimtab.testing.world import CONFIG

UNREADABLE = "\udcff"
"""A value that is not UTF-8, which no pod may see."""
NO_WEIGHTS = "kubernetes"
"""The provider that cannot set weights."""


@dataclass
class ForgetfulSources(MemorySources):
    """Sources that have the bytes of the newest revision and of those that they were told to keep."""

    kept: frozenset[str] = frozenset()

    async def contents(self, key: CanaryKey, revision: Revision) -> tuple[Content, ...]:
        """Unknown ones are left out."""
        return await port_call("sources.contents", lambda: self.known(revision))

    def known(self, revision: Revision) -> tuple[Content, ...]:
        """What it still has."""
        there = revision.id in self.kept or revision == self.world.revision()
        return self.world.archive.get(revision.id, ()) if there else ()

    async def keep(self, key: CanaryKey, revisions: Sequence[Revision]) -> None:
        """Forgets all others."""
        await port_call("sources.keep", lambda: self.remember(revisions))

    def remember(self, revisions: Sequence[Revision]) -> None:
        """The effect."""
        self.kept = frozenset(revision.id for revision in revisions)


@dataclass
class RouterByProvider(MemoryRouter):
    """A router that can do what the provider of the policy can."""

    def capabilities(self, policy: Policy) -> Capabilities:
        """By provider."""
        return Capabilities(False, False, False) if policy.provider == NO_WEIGHTS else Capabilities()


def provided(policy: Policy, able: Capabilities) -> Policy:
    """The policy with a provider that says what its router can do."""
    return replace(policy, provider="" if able.weights else NO_WEIGHTS)


@dataclass
class Trouble:
    """Does things to a world, by chance. `drifted` holds routes that somebody else made."""

    memory: Memory
    chance: random.Random
    drifted: Routes | None = None
    kinds: tuple[Callable[[], None], ...] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = (self.unreadable, self.policy, self.key, self.password, self.skip, self.drift, self.clock, self.scale)

    def happens(self) -> str:
        """One of it; its name."""
        kind = self.chance.choice(self.kinds)
        kind()
        return kind.__name__

    def unreadable(self) -> None:
        """Someone commits a value that no pod may see."""
        self.memory.world.edit(color=UNREADABLE)

    def policy(self) -> None:
        """Someone edits the Canary, or breaks it for a while."""
        world = self.memory.world
        world.policy = replace(provided(*any_policy(self.chance)), watch=world.policy.watch)
        world.policy_problem = "spec.analysis.threshold is no number" if self.chance.random() < 0.2 else ""

    def key(self) -> None:
        """Digests of Secrets are made with another key."""
        name = f"k{self.chance.randrange(3)}"
        self.memory.world.digest_key = DigestKey(name, name.encode() * 16)

    def password(self) -> None:
        """Someone changes the Secret."""
        self.memory.world.password = self.chance.choice(("", "one", "two"))

    def skip(self) -> None:
        """`skipAnalysis` is switched on or off."""
        self.memory.world.skip_analysis = not self.memory.world.skip_analysis

    def drift(self) -> None:
        """Somebody else changes the routes."""
        if self.memory.world.routes is not None:
            self.drifted = self.memory.world.routes = Routes(self.chance.choice((0, 30, 100)), self.chance.random() < 0.3)

    def clock(self) -> None:
        """Somebody sets the clock back."""
        self.memory.world.set_back(timedelta(seconds=self.chance.choice((2, 30, 4000))))

    def scale(self) -> None:
        """Someone scales the target."""
        self.memory.world.replicas = self.chance.choice((1, 2, 3))


def may_be_seen(contents: tuple[Content, ...]) -> bool:
    """Is this content without an error?"""
    return all(content.name != CONFIG or content.data["color"] != UNREADABLE.encode(errors="surrogateescape") for content in contents)
