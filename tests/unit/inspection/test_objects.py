"""Objects against the schemas of Kubernetes, and beside each other."""

import pytest

from trimtab.adapters.checking.schemas import kubernetes_schemas
from unit.inspection.cases import findings, found, target

APP = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: x
"""
SCHEMA = "kubernetes/schema"


def test_an_object_that_fits_its_schema_is_fine() -> None:
    assert found(APP, SCHEMA) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("replicas: 2", 'replicas: "2"', 'error 5: spec.replicas: expected a whole number, found "2"'),
        ("replicas: 2", "replica: 2", "error 5: spec.replica: there is no such field"),
        ("image: x", "image: 1", "error 12: spec.template.spec.containers[0].image: expected text, found 1"),
        ("image: x", "image: [x]", "error 12: spec.template.spec.containers[0].image: expected text, found a list"),
        ("  selector: {matchLabels: {app: web}}\n", "", "error 4: spec: the field selector is missing"),
    ],
)
def test_a_misfit_is_told_with_its_line_and_in_words(old: str, new: str, said: str) -> None:
    (only,) = found(APP.replace(old, new), SCHEMA)
    assert only.startswith(said)


def test_words_of_a_field_are_checked_and_the_nearest_is_named() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  type: WORD\n  ports: [{port: 80, protocol: TCP}]\n"
    (only,) = [one for one in findings(service.replace("WORD", "Clusterip")) if one.check == SCHEMA]
    problem = 'spec.type: expected one of ClusterIP, ExternalName, LoadBalancer, NodePort, found "Clusterip"'
    assert (only.line, only.problem, only.fix) == (5, problem, "Did you mean ClusterIP?")
    for word in ("NodePort", '""', "", "~"):
        assert found(service.replace("WORD", word), SCHEMA) == []
    assert found(service.replace("WORD", "NodePort").replace("TCP", "tcp"), SCHEMA) != []


def test_a_field_that_is_not_there_names_the_nearest() -> None:
    (only,) = [one for one in findings(APP.replace("replicas: 2", "replica: 2")) if one.check == SCHEMA]
    assert only.fix == "Did you mean replicas?"


def test_numbers_and_names_are_both_good_for_a_port() -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80, targetPort: PORT}]}\n"
    assert found(service.replace("PORT", "http"), SCHEMA) == found(service.replace("PORT", "8080"), SCHEMA) == []
    assert found(service.replace("PORT", "[1]"), SCHEMA) != []


def test_nothing_of_a_secret_is_told_but_the_kind_of_value() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, finalizers: 4711}\nstringDatum: {a: b4713}\n"
    told = found(secret, SCHEMA)
    assert len(told) == 2
    assert not any("471" in text for text in told)


def test_the_value_of_a_variable_is_not_told_since_it_may_be_a_password() -> None:
    (only,) = found(APP.replace("image: x", "env: [{name: PIN, value: 4711}]"), SCHEMA)
    assert only == "error 12: spec.template.spec.containers[0].env[0].value: expected text, found a number"


def test_a_kind_that_is_not_known_is_a_note_and_one_that_is_gone_an_error() -> None:
    made = "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: a}\n"
    assert found(made, "kubernetes/unknown") == ["info 1: example.org/v1 Widget is not checked: its schema is not known here"]
    gone = made.replace("example.org/v1", "extensions/v1beta1")
    assert found(gone, "kubernetes/removed") == ["error 1: extensions/v1beta1 is served by no cluster any more"]
    assert found(gone, "kubernetes/unknown") == []


@pytest.mark.parametrize(
    ("version", "kind", "line", "fix"),
    [
        ("apps/v1", "Deploymnt", 2, "Did you mean Deployment?"),
        ("v1", "Deployment", 1, "Write apiVersion: apps/v1."),
        ("networking.k8s.io/v1", "Deployment", 1, "Write apiVersion: apps/v1."),
    ],
)
def test_a_kind_that_an_api_of_kubernetes_does_not_have_is_an_error(version: str, kind: str, line: int, fix: str) -> None:
    text = APP.replace("apiVersion: apps/v1", f"apiVersion: {version}").replace("kind: Deployment", f"kind: {kind}")
    (only,) = [one for one in findings(text) if one.check == SCHEMA]
    assert (only.line, only.fix) == (line, fix) and f"{version} has no kind {kind}" in only.problem


def test_a_kind_of_another_api_is_a_note_that_names_where_it_would_be() -> None:
    (only,) = [one for one in findings(APP.replace("apiVersion: apps/v1", "apiVersion: app/v1")) if one.check == "kubernetes/unknown"]
    assert only.fix == "If it is one of Kubernetes' own: write apiVersion: apps/v1."
    (other,) = [one for one in findings("apiVersion: a.b/v1\nkind: Own\nmetadata: {name: a}\n") if one.check == "kubernetes/unknown"]
    assert other.fix == ""


def test_two_objects_of_one_name_are_an_error_and_in_two_namespaces_none() -> None:
    (only,) = found(f"{APP}---\n{APP}", "kubernetes/duplicate")
    assert only == "error 14: is there twice in namespace shop, first in all.yaml:1"
    assert found(f"{APP}---\n{APP}".replace("{name: web}", "{name: web, namespace: a}", 1), "kubernetes/duplicate") == []


def test_a_selector_that_misses_its_own_pods_is_an_error() -> None:
    wrong = APP.replace("metadata: {labels: {app: web}}", "metadata: {labels: {app: other}}")
    assert found(wrong, "kubernetes/selector") == ["error 6: spec.selector.matchLabels.app: its pods do not have the label app=web"]


def test_a_selector_that_selects_the_pods_of_another_target_is_a_warning() -> None:
    stable = APP.replace("{name: web}", "{name: web-stable}")
    assert found(APP, "kubernetes/overlap", beside=[target(stable)]) == [
        "warning 1: its selector selects the pods of deployment/web-stable, too"
    ]
    told_apart = stable.replace("{app: web}", "{app: web, track: stable}").replace("matchLabels: {app: web", "matchLabels: {app: web")
    own = APP.replace("{app: web}", "{app: web, track: canary}")
    assert found(own, "kubernetes/overlap", beside=[target(told_apart)]) == []


def test_every_kind_of_the_extract_can_be_compiled_and_takes_what_kubernetes_writes_itself() -> None:
    schemas = kubernetes_schemas()
    assert len(schemas.kinds) > 60
    for kind in schemas.kinds:
        assert schemas.validator(kind) is not None
    pod = schemas.validator("v1/Pod")
    assert pod is not None
    assert pod.is_valid({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "creationTimestamp": None}, "status": {}})
