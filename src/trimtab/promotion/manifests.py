"""Moves content from one target's folder to another's: keys of ConfigMaps and Secrets, patches of them, generators. Called by `plan`.

Nothing else in the folders moves: not replicas, not images, not which patches a kustomization lists.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from trimtab.documents.kubernetes import KUSTOMIZATIONS
from trimtab.documents.yaml import read_yaml
from trimtab.errors import InputError
from trimtab.model.content import SECTIONS
from trimtab.model.names import ConfigName
from trimtab.promotion.edits import Spot, removed, written
from trimtab.promotion.merging import Move, merge
from trimtab.promotion.places import Found, Place, Places, named, places
from trimtab.promotion.sides import Edited, Keep, Rules, Side, Step, text_of


def move_manifests(source: Side, receiver: Side, base: Side | None, rules: Rules, move: Move) -> Edited:
    """The receiver's files with the source's content. InputError for files that cannot be read or edited."""
    theirs, mine = places(source), places(receiver)
    aligned = _aligned(theirs, mine, source, receiver)
    kept = Keep(rules.keep)

    def moves(place: Place) -> bool:
        name = stem(place.name, receiver.target)
        return (place.name in rules.names or name in rules.names) and not kept.object_kept(str(name), place.key)

    wanted = {place: found.value for place, found in aligned.items() if moves(place)}
    there = {place: found.value for place, found in mine.items() if moves(place)}
    before = {place: found.value for place, found in places(base).items()} if base is not None else None
    merged = merge(wanted, there, before, move)
    if merged.conflicts:
        return Edited({}, (), _steps(receiver, merged.conflicts), _steps(receiver, merged.left))
    editor = _Editor(receiver, source)
    for place in merged.removals:
        editor.remove(place)
    for place, value in merged.sets.items():
        editor.set(place, value, aligned[place])
    steps = _steps(receiver, [*merged.removals, *merged.sets])
    return Edited(editor.changed(), steps, (), _steps(receiver, merged.left))


def stem(name: ConfigName, target: str) -> ConfigName:
    """A name without the target's own at its end: `app-canary` of target `canary` is `app`."""
    return ConfigName(name.kind, name.name.removesuffix(f"-{target}") or name.name)


def _steps(side: Side, found: Sequence[Place]) -> tuple[Step, ...]:
    return tuple(Step(side.outside(place.file), str(place)) for place in found)


def _aligned(theirs: Places, mine: Places, source: Side, receiver: Side) -> dict[Place, Found]:
    """The source's places as the receiver calls them: of files and objects that have another name there."""
    here: dict[ConfigName, set[str]] = {}
    for place in mine:
        here.setdefault(place.name, set()).add(place.file)
    often = Counter((place.name, place.section, place.key) for place in theirs)
    found: dict[Place, Found] = {}
    for place, item in theirs.items():
        name = _renamed(place.name, source.target, receiver.target, here)
        file = place.file
        files = {other.file for other in mine if other.name == name and _kind(other) == _kind(place)}
        if file not in files and len(files) == 1 and often[place.name, place.section, place.key] == 1 and place.section != "file":
            file = next(iter(files))
        found[Place(file, name, place.section, place.key)] = item
    return found


def _kind(place: Place) -> str:
    """Places of one kind lie in the same file: of an object, of a generator, a patch, a whole file."""
    return "object" if place.section in SECTIONS else place.section


def _renamed(name: ConfigName, source: str, receiver: str, here: Collection[ConfigName]) -> ConfigName:
    """`app-canary` is `app-stable` there, if that is what there is."""
    if name in here or not name.name.endswith(f"-{source}"):
        return name
    bare = stem(name, source)
    return next((other for end in (f"-{receiver}", "") if (other := ConfigName(name.kind, bare.name + end)) in here), name)


class _Editor:
    """Files of the receiver as they change, edit by edit; spots are looked up anew each time, since every edit moves what follows it."""

    def __init__(self, receiver: Side, source: Side) -> None:
        self._receiver, self._source = receiver, source
        self._files = dict(receiver.files)

    def changed(self) -> dict[str, bytes]:
        """The files that are not what they were."""
        return {path: data for path, data in self._files.items() if self._receiver.files.get(path) != data}

    def _now(self) -> Side:
        side = self._receiver
        return Side(side.target, side.rendering, self._files, side.folder, side.values, side.fixed)

    def remove(self, place: Place) -> None:
        """Takes away a key, or an item of a list; a file that nothing names any more stays, which harms nobody."""
        found = places(self._now()).get(place)
        if found is not None and found.spot is not None:
            self._files[self._receiver.outside(place.file)] = removed(found.spot).encode()

    def set(self, place: Place, value: object, origin: Found) -> None:
        """Writes a value where it is, or where it belongs."""
        path = self._receiver.outside(place.file)
        if place.section == "file":
            self._files[path] = value if isinstance(value, bytes) else b""
            return
        found = places(self._now()).get(place)
        spot = found.spot if found is not None else self._new_spot(place, path)
        if spot is None:
            # A file that only the source has and that holds nothing but content comes as a whole.
            self._files[path] = self._source.files[self._source.outside(place.file)]
            return
        self._files[path] = written(spot, value, origin.spot).encode()

    def _new_spot(self, place: Place, path: str) -> Spot | None:
        if path not in self._files and self._only_content(place.file):
            return None
        if path in self._files:
            text = text_of(self._now(), path)
            if place.file.rpartition("/")[2] in KUSTOMIZATIONS:
                return _in_generator(place, text, path)
            for number, document in enumerate(read_yaml(text, path)):
                if named(document) == place.name:
                    return Spot(text, number, (place.section, place.key))
        raise InputError(f"{path} has no place for {place}: add the object there by hand, as the source has it, and run it again")

    def _only_content(self, file: str) -> bool:
        path = self._source.outside(file)
        return path in self._source.files and all(named(document) is not None for document in read_yaml(text_of(self._source, path), path))


def _in_generator(place: Place, text: str, path: str) -> Spot:
    """Where a new item of a generator's list goes. InputError where there is no such generator."""
    documents = read_yaml(text, path)
    value = documents[0].value if documents else None
    field = "configMapGenerator" if place.name.kind == "ConfigMap" else "secretGenerator"
    generators = value.get(field) if isinstance(value, dict) else None
    for number, generator in enumerate(generators if isinstance(generators, list) else []):
        if isinstance(generator, Mapping) and generator.get("name") == place.name.name and place.section != "patch":
            items = generator.get(place.section)
            return Spot(text, 0, (field, number, place.section, len(items) if isinstance(items, list) else 0))
    what = "patch of" if place.section == "patch" else "generator for"
    raise InputError(f"{path} has no {what} {place.name}: add it by hand, as the source has it, and run it again")
