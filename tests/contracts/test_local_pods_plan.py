"""Pod templates as plans of processes: variables, files, mounts, ports and probes as Kubernetes has them. Nothing runs here."""

import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.adapters.local.podenv import expand
from trimtab.adapters.local.podlocal import Local
from trimtab.adapters.local.podspec import Container, Place, Plan, container_ports, plan
from trimtab.adapters.local.probespec import Probe
from trimtab.errors import InputError
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName

SECRET = "hunter2 on :8080 below /etc/app"
CONTENTS = (
    Content(
        ConfigName(ConfigKind.CONFIG_MAP, "app"),
        {"settings.yaml": b"a: 1\n", "LISTEN": b"0.0.0.0:8080", "run.sh": b"#!/bin/sh\n", "bad key": b"x"},
        {"logo": b"\xff\x00"},
    ),
    Content(ConfigName(ConfigKind.SECRET, "token"), {"token": SECRET.encode(), "raw": b"\xff"}),
)
PORTS = {8080: 31001, 9090: 31002}


def template(container: Mapping[str, object], **spec: object) -> str:
    metadata = {"labels": {"app": "web"}, "annotations": {"team": "a"}}
    first = {"name": "web", "image": "example/web:1", "command": ["serve"], **container}
    return json.dumps({"metadata": metadata, "spec": {"containers": [first], **spec}})


def planned(container: Mapping[str, object], images: Mapping[str, Sequence[str]] | None = None, **spec: object) -> Plan:
    written = template(container, **spec)
    place = Place("/pod", "web-primary-1", "shop", PORTS, images or {}, {"DB_SERVICE_HOST": "127.0.0.1", "DB_SERVICE_PORT": "5432"})
    return plan(written, CONTENTS, place)


def one(container: Mapping[str, object], **spec: object) -> Container:
    return planned(container, **spec).containers[0]


def variable(name: str, value: object) -> dict[str, object]:
    return {"name": name, "value": value} if isinstance(value, str) else {"name": name, "valueFrom": value}


def variables(*written: tuple[str, object], **more: object) -> dict[str, str]:
    return one({"env": [variable(name, value) for name, value in written], **more}).variables


WEB_PORT = {"ports": [{"name": "http", "containerPort": 8080}]}
ROOT = "/pod/c-web/root"


def test_variables_in_commands_are_expanded_and_unknown_ones_stay() -> None:
    found = one(
        {"command": ["run", "$(A)"], "args": ["$(B)-$(NONE)", "$$(A)", "$$$(A)"], "env": [variable("A", "1"), variable("B", "$(A)2")]}
    )
    assert found.command == ("run", "1", "12-$(NONE)", "$(A)", "$1")


def test_a_variable_sees_only_those_before_it() -> None:
    assert variables(("A", "$(B)"), ("B", "2")) | {"A": "$(B)", "B": "2"} == variables(("A", "$(B)"), ("B", "2"))


@given(st.text(alphabet="$(A)x", max_size=12))
def test_expansion_without_a_reference_only_unescapes_dollars(text: str) -> None:
    assert expand(text, {}) == text.replace("$$", "$")


def test_values_come_from_config_maps_secrets_and_the_pod_itself() -> None:
    found = variables(
        ("SETTINGS", {"configMapKeyRef": {"name": "app", "key": "settings.yaml"}}),
        ("TOKEN", {"secretKeyRef": {"name": "token", "key": "token"}}),
        ("GONE", {"configMapKeyRef": {"name": "app", "key": "gone", "optional": True}}),
        ("POD", {"fieldRef": {"fieldPath": "metadata.name"}}),
        ("SPACE", {"fieldRef": {"fieldPath": "metadata.namespace"}}),
        ("APP", {"fieldRef": {"fieldPath": "metadata.labels['app']"}}),
    )
    assert found["SETTINGS"] == "a: 1\n"
    assert found["TOKEN"] == SECRET
    assert "GONE" not in found
    assert (found["POD"], found["SPACE"], found["APP"], found["HOSTNAME"]) == ("web-primary-1", "shop", "web", "web-primary-1")
    assert found["DB_SERVICE_PORT"] == "5432"


def test_a_whole_object_becomes_variables_with_a_prefix_and_names_that_are_none_are_left_out() -> None:
    found = one(
        {"envFrom": [{"configMapRef": {"name": "app"}, "prefix": "X_"}, {"secretRef": {"name": "none", "optional": True}}]}
    ).variables
    assert {name for name in found if name.startswith("X_")} == {"X_settings.yaml", "X_LISTEN", "X_run.sh"}


