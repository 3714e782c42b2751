"""Does a change of configuration reach pods that run?"""

import pytest

from unit.inspection.cases import found

APP = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {}}
    spec:
      containers:
      - name: app
        image: x
        envFrom: [{configMapRef: {name: settings}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LOG: info}
"""
MOUNTED = APP.replace(
    "        envFrom: [{configMapRef: {name: settings}}]\n",
    "        volumeMounts: [{name: config, mountPath: /etc/app}]\n      volumes: [{name: config, configMap: {name: settings}}]\n",
)
UNSEEN, RELOAD = "rollout/unseen", "rollout/reload"
CANARY = """---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: web}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  service: {port: 80}
  analysis: {interval: 1m, threshold: 1, iterations: 1}
"""


def changed(text: str) -> str:
    return text.replace("LOG: info", "LOG: debug")


def test_variables_without_anything_that_restarts_pods_are_a_warning_and_a_change_of_them_an_error() -> None:
    said = "would not notice a change of configmap/settings, which it reads once, at its start, by containers[app].envFrom"
    assert found(APP, UNSEEN) == [f"warning 12: {said}"]
    assert found(changed(APP), UNSEEN, before=APP) == [
        f"error 12: its running pods do not notice the change of configmap/settings{said[said.index(', which') :]}"
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: settings", "name: settings-t6mk8cd9h2"),
        ("app: web}, annotations: {}", "app: web}, annotations: {checksum/config: 0123456789abcdef}"),
        ("name: web, annotations: {}", 'name: web, annotations: {reloader.stakater.com/auto: "true"}'),
        ("data: {LOG: info}\n", f"data: {{LOG: info}}\n{CANARY}"),
        ("kind: Deployment", "kind: Job"),
    ],
    ids=["hash", "checksum", "reloader", "canary", "job"],
)
def test_it_reaches_pods_by_a_new_name_a_checksum_a_reloader_or_a_canary(old: str, new: str) -> None:
    assert found(APP.replace(old, new), UNSEEN) == []


def test_a_checksum_of_something_else_does_not_help_where_this_change_does_not_alter_it() -> None:
    summed = APP.replace("app: web}, annotations: {}", "app: web}, annotations: {checksum/config: 0123456789abcdef}")
    assert found(summed, UNSEEN) == []
    (only,) = found(changed(summed), UNSEEN, before=summed)
    assert only.startswith("error 12: its running pods do not notice")
    assert found(changed(summed).replace("0123456789abcdef", "f123456789abcdef"), UNSEEN, before=summed) == []


def test_a_mounted_file_is_seen_late_which_is_a_note_and_by_sub_path_never() -> None:
    assert found(MOUNTED, UNSEEN) == []
    assert found(MOUNTED, RELOAD) == ["info 1: would see a change of configmap/settings as a file, late and without a restart"]
    assert found(changed(MOUNTED), RELOAD, before=MOUNTED)[0].startswith("info 1: sees the change of configmap/settings as a file, late")
    (only,) = found(MOUNTED.replace("mountPath: /etc/app", "mountPath: /etc/app, subPath: LOG"), UNSEEN)
    assert only.endswith("by volumes[config].configMap (subPath)")


def test_an_immutable_object_may_only_be_changed_under_a_new_name() -> None:
    fixed = APP.replace("data: {LOG: info}", "immutable: true\ndata: {LOG: info}")
    (only,) = found(changed(fixed), "rollout/immutable", before=fixed)
    assert only == "error 14: is immutable, so the API server refuses this change"
    assert found(changed(fixed).replace("name: settings", "name: settings-2"), "rollout/immutable", before=fixed) == []
