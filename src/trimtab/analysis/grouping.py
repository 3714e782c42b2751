"""Pods as groups, and one scrape as arrays. Called by `evidence`."""

import zlib
from collections import Counter
from collections.abc import Iterable

import numpy as np

from trimtab.analysis.ledger import Array
from trimtab.analysis.noise import PRESENT
from trimtab.model.evidence import PodGroup
from trimtab.model.judging import Constants
from trimtab.model.scrapes import Arm, PodBuckets, PodCounts, Scrape

REMEMBERED = 64
"""Pods an arm whose group is remembered by name. That of later ones follows from a digest of their name."""

Pod = PodCounts | PodBuckets


def dealt(groups: tuple[PodGroup, ...], scrapes: Iterable[Scrape], constants: Constants) -> tuple[PodGroup, ...]:
    """With the pods of these scrapes. They are dealt by order of name; a pod that comes later joins the smallest group."""
    known = {(group.canary, group.pod) for group in groups}
    pods = {(pod.arm is Arm.CANARY, pod.pod) for scrape in scrapes for pod in (scrape.buckets or scrape.counts)}
    found = list(groups)
    for canary, pod in sorted(pods - known):
        sizes = Counter(group.group for group in found if group.canary is canary)
        if sizes.total() < REMEMBERED:
            found.append(PodGroup(pod, canary, min(range(constants.pod_groups), key=lambda place: (sizes[place], place))))
    return tuple(found)


def leavable(groups: tuple[PodGroup, ...], constants: Constants) -> int:
    """How many groups of canary pods can be left out in turn; 0 while there are too few pods."""
    canaries = [group for group in groups if group.canary]
    if len(canaries) < constants.least_pods:
        return 0
    return len({group.group % constants.left_out_groups for group in canaries})


class Dealer:
    """Puts pods of a scrape into arrays of groups."""

    def __init__(self, groups: tuple[PodGroup, ...], constants: Constants) -> None:
        self._places = {(group.canary, group.pod): group.group for group in groups}
        self._groups = constants.pod_groups

    def place(self, pod: Pod) -> tuple[int, int]:
        """Arm (the canary is 0) and group."""
        canary = pod.arm is Arm.CANARY
        known = self._places.get((canary, pod.pod))
        return int(not canary), zlib.crc32(pod.pod.encode()) % self._groups if known is None else known

    def counts(self, scrape: Scrape) -> Array:
        """(2, pod groups, 2): bad and total."""
        found = np.zeros((2, self._groups, 2))
        for pod in scrape.counts:
            found[self.place(pod)] += (pod.bad, pod.total + PRESENT)
        return found

    def buckets(self, scrape: Scrape, bounds: tuple[float, ...]) -> Array:
        """(2, pod groups, buckets): requests in each bucket between these bounds, which are some of the scrape's own."""
        places = [self.place(pod) for pod in scrape.buckets]
        pods = np.asarray([pod.counts for pod in scrape.buckets], dtype=np.float64).reshape(len(places), len(scrape.bounds) + 1)
        if scrape.bounds != bounds:
            to = np.searchsorted(bounds, (*scrape.bounds, np.inf))
            pods = np.stack([np.sum(pods[:, to == place], axis=-1) for place in range(len(bounds) + 1)], axis=-1)
        found = np.zeros((2, self._groups, len(bounds) + 1))
        for place, pod in zip(places, pods, strict=True):
            found[place] += pod
            found[place][0] += PRESENT
        return found


def canary_pods(scrape: Scrape) -> int:
    """How many canary pods were seen."""
    return sum(pod.arm is Arm.CANARY for pod in (scrape.buckets or scrape.counts))
