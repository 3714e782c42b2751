"""What the judge counted, in the status of a ConfigRollout."""

import pytest

from trimtab.adapters.kubernetes.counted import MOST, Kept, added, counted_of, kept_of
from trimtab.documents.trimtab import ConfigRolloutStatus
from trimtab.errors import InputError
from trimtab.testing.contracts.store import look


def test_each_look_is_a_field_of_its_own_so_that_a_patch_holds_only_what_is_new() -> None:
    status: dict[str, str] = {}
    kept = Kept()
    for count in range(12):
        fresh, kept = added(kept, (look(count),))
        assert len(fresh) == 1 and not fresh.keys() & status.keys()
        status |= fresh
    found = {"metadata": {"name": "shop-2"}, "status": {"counted": status}}
    assert counted_of(found) == tuple(map(look, range(12)))
    assert kept_of(found) == kept
    assert ConfigRolloutStatus(counted=status).counted == status


def test_beyond_its_room_nothing_more_is_kept() -> None:
    fresh, kept = added(Kept(3, MOST - 10), (look(1),))
    assert fresh == {}
    later, _ = added(kept, (look(2),))
    assert later == {}, "no gap in the middle"
    assert added(Kept(3, 100), ()) == ({}, Kept(3, 100))


def test_what_somebody_changed_names_the_object() -> None:
    with pytest.raises(InputError, match=r"status\.counted of ConfigRollout shop-2 cannot be read"):
        counted_of({"metadata": {"name": "shop-2"}, "status": {"counted": {"000001": "no base64"}}})
    assert counted_of({}) == ()
