"""The pure parts of sources and copies: what a target means, what wakes a Canary, what a copy looks like, who changed something."""

import base64
from typing import Any

import pytest

from trimtab.adapters.kubernetes.cluster import read_canary
from trimtab.adapters.kubernetes.configs import KEY_BYTES, latest, look_at, origin_of, read_key
from trimtab.adapters.kubernetes.copies import copy_of
from trimtab.adapters.kubernetes.kinds import CANARY, CONFIG_MAP, DAEMON_SET, DEPLOYMENT, METRIC_TEMPLATE, SERVICE
from trimtab.adapters.kubernetes.links import Links
from trimtab.adapters.kubernetes.settings import included_labels
from trimtab.adapters.kubernetes.sources import substance, things_of
from trimtab.adapters.kubernetes.targets import Unknown, kind_of, template_of
from trimtab.config.digest import DigestKey
from trimtab.documents.flagger import TargetRef
from trimtab.errors import InputError
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName
from trimtab.model.revision import ConfigRef

Raw = dict[str, Any]
KEY = DigestKey("k1", b"k" * 32)
LABELS = ("app", "name")


def target(**pod: Any) -> Raw:
    template = {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [{"name": "app"}], **pod}}
    return {
        "metadata": {"name": "app", "namespace": "shop", "uid": "u", "generation": 3},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "app"}}, "template": template},
    }


def test_the_selector_that_puts_a_daemonset_to_rest_is_no_change() -> None:
    up = template_of(DAEMON_SET, target(nodeSelector={"disk": "ssd"}), LABELS)
    down = target(nodeSelector={"disk": "ssd", "flagger.app/scale-to-zero": "true"})
    assert template_of(DAEMON_SET, down, LABELS) == up
    assert substance(DAEMON_SET, down) == substance(DAEMON_SET, target(nodeSelector={"disk": "ssd"}))


def test_a_knative_target_is_refused_with_what_to_use() -> None:
    with pytest.raises(Unknown, match="Knative Service app cannot be rolled out yet"):
        kind_of(TargetRef(api_version="serving.knative.dev/v1", kind="Service", name="app"))


def test_the_revision_of_a_service_target_is_its_spec() -> None:
    one = template_of(SERVICE, {"spec": {"type": "ExternalName", "externalName": "one.example"}}, LABELS)
    two = template_of(SERVICE, {"spec": {"type": "ExternalName", "externalName": "two.example"}}, LABELS)
    assert one.fingerprint != two.fingerprint and one.reads == ()


def test_neither_scaling_nor_a_status_is_a_change_and_a_template_is() -> None:
    scaled, edited = target(), target(hostNetwork=True)
    scaled["spec"]["replicas"], scaled["status"] = 0, {"replicas": 1}
    scaled["metadata"]["generation"] = 4
    assert substance(DEPLOYMENT, scaled) == substance(DEPLOYMENT, target())
    assert substance(DEPLOYMENT, edited) != substance(DEPLOYMENT, target())


def test_of_a_canary_its_spec_and_annotations_count() -> None:
    found: Raw = {"metadata": {"uid": "u", "generation": 1, "resourceVersion": "1", "annotations": {"kubectl.kubernetes.io/x": "1"}}}
    moved: Raw = {"metadata": {**found["metadata"], "resourceVersion": "2", "annotations": {}}, "status": {"phase": "Failed"}}
    assert substance(CANARY, found) == substance(CANARY, moved)
    noted: Raw = {"metadata": {**found["metadata"], "annotations": {"trimtab.dev/policy": "calm"}}}
    assert substance(CANARY, noted) != substance(CANARY, found)


def test_a_canary_is_woken_by_everything_that_it_names() -> None:
    raw: Raw = {
        "metadata": {"name": "app", "namespace": "shop"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
            "service": {"port": 80, "name": "web"},
            "analysis": {
                "interval": "10s",
                "threshold": 1,
                "iterations": 1,
                "metrics": [{"name": "m", "interval": "1m", "templateRef": {"name": "t", "namespace": "metrics"}}],
            },
        },
    }
    canary = read_canary(raw, "1").canary
    assert canary is not None
    reads = template_of(DEPLOYMENT, target(volumes=[{"name": "c", "configMap": {"name": "config"}}]), LABELS).reads
    things = set(things_of(CanaryKey("shop", "app"), canary, reads))
    assert {(DEPLOYMENT, "shop", "app"), (CONFIG_MAP, "shop", "config"), (METRIC_TEMPLATE, "metrics", "t")} <= things
    assert not any(kind is SERVICE for kind, _, _ in things), "whoever changes a Service interrupts nothing: the workloads tell of it"


