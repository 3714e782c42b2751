"""A record for a Canary that has none but a status: one that Flagger looked after, or whose ConfigRollouts are gone. Used by `store`.

It is made from the status and the live primary, settled or in the middle of a run. It starts nothing and restarts nothing: what the status
says was applied already is held, not begun. Whatever cannot be read yet keeps the Canary as it is, for without a record it would seem new.

Records that were there before may have left their marks on routes and workloads, and older attempts: a record comes after all of these.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import Cluster, annotations_of, metadata_of
from trimtab.adapters.kubernetes.configs import Configs, content_of, moment
from trimtab.adapters.kubernetes.copies import DIGEST, OURS, SOURCE
from trimtab.adapters.kubernetes.finalizer import deleted
from trimtab.adapters.kubernetes.kinds import SERVICE
from trimtab.adapters.kubernetes.marks import newest
from trimtab.adapters.kubernetes.sources import ClusterSources
from trimtab.adapters.kubernetes.store import Adopted
from trimtab.adapters.kubernetes.targets import TARGETS
from trimtab.adapters.kubernetes.undoing import alike, copies_in, undone
from trimtab.config.digest import canonical_json, checksum, digest, template_fingerprint
from trimtab.config.references import mapping, references
from trimtab.errors import Unavailable
from trimtab.model.facts import Capabilities, Source
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey, ConfigName
from trimtab.model.policy import Policy
from trimtab.model.revision import ConfigRef, Revision
from trimtab.model.rollout import Ask, CanaryState, Held, Outcome, Phase, Rollout, RolloutKind, Step
from trimtab.model.verdict import Evidence
from trimtab.ports import Clock
from trimtab.rollout.questions import following
from trimtab.rollout.steps import steps

OVER = {Phase.INITIALIZED: Outcome.PROMOTED, Phase.SUCCEEDED: Outcome.PROMOTED, Phase.FAILED: Outcome.ROLLED_BACK}
FINGERPRINT = "v1:"
"""How our fingerprints begin; anything else in a status is a hash of Flagger's."""
HELD = "it was applied before Trimtab took over, and is not started again as it is"
HELD_ANEW = "it was applied before its ConfigRollout was deleted, and is not started again as it is"


@dataclass(frozen=True, slots=True)
class Left:
    """What was left behind: the status, and what source and primary say now."""

    key: CanaryKey
    status: Mapping[str, object]
    policy: Policy
    to: Revision
    """What the target is now."""
    promoted: Revision
    """What the primary runs."""
    same: bool
    """The target has changed nothing since the status was written, as far as that can be told."""
    capabilities: Capabilities
    now: datetime
    older: CanaryState | None = None
    """The newest record that is left, of an attempt before the one that is gone."""
    marked: int = 0
    """The newest record that left a mark on anything."""

    @property
    def lost(self) -> bool:
        """Has there been a record of ours?"""
        return self.older is not None or self.marked > 0

    @property
    def number(self) -> int:
        """Of the attempt that the record begins with."""
        return self.older.rollout.number + 1 if self.older is not None and self.older.rollout is not None else 1

    @property
    def serial(self) -> int:
        """Of the record: after all that were there."""
        return max(self.marked, self.older.serial if self.older is not None else 0) + 1

    @property
    def kept(self) -> tuple[Revision, ...]:
        """What `undo` could go back to then, and can now."""
        known = (self.older.promoted, *self.older.kept) if self.older is not None else ()
        found = dict.fromkeys(revision for revision in known if revision is not None and revision != self.promoted)
        return tuple(found)[: self.policy.keep]

    @property
    def since(self) -> datetime:
        """When the status was written."""
        return moment(self.status.get("lastTransitionTime")) or self.now

    def count(self, name: str) -> int:
        """A number in the status."""
        value = self.status.get(name)
        return value if isinstance(value, int) else 0


