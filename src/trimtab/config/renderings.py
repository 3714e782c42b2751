"""What differs between two renderings: object by object, then key by key, and which workloads notice. Called by the faces for `diff`.

Names are compared without what overlays and releases put around them, so a change is told as one, and two targets of an app can be
compared. Turned round, the same is told with old and new exchanged.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from trimtab.config.consumers import pod_template
from trimtab.config.difference import Change, ChangeKind, difference, tree_difference
from trimtab.config.digest import DigestKey, fingerprinted
from trimtab.config.governing import governs
from trimtab.config.positions import line_of_change
from trimtab.config.references import mapping
from trimtab.model.content import SECTIONS, Content
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.model.rendered import Place, Rendered, RenderedObject, Use

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
Key = tuple[str, str, str, str]
"""API group, kind, namespace (empty where it does not matter), logical name."""


@dataclass(frozen=True, slots=True)
class Differing:
    """One object that differs. `old` or `new` is None where there is none."""

    name: str
    """`configmap/app-config`, by its logical name."""
    kind: ChangeKind
    old: RenderedObject | None = field(repr=False)
    new: RenderedObject | None = field(repr=False)
    changes: tuple[Change, ...] = ()
    written: Place | None = None
    """Where the first change is written, if that is one of a field and somebody looked it up."""

    @property
    def place(self) -> str:
        """Where it is written, in the newer rendering if it is there: the first key that differs, else the object."""
        there = self.new or self.old
        if there is None:
            return ""
        first = next((change for change in self.told if change.key in there.key_places), None)
        if first is None:
            file, line = self.written or (there.file, there.line)
            return f"{file}:{line}" if line else file
        file, line = there.key_places[first.key]
        written = there.value_lines.get(first.key)
        inside = line_of_change(there.content, first) if written and there.content is not None else 0
        return f"{file}:{written[min(inside, len(written)) - 1] if written and inside else line}"

    @property
    def told(self) -> tuple[Change, ...]:
        """The changes that are not meant."""
        return tuple(change for change in self.changes if not change.meant)


@dataclass(frozen=True, slots=True)
class Affected:
    """A workload that reads something that differs, or differs itself."""

    name: str
    namespace: str
    replicas: int | None
    """None where the number is not written: one pod on each node, or left to whoever scales it."""
    restarts: bool | None
    """Do its pods start anew? None where that cannot be said, between two different workloads."""
    reads: tuple[str, ...] = ()
    """What of it differs, by logical names."""
    canary: str = ""
    """`canary/shop`, which starts new pods by itself; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two renderings of one target, or of two. One of them is None where there is no such target."""

    before: Rendered | None
    after: Rendered | None
    objects: tuple[Differing, ...]
    affected: tuple[Affected, ...]

    @property
    def title(self) -> str:
        """What was compared, for people."""
        names = [one.name for one in (self.before, self.after) if one is not None]
        return " -> ".join(dict.fromkeys(names))


def compared(before: Rendered | None, after: Rendered | None, secret: DigestKey | None = None) -> Comparison:
    """Everything that differs. Of Secrets fingerprints are told where there is a key for them, else only that they changed."""
    old, new = _keyed(_objects(before), _objects(after)), _keyed(_objects(after), _objects(before))
    names = _logical_names(before), _logical_names(after)
    found = [_differing(old.get(key), new.get(key), names, secret) for key in [*new, *(key for key in old if key not in new)]]
    objects = tuple(sorted((one for one in found if one is not None), key=lambda one: (_order(one), one.name)))
    return Comparison(before, after, objects, tuple(_affected(before, after, objects)))


def _objects(rendered: Rendered | None) -> tuple[RenderedObject, ...]:
    return rendered.objects if rendered is not None else ()


def _keyed(objects: Sequence[RenderedObject], others: Sequence[RenderedObject]) -> dict[Key, RenderedObject]:
    """Objects by what they are recognised by. The namespace counts only where one of the sides has two of a name."""
    often = Counter(_key(one, "") for one in objects) | Counter(_key(one, "") for one in others)
    return {_key(one, one.namespace if often[_key(one, "")] > 1 else ""): one for one in objects}


def _key(one: RenderedObject, namespace: str) -> Key:
    group = one.api_version.rpartition("/")[0]
    return group, one.kind, namespace, one.logical


def _logical_names(rendered: Rendered | None) -> Mapping[str, str]:
    return {one.name: one.logical for one in _objects(rendered)}


def _order(one: Differing) -> int:
    """Content first, then workloads, then the rest."""
    there = one.new or one.old
    if there is None or there.content is not None:
        return 0
    return 1 if pod_template(there.tree) is not None else 2


def _differing(
    old: RenderedObject | None, new: RenderedObject | None, names: tuple[Mapping[str, str], Mapping[str, str]], secret: DigestKey | None
) -> Differing | None:
    there = new or old
    if there is None:
        return None
    name = f"{there.kind.lower()}/{there.logical}"
    contents = [[_shown(one.content, there.logical, secret)] if one is not None and one.content is not None else [] for one in (old, new)]
    changes = difference(*contents) if any(contents) else ()
    if old is None or new is None:
        kind = ChangeKind.ADDED if old is None else ChangeKind.REMOVED
        return Differing(name, kind, old, new, changes or (Change(name, "", kind),))
    if not changes and old.name == new.name and (old.tree is new.tree or old.tree == new.tree):
        return None
    changes += tree_difference(name, _comparable(old, names[0]), _comparable(new, names[1]))
    return Differing(name, ChangeKind.CHANGED, old, new, changes) if changes else None


def _shown(content: Content, logical: str, secret: DigestKey | None) -> Content:
    found = replace(content, name=ConfigName(content.name.kind, logical))
    return fingerprinted(found, secret) if secret is not None else found


def _comparable(one: RenderedObject, names: Mapping[str, str]) -> dict[str, object]:
    """The tree without content, which is compared by its keys, and under logical names."""
    hidden = SECTIONS if one.content is not None or one.kind == ConfigKind.SECRET else ()
    tree = {key: value for key, value in one.tree.items() if key not in hidden}
    metadata = {**mapping(tree.get("metadata")), "name": one.logical, **({"namespace": one.namespace} if one.namespace else {})}
    if isinstance(annotations := metadata.get("annotations"), dict):
        # It repeats the whole object, of a Secret too.
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    return dict(mapping(renamed({**tree, "metadata": metadata}, names)))


def renamed(tree: object, names: Mapping[str, str]) -> object:
    """A tree in which what has another name here is called by that, wherever it is named."""
    if isinstance(tree, Mapping):
        return {key: renamed(item, names) for key, item in tree.items()}
    if isinstance(tree, list | tuple):
        return [renamed(item, names) for item in tree]
    return names.get(tree, tree) if isinstance(tree, str) else tree


def _affected(before: Rendered | None, after: Rendered | None, objects: Sequence[Differing]) -> Iterator[Affected]:
    same = before is not None and after is not None and before.name == after.name
    there = after if after is not None else before
    differing = {id(one.new if one.new is not None else one.old): one for one in objects}
    workloads = [one for one in _objects(there) if pod_template(one.tree) is not None]
    canaries = [one for one in _objects(there) if one.kind == "Canary"]
    uses = dict[int, list[Use]]()
    for use in there.uses if there is not None else ():
        uses.setdefault(id(use.reader), []).append(use)
    earlier = {_key(one, one.namespace): one for one in _objects(before)}
    for one in workloads:
        used = uses.get(id(one), ())
        reads = [differing[id(use.content)].name for use in used if use.content is not None and id(use.content) in differing]
        reads += [str(use.name) for use in used if use.content is None and after is there and _gone(use.name, objects)]
        old = earlier.get(_key(one, one.namespace))
        if reads or id(one) in differing or (same and old is not None and pod_template(old.tree) != pod_template(one.tree)):
            restarts = pod_template(old.tree) != pod_template(one.tree) if same and old is not None else None
            replicas = mapping(one.tree.get("spec")).get("replicas")
            number = replicas if isinstance(replicas, int) else None
            canary = next((f"canary/{other.name}" for other in canaries if governs(other, one)), "")
            yield Affected(f"{one.kind.lower()}/{one.name}", one.namespace, number, restarts, tuple(dict.fromkeys(reads)), canary)


def _gone(name: ConfigName, objects: Sequence[Differing]) -> bool:
    return any(one.new is None and one.old is not None and one.old.content is not None and one.old.content.name == name for one in objects)
