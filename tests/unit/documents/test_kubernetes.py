"""The Kubernetes kinds that a rollout touches, out of files."""

import base64

import pytest

from trimtab.documents.decode import read_documents
from trimtab.documents.kubernetes import Service, Workload
from trimtab.errors import DocumentError
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName


def content(text: str) -> Content:
    (decoded,) = read_documents(text, "app.yaml")
    assert isinstance(decoded.value, Content)
    return decoded.value


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_configmap_becomes_bytes_with_the_line_of_each_key() -> None:
    found = content(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\n  annotations: {a: b}\ndata:\n  one: |\n    x\n    y\n"
        "  two: z\n  three:\nbinaryData:\n  four: AAE=\n"
    )
    assert found.name == ConfigName(ConfigKind.CONFIG_MAP, "app")
    assert found.data == {"one": b"x\ny\n", "two": b"z", "three": b""}
    assert found.binary == {"four": b"\x00\x01"}
    assert (found.file, found.line, found.key_lines) == ("app.yaml", 1, {"one": 7, "two": 10, "three": 11})
    assert (found.declared, found.annotations, found.secret) == (True, {"a": "b"}, False)


def test_a_configmap_without_data_is_told_apart_from_an_empty_one() -> None:
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\n"
    assert not content(head).declared
    assert not content(head + "data:\n").declared
    assert content(head + "data: {}\n").declared


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("8080", r"data\.port: expected text, found a number. Values are text: quote it"),
        ("1.5", "found a number"),
        ("on", r"found true or false, as an unquoted y, .* is too. Values are text: quote it"),
        ("[a]", "found a list. Write it as text"),
        ("{a: b}", "found a mapping. Write it as text"),
    ],
)
def test_a_value_that_is_not_text_says_quote_it_with_its_line(value: str, words: str) -> None:
    with pytest.raises(DocumentError, match=words) as caught:
        read_documents(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: app}}\ndata:\n  a: b\n  port: {value}\n", "app.yaml")
    assert (caught.value.file, caught.value.line, caught.value.path) == ("app.yaml", 6, "data.port")


def test_a_secret_is_decoded_and_string_data_lies_over_data() -> None:
    found = content(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: app}\n"
        f"data:\n  a: {encoded('one')}\n  b: |\n    {encoded('two')}\nstringData:\n  a: three\n"
    )
    assert found.data == {"a": b"three", "b": b"two"}
    assert found.key_lines == {"a": 9, "b": 6}
    assert (found.secret, found.type, found.binary, found.declared) == (True, "Opaque", {}, True)
    typed = content("apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: app}\n")
    assert (typed.type, typed.declared) == ("kubernetes.io/tls", False)


@pytest.mark.parametrize(
    "section",
    ["data: {password: hunter2-}", "stringData: {password: 778899}", "data: {password: [hunter2]}", "stringData: {password: {hunter2: x}}"],
)
def test_an_error_in_a_secret_names_line_and_key_and_never_the_value(section: str) -> None:
    with pytest.raises(DocumentError, match=r"app\.yaml:4: (data|stringData)\.password: ") as caught:
        read_documents(f"apiVersion: v1\nkind: Secret\nmetadata: {{name: app}}\n{section}\n", "app.yaml")
    assert "hunter2" not in str(caught.value)
    assert "778899" not in str(caught.value)


def test_a_secret_shows_no_value_when_it_is_printed() -> None:
    (decoded,) = read_documents("apiVersion: v1\nkind: Secret\nmetadata: {name: app}\nstringData: {password: hunter2}\n")
    assert "hunter2" not in repr(decoded)
    assert "hunter2" not in repr(decoded.value)


def test_a_key_in_data_and_binary_data_is_an_error() -> None:
    with pytest.raises(DocumentError, match=r"app\.yaml:5: binaryData\.a: the key is in data too"):
        read_documents("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: b}\nbinaryData: {a: YQ==}\n", "app.yaml")


def test_a_workload_keeps_every_field_that_we_do_not_know() -> None:
    (decoded,) = read_documents(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app, namespace: test, creationTimestamp: null}\n"
        "spec:\n  replicas: 3\n  revisionHistoryLimit: 2\n  selector: {matchLabels: {app: app}}\n"
        "  template:\n    metadata: {creationTimestamp: null}\n    spec: {containers: [{name: app, image: x, tty: true}]}\n"
    )
    value = decoded.value
    assert isinstance(value, Workload)
    assert (value.view.spec.replicas, value.view.spec.selector.match_labels) == (3, {"app": "app"})
    assert value.view.spec.template == {
        "metadata": {"creationTimestamp": None},
        "spec": {"containers": [{"name": "app", "image": "x", "tty": True}]},
    }
    assert value.raw == decoded.document.value
    assert (decoded.name, decoded.namespace) == ("app", "test")


def test_a_daemonset_without_a_template_is_an_error() -> None:
    with pytest.raises(DocumentError, match=r"app\.yaml:4: spec: the field template is missing"):
        read_documents("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: app}\nspec: {}\n", "app.yaml")


def test_a_service_has_its_ports() -> None:
    (decoded,) = read_documents(
        "apiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec: {selector: {app: app}, ports: [{port: 80, targetPort: http}]}\n"
    )
    assert isinstance(decoded.value, Service)
    assert [(port.port, port.target_port) for port in decoded.value.view.spec.ports] == [(80, "http")]


def test_a_wrong_type_in_a_kubernetes_kind_is_named_with_its_line() -> None:
    with pytest.raises(DocumentError, match=r"app\.yaml:5: spec\.replicas: expected a whole number not below 0, found text"):
        read_documents("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  replicas: '3'\n  template: {}\n", "app.yaml")