@dataclass(frozen=True)
class Adoption:
    """Takes over Canaries. `capabilities` says what the router of a policy can do, `routed` which record moved traffic last."""

    cluster: Cluster
    sources: ClusterSources
    configs: Configs
    capabilities: Callable[[Policy], Capabilities]
    clock: Clock
    routed: Callable[[CanaryKey, Policy], Awaitable[int]]

    async def adopt(self, key: CanaryKey, older: CanaryState | None = None) -> Adopted | None:
        """The record; without a status of a Canary with a primary, `older` again. Unavailable where it cannot be made yet."""
        left = await self._left(key, older)
        if left is not None:
            return adopted(left)
        if older is None or older.rollout is None:
            return None
        marked = await self._marked(key, older.policy) if older.policy is not None else 0
        run = replace(older.rollout, number=older.rollout.number + 1)
        entry = Entry(self.clock.now(), run.number, "MadeAnew", "made anew from the attempt before, for its ConfigRollout is gone", "")
        return Adopted(replace(older, serial=max(marked, older.serial) + 1, rollout=run), {}, (entry,))

    async def _left(self, key: CanaryKey, older: CanaryState | None) -> Left | None:
        raw = self.cluster.raw(key)
        canary = self.cluster.canary(key)
        status = mapping((raw or {}).get("status"))
        phase = phase_of(status)
        if raw is None or phase in (None, Phase.INITIALIZING):
            return None
        source = await self.sources.read(key)
        if canary is not None and source.leaving:
            there = self.cluster.mirrors[TARGETS[canary.spec.target_ref.kind]].get(key.namespace, canary.spec.target_ref.name)
            if there is None or deleted(there):
                # Nothing can be given back to a target that goes too.
                return None
        if canary is None or source.policy is None or source.revision is None:
            why = source.problem or source.policy_problem
            raise Unavailable(f"taking over Canary {key} in phase {phase}: {why}. It is left as it is until that is put right.")
        kind = TARGETS[canary.spec.target_ref.kind]
        primary = self.cluster.mirrors[kind].get(key.namespace, f"{canary.spec.target_ref.name}-primary")
        if primary is None:
            return None
        promoted = source.revision
        if canary.spec.target_ref.kind != "Service":
            promoted = await self._promoted(key, canary.spec.target_ref.name, source.revision, primary)
        return Left(
            key, status, source.policy, source.revision, promoted, self._same(key, status, source, promoted),
            self.capabilities(source.policy), self.clock.now(), older, await self._marked(key, source.policy),
        )  # fmt: skip

    async def _marked(self, key: CanaryKey, policy: Policy) -> int:
        """The newest record that is noted on anything of this Canary: orders of an older one would be refused for ever."""
        uid, kind = str(self.cluster.user(key)["uid"]), TARGETS[policy.target.kind]
        both = ((kind, policy.target.name), (SERVICE, policy.service.name))
        copies = [(mirrored, f"{name}{copy}") for mirrored, name in both for copy in ("", "-primary", "-canary")]
        there = (self.cluster.mirrors[mirrored].get(key.namespace, name) for mirrored, name in copies)
        return max(newest(there, uid), await self.routed(key, policy))

    async def _promoted(self, key: CanaryKey, target: str, to: Revision, primary: Object) -> Revision:
        """What the primary runs: the target's own revision where that is the same, so that nothing seems new."""
        live = mapping(mapping(primary.get("spec")).get("template"))
        wanted = msgspec.json.decode(to.template, type=dict[str, object])
        read = [reference.name for reference in references(live)]
        shared = [reference.name for reference in references(wanted)]
        copies = copies_in(read, shared) | self._ours(key.namespace, read)
        template = undone(primary, target, self.cluster.settings.selector_labels, copies)
        text, fingerprint = canonical_json(template), template_fingerprint(template)
        if alike(template, wanted):
            text, fingerprint = to.template, to.fingerprint
        known = {ref.name: ref for ref in to.configs}
        refs = [await self._ref(key.namespace, name, source, known) for name, source in copies.items()]
        copied = {ref.name for ref in refs}
        # What the primary reads as it is changes with the source: it is what the target reads now.
        refs += [ref for ref in to.configs if ref.name not in copied and (ref.name in read or not ref.digest)]
        return Revision.of(text, fingerprint, tuple(refs))

    def _ours(self, namespace: str, read: list[ConfigName]) -> dict[ConfigName, str]:
        """Copies of ours among what a primary reads, and what they are copies of."""
        found = {name: self.configs.metadata(namespace, name) for name in read}
        ours = {name: there for name, there in found.items() if there is not None and is_ours(there)}
        return {name: str(annotations_of(there).get(SOURCE)) for name, there in ours.items()}

    async def _ref(self, namespace: str, copy: ConfigName, source: str, known: Mapping[ConfigName, ConfigRef]) -> ConfigRef:
        """What a copy holds. Flagger's have no binaryData, so where its checksum is the source's the content counts as the source's."""
        name = ConfigName(copy.kind, source)
        there = self.configs.metadata(namespace, copy)
        if there is not None and is_ours(there):
            made = str(annotations_of(there).get(DIGEST))
            return known[name] if name in known and known[name].digest == made else ConfigRef(name, made)
        found = await self.configs.fetch(namespace, copy)
        if found is None:
            raise Unavailable(f"{copy}.{namespace}, which the primary reads, is gone. Bring it back before Trimtab takes over.")
        content = content_of(found, name)
        flaggers = checksum(content)
        ref = known.get(name)
        if ref is not None and ref.digest and self.configs.checksum(namespace, name, ref.digest) == flaggers:
            return ref
        return ConfigRef(name, digest(content, self.configs.secret), flaggers, tuple(sorted({*content.data, *content.binary})))

    def _same(self, key: CanaryKey, status: Mapping[str, object], source: Source, promoted: Revision) -> bool:
        """Is the target what the status says was last applied?

        Flagger's hash of a template cannot be made again. Where it was the promoted one it is told by the primary; after a failure the
        template is taken to be the one that failed (flagger.md 2.12).
        """
        to = source.revision
        assert to is not None
        tracked = status.get("trackedConfigs")
        now = {str(ref.name): self.configs.checksum(key.namespace, ref.name, ref.digest) for ref in to.configs if ref.digest}
        if isinstance(tracked, Mapping) and dict(tracked) != now:
            return False
        last = str(status.get("lastAppliedSpec", ""))
        if last.startswith(FINGERPRINT):
            return last == to.fingerprint
        return to.fingerprint == promoted.fingerprint or last != status.get("lastPromotedSpec")


