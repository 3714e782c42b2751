"""Does a change of configuration reach pods that run? Called by `inspect`.

A pod reads variables and `subPath` files once, when it starts; other files are renewed under it after a while. So a change needs a new
name (Kustomize's hash), a checksum in the pod template, something that restarts pods (Reloader), or a Canary.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from trimtab.config.consumers import pod_template
from trimtab.config.governing import governs
from trimtab.config.pairs import base_name
from trimtab.config.references import items, mapping
from trimtab.inspection.objects import annotations
from trimtab.inspection.places import Lines, about, at_use
from trimtab.model.content import Finding, Severity
from trimtab.model.rendered import Rendered, RenderedObject, Use

Key = tuple[str, str, str]
"""Kind, namespace, logical name."""
RUNNING = frozenset({"Deployment", "DaemonSet", "StatefulSet", "Rollout"})
"""Kinds whose pods stay until something changes in their template."""
RELOADER = re.compile(r"(?:[\w.]+\.)?reloader\.stakater\.com/|^wave\.pusher\.com/")
DIGEST = re.compile(r"[0-9a-fA-F]{6,128}|sha256:[0-9a-f]{64}")
SUMMED = re.compile(r"checksum|hash|digest|sha", re.IGNORECASE)
READ_ANEW = "Nothing, if the app reads the file anew; else put a checksum of it into an annotation of the pod template."
NEEDED = "Make it with a configMapGenerator, or put a checksum of it into an annotation of the pod template."


def unreachable(target: Rendered, lines: Lines) -> Iterator[tuple[str, Finding]]:
    """Configuration of which a change would reach no running pod, as far as one rendering can tell; by reader and name."""
    for use in target.uses:
        if use.content is None or use.reader.kind not in RUNNING or _renamed(use):
            continue
        if _summed(use.reader) or _restarted(use.reader, target.objects):
            continue
        if _once(use):
            problem = f"would not notice a change of {use.name}, {_how(use)}"
            yield f"{use.reader} {use.name}", at_use(use, lines, about("rollout/unseen", use.reader, problem, NEEDED))
        else:
            problem = f"would see a change of {use.name} as a file, late and without a restart"
            yield f"{use.reader} {use.name}", about("rollout/reload", use.reader, problem, READ_ANEW)


def unreached(before: Rendered, after: Rendered, lines: Lines) -> Iterator[Finding]:
    """Configuration that this change changes under pods that stay as they are."""
    old = _keyed(before)
    told: set[int] = set()
    for use, was, new in _changes(old, after):
        if was.name != new.name:
            continue
        if new.tree.get("immutable") is True and was.tree.get("immutable") is True and id(new) not in told:
            told.add(id(new))
            yield about("rollout/immutable", new, "is immutable, so the API server refuses this change", "Give the new content a new name.")
        reader = old.get((use.reader.kind, use.reader.namespace, use.reader.logical))
        if reader is None or pod_template(reader.tree) != pod_template(use.reader.tree) or use.reader.kind not in RUNNING:
            continue
        if _waits(use, after.objects):
            problem = f"its running pods do not notice the change of {use.name}, {_how(use)}"
            yield at_use(use, lines, about("rollout/unseen", use.reader, problem, NEEDED, Severity.ERROR))
        elif not _restarted(use.reader, after.objects):
            problem = f"sees the change of {use.name} as a file, late and without a restart"
            yield about("rollout/reload", use.reader, problem, READ_ANEW)


def changed_now(before: Rendered, after: Rendered) -> frozenset[str]:
    """The uses, by reader and name, of which `unreached` knows better than `unreachable`: their content changes now."""
    return frozenset(f"{use.reader} {use.name}" for use, _, _ in _changes(_keyed(before), after))


def _keyed(target: Rendered) -> Mapping[Key, RenderedObject]:
    return {(one.kind, one.namespace, one.logical): one for one in target.objects}


def _changes(old: Mapping[Key, RenderedObject], after: Rendered) -> Iterator[tuple[Use, RenderedObject, RenderedObject]]:
    """What workloads read and this change changes: who reads it, what it was, what it is."""
    for use in after.uses:
        new = use.content
        was = old.get((new.kind, new.namespace, new.logical)) if new is not None else None
        if new is not None and was is not None and not _same(was, new):
            yield use, was, new


def _same(one: RenderedObject, other: RenderedObject) -> bool:
    a, b = one.content, other.content
    return a is not None and b is not None and (a.data, a.binary) == (b.data, b.binary)


def _waits(use: Use, objects: Sequence[RenderedObject]) -> bool:
    """Do pods keep what they read when they started, with nothing that restarts them?"""
    return use.reader.kind in RUNNING and not _renamed(use) and _once(use) and not _restarted(use.reader, objects)


def _renamed(use: Use) -> bool:
    """Does another content have another name?"""
    return base_name(use.name) != use.name


def _once(use: Use) -> bool:
    """Is it read as variables, or as a file by `subPath`?"""
    return any(".env" in place for place in use.places) or _by_sub_path(use)


def _by_sub_path(use: Use) -> bool:
    spec = mapping((pod_template(use.reader.tree) or {}).get("spec"))
    volumes = {found[1] for place in use.places if (found := re.match(r"volumes\[(.*?)\]", place))}
    containers = [*items(spec.get("containers")), *items(spec.get("initContainers"))]
    return any(str(mount.get("name")) in volumes and mount.get("subPath") for one in containers for mount in items(one.get("volumeMounts")))


def _summed(reader: RenderedObject) -> bool:
    """Is there an annotation in the pod template that looks like a digest of something?"""
    found = mapping(mapping((pod_template(reader.tree) or {}).get("metadata")).get("annotations"))
    return any(SUMMED.search(name) and isinstance(value, str) and DIGEST.fullmatch(value) for name, value in found.items())


def _restarted(reader: RenderedObject, objects: Sequence[RenderedObject]) -> bool:
    """Is there something that restarts its pods when their configuration changes: Reloader, Wave, or a Canary about it?"""
    if any(RELOADER.match(name) and value not in ("false", False) for name, value in annotations(reader).items()):
        return True
    return any(governs(one, reader) for one in objects)


def _how(use: Use) -> str:
    place = next((place for place in use.places if ".env" in place), use.places[0] if use.places else "")
    return f"which it reads once, at its start, by {place}" + ("" if ".env" in place else " (subPath)")