def test_env_wins_over_env_from() -> None:
    found = one({"envFrom": [{"configMapRef": {"name": "app"}}], "env": [variable("LISTEN", "mine")]}).variables
    assert found["LISTEN"] == "mine"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"configMapKeyRef": {"name": "none", "key": "a"}}, "configmap/none does not exist"),
        ({"secretKeyRef": {"name": "token", "key": "a"}}, "secret/token has no key 'a'"),
        ({"secretKeyRef": {"name": "token", "key": "raw"}}, "secret/token key 'raw' is not text"),
        ({"fieldRef": {"fieldPath": "metadata.uid"}}, "the field metadata.uid"),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, "resourceFieldRef cannot work"),
    ],
)
def test_a_variable_that_cannot_have_its_value_is_an_error_that_names_it(written: object, says: str) -> None:
    with pytest.raises(InputError, match=f"(?s){says}.*") as raised:
        variables(("NEEDED", written))
    assert "hunter2" not in str(raised.value)


def test_ports_and_paths_in_command_args_and_env_become_local_ones() -> None:
    found = planned(
        {
            **WEB_PORT,
            "command": [
                "serve",
                "--port=8080",
                "8080",
                "--at",
                "0.0.0.0:8080",
                "--size=18080",
                "--ratio=8080.5",
                "/etc/app/settings.yaml",
                "/etc/apple",
            ],
            "env": [variable("BIND", ":8080"), variable("CONFIG", "file:///etc/app/x"), variable("VERSION", "1-8080")],
            "volumeMounts": [{"name": "v", "mountPath": "/etc/app/"}],
        },
        volumes=[{"name": "v", "configMap": {"name": "app"}}],
    )
    web = found.containers[0]
    assert web.command == (
        *("serve", "--port=31001", "31001", "--at", "0.0.0.0:31001", "--size=18080", "--ratio=8080.5"),
        *(f"{ROOT}/etc/app/settings.yaml", "/etc/apple"),
    )
    assert web.variables["BIND"] == ":31001"
    assert web.variables["CONFIG"] == f"file://{ROOT}/etc/app/x"
    assert web.variables["VERSION"] == "1-8080"
    assert (web.variables["PORT"], web.variables["PORT_HTTP"], web.variables["PORT_8080"]) == ("31001", "31001", "31001")
    assert "containers[web].command: 8080 -> 31001" in found.substitutions
    assert f"containers[web].env[CONFIG]: /etc/app -> {ROOT}/etc/app" in found.substitutions


def test_a_local_port_is_not_replaced_again_where_it_is_another_container_port() -> None:
    local = Local({8080: 9090, 9090: 8080}, {})
    assert local.text("--a=8080 --b=9090", "") == "--a=9090 --b=8080"


def test_ports_in_values_of_config_maps_become_local_and_values_of_secrets_are_never_touched_or_told() -> None:
    found = planned(
        {
            **WEB_PORT,
            "command": ["serve", "$(TOKEN)"],
            "envFrom": [{"configMapRef": {"name": "app"}}],
            "env": [variable("TOKEN", {"secretKeyRef": {"name": "token", "key": "token"}}), variable("BOTH", "$(TOKEN):8080")],
            "volumeMounts": [{"name": "v", "mountPath": "/etc/app"}],
        },
        volumes=[{"name": "v", "configMap": {"name": "app"}}],
    )
    web = found.containers[0]
    assert web.variables["LISTEN"] == "0.0.0.0:31001"
    assert web.variables["TOKEN"] == SECRET
    assert web.variables["BOTH"] == f"{SECRET}:31001"
    assert web.command == ("serve", SECRET)
    assert "hunter2" not in repr(found)
    assert "hunter2" not in "".join(found.substitutions)


