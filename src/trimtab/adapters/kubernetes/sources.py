"""Content and policies out of a cluster: `ports.Sources`. Made by `wiring` for the operator.

Everything comes from mirrors but the values of ConfigMaps and Secrets, so reading what did not change asks nobody. Trouble with one
Canary is a problem of that Canary: nothing starts from it, and what is under way goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import msgspec

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import Cluster, Read, annotations_of, document_of, key_of, metadata_of
from trimtab.adapters.kubernetes.companions import companions_of, recordable
from trimtab.adapters.kubernetes.configs import KINDS, Configs, Seen, latest, origin_of, version_of
from trimtab.adapters.kubernetes.copies import Copies
from trimtab.adapters.kubernetes.finalizer import leaving
from trimtab.adapters.kubernetes.kinds import (
    ALERT_PROVIDER,
    CANARY,
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    METRIC_TEMPLATE,
    ROLLOUT_POLICY,
    SECRET,
    SERVICE,
    Kind,
)
from trimtab.adapters.kubernetes.links import Links
from trimtab.adapters.kubernetes.routers.choose import refusal
from trimtab.adapters.kubernetes.schemas import Schemas
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.adapters.kubernetes.targets import (
    TARGETS,
    Template,
    Unknown,
    at_scale,
    kind_of,
    missing,
    not_found,
    revision_of,
    template_of,
    unreadable,
)
from trimtab.config.references import Reference, mapping, references
from trimtab.documents.analysis import CanaryMetric
from trimtab.documents.fitting import dotted
from trimtab.documents.flagger import POLICY_ANNOTATION, Canary
from trimtab.documents.rules import strangers, violations
from trimtab.documents.translate import missing_policy, of, rollout_policy, translate
from trimtab.errors import InputError, OutsideError
from trimtab.model.content import Content
from trimtab.model.facts import Source
from trimtab.model.names import CanaryKey, ConfigName
from trimtab.model.policy import OnNewer, Policy
from trimtab.model.revision import ConfigRef, Origin, Revision
from trimtab.ports import Clock

DEBOUNCE = timedelta(milliseconds=200)
"""How long to wait for what else changes at the same moment, as `kubectl apply` of several objects does."""
AGAIN = timedelta(seconds=5)
"""After which a Canary is looked at again whose content could not be read."""
CONFIG_KINDS = {kind: name for name, kind in KINDS.items()}
Thing = tuple[Kind, str, str]
"""An object: its kind, namespace and name."""
WATCHED = (CANARY, DEPLOYMENT, DAEMON_SET, SERVICE, CONFIG_MAP, SECRET, METRIC_TEMPLATE, ALERT_PROVIDER, ROLLOUT_POLICY)


class ClusterSources:
    """`ports.Sources` over a cluster. The mirrors need not be complete yet when it is made."""

    def __init__(self, cluster: Cluster, settings: Settings, configs: Configs, copies: Copies, clock: Clock) -> None:
        self._cluster, self._settings, self._configs, self._copies, self._clock = cluster, settings, configs, copies, clock
        companions = companions_of(cluster)
        self._schemas = Schemas(cluster, configs, companions.policies)
        self._companions = replace(companions, schemas=self._schemas.texts)
        self._dependents: Links[CanaryKey, Thing] = Links()
        self._valid: dict[CanaryKey, Canary] = {}
        self._templates: dict[Thing, tuple[str, Template]] = {}
        self._versions: dict[Thing, str] = {}
        self._origins: dict[CanaryKey, tuple[str, str, Origin]] = {}
        self._woken: set[CanaryKey] = set()
        self._again: set[CanaryKey] = set()
        self._doubted: dict[Thing, Seen] = {}
        self._rings = asyncio.Event()
        cluster.forgetters.append(self._forget)
        for kind in WATCHED:
            cluster.mirrors[kind].listen(partial(self._heard, kind))

    async def keys(self) -> tuple[CanaryKey, ...]:
        """Every Canary that there is."""
        return tuple(sorted(CanaryKey(*place) for place in self._cluster.mirrors[CANARY].places()))

    async def read(self, key: CanaryKey) -> Source:
        """What the cluster says now. While a Canary is invalid, the target that it named last counts on (QUIRK-20).

        Vanished where the Canary is gone.
        """
        found = self._cluster.read(key)
        if found is None:
            raise self._cluster.gone(key)
        return replace(await self._source(key, found), leaving=leaving(self._cluster.raw(key)))

    async def _source(self, key: CanaryKey, found: Read) -> Source:
        if found.canary is not None:
            self._valid[key] = found.canary
        canary = found.canary or self._valid.get(key) or next(iter(self._cluster.once_valid(key)), None)
        if canary is None:
            return Source(problem=found.problem, policy_problem=found.problem)
        self._again.discard(key)
        before = self._dependents.forth.get(key, ())
        policy, wrong = (None, found.problem) if found.canary is None else await self._policy(key, canary)
        lacking = self._lacking(key, canary) if found.canary is not None else ""
        source = Source(None, "", policy, "" if lacking else wrong, canary.spec.suspend, canary.spec.skip_analysis)
        self._depend(key, canary, ())
        try:
            if lacking:
                raise Unknown(lacking)
            kind = kind_of(canary.spec.target_ref)
            template = self._template(key, canary, kind)
            self._depend(key, canary, template.reads if self._settings.config_tracking else ())
            revision = revision_of(template, await self._refs(key, template))
        except Unknown as why:
            return replace(source, problem=str(why))
        finally:
            self._let_go(before)
        self._copies.told(key, revision)
        return replace(source, revision=revision, origin=await self._origin(key, revision, kind, canary.spec.target_ref.name))

    async def contents(self, key: CanaryKey, revision: Revision) -> tuple[Content, ...]:
        """The bytes of everything that pods of a revision read: of the source where it still has them, else of the copies.

        What is not tracked (CFG-5, CFG-6) is shared by all revisions, so it is the newest. Unknown ones are left out.
        """
        tracked = {ref.name: ref for ref in revision.configs}
        template = msgspec.json.decode(revision.template, type=dict[str, object])
        found = [
            await self._copies.content(key.namespace, tracked[reference.name])
            if reference.name in tracked
            else await self._copies.shared(key.namespace, reference.name)
            for reference in references(template)
        ]
        return tuple(content for content in found if content is not None)

    async def keep(self, key: CanaryKey, revisions: Sequence[Revision]) -> None:
        """Makes the immutable copies of what these read, and removes copies that nobody needs any more (C2, S7)."""
        await self._copies.keep(key, revisions)

    async def changes(self) -> AsyncIterator[CanaryKey]:
        """A key some time after something about it changed. Only one reader may ask.

        Some time after content could not be read, its Canary is woken again, which is no reason to cut off a pass.
        """
        while True:
            try:
                async with asyncio.timeout(AGAIN.total_seconds() if self._again else None):
                    await self._rings.wait()
            except TimeoutError:
                for key in sorted(self._again):
                    self._cluster.again(key)
                continue
            await self._clock.sleep_until(self._clock.now() + DEBOUNCE)
            self._rings.clear()
            woken, self._woken = sorted(self._woken), set()
            for key in woken:
                yield key
            for key in await self._rewritten():
                yield key

    async def _rewritten(self) -> Sequence[CanaryKey]:
        """Who reads ConfigMaps and Secrets that were written. Where their content is what it was, nobody is woken."""
        doubted, self._doubted = self._doubted, {}
        same = await asyncio.gather(*(self._same(thing, before) for thing, before in doubted.items()))
        woken = {thing for thing, is_same in zip(doubted, same, strict=True) if not is_same}
        return sorted({key for thing in woken for key in self._dependents.of(thing)})

    async def _same(self, thing: Thing, before: Seen) -> bool:
        """Does it hold what it held? What cannot be read is the affair of the pass that reads it."""
        kind, namespace, name = thing
        try:
            now = await self._configs.look(namespace, ConfigName(CONFIG_KINDS[kind], name))
        except (OutsideError, InputError):
            for key in self._dependents.of(thing):
                self._cluster.again(key)
            return True
        return now is not None and (now.digest, now.tracked) == (before.digest, before.tracked)

    async def _policy(self, key: CanaryKey, canary: Canary) -> tuple[Policy | None, str]:
        """The rules of a Canary, or what is wrong with it: field, what was found, what to do."""
        try:
            await self._schemas.refresh(key.namespace, canary)
        except (OutsideError, InputError) as error:
            self._again.add(key)
            self._rings.set()
            return None, str(error)
        for misfit in violations(canary, cross_namespace=not self._settings.no_cross_namespace_refs):
            return None, f"{dotted(misfit.path)} {misfit.problem}"
        try:
            if self._settings.no_cross_namespace_refs:
                for misfit in strangers(rollout_policy(canary, self._companions, key.namespace), key.namespace):
                    name = canary.metadata.annotations.get(POLICY_ANNOTATION)
                    return None, f"RolloutPolicy {name}: {dotted(misfit.path)} {misfit.problem}"
            policy = translate(canary, self._companions, self._settings.minimum_interval)
        except InputError as error:
            return None, str(error)
        if problem := refusal(canary, self._settings):
            return None, problem
        if policy.on_newer is not OnNewer.SUPERSEDE:
            name = canary.metadata.annotations.get(POLICY_ANNOTATION)
            return None, (
                f"RolloutPolicy {name}: spec.onNewerChange is {policy.on_newer}, which works on one machine only: in a cluster "
                "the target has the new content already. Write supersede, or leave it out."
            )
        document = document_of(self._cluster.raw(key) or {})
        return replace(recordable(policy), provider=policy.provider or self._settings.provider, document=document), ""

    def _template(self, key: CanaryKey, canary: Canary, kind: Kind) -> Template:
        """What the target runs. Unknown where there is none, or where it belongs to another Canary."""
        reference = canary.spec.target_ref
        thing = kind, key.namespace, reference.name
        rival = self._rival(key, thing)
        if rival is not None:
            raise Unknown(
                f"{reference.kind.lower()} {reference.name}.{key.namespace} is the target of Canary {rival} too, which is older. "
                "Remove one of the two, or give one another spec.targetRef."
            )
        found = self._cluster.mirrors[kind].get(key.namespace, reference.name)
        if found is None:
            raise Unknown(missing(reference, key.namespace))
        version = f"{metadata_of(found).get('uid')}/{metadata_of(found).get('generation') or version_of(found)}"
        known = self._templates.get(thing)
        if known is None or known[0] != version:
            known = self._templates[thing] = version, template_of(kind, found, self._settings.selector_labels)
        return known[1]

    def _rival(self, key: CanaryKey, thing: Thing) -> CanaryKey | None:
        """An older Canary with the same target (OPS-5)."""
        others = [other for other in self._dependents.of(thing) if other != key and self._target(other) == thing]
        return min((other for other in others if self._age(other) < self._age(key)), key=self._age, default=None)

    def _age(self, key: CanaryKey) -> tuple[str, CanaryKey]:
        return str(metadata_of(self._cluster.raw(key) or {}).get("creationTimestamp")), key

    def _target(self, key: CanaryKey) -> Thing | None:
        canary = self._valid.get(key)
        return (TARGETS[canary.spec.target_ref.kind], key.namespace, canary.spec.target_ref.name) if canary is not None else None

    async def _refs(self, key: CanaryKey, template: Template) -> list[ConfigRef]:
        """Everything that Flagger would track. Unknown where something mandatory is missing, or anything cannot be read (DESIGN §6)."""
        refs = []
        for reference in template.reads if self._settings.config_tracking else ():
            name = reference.name
            try:
                seen = await self._configs.look(key.namespace, name)
            except (OutsideError, InputError) as error:
                self._again.add(key)
                self._rings.set()
                raise Unknown(unreadable(name, key.namespace, str(error))) from None
            if seen is None and not reference.optional:
                raise Unknown(unreadable(name, key.namespace, not_found(name)))
            if seen is None:
                refs.append(ConfigRef(name, ""))
            elif seen.tracked:
                refs.append(ConfigRef(name, seen.digest, seen.checksums[seen.digest], seen.keys))
        return refs

    async def _origin(self, key: CanaryKey, revision: Revision, kind: Kind, name: str) -> Origin:
        """Who made this change: whoever wrote last of those who wrote what it is made of. Found out once for each revision."""
        known = self._origins.get(key)
        if known is not None and known[0] == revision.id:
            return known[2]
        before = known[1] if known is not None else mapping((self._cluster.raw(key) or {}).get("status")).get("lastAppliedSpec")
        seen = [self._configs.known(key.namespace, ref.name) for ref in revision.configs]
        origins = [found.origin for found in seen if found is not None]
        if before != revision.fingerprint:
            # Mirrors drop managedFields, which are large; here, where the template has changed, they are worth a call.
            with suppress(OutsideError):
                origins.append(origin_of(await self._cluster.client.get(kind, key.namespace, name) or {}))
        self._origins[key] = revision.id, revision.fingerprint, latest(origins)
        return self._origins[key][2]

    def _depend(self, key: CanaryKey, canary: Canary, reads: Sequence[Reference]) -> None:
        """Notes what wakes this Canary, and how it is now, so that only what differs from that wakes anybody."""
        things = frozenset(things_of(key, canary, reads, self._also_measured(key, canary))) | self._schemas.things(key.namespace, canary)
        self._dependents.set(key, things)
        for thing in things:
            there = self._cluster.mirrors[thing[0]].get(thing[1], thing[2]) if thing not in self._versions else None
            if there is not None:
                self._versions[thing] = substance(thing[0], there)

    def _lacking(self, key: CanaryKey, canary: Canary) -> str:
        """What is said where its RolloutPolicy is not there; empty also where that cannot be read, which is told elsewhere."""
        with suppress(InputError):
            return missing_policy(canary, self._companions, key.namespace)
        return ""

    def _also_measured(self, key: CanaryKey, canary: Canary) -> Sequence[CanaryMetric]:
        """The metrics of its RolloutPolicy; none while that cannot be read, which is told elsewhere."""
        with suppress(InputError):
            extra = rollout_policy(canary, self._companions, key.namespace)
            return extra.analysis.metrics if extra.analysis is not None else ()
        return ()

    def _forget(self, key: CanaryKey) -> None:
        before = self._dependents.forth.get(key, ())
        self._dependents.set(key, ())
        self._let_go(before)
        self._valid.pop(key, None)
        self._origins.pop(key, None)
        self._again.discard(key)

    def _let_go(self, things: Iterable[Thing]) -> None:
        """Forgets those that no Canary has to do with any more: names with a hash of the content are new with each change."""
        for kind, namespace, name in things:
            if self._dependents.of((kind, namespace, name)):
                continue
            self._versions.pop((kind, namespace, name), None)
            self._templates.pop((kind, namespace, name), None)
            if kind in CONFIG_KINDS:
                self._configs.forget(namespace, ConfigName(CONFIG_KINDS[kind], name))

    def _heard(self, kind: Kind, found: Object) -> None:
        """An object was added, changed or deleted: wakes whom that concerns, unless nothing that counts has changed."""
        place = key_of(found)
        thing = kind, place.namespace, place.name
        concerned = (place,) if kind is CANARY else self._dependents.of(thing)
        if not concerned:
            return
        there = self._cluster.mirrors[kind].get(place.namespace, place.name)
        version = substance(kind, there) if there is not None else ""
        if self._versions.get(thing, "") == version:
            return
        if version:
            self._versions[thing] = version
        else:
            del self._versions[thing]
        known = self._configs.known(place.namespace, ConfigName(CONFIG_KINDS[kind], place.name)) if kind in CONFIG_KINDS else None
        if known is not None:
            # Annotations, labels and what a controller writes over and over make a new version of the same content.
            self._doubted.setdefault(thing, known)
        else:
            self._woken.update(concerned)
        self._rings.set()


def things_of(key: CanaryKey, canary: Canary, reads: Sequence[Reference], also: Sequence[CanaryMetric] = ()) -> Iterator[Thing]:
    """Everything whose change may mean something to a Canary; `also` are the metrics of its RolloutPolicy."""
    spec, here = canary.spec, key.namespace
    yield TARGETS[spec.target_ref.kind], here, spec.target_ref.name
    for reference in reads:
        yield KINDS[reference.name.kind], here, reference.name.name
    for metric in (*spec.analysis.metrics, *also):
        if metric.template_ref is not None:
            yield METRIC_TEMPLATE, *of(metric.template_ref, here)
    for alert in spec.analysis.alerts:
        yield ALERT_PROVIDER, *of(alert.provider_ref, here)
    policy = canary.metadata.annotations.get(POLICY_ANNOTATION)
    if policy is not None:
        yield ROLLOUT_POLICY, here, policy


def substance(kind: Kind, found: Mapping[str, object]) -> str:
    """What has to differ for a change to count: neither our own writes to a status nor the scaling of a target wake anybody."""
    metadata = metadata_of(found)
    if kind is CANARY:
        notes = {name: value for name, value in annotations_of(found).items() if not name.startswith("kubectl.kubernetes.io/")}
        return f"{metadata.get('uid')}/{metadata.get('generation')}/{metadata.get('deletionTimestamp')}/{sorted(notes.items())}"
    if kind in (DEPLOYMENT, DAEMON_SET):
        template = at_scale(mapping(mapping(found.get("spec")).get("template")))
        return f"{metadata.get('uid')}/{hash(msgspec.json.encode(template, order='sorted'))}"
    return version_of(found)
