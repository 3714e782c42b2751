"""What `ports.Sources` promises: a revision or a problem, and bytes that stay available once they are kept (S7)."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from trimtab.model.content import Content
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName
from trimtab.model.revision import ConfigRef, Revision
from trimtab.ports import Sources
from trimtab.testing.contracts.promise import BrokenPromise, holds


class Harness(Protocol):
    """A source with one Canary whose pods read one ConfigMap; nothing was written into it yet."""

    sources: Sources
    key: CanaryKey

    async def write(self, value: str) -> None:
        """Makes this text one of the ConfigMap's values, and has the source look."""

    async def spoil(self) -> None:
        """Takes away what the pods need, or makes it unreadable, and has the source look; `write` repairs it."""

    async def restarted(self) -> Sources:
        """The source after a restart of Trimtab."""


async def known(harness: Harness) -> Revision:
    """The revision of the source."""
    source = await harness.sources.read(harness.key)
    if source.revision is None or source.problem:
        raise BrokenPromise(f"a source that is in order has a revision; seen: {source.problem!r}")
    return source.revision


def has(contents: tuple[Content, ...], value: str) -> bool:
    """Is this one of the values?"""
    return any(value.encode() in content.data.values() for content in contents)


async def a_canary_has_a_revision_and_a_policy(harness: Harness) -> None:
    """And is among the keys."""
    await harness.write("one")
    keys = await harness.sources.keys()
    holds(harness.key in keys, "every Canary is among the keys", keys)
    await known(harness)
    source = await harness.sources.read(harness.key)
    holds(source.policy is not None and not source.policy_problem, "a valid Canary has a policy", source.policy_problem)


async def the_same_content_is_the_same_revision(harness: Harness) -> None:
    """However often it is read, and also when it comes back."""
    await harness.write("one")
    first = await known(harness)
    holds(await known(harness) == first, "reading twice gives one revision")
    await harness.write("two")
    second = await known(harness)
    holds(second != first, "other content is another revision", first, second)
    await harness.write("one")
    holds(await known(harness) == first, "content that comes back is the revision that it was")


async def the_bytes_of_the_newest_revision_are_there(harness: Harness) -> None:
    """As they were written."""
    await harness.write("one")
    found = await harness.sources.contents(harness.key, await known(harness))
    holds(has(found, "one"), "the contents of a revision are its bytes", [sorted(content.data) for content in found])


async def kept_bytes_stay_available_whatever_the_source_does_next(harness: Harness) -> None:
    """Also after a restart; keeping twice is keeping once (S7)."""
    await harness.write("one")
    first = await known(harness)
    await harness.sources.keep(harness.key, [first])
    await harness.write("two")
    second = await known(harness)
    for _ in range(2):
        await harness.sources.keep(harness.key, [first, second])
    await harness.write("three")
    await known(harness)
    for sources in (harness.sources, await harness.restarted()):
        for revision, value in ((first, "one"), (second, "two")):
            found = await sources.contents(harness.key, revision)
            holds(has(found, value) and not has(found, "three"), f"the kept bytes of {value!r} stay available")


async def a_revision_stays_available_from_the_moment_it_is_told(harness: Harness) -> None:
    """Between `read` and `keep` the source may move on."""
    await harness.write("one")
    first = await known(harness)
    await harness.write("two")
    holds(has(await harness.sources.contents(harness.key, first), "one"), "what was told can be kept")


async def an_unknown_revision_has_no_bytes(harness: Harness) -> None:
    """And is no error."""
    await harness.write("one")
    nobody = Revision.of("{}", "v1:unknown", (ConfigRef(ConfigName(ConfigKind.CONFIG_MAP, "nobody"), "0" * 16),))
    found = await harness.sources.contents(harness.key, nobody)
    holds(found == (), "what is unknown is left out", len(found))


async def trouble_is_a_problem_and_no_exception(harness: Harness) -> None:
    """Without a revision, so that nothing starts from it; it goes away with its cause."""
    await harness.write("one")
    first = await known(harness)
    await harness.sources.keep(harness.key, [first])
    await harness.spoil()
    source = await harness.sources.read(harness.key)
    holds(source.revision is None and bool(source.problem), "a source that cannot be read says why", source.problem)
    holds(has(await harness.sources.contents(harness.key, first), "one"), "trouble does not take away what is kept")
    await harness.write("one")
    holds(await known(harness) == first, "a repaired source has the revision that it had")


async def a_change_is_noticed(harness: Harness) -> None:
    """`changes` names its key. Only for sources that are watched."""
    await harness.write("one")
    changes = harness.sources.changes()
    await known(harness)
    await harness.write("two")
    found = await anext(changes)
    holds(found == harness.key, "a change names the Canary that it is about", found)


CHECKS: tuple[Callable[[Harness], Awaitable[None]], ...] = (
    a_canary_has_a_revision_and_a_policy,
    the_same_content_is_the_same_revision,
    the_bytes_of_the_newest_revision_are_there,
    kept_bytes_stay_available_whatever_the_source_does_next,
    a_revision_stays_available_from_the_moment_it_is_told,
    an_unknown_revision_has_no_bytes,
    trouble_is_a_problem_and_no_exception,
)