def adopted(left: Left) -> Adopted:
    """The record that stands for what was left behind."""
    phase = phase_of(left.status) or Phase.SUCCEEDED
    what, reason = ("made anew, for its ConfigRollout is gone,", "MadeAnew") if left.lost else ("taken over", "TakenOver")
    text = f"{what} in phase {phase} with revision {left.promoted.id} on the primary"
    entry = Entry(left.now, left.number, reason, text, phase.value, weight=left.count("canaryWeight"))
    state = settled(left, phase) if phase in OVER or phase is Phase.TERMINATING else under_way(left, phase)
    return Adopted(state, specs_of(left), (entry,))


def settled(left: Left, phase: Phase) -> CanaryState:
    """Nothing is under way, and nothing begins that was not there before."""
    phase = phase if phase in OVER else Phase.SUCCEEDED
    failed = phase is Phase.FAILED and left.to != left.promoted
    run = Rollout(
        left.number, RolloutKind.CHANGE, None, left.to if failed else left.promoted, left.policy, left.since,
        outcome=OVER[phase], why="made anew" if left.lost else "taken over", ended=left.since,
    )  # fmt: skip
    held = Held(left.to.id, HELD_ANEW if left.lost else HELD, left.now) if left.same and left.to != left.promoted else None
    # After a failed promotion everybody is on the canary, the only healthy copy (SM-27).
    fallback = left.to if phase is Phase.FAILED and left.count("canaryWeight") == 100 else None
    applied = left.to if left.same else left.promoted
    return replace(base(left, phase, run), held=held, fallback=fallback, applied=applied)


