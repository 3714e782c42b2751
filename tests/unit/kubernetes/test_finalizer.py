"""Which Canaries wait to be deleted until everything is put back (DEL-2), and whose notes on a target count."""

from typing import Any

import pytest

from trimtab.adapters.kubernetes.finalizer import FINALIZER, change, leaving, there
from trimtab.adapters.kubernetes.marks import claim, newest
from trimtab.adapters.kubernetes.services import applied_selector

Raw = dict[str, Any]
OTHER = "example.com/other"


def canary(*finalizers: str, revert: bool = True, deleted: bool = False) -> Raw:
    metadata: Raw = {"name": "app", "finalizers": list(finalizers)}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, "spec": {"revertOnDeletion": revert}}


@pytest.mark.parametrize(
    ("found", "done", "finalizers"),
    [
        (canary(OTHER), False, [OTHER, FINALIZER]),
        (canary(OTHER, FINALIZER), False, None),
        (canary(FINALIZER, OTHER, revert=False), False, [OTHER]),
        (canary(revert=False), False, None),
        (canary(FINALIZER, deleted=True), False, None),
        (canary(FINALIZER, deleted=True), True, []),
        (canary(FINALIZER, deleted=True, revert=False), False, []),
        # The API server takes no new finalizer on what is being deleted.
        (canary(OTHER, deleted=True), False, None),
    ],
)
def test_the_finalizer_is_on_exactly_while_something_has_to_be_put_back(found: Raw, done: bool, finalizers: list[str] | None) -> None:
    assert change(found, done=done) == (None if finalizers is None else {"metadata": {"finalizers": finalizers}})


def test_a_deleted_canary_counts_only_while_it_waits_for_us() -> None:
    assert there(canary(OTHER)) and not leaving(canary(FINALIZER))
    assert there(canary(FINALIZER, deleted=True)) and leaving(canary(FINALIZER, deleted=True))
    for other in (canary(OTHER, deleted=True), canary(FINALIZER, deleted=True, revert=False)):
        assert not there(other) and not leaving(other)


def test_notes_of_a_canary_that_is_gone_do_not_bind_the_next_one_of_its_name() -> None:
    target = {"metadata": {"annotations": {"trimtab.dev/serial": "12/uid-1", "trimtab.dev/canary": ""}}}
    primary = {"metadata": {"annotations": {"trimtab.dev/serial": "3"}}}
    assert (claim(target, "uid-1"), claim(target, "uid-2"), claim(None, "uid-1")) == ("", None, None)
    assert (newest((target, primary), "uid-1"), newest((target, primary), "uid-2")) == (12, 3)


@pytest.mark.parametrize(
    ("applied", "selector"),
    [
        (None, {}),
        ("{", {}),
        ("[]", {}),
        ('{"spec":{}}', {}),
        ('{"spec":{"selector":{"app":"web","tier":"1"}}}', {"app": "web", "tier": "1"}),
    ],
)
def test_what_kubectl_said_last_of_a_service_is_read_as_far_as_it_can_be(applied: str | None, selector: Raw) -> None:
    annotations = {} if applied is None else {"kubectl.kubernetes.io/last-applied-configuration": applied}
    assert applied_selector({"metadata": {"annotations": annotations}}) == selector
