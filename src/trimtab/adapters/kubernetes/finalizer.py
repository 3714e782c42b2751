"""What keeps a Canary until everything is put back: Flagger's finalizer (DEL-2). Pure; used by ports of this room."""

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import metadata_of
from trimtab.config.references import mapping

FINALIZER = "finalizer.flagger.app"
"""Flagger's name, so that either can look after a Canary that the other began with."""


def change(canary: Object, *, done: bool) -> Object | None:
    """The patch that puts the finalizer on or takes it away; None where it is as it should be. `done`: everything is put back."""
    wanted, names = reverts(canary) and not done, finalizers(canary)
    if wanted == (FINALIZER in names) or (wanted and deleted(canary)):
        return None
    others = [name for name in names if name != FINALIZER]
    return {"metadata": {"finalizers": [*others, FINALIZER] if wanted else others}}


def there(canary: Object) -> bool:
    """Is there anything to do for it? One that is being deleted counts only while it waits for us: the rest is the garbage collector's."""
    return not deleted(canary) or leaving(canary)


def leaving(canary: Object | None) -> bool:
    """Does it wait to be deleted until everything is put back?"""
    return canary is not None and deleted(canary) and reverts(canary) and FINALIZER in finalizers(canary)


def deleted(found: Object) -> bool:
    """Did somebody delete it? Finalizers, or dependents, may keep it still."""
    return metadata_of(found).get("deletionTimestamp") is not None


def reverts(canary: Object) -> bool:
    """`spec.revertOnDeletion`, also of a Canary that cannot be read otherwise."""
    return mapping(canary.get("spec")).get("revertOnDeletion") is True


def finalizers(found: Object) -> list[str]:
    """Its finalizers."""
    names = metadata_of(found).get("finalizers")
    return [str(name) for name in names] if isinstance(names, list) else []