def test_a_canary_of_tomorrow_can_be_read_and_one_that_says_nonsense_says_so() -> None:
    spec = {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
        "analysis": {"interval": "10s", "threshold": 1, "iterations": 1},
    }
    newer = read_canary({"metadata": {"name": "app"}, "spec": {**spec, "tomorrow": 1}}, "1")
    assert newer.canary is not None and "tomorrow" in newer.warnings[0]
    wrong = read_canary({"metadata": {"name": "app"}, "spec": {**spec, "suspend": "perhaps"}}, "1")
    assert wrong.canary is None and "spec.suspend" in wrong.problem


def test_links_are_found_both_ways_and_leave_nothing_behind() -> None:
    links: Links[str, int] = Links()
    links.set("a", (1, 2))
    links.set("b", (2,))
    assert links.of(2) == {"a", "b"}
    links.set("a", (1,))
    assert links.of(2) == {"b"}
    links.set("a", ())
    links.set("b", ())
    assert not links.forth and not links.back


def test_labels_are_copied_by_prefix_and_flux_ones_never() -> None:
    labels = {"team.example/name": "red", "app": "app", "kustomize.toolkit.fluxcd.io/name": "x"}
    assert included_labels(labels, ()) == {}
    assert included_labels(labels, ("",)) == {}
    assert included_labels(labels, ("team.",)) == {"team.example/name": "red"}
    assert included_labels(labels, ("*",)) == {"team.example/name": "red", "app": "app"}


def test_a_copy_has_all_that_pods_read_and_nothing_that_makes_a_tool_manage_it() -> None:
    source: Raw = {
        "metadata": {
            "name": "config",
            "labels": {"argocd.argoproj.io/instance": "shop", "team": "red"},
            "annotations": {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:shop/config"},
            "finalizers": ["x"],
        },
        "data": {"a": "1"},
        "binaryData": {"b": "/w=="},
    }
    ref = ConfigRef(ConfigName(ConfigKind.CONFIG_MAP, "config"), "sha256:0123456789abcdef")
    made: Any = copy_of(source, ref, "shop", {"uid": "u"}, ("team",))
    assert made["metadata"] == {
        "namespace": "shop",
        "name": "config-primary-0123456789",
        "labels": {"team": "red", "trimtab.dev/copy": "true"},
        "annotations": {"trimtab.dev/digest": ref.digest, "trimtab.dev/source": "config"},
        "ownerReferences": [{"uid": "u"}],
    }
    assert (made["data"], made["binaryData"], made["immutable"]) == ({"a": "1"}, {"b": "/w=="}, True)


def secret(password: str, version: str = "1") -> Raw:
    encoded = base64.b64encode(password.encode()).decode()
    metadata = {"name": "login", "namespace": "shop", "uid": "u", "resourceVersion": version}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": {"password": encoded}}


def test_nothing_that_is_kept_of_a_secret_shows_its_value() -> None:
    seen = look_at(secret("hunter2"), "u/1", KEY, {})
    assert seen.tracked and seen.keys == ("password",) and seen.digest.startswith("hmac:k1:")
    assert "hunter2" not in repr(seen) and seen.checksums[seen.digest] not in repr(seen)


def test_a_few_older_checksums_are_remembered() -> None:
    seen = look_at(secret("0"), "u/0", KEY, {})
    first = seen.digest
    for number in range(1, 10):
        seen = look_at(secret(str(number)), f"u/{number}", KEY, seen.checksums)
        assert (first in seen.checksums) is (number <= 4)
    assert len(seen.checksums) == 5


def test_the_last_person_or_tool_that_wrote_is_the_author() -> None:
    fields = [
        {"manager": "kubectl-edit", "time": "2026-01-02T00:00:00Z"},
        {"manager": "helm", "time": "2026-01-01T00:00:00Z"},
        {"manager": "trimtab", "time": "2026-01-03T00:00:00Z"},
        {"manager": "kubectl-scale", "time": "2026-01-04T00:00:00Z", "subresource": "scale"},
    ]
    found: Raw = {"metadata": {"managedFields": fields}}
    assert origin_of(found).author == "kubectl-edit"
    found["metadata"]["annotations"] = {
        "argocd.argoproj.io/tracking-id": "shop:/ConfigMap:shop/config",
        "kubernetes.io/change-cause": "JIRA-1",
    }
    assert (origin_of(found).author, origin_of(found).message) == ("Argo CD application shop", "JIRA-1")
    found["metadata"]["annotations"]["trimtab.dev/author"] = "ann"
    assert origin_of(found).author == "ann"
    assert latest([origin_of(found), origin_of({})]).author == "ann"


def test_a_key_that_is_spoilt_says_what_to_do() -> None:
    good = {"data": {"key": base64.b64encode(b"x" * KEY_BYTES).decode()}}
    assert read_key(good, "home").key == b"x" * KEY_BYTES and "x" * 8 not in repr(read_key(good, "home"))
    for spoilt in ({}, {"data": {"key": "!"}}, {"data": {"key": "c2hvcnQ="}}):
        with pytest.raises(InputError, match="or delete it: a new one is made"):
            read_key(spoilt, "home")
