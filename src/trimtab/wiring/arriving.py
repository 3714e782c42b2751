"""Waits until the pods of a target run a commit: by Argo CD's Application where the target names one, then by the pods themselves.

Called by `monitoring`.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from trimtab.adapters.argocd.following import Follower
from trimtab.adapters.argocd.following import State as Followed
from trimtab.adapters.kubernetes.arrival import WORKLOADS, Arrival, Expected, Look, Reader, State
from trimtab.config.consumers import pod_template
from trimtab.documents.pipeline import Target
from trimtab.errors import Denied, InputError, Unavailable
from trimtab.model.rendered import Rendered, RenderedObject
from trimtab.ports import Clock

PAUSE = timedelta(seconds=2)
"""Between two looks at the pods."""


class Late(Exception):
    """The time was over; the text says what was seen last."""


@dataclass(slots=True)
class Arriving:
    """Follows one target to one commit."""

    clock: Clock
    reader: Reader
    expected: Expected
    follower: Follower | None = None
    """With an Application the workload may be in a cluster, or a namespace, that this kubeconfig does not show."""

    async def wait(self, within: timedelta) -> AsyncIterator[Look]:
        """A look whenever something changed; the last one is RUNNING or FAILED. Late, or Unavailable where nothing could be seen."""
        end = self.clock.now() + within
        if self.follower is not None:
            async for seen in self.follower.follow(within):
                match seen.state:
                    case Followed.LATE:
                        raise Late(seen.reason)
                    case Followed.DEGRADED | Followed.REFUSED:
                        yield Look(State.FAILED, seen.reason)
                        return
                yield Look(State.WAITING, seen.reason)
        last = Look(State.WAITING, "")
        while True:
            found = await self.look()
            if found != last:
                yield found
            if found.state is not State.WAITING:
                return
            if self.clock.now() >= end:
                raise ended(found, self.expected, within)
            last = found
            await self.clock.sleep_until(min(self.clock.now() + PAUSE, end))

    async def look(self) -> Look:
        """One look at the pods."""
        try:
            found = await Arrival(self.reader, self.expected).look()
        except Denied as denied:
            if self.follower is None:
                raise
            return Look(State.RUNNING, "the Application runs it", notes=(f"the pods were not looked at: {denied}",))
        if found.absent and self.follower is not None:
            note = f"the pods were not looked at: {found.reason.removesuffix(' yet')} of this kubeconfig's cluster"
            return replace(found, state=State.RUNNING, reason="the Application runs it", notes=(note,), moved=False)
        return found


def ended(last: Look, expected: Expected, within: timedelta) -> Exception:
    """What it means that the time is over."""
    if last.blind:
        return Unavailable(f"it is not known whether {expected} runs the commit: {last.reason}")
    return Late(f"{expected} does not run the commit after {within.total_seconds():g} s: {last.reason}")


def expected_of(rendered: Rendered, target: Target, namespace: str) -> Expected:
    """The workload that a target renders to, and what its pods read. InputError where it is not clear which one is meant."""
    found = the_one([one for one in rendered.objects if one.kind in WORKLOADS], target, rendered.name)
    template = pod_template(found.tree)
    assert template is not None
    contents = {use.name: use.content.content for use in rendered.uses if use.reader is found and use.content is not None}
    return Expected(found.kind, found.namespace or namespace, found.name, template, tuple(one for one in contents.values() if one))


def the_one(there: Sequence[RenderedObject], target: Target, name: str) -> RenderedObject:
    """The workload that `workload` of the target names, or the only one."""
    listed = ", ".join(map(str, there)) or "none"
    if target.workload is None:
        if len(there) == 1:
            return there[0]
        raise InputError(f"{name} renders to {len(there)} workloads ({listed}). Say which is watched: `workload: KIND/NAME` of the target")
    kind, _, wanted = target.workload.partition("/")
    fitting = [one for one in there if one.kind.lower() == kind.lower() and wanted in (one.name, one.logical)]
    if len(fitting) != 1:
        raise InputError(f"{name} has {len(fitting)} workloads {target.workload}; there are: {listed}. Correct `workload` of the target")
    return fitting[0]