def test_config_maps_secrets_and_projections_become_files() -> None:
    found = planned(
        {},
        volumes=[
            {"name": "all", "configMap": {"name": "app"}},
            {"name": "some", "secret": {"secretName": "token", "items": [{"key": "token", "path": "deep/t"}]}},
            {"name": "both", "projected": {"sources": [
                {"configMap": {"name": "app", "items": [{"key": "settings.yaml", "path": "s"}]}},
                {"secret": {"name": "token"}},
                {"downwardAPI": {"items": [{"path": "who", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            ]}},
            {"name": "maybe", "secret": {"secretName": "none", "optional": True}},
            {"name": "scratch", "emptyDir": {}},
        ],
    )  # fmt: skip
    assert {path: file.content for path, file in found.files.items()} == {
        "volumes/all/settings.yaml": b"a: 1\n",
        "volumes/all/LISTEN": b"0.0.0.0:8080",
        "volumes/all/run.sh": b"#!/bin/sh\n",
        "volumes/all/bad key": b"x",
        "volumes/all/logo": b"\xff\x00",
        "volumes/some/deep/t": SECRET.encode(),
        "volumes/both/s": b"a: 1\n",
        "volumes/both/token": SECRET.encode(),
        "volumes/both/raw": b"\xff",
        "volumes/both/who": b"web-primary-1",
    }
    assert {"volumes/maybe", "volumes/scratch"} <= set(found.folders)


def test_of_a_mode_the_right_to_run_is_kept() -> None:
    items = [{"key": "run.sh", "path": "run.sh", "mode": 0o755}, {"key": "LISTEN", "path": "l"}]
    usual = planned({}, volumes=[{"name": "v", "configMap": {"name": "app", "defaultMode": 0o555}}])
    some = planned({}, volumes=[{"name": "v", "configMap": {"name": "app", "items": items}}])
    assert all(file.executable for file in usual.files.values())
    assert {path: file.executable for path, file in some.files.items()} == {"volumes/v/run.sh": True, "volumes/v/l": False}


@pytest.mark.parametrize(
    ("volume", "says"),
    [
        ({"hostPath": {"path": "/"}}, r"volumes\[v\].hostPath cannot work on one machine"),
        ({"persistentVolumeClaim": {"claimName": "c"}}, "persistentVolumeClaim cannot work"),
        ({"projected": {"sources": [{"serviceAccountToken": {}}]}}, "serviceAccountToken cannot work"),
        ({"configMap": {"name": "none"}}, "configmap/none does not exist"),
        ({"configMap": {"name": "app", "items": [{"key": "none", "path": "x"}]}}, "configmap/app has no key 'none'"),
        ({"configMap": {"name": "app", "items": [{"key": "LISTEN", "path": "../../x"}]}}, "not a path below its folder"),
    ],
)
def test_a_volume_that_cannot_work_here_is_an_error_that_names_the_field(volume: Mapping[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        planned({}, volumes=[{"name": "v", **volume}])


def links(mounts: list[dict[str, str]], *volumes: Mapping[str, object]) -> dict[str, str]:
    found = planned({"volumeMounts": mounts}, volumes=list(volumes)).links
    return {path.removeprefix("c-web/root/"): target.removeprefix("volumes/") for path, target in found.items()}


APP = {"name": "app", "configMap": {"name": "app", "items": [{"key": "LISTEN", "path": "a"}, {"key": "run.sh", "path": "d/run"}]}}
SCRATCH = {"name": "scratch", "emptyDir": {}}


def test_a_mount_is_a_link_to_its_volume_or_to_a_path_in_it() -> None:
    assert links([{"name": "app", "mountPath": "/etc/app/"}], APP) == {"etc/app": "app"}
    assert links([{"name": "app", "mountPath": "/etc/one.conf", "subPath": "a"}], APP) == {"etc/one.conf": "app/a"}
    assert links([{"name": "app", "mountPath": "/x", "subPath": "d"}], APP) == {"x": "app/d"}


def test_a_sub_path_may_hold_variables() -> None:
    found = planned(
        {
            "env": [variable("POD", {"fieldRef": {"fieldPath": "metadata.name"}})],
            "volumeMounts": [{"name": "scratch", "mountPath": "/logs", "subPathExpr": "of-$(POD)"}],
        },
        volumes=[SCRATCH],
    )
    assert found.links == {"c-web/root/logs": "volumes/scratch/of-web-primary-1"}
    assert "volumes/scratch/of-web-primary-1" in found.folders


def test_a_mount_below_another_one_hides_what_was_there() -> None:
    mounts = [{"name": "app", "mountPath": "/etc"}, {"name": "scratch", "mountPath": "/etc/d"}]
    assert links(mounts, APP, SCRATCH) == {"etc/a": "app/a", "etc/d": "scratch"}
    mounts = [{"name": "scratch", "mountPath": "/w"}, {"name": "app", "mountPath": "/w/app"}]
    assert links(mounts, APP, SCRATCH) == {"w": "scratch", "w/app": "app"}


@pytest.mark.parametrize(
    ("mount", "says"),
    [
        ({"name": "none", "mountPath": "/x"}, "volume 'none', which does not exist; there are: app"),
        ({"name": "app", "mountPath": "/x", "subPath": "zzz"}, "subPath zzz is not in that volume; there are: a, d/run"),
        ({"name": "app", "mountPath": "/"}, "mountPath.*not a path below"),
        ({"name": "app", "mountPath": "/a/../../b"}, "mountPath.*not a path below"),
    ],
)
def test_a_mount_of_something_that_is_not_there_is_an_error(mount: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        links([mount], APP)


def test_an_image_without_a_command_needs_one_from_the_file_of_images() -> None:
    bare = {"command": [], "image": "host:5000/team/web:1.2", "args": ["--fast"]}
    with pytest.raises(InputError, match=r"containers\[web\] has no command.*--images FILE.*host:5000/team/web:1.2"):
        planned(bare)
    for known in ("host:5000/team/web", "host:5000/team/web:1.2"):
        assert planned(bare, {known: ["serve", "-v"]}).containers[0].command == ("serve", "-v", "--fast")


def test_probes_have_kubernetes_defaults_and_local_ports() -> None:
    web = one(
        {
            **WEB_PORT,
            "readinessProbe": {
                "httpGet": {"path": "ready", "port": "http", "scheme": "HTTPS", "httpHeaders": [{"name": "Host", "value": "a"}]}
            },
            "livenessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 3, "failureThreshold": 5, "timeoutSeconds": 2},
            "startupProbe": {"exec": {"command": ["check", ":8080"]}, "initialDelaySeconds": 4, "successThreshold": 1},
            "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        }
    )
    assert web.readiness == Probe(url="https://127.0.0.1:31001/ready", port=31001, headers=(("Host", "a"),))
    assert web.liveness == Probe(port=31001, period=3.0, timeout=2.0, failures=5)
    assert web.startup == Probe(command=("check", ":31001"), initial_delay=4.0)
    assert web.pre_stop == Probe(sleep=5.0)


@pytest.mark.parametrize(
    ("probe", "says"),
    [
        ({"grpc": {"port": 8080}}, r"containers\[web\].readinessProbe says grpc, which cannot work"),
        ({"httpGet": {"port": 9999}}, "httpGet.port is 9999, which is none of the container's ports: 8080, http"),
        ({"httpGet": {"port": 8080, "host": "db"}}, "httpGet.host is db"),
        ({"exec": {"command": []}}, "exec.command is empty"),
        ({"httpGet": {"port": 8080, "httpHeaders": [{"name": "A", "value": "b\r\nC: d"}]}}, "line break"),
        ({"sleep": {"seconds": 1}}, "sleep is not a probe"),
    ],
)
def test_a_probe_that_cannot_work_here_is_an_error_that_names_the_field(probe: Mapping[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        one({**WEB_PORT, "readinessProbe": probe})


@pytest.mark.parametrize(
    ("container", "spec", "says"),
    [
        ({"name": "../x"}, {}, "cannot be a name"),
        ({}, {"initContainers": [{"name": "web", "command": ["x"]}]}, "two containers are called 'web'"),
        ({}, {"initContainers": [{"name": "side", "command": ["x"], "restartPolicy": "Always"}]}, "restartPolicy .a native sidecar."),
        ({"lifecycle": {"postStart": {"exec": {"command": ["x"]}}}}, {}, "lifecycle.postStart cannot work"),
        ({"volumeDevices": [{"name": "disk"}]}, {}, "volumeDevices cannot work"),
        ({}, {"containers": []}, "has no containers"),
    ],
)
def test_what_cannot_be_a_pod_here_is_an_error(container: Mapping[str, object], spec: Mapping[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        planned(container, **spec)


def test_init_containers_come_apart_and_share_volumes_with_the_others() -> None:
    mount = {"volumeMounts": [{"name": "scratch", "mountPath": "/work"}]}
    found = planned({"volumeMounts": [{"name": "scratch", "mountPath": "/data"}]}, volumes=[SCRATCH],
                    initContainers=[{"name": "make", "command": ["make", "/work"], **mount}])  # fmt: skip
    assert [container.name for container in (*found.init, *found.containers)] == ["make", "web"]
    assert found.init[0].command == ("make", "/pod/c-make/root/work")
    assert found.links["c-make/root/work"] == found.links["c-web/root/data"] == "volumes/scratch"


def test_the_grace_period_is_kubernetes_default_unless_written() -> None:
    assert planned({}).grace == 30.0
    assert planned({}, terminationGracePeriodSeconds=0).grace == 0.0


def test_every_container_port_is_counted_once() -> None:
    written = template({"ports": [{"containerPort": 8080}, {"containerPort": 9090}]}, initContainers=[{"ports": [{"containerPort": 8080}]}])
    assert container_ports(written) == (8080, 9090)