def under_way(left: Left, phase: Phase) -> CanaryState:
    """In the middle of a run: the attempt goes on where it was, or from its beginning where the content has changed meanwhile (S7)."""
    taken = steps(left.policy, left.capabilities)
    promoting = phase in (Phase.PROMOTING, Phase.FINALISING)
    if phase is Phase.WAITING_PROMOTION and not left.same:
        phase = Phase.PROGRESSING
    position = len(taken) if promoting else position_of(left, phase, taken) if left.same else 0
    begun = phase is not Phase.WAITING
    # What is being promoted is on the primary already; a newer change waits its turn (R6).
    to = left.promoted if promoting and not left.same else left.to
    run = Rollout(
        left.number, RolloutKind.CHANGE, left.promoted, to, left.policy, left.since,
        began=left.since if begun else None,
        ready=left.since if begun and (position or promoting) else None,
        steps=taken,
        position=position,
        grown=left.now if position else None,
        skip=left.policy.skip_analysis,
        shifted=shifted(left, taken) if promoting else 0,
        promoting=left.now if promoting else None,
    )  # fmt: skip
    state = replace(base(left, phase, run), applied=to if begun else left.promoted, grid=left.now)
    if not position or promoting:
        return state
    return replace(state, asks=following(state, Ask.NOTHING), due=left.now + left.policy.interval)


def base(left: Left, phase: Phase, run: Rollout) -> CanaryState:
    """What every record has."""
    return CanaryState(
        left.key,
        serial=left.serial,
        phase=phase,
        policy=left.policy,
        promoted=left.promoted,
        kept=left.kept,
        rollout=run,
        evidence=Evidence(failed_checks=left.count("failedChecks") if left.same else 0),
        phase_since=left.since,
    )


def position_of(left: Left, phase: Phase, taken: tuple[Step, ...]) -> int:
    """How many steps were taken. The status says nothing of it while promotion waits for approval (QUIRK-4): then all, but no growth."""
    if phase is Phase.WAITING_PROMOTION:
        return len(taken) - 1 if taken and taken[-1].iteration and taken[-1].weight else len(taken)
    weight, rounds = left.count("canaryWeight"), left.count("iterations")
    done = [step.iteration <= rounds if step.iteration else bool(weight) and step.weight <= weight for step in taken]
    return done.index(False) if False in done else len(taken)


def shifted(left: Left, taken: tuple[Step, ...]) -> int:
    """How much of the canary's share went to the primary already, where promotion moves it by steps."""
    weight = left.count("canaryWeight")
    by_steps = left.policy.step_weight_promotion and taken and not taken[-1].iteration
    return max(0, taken[-1].weight - weight) if by_steps and weight else 0


def specs_of(left: Left) -> dict[str, str]:
    """Flagger's hashes of the templates that are known, so that its status goes on saying the same."""
    found = {left.promoted.fingerprint: left.status.get("lastPromotedSpec")}
    if left.same:
        found[left.to.fingerprint] = left.status.get("lastAppliedSpec")
    return {name: text for name, text in found.items() if isinstance(text, str) and text and not text.startswith(FINGERPRINT)}


def phase_of(status: Mapping[str, object]) -> Phase | None:
    """The phase in a status; None for none, or an unknown one."""
    text = status.get("phase")
    return Phase(text) if isinstance(text, str) and text in set(Phase) else None


def is_ours(found: Object) -> bool:
    """Is it a copy that Trimtab made?"""
    return mapping(metadata_of(found).get("labels")).get(OURS) == "true"
