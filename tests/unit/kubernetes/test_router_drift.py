"""Routes that others write into too: what they say is kept and is no reason to write (QUIRK-12); whose record a route is."""

from typing import Any

from trimtab.adapters.kubernetes.routers.drift import Shape, change, marked, rules_over, serial_of, without_nothing

Raw = dict[str, Any]
SHAPE = Shape(frozenset({"match", "mirror", "to"}), "to", frozenset({"name", "weight"}))
RULE: Raw = {"match": ["a"], "to": [{"name": "primary", "weight": 80}, {"name": "canary", "weight": 20}]}
WANTED: Raw = {"metadata": {"labels": {"team": "red"}, "annotations": {"note": "x"}}, "spec": {"rules": [RULE], "gone": None}}


def test_nothing_is_written_where_others_only_added_to_it() -> None:
    live = {
        "metadata": {"labels": {"team": "red", "theirs": "y"}, "annotations": {"note": "x", "theirs": "y"}, "resourceVersion": "5"},
        "spec": {"rules": [RULE], "theirs": 1},
    }
    assert change(live, WANTED) == {}


def test_what_differs_is_written_and_nothing_else() -> None:
    live = {"metadata": {"labels": {"team": "blue"}, "annotations": {"note": "x"}}, "spec": {"rules": [], "gone": 1, "theirs": 1}}
    assert change(live, WANTED) == {"metadata": {"labels": {"team": "red"}}, "spec": {"rules": [RULE], "gone": None}}


def test_a_map_of_the_spec_becomes_exactly_what_is_wanted() -> None:
    live = {"spec": {"policy": {"tls": {"mode": "A", "old": 1}, "pool": {}}}}
    found = change(live, {"metadata": {}, "spec": {"policy": {"tls": {"mode": "B"}}}})
    assert found == {"spec": {"policy": {"pool": None, "tls": {"mode": "B", "old": None}}}}


def test_settings_of_others_in_a_rule_and_its_backends_are_kept_and_ours_are_not() -> None:
    theirs = {"fault": 1, "mirror": "x", "match": ["b"], "to": [{"name": "primary", "weight": 100, "subset": "v1"}, {"name": "canary"}]}
    (found,) = rules_over([theirs], [RULE], SHAPE)
    to = [{"name": "primary", "weight": 80, "subset": "v1"}, {"name": "canary", "weight": 20}]
    assert found == {"fault": 1, "match": ["a"], "to": to}


def test_rules_of_others_are_taken_away() -> None:
    assert rules_over([RULE, {"to": []}], [RULE], SHAPE) == [RULE]
    assert rules_over(None, [RULE], SHAPE) == [RULE]


def test_a_new_object_says_nothing_about_fields_that_are_taken_away() -> None:
    found = without_nothing({**WANTED, "metadata": {"annotations": {"note": "x", "gone": None}}})
    assert found == {"metadata": {"annotations": {"note": "x"}}, "spec": {"rules": [RULE]}}


def test_records_of_an_earlier_canary_of_the_same_name_do_not_count() -> None:
    live = marked({"metadata": {"annotations": {"note": "x"}}}, 7, "uid-1")
    assert (serial_of(live, "uid-1"), serial_of(live, "uid-2"), serial_of({}, "uid-1")) == (7, 0, 0)
    assert live["metadata"]["annotations"]["note"] == "x"  # type: ignore[index]
