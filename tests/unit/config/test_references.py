"""What a pod template reads, and how it is pointed at copies."""

import copy

from trimtab.config.references import copy_name, references, rewrite, tracked
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName

C, S = ConfigKind.CONFIG_MAP, ConfigKind.SECRET
TEMPLATE: dict[str, object] = {
    "spec": {
        "volumes": [
            {"name": "a", "configMap": {"name": "one", "items": [{"key": "k", "path": "p"}]}},
            {"name": "b", "secret": {"secretName": "two", "optional": True}},
            {"name": "c", "projected": {"sources": [{"configMap": {"name": "three"}}, {"secret": {"name": "four"}}, {"downwardAPI": {}}]}},
        ],
        "containers": [
            {
                "name": "app",
                "env": [
                    {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "five", "key": "x"}}},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "six", "key": "y", "optional": True}}},
                    {"name": "C", "value": "plain"},
                ],
                "envFrom": [{"configMapRef": {"name": "seven"}}, {"prefix": "P_", "secretRef": {"name": "two"}}],
            }
        ],
        "initContainers": [{"name": "init", "envFrom": [{"configMapRef": {"name": "eight"}}]}],
    }
}


def test_cfg1_every_kind_of_reference_is_found_in_order() -> None:
    names = [str(found.name) for found in references(TEMPLATE)]
    assert names == [
        "configmap/one", "secret/two", "configmap/three", "secret/four", "configmap/five", "secret/six", "configmap/seven",
        "configmap/eight",
    ]  # fmt: skip


def test_cfg4_the_last_mention_decides_what_is_optional() -> None:
    by_name = {found.name: found for found in references(TEMPLATE)}
    assert not by_name[ConfigName(S, "two")].optional, "optional in the volume, mandatory in envFrom"
    assert by_name[ConfigName(S, "six")].optional


def test_keys_that_must_be_there_are_named() -> None:
    by_name = {found.name: found for found in references(TEMPLATE)}
    assert by_name[ConfigName(C, "one")].keys == {"k"}
    assert by_name[ConfigName(C, "five")].keys == {"x"}
    assert by_name[ConfigName(S, "six")].keys == frozenset()


def test_cfg5_cfg6_what_is_not_tracked() -> None:
    assert tracked(Content(ConfigName(S, "a"), {}, type="Opaque"))
    assert not tracked(Content(ConfigName(S, "a"), {}, type="kubernetes.io/dockerconfigjson"))
    assert not tracked(Content(ConfigName(C, "a"), {}, annotations={"flagger.app/config-tracking": "disabled"}))
    assert tracked(Content(ConfigName(C, "a"), {}, annotations={"flagger.app/config-tracking": "enabled"}))


def test_cfg14_references_are_pointed_at_copies_and_nothing_else_changes() -> None:
    before = copy.deepcopy(TEMPLATE)
    names = {found.name: f"{found.name.name}-copy" for found in references(TEMPLATE)}
    rewritten = rewrite(TEMPLATE, names)
    assert [found.name.name for found in references(rewritten)] == [f"{name.name}-copy" for name in names]
    assert before == TEMPLATE
    assert rewrite(TEMPLATE, {}) == TEMPLATE


def test_c2_names_of_copies_fit() -> None:
    name = copy_name("n" * 253, "sha256:0123456789abcdef")
    assert len(name) == 253 and name.endswith("-primary-0123456789")
    assert copy_name("app", "hmac:id:fedcba98765") == "app-primary-fedcba9876"


def test_c2_no_part_of_a_copys_name_ends_with_a_hyphen_or_is_empty() -> None:
    room = 253 - len("-primary-0123456789")
    name = copy_name("n" * (room - 2) + "-.rest", "sha256:0123456789abcdef")
    assert name == "n" * (room - 2) + "-primary-0123456789"


def test_fields_that_are_null_stay_null() -> None:
    template: dict[str, object] = {
        "metadata": None,
        "spec": {"volumes": None, "initContainers": None, "containers": [{"name": "a", "env": None, "envFrom": None}]},
    }
    assert rewrite(template, {}) == template
    assert references(template) == ()
    assert references({}) == ()


def test_places_that_are_not_optional_are_told_apart() -> None:
    (two,) = (found for found in references(TEMPLATE) if found.name == ConfigName(S, "two"))
    assert two.places == ("volumes[b].secret", "containers[app].envFrom")
    assert two.mandatory == ("containers[app].envFrom",)
