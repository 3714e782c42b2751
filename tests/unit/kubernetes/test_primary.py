"""What a primary looks like (WL-1 to WL-3), against what Flagger leaves where they agree."""

import json
from typing import Any

import pytest

from trimtab.adapters.kubernetes.kinds import DAEMON_SET, DEPLOYMENT
from trimtab.adapters.kubernetes.marks import REVISION, SERIAL
from trimtab.adapters.kubernetes.primary import Plan, primary
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.config.digest import canonical_json, template_fingerprint
from trimtab.errors import InputError
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.model.revision import ConfigRef, Revision

Raw = dict[str, Any]
OWNER = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "app", "uid": "canary-uid", "controller": True}
RED, BLUE = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def target(**template: Any) -> Raw:
    pods = {
        "metadata": {
            "labels": {"app": "app", "tier": "front"},
            "annotations": {"note": "kept", "kustomize.toolkit.fluxcd.io/x": "dropped"},
        },
        "spec": {
            "containers": [{"name": "app", "image": "registry.example/app:1.0.0", "envFrom": [{"configMapRef": {"name": "app-config"}}]}],
            "volumes": [{"name": "config", "configMap": {"name": "app-config"}}],
            **template,
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "app",
            "namespace": "test",
            "labels": {"app": "app", "team.example/name": "red"},
            "annotations": {
                "example.com/note": "mine",
                "deployment.kubernetes.io/revision": "3",
                "helm.toolkit.fluxcd.io/x": "y",
                "trimtab.dev/canary": "",
            },
        },
        "spec": {
            "replicas": 3,
            "progressDeadlineSeconds": 60,
            "revisionHistoryLimit": 4,
            "selector": {"matchLabels": {"app": "app", "tier": "front"}},
            "strategy": {"type": "RollingUpdate"},
            "template": pods,
        },
    }


def revision(found: Raw, digest: str = RED) -> Revision:
    template = found["spec"]["template"]
    name = ConfigName(ConfigKind.CONFIG_MAP, "app-config")
    return Revision.of(canonical_json(template), template_fingerprint(template), (ConfigRef(name, digest),))


def plan(found: Raw, digest: str = RED, **more: Any) -> Plan:
    settings = more.pop("settings", Settings())
    return Plan(more.pop("kind", DEPLOYMENT), found, revision(found, digest), OWNER, settings, more.pop("serial", 7), **more)


def made(plan: Plan, found: Raw | None = None) -> Raw:
    """JSON, as the API server would have it, with what it adds."""
    wanted = primary(plan, found)
    assert wanted is not None
    result: Raw = json.loads(json.dumps(wanted))
    return result


