"""Do the pods of a workload run what a commit renders to? By objects as the API server shows them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from contracts.monitored import CONFIG, DEPLOYMENT, MAKER, WRITTEN, deployed, pod
from trimtab.adapters.kubernetes.arrival import Arrival, Expected, Look, State
from trimtab.adapters.kubernetes.client import Listing, Object
from trimtab.adapters.kubernetes.cluster import decode_object
from trimtab.adapters.kubernetes.kinds import Kind
from trimtab.errors import Denied, InputError, OutsideError, Unavailable
from trimtab.model.content import Content

Raw = dict[str, Any]
APP = "/apis/apps/v1/namespaces/production/deployments/shop-canary"
MAP = "/api/v1/namespaces/production/configmaps/app-config-canary"
SET = f"/apis/apps/v1/namespaces/production/replicasets/{MAKER}"
ONE = f"/api/v1/namespaces/production/pods/{MAKER}-aaaaa"


@dataclass
class Cluster:
    """What `Reader` says, out of objects by their paths."""

    objects: dict[str, Raw] = field(default_factory=deployed)
    trouble: dict[str, OutsideError] = field(default_factory=dict)

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        if kind.kind in self.trouble:
            raise self.trouble[kind.kind]
        return self.objects.get(kind.path(namespace, name))

    async def list(self, kind: Kind, namespace: str = "", *, labels: str = "") -> Listing:
        assert labels == "app=shop,track=canary"
        return Listing(tuple(one for path, one in self.objects.items() if path.startswith(kind.path(namespace) + "/")), "1")


def content(text: str) -> Content:
    found = decode_object(yaml.safe_load(text)).value
    assert isinstance(found, Content)
    return found


def expected(*more: Content, template: Callable[[Raw], object] = lambda template: None) -> Expected:
    made: Raw = yaml.safe_load(DEPLOYMENT.format(target="canary"))["spec"]["template"]
    template(made)
    return Expected("Deployment", "production", "shop-canary", made, (content(CONFIG.format(target="canary", pool=20)), *more))


def look(cluster: Cluster, wanted: Expected | None = None) -> Look:
    return asyncio.run(Arrival(cluster, wanted or expected()).look())


def test_pods_that_started_after_the_content_came_run_it() -> None:
    found = look(Cluster())
    assert (found.state, found.pods, found.moved) == (State.RUNNING, (f"{MAKER}-aaaaa", f"{MAKER}-bbbbb"), False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda there: there.pop(APP), "there is no deployment/shop-canary in namespace production yet"),
        (lambda there: there.pop(MAP), "configmap/app-config-canary is not there yet"),
        (lambda there: there[MAP]["data"].update(pool="10"), "configmap/app-config-canary has other values than the commit under pool"),
        (lambda there: there[MAP]["data"].pop("pool"), "has other values than the commit under pool"),
        (
            lambda there: there[APP]["spec"]["template"]["spec"]["containers"][0].pop("envFrom"),
            "does not read configmap/app-config-canary yet",
        ),
    ],
)
def test_what_is_not_the_commits_is_waited_for_and_seen_when_it_comes_later(change: Callable[[Raw], object], reason: str) -> None:
    cluster = Cluster()
    change(cluster.objects)
    found = look(cluster)
    assert found.state is State.WAITING and reason in found.reason and found.moved
    assert "10" not in found.reason, "values are in no message"


def test_keys_that_somebody_added_stay_through_every_apply_and_are_not_waited_for() -> None:
    cluster = Cluster()
    cluster.objects[MAP]["data"]["theirs"] = "x"
    assert look(cluster).state is State.RUNNING


def test_a_checksum_in_the_pod_template_has_to_be_the_commits() -> None:
    def with_checksum(template: Raw) -> None:
        template["metadata"]["annotations"] = {"checksum/config": "new"}

    cluster = Cluster()
    cluster.objects[APP]["spec"]["template"]["metadata"]["annotations"] = {"checksum/config": "old", "theirs": "x"}
    found = look(cluster, expected(template=with_checksum))
    assert found.state is State.WAITING and "another annotation checksum/config" in found.reason
    cluster.objects[APP]["spec"]["template"]["metadata"]["annotations"]["checksum/config"] = "new"
    assert look(cluster, expected(template=with_checksum)).state is State.RUNNING


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"observedGeneration": 0}, "its controller has not seen the change yet"),
        ({"updatedReplicas": 1}, "1 of 2 pods are new"),
        ({"replicas": 3}, "1 old pods are still there"),
        ({"availableReplicas": 1}, "1 of 2 pods are ready"),
    ],
)
def test_a_rollout_that_is_under_way_is_waited_for(status: Raw, reason: str) -> None:
    cluster = Cluster()
    cluster.objects[APP]["status"] |= status
    found = look(cluster)
    assert found.state is State.WAITING and found.reason.endswith(reason) and not found.moved


def test_a_canary_without_pods_shows_nothing() -> None:
    cluster = Cluster()
    cluster.objects[APP]["spec"]["replicas"] = 0
    assert look(cluster).reason == "deployment/shop-canary: it is scaled to zero"


def test_pods_that_are_older_than_the_content_are_not_believed_to_run_it() -> None:
    found = look(Cluster(deployed(started="2026-01-02T02:59:59Z")))
    assert found.state is State.WAITING and f"{MAKER}-aaaaa, {MAKER}-bbbbb of deployment/shop-canary started before" in found.reason
    assert "nothing restarts them" in found.reason


@pytest.mark.parametrize(("maker", "state"), [(WRITTEN, State.RUNNING), ("2026-01-02T02:00:00Z", State.WAITING)])
def test_in_the_second_of_the_change_a_pod_counts_if_the_change_itself_led_to_it(maker: str, state: State) -> None:
    cluster = Cluster(deployed(started=WRITTEN))
    cluster.objects[SET]["metadata"]["creationTimestamp"] = maker
    assert look(cluster).state is state


def test_the_time_of_a_change_is_that_of_the_values_not_of_other_fields() -> None:
    cluster = Cluster()
    cluster.objects[MAP]["metadata"]["managedFields"] = [
        {"time": "2026-01-02T03:00:01Z", "fieldsV1": {"f:data": {"f:pool": {}}}},
        {"time": "2026-01-02T04:00:00Z", "fieldsV1": {"f:metadata": {"f:labels": {}}}},
    ]
    assert look(cluster).state is State.RUNNING
    cluster.objects[MAP]["metadata"]["managedFields"][0]["time"] = "2026-01-02T03:30:00Z"
    assert look(cluster).state is State.WAITING


def test_a_container_that_crashes_again_and_again_with_the_content_is_a_failure_and_one_crash_is_none() -> None:
    cluster = Cluster()
    cluster.objects[APP]["status"] |= {"availableReplicas": 1}
    crash = {"name": "app", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    cluster.objects[ONE]["status"]["containerStatuses"] = [crash]
    assert look(cluster).state is State.WAITING
    crash["restartCount"] = 3
    found = look(cluster)
    assert found.state is State.FAILED and f"container app of pod {MAKER}-aaaaa crashed 3 times" in found.reason


def test_an_old_pod_that_crashes_says_nothing_about_the_commit() -> None:
    cluster = Cluster()
    old = pod("shop-canary-0ld-xxxxx", "2026-01-02T01:00:00Z")
    old["status"]["containerStatuses"] = [{"name": "app", "restartCount": 9, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
    cluster.objects["/api/v1/namespaces/production/pods/shop-canary-0ld-xxxxx"] = old
    cluster.objects[APP]["status"] |= {"replicas": 3}
    assert look(cluster).state is State.WAITING


def test_an_exceeded_progress_deadline_is_a_failure() -> None:
    cluster = Cluster()
    cluster.objects[APP]["status"] |= {
        "availableReplicas": 0,
        "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}],
    }
    assert look(cluster).state is State.FAILED


def test_an_api_server_that_does_not_answer_is_a_look_that_saw_nothing() -> None:
    found = look(Cluster(trouble={"Deployment": Unavailable("it does not answer")}))
    assert (found.state, found.blind, found.reason) == (State.WAITING, True, "it does not answer")


def test_secrets_that_may_not_be_read_are_named_and_config_maps_have_to_be() -> None:
    secret = content("apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: hunter2}\n")
    found = look(Cluster(trouble={"Secret": Denied("no")}), expected(secret))
    assert found.state is State.RUNNING and found.notes == ("secret/login may not be read, so nobody knows that it is the commit's",)
    with pytest.raises(Denied):
        look(Cluster(trouble={"ConfigMap": Denied("no")}))


def test_a_secret_with_another_value_is_waited_for_and_never_shown() -> None:
    secret = content("apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: hunter2}\n")
    cluster = Cluster()
    raw = yaml.safe_load("apiVersion: v1\nkind: Secret\nmetadata: {name: login}\ndata: {password: aHVudGVyMw==}\n")
    cluster.objects["/api/v1/namespaces/production/secrets/login"] = raw
    found = look(cluster, expected(secret))
    assert found.state is State.WAITING and "secret/login has other values than the commit under password" in found.reason
    assert "hunter" not in repr(found) and "aHVu" not in repr(found)


def test_a_stateful_set_counts_as_it_says_itself_and_a_job_cannot_be_watched() -> None:
    cluster = Cluster()
    app = cluster.objects.pop(APP)
    cluster.objects[APP.replace("deployments", "statefulsets")] = {**app, "kind": "StatefulSet"}
    for path, one in cluster.objects.items():
        if "/pods/" in path:
            one["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "name": "shop-canary", "uid": "uid-shop-canary"}]
    made = expected()
    assert look(cluster, Expected("StatefulSet", "production", made.name, made.template, made.contents)).state is State.RUNNING
    with pytest.raises(InputError, match="cannot be watched: its kind is none of Deployment, DaemonSet, StatefulSet"):
        Arrival(cluster, Expected("Job", "production", "shop", {}))
