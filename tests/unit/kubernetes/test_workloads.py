"""How Deployments, DaemonSets and their pods are read: WL-4 to WL-6, and which pods are certain to run a revision (S7)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from trimtab.adapters.kubernetes import daemonsets, deployments
from trimtab.adapters.kubernetes.kinds import DAEMON_SET
from trimtab.adapters.kubernetes.marks import CANARY, PENDING, SERIAL, SINCE, newest
from trimtab.adapters.kubernetes.pods import changed_at, counted, restarts, since_of, sorted_out, written_at
from trimtab.adapters.kubernetes.targets import Unknown, template_of
from trimtab.model.facts import Copy
from trimtab.model.watching import PodRestarts

Raw = dict[str, Any]
STALLED = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": "2026-01-01T00:01:00Z"}


def deployment(replicas: int = 2, conditions: tuple[Raw, ...] = (), observed: int = 4, **counts: int) -> Raw:
    status = {"observedGeneration": observed, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 1, "conditions": list(conditions)}
    metadata = {"name": "app", "namespace": "test", "uid": "target-uid", "generation": 4, "annotations": {CANARY: "r1"}}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas}, "status": {**status, **counts}}


def test_a_deployment_is_the_copy_that_its_status_counts() -> None:
    assert deployments.copy_of(deployment(), "r1") == Copy("r1", desired=2, total=3, updated=2, available=1)


def test_counts_from_before_the_newest_change_are_of_other_pods() -> None:
    copy = deployments.copy_of(deployment(observed=3, conditions=(STALLED,)), "r1")
    assert (copy.observed, copy.updated, copy.stalled) == (False, 0, False)


def test_a_deployment_that_gave_up_is_stalled() -> None:
    assert deployments.copy_of(deployment(conditions=(STALLED,)), "r1").stalled


def test_the_deadline_counts_from_the_last_progress_or_the_loss_of_pods() -> None:
    moves = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "lastUpdateTime": "2026-01-01T00:00:10Z"}
    lost = {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "lastUpdateTime": "2026-01-01T00:00:30Z"}
    assert deployments.progress(deployment(conditions=(moves, lost))) == datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
    assert deployments.progress(deployment(conditions=(moves, {**lost, "status": "True"}))) == datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert deployments.progress(deployment()) is None


@pytest.mark.parametrize(("primary", "least", "count"), [(3, 0, 3), (0, 0, 1), (3, 2, 2), (3, 1, 1)])
def test_a_target_comes_up_with_what_the_primary_has_or_its_autoscaler_starts_with(primary: int, least: int, count: int) -> None:
    assert deployments.enough({"spec": {"replicas": primary}}, least) == count


def daemon_set(selector: Raw | None = None) -> Raw:
    status = {
        "observedGeneration": 1,
        "desiredNumberScheduled": 3,
        "currentNumberScheduled": 3,
        "updatedNumberScheduled": 2,
        "numberAvailable": 1,
    }
    return {"metadata": {"generation": 1}, "spec": {"template": {"spec": {"nodeSelector": selector or {}}}}, "status": status}


def test_a_daemon_set_is_the_copy_that_its_status_counts_and_has_no_deadline_of_its_own() -> None:
    assert daemonsets.copy_of(daemon_set(), "r1") == Copy("r1", desired=3, total=3, updated=2, available=1, kind="DaemonSet")


def test_a_daemon_set_that_is_kept_from_every_node_wants_no_pods() -> None:
    assert daemonsets.copy_of(daemon_set({"flagger.app/scale-to-zero": "true"}), "r1").desired == 0


def pod(name: str, made: str, ready: bool = True, **metadata: Any) -> Raw:
    owner = {"kind": "ReplicaSet", "name": "app-5d9c", "uid": "set-uid"}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "metadata": {"name": name, "uid": name, "creationTimestamp": made, "ownerReferences": [owner], **metadata},
        "status": {"phase": "Running", "conditions": conditions},
    }


OLD, SAME, NEW = pod("old", "2026-01-01T00:00:00Z"), pod("same", "2026-01-01T00:00:05Z"), pod("new", "2026-01-01T00:00:06Z")


def since(moment: str | None) -> Raw:
    found = deployment()
    if moment is not None:
        found["metadata"]["annotations"][SINCE] = moment
    return found


def names(pods: tuple[Raw, ...]) -> list[str]:
    return [found["metadata"]["name"] for found in pods]


def test_only_pods_younger_than_the_second_in_which_a_revision_began_are_certain_to_run_it() -> None:
    pods = sorted_out(since("2026-01-01T00:00:05Z"), [OLD, SAME, NEW])
    assert (names(pods.certain), names(pods.doubtful)) == (["new"], ["old", "same"])


def test_every_pod_is_certain_where_there_were_none_when_the_revision_began() -> None:
    assert names(sorted_out(since(None), [OLD, SAME, NEW]).certain) == ["old", "same", "new"]


def test_no_pod_is_certain_while_it_is_not_known_when_the_revision_began() -> None:
    assert names(sorted_out(since(PENDING), [OLD, NEW]).doubtful) == ["old", "new"]


@pytest.mark.parametrize("written", ["yesterday", "", "2026-01-01T00:00:05"])
def test_a_time_that_somebody_has_spoilt_counts_as_not_known(written: str) -> None:
    assert since_of(since(written)) == PENDING
    assert names(sorted_out(since(written), [OLD, NEW]).doubtful) == ["old", "new"]


def test_a_serial_that_somebody_has_spoilt_is_none() -> None:
    spoilt = [{"metadata": {"annotations": {SERIAL: text}}} for text in ("\u00b2", "-1", "many", "7")]
    assert (newest(spoilt), newest(spoilt[:3])) == (7, 0)


def test_pods_on_their_way_out_pods_that_are_over_and_pods_of_others_do_not_count() -> None:
    going = pod("going", "2026-01-01T00:00:06Z", deletionTimestamp="2026-01-01T00:00:09Z")
    over = {**pod("over", "2026-01-01T00:00:06Z"), "status": {"phase": "Failed"}}
    foreign = pod("foreign", "2026-01-01T00:00:06Z", ownerReferences=[{"kind": "ReplicaSet", "name": "app-primary-5d9c", "uid": "x"}])
    bare = pod("bare", "2026-01-01T00:00:06Z", ownerReferences=[])
    assert names(sorted_out(since(None), [going, over, foreign, bare, NEW]).all) == ["new"]


def test_a_canary_has_no_more_updated_pods_than_are_certain_nor_than_are_of_the_newest_template() -> None:
    pods = sorted_out(since("2026-01-01T00:00:05Z"), [OLD, NEW, pod("newer", "2026-01-01T00:00:07Z", ready=False)])
    copy = Copy("r1", desired=2, total=3, updated=3, available=3)
    assert counted(copy, pods) == Copy("r1", desired=2, total=3, updated=2, available=1)
    assert counted(replace(copy, updated=1, available=0), pods) == Copy("r1", desired=2, total=3, updated=1, available=0)


def test_the_api_servers_own_notes_say_when_a_revision_began() -> None:
    ours = {"f:metadata": {"f:annotations": {f"f:{SINCE}": {}}}}
    entries = [{"manager": "kubectl", "time": "2026-01-01T00:00:09Z", "fieldsV1": {"f:spec": {}}}]
    assert written_at({"metadata": {"managedFields": entries}}) is None
    entries.append({"manager": "trimtab", "time": "2026-01-01T00:00:05Z", "fieldsV1": ours})
    assert written_at({"metadata": {"managedFields": entries}}) == "2026-01-01T00:00:05Z"


def test_a_label_on_a_config_is_no_edit_of_its_values() -> None:
    entries = [
        {"time": "2026-01-01T00:00:05Z", "fieldsV1": {"f:data": {"f:color": {}}}},
        {"time": "2026-01-01T00:00:09Z", "fieldsV1": {"f:metadata": {"f:labels": {}}}},
    ]
    assert changed_at({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": entries}}) == "2026-01-01T00:00:05Z"
    assert changed_at({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}) == "2026-01-01T00:00:00Z"


def test_a_daemon_set_that_does_not_roll_is_said_so_in_flaggers_words() -> None:
    """WL-6."""
    spec = {"selector": {"matchLabels": {"app": "app"}}, "template": {}, "updateStrategy": {"type": "OnDelete"}}
    with pytest.raises(Unknown, match=r"^daemonset app\.test must have RollingUpdate strategy but have OnDelete: set"):
        template_of(DAEMON_SET, {"metadata": {"name": "app", "namespace": "test"}, "spec": spec}, ("app",))


def test_restarts_of_all_containers_of_a_pod_are_added_up_and_pods_without_any_are_left_out() -> None:
    twice = {"initContainerStatuses": [{"name": "proxy", "restartCount": 1}], "containerStatuses": [{"name": "app", "restartCount": 2}]}
    pods = [
        {"metadata": {"name": "a"}, "status": twice},
        {"metadata": {"name": "b"}, "status": {"containerStatuses": [{"name": "app", "restartCount": 0}]}},
        {"metadata": {"name": "c"}},
    ]
    assert restarts(pods) == (PodRestarts("a", 3),)