def test_a_new_primary_has_the_targets_rules_and_pods_of_its_own() -> None:
    found = target()
    new = made(plan(found))
    assert new["metadata"] == {
        "name": "app-primary",
        "namespace": "test",
        "labels": {"app": "app-primary"},
        "annotations": {"example.com/note": "mine", REVISION: revision(found).id, SERIAL: "7"},
        "ownerReferences": [OWNER],
    }
    spec = new["spec"]
    assert spec["selector"] == {"matchLabels": {"app": "app-primary"}}
    assert (spec["replicas"], spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"]) == (3, 60, 4)
    metadata = spec["template"]["metadata"]
    assert metadata["annotations"].pop("flagger-id")
    assert metadata == {"labels": {"app": "app-primary", "tier": "front"}, "annotations": {"note": "kept"}}


def test_references_lead_to_copies_named_by_content_and_the_target_stays_as_it_is() -> None:
    found = target()
    before = json.dumps(found)
    spec = made(plan(found))["spec"]["template"]["spec"]
    assert spec["volumes"] == [{"name": "config", "configMap": {"name": "app-config-primary-aaaaaaaaaa"}}]
    assert spec["containers"][0]["envFrom"] == [{"configMapRef": {"name": "app-config-primary-aaaaaaaaaa"}}]
    assert json.dumps(found) == before


def test_an_optional_config_that_does_not_exist_keeps_its_name() -> None:
    assert made(plan(target(), ""))["spec"]["template"]["spec"]["volumes"][0]["configMap"] == {"name": "app-config"}


def test_the_template_is_the_pinned_one_and_not_what_the_target_says_by_now() -> None:
    pinned = plan(target())
    pinned.target["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/app:2.0.0"  # type: ignore[index]
    assert made(pinned)["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/app:1.0.0"


def test_a_target_at_zero_gives_a_primary_of_one_pod() -> None:
    found = target()
    found["spec"]["replicas"] = 0
    assert made(plan(found))["spec"]["replicas"] == 1


def test_the_same_revision_again_changes_nothing() -> None:
    assert primary(plan(target(), serial=8), made(plan(target()))) is None


def test_a_promotion_takes_over_template_rules_and_replicas_and_leaves_the_notes_of_others() -> None:
    before = made(plan(target()))
    before["metadata"]["annotations"]["example.com/other"] = "theirs"
    before["metadata"]["resourceVersion"] = "5"
    found = target()
    found["spec"] |= {"replicas": 5, "progressDeadlineSeconds": 90}
    del found["spec"]["revisionHistoryLimit"]
    new = made(plan(found, BLUE), before)
    assert new["metadata"]["resourceVersion"] == "5"
    assert new["metadata"]["annotations"]["example.com/other"] == "theirs"
    assert new["metadata"]["annotations"][REVISION] == revision(found, BLUE).id
    assert (new["spec"]["replicas"], new["spec"]["progressDeadlineSeconds"]) == (5, 90)
    assert "revisionHistoryLimit" not in new["spec"]
    assert new["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] == "app-config-primary-bbbbbbbbbb"


def test_what_was_noted_on_the_target_is_lost_with_the_first_promotion_unless_its_prefix_is_included() -> None:
    before = made(plan(target()))
    assert before["metadata"]["annotations"]["example.com/note"] == "mine"
    assert "example.com/note" not in made(plan(target(), BLUE), before)["metadata"]["annotations"]
    included = plan(target(), BLUE, settings=Settings(include_label_prefix=("example.com/",)))
    assert made(included, before)["metadata"]["annotations"]["example.com/note"] == "mine"


@pytest.mark.parametrize(("more", "count"), [({"scaled": True}, 3), ({"replicas": 2}, 2), ({}, 5)])
def test_replicas_come_from_the_target_unless_somebody_else_says_how_many(more: Raw, count: int) -> None:
    found = target()
    before = made(plan(found))
    found["spec"]["replicas"] = 5
    assert made(plan(found, BLUE, **more), before)["spec"]["replicas"] == count


def test_an_undo_with_the_target_at_zero_keeps_the_primarys_replicas() -> None:
    before = made(plan(target()))
    found = target()
    found["spec"]["replicas"] = 0
    assert made(plan(found, BLUE), before)["spec"]["replicas"] == 3


def test_a_number_that_somebody_says_resizes_the_primary_and_nothing_else() -> None:
    before = made(plan(target()))
    new = made(plan(target(), replicas=2), before)
    assert new["spec"] == {**before["spec"], "replicas": 2}


def by_flagger(found: Raw) -> Raw:
    """The primary that Flagger makes of the same target."""
    text = json.dumps(made(plan(found))).replace("app-config-primary-aaaaaaaaaa", "app-config-primary")
    new: Raw = json.loads(text)
    new["metadata"]["annotations"] = {}
    new["spec"]["template"]["metadata"]["annotations"]["flagger-id"] = "0a0b"
    return new


def test_a_primary_that_flagger_made_of_the_same_revision_only_gets_our_annotations() -> None:
    before = by_flagger(target())
    new = made(plan(target()), before)
    assert new["spec"] == before["spec"]
    assert new["metadata"]["annotations"] == {REVISION: revision(target()).id, SERIAL: "7"}
    assert primary(plan(target()), new) is None


def test_pods_of_each_promotion_have_an_id_of_their_own_and_one_promotion_carried_out_twice_has_one() -> None:
    def identity(made_of: Raw) -> str:
        found: str = made_of["spec"]["template"]["metadata"]["annotations"]["flagger-id"]
        return found

    adopted = made(plan(target()), by_flagger(target()))
    assert identity(adopted) == "0a0b"
    promoted = made(plan(target(), BLUE, serial=8), adopted)
    again = made(plan(target(), BLUE, serial=8), adopted)
    back = made(plan(target(), serial=9), promoted)
    assert identity(promoted) == identity(again)
    assert len({identity(adopted), identity(promoted), identity(back)}) == 3


def test_a_primary_of_flaggers_with_something_else_is_brought_to_the_revision() -> None:
    before = by_flagger(target())
    before["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/app:0.9.0"
    assert made(plan(target()), before)["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/app:1.0.0"


def test_a_primary_of_somebody_else_is_an_error_that_names_it() -> None:
    before = made(plan(target()))
    before["metadata"]["ownerReferences"] = [{"kind": "Web", "name": "shop", "uid": "other", "controller": True}]
    with pytest.raises(InputError, match=r"Deployment app-primary\.test .* belongs to Web shop"):
        primary(plan(target(), BLUE), before)


def test_the_first_selector_label_that_the_target_has_tells_the_copies_apart() -> None:
    settings = Settings(selector_labels=("name", "tier"))
    new = made(plan(target(), settings=settings))
    assert new["spec"]["selector"] == {"matchLabels": {"tier": "front-primary"}}
    assert new["spec"]["template"]["metadata"]["labels"] == {"app": "app", "tier": "front-primary"}


def test_a_target_without_a_selector_label_is_an_error_in_flaggers_words() -> None:
    found = target()
    found["spec"]["selector"]["matchLabels"] = {"component": "app"}
    with pytest.raises(InputError) as error:
        primary(plan(found), None)
    assert str(error.value) == (
        "getSelectorLabel failed: deployment app.test spec.selector.matchLabels must contain one of [app name app.kubernetes.io/name]"
    )


@pytest.mark.parametrize(("prefixes", "label"), [(("team.example/",), True), (("*",), True), ((), False)])
def test_labels_of_the_object_are_copied_by_prefix(prefixes: tuple[str, ...], label: bool) -> None:
    labels = made(plan(target(), settings=Settings(include_label_prefix=prefixes)))["metadata"]["labels"]
    assert labels == {"app": "app-primary", **({"team.example/name": "red"} if label else {})}


def test_anti_affinity_and_spreading_are_about_the_primarys_own_pods() -> None:
    own = {"labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["app", "other"]}]}, "topologyKey": "zone"}
    plain = {"labelSelector": {"matchLabels": {"app": "app", "tier": "app"}}, "topologyKey": "zone"}
    affinity = {
        "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [plain]},
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [own],
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": plain}],
        },
    }
    spec = made(plan(target(affinity=affinity, topologySpreadConstraints=[{"maxSkew": 1, **plain}])))["spec"]["template"]["spec"]
    anti = spec["affinity"]["podAntiAffinity"]
    required = anti["requiredDuringSchedulingIgnoredDuringExecution"][0]["labelSelector"]["matchExpressions"]
    assert required == [{"key": "app", "operator": "In", "values": ["app-primary", "other"]}]
    moved = {"matchLabels": {"app": "app-primary", "tier": "app"}}
    assert anti["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"]["labelSelector"] == moved
    assert spec["topologySpreadConstraints"][0]["labelSelector"] == moved
    assert spec["affinity"]["podAffinity"] == affinity["podAffinity"]


def test_the_primary_of_a_daemon_set_runs_on_its_nodes_while_the_target_is_kept_from_them() -> None:
    found = target(nodeSelector={"flagger.app/scale-to-zero": "true", "disk": "ssd"})
    found |= {"kind": "DaemonSet", "spec": {**found["spec"], "updateStrategy": {"type": "RollingUpdate"}}}
    spec = made(plan(found, kind=DAEMON_SET))["spec"]
    assert spec["template"]["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert spec["updateStrategy"] == {"type": "RollingUpdate"}
    assert "replicas" not in spec
