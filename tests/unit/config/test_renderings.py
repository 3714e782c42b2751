"""Two renderings compared: names without what surrounds them, both ways alike, and Secrets unseen."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from trimtab.config.consumers import uses
from trimtab.config.difference import ChangeKind, line
from trimtab.config.digest import DigestKey
from trimtab.config.renderings import Comparison, compared
from trimtab.faces.comparison import affected
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.model.rendered import Rendered, RenderedObject

OPPOSITE = {ChangeKind.ADDED: ChangeKind.REMOVED, ChangeKind.REMOVED: ChangeKind.ADDED}


def config(name: str, data: dict[str, str], logical: str = "", kind: str = "ConfigMap") -> RenderedObject:
    metadata = {"name": name, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": str(data)}}
    tree = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data}
    content = Content(ConfigName(ConfigKind(kind), name), {key: value.encode() for key, value in data.items()})
    places = {key: ("configs.yaml", number) for number, key in enumerate(data, start=5)}
    return RenderedObject("v1", kind, "prod", name, logical or name, tree, "configs.yaml", 1, content, places)


def deployment(name: str, reads: str, logical: str = "", replicas: int | None = 3) -> RenderedObject:
    template = {"spec": {"containers": [{"name": "app", "envFrom": [{"configMapRef": {"name": reads}}]}]}}
    spec = {"template": template, **({"replicas": replicas} if replicas is not None else {})}
    tree = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    return RenderedObject("apps/v1", "Deployment", "prod", name, logical or name, tree, "web.yaml", 1)


def side(*objects: RenderedObject, name: str = "web/canary") -> Rendered:
    return Rendered(name, "kustomize", "kustomize v5", "", objects, uses(objects))


def told(found: Comparison) -> list[str]:
    return [f"{one.name}: {line(change)}" for one in found.objects for change in one.changes]


def test_a_config_under_another_hash_is_the_same_config_and_its_readers_restart() -> None:
    old = side(config("app-abc", {"LOG": "info"}, "app"), deployment("web", "app-abc"))
    new = side(config("app-def", {"LOG": "debug"}, "app"), deployment("web", "app-def"))
    found = compared(old, new)
    assert told(found) == ["configmap/app: LOG: info -> debug"]
    (web,) = found.affected
    assert (web.name, web.replicas, web.restarts, web.reads) == ("deployment/web", 3, True, ("configmap/app",))
    assert found.objects[0].place == "configs.yaml:5"


def test_a_config_that_keeps_its_name_restarts_nobody() -> None:
    old = side(config("app", {"LOG": "info"}), deployment("web", "app", replicas=None))
    new = side(config("app", {"LOG": "debug"}), deployment("web", "app", replicas=None))
    (web,) = compared(old, new).affected
    assert (web.replicas, web.restarts) == (None, False)


def test_a_workload_that_a_canary_is_about_is_rolled_out_by_it() -> None:
    about = {"spec": {"targetRef": {"kind": "Deployment", "name": "web"}}}
    canary = RenderedObject("flagger.app/v1beta1", "Canary", "prod", "shop", "shop", about, "canary.yaml", 1)
    old, new = (
        side(config("app", {"LOG": level}), deployment("web", "app"), deployment("cart", "app"), canary) for level in ("info", "debug")
    )
    found = {one.name: one for one in compared(old, new).affected}
    assert {name: one.canary for name, one in found.items()} == {"deployment/web": "canary/shop", "deployment/cart": ""}
    assert affected(found["deployment/web"]) == "deployment/web, 3 replicas: rolled out by canary/shop"
    assert affected(found["deployment/cart"]) == "deployment/cart, 3 replicas: does not restart although configmap/app changed"


def test_two_targets_differ_in_content_not_in_their_own_names() -> None:
    stable = side(config("app-stable", {"LOG": "info"}, "app"), deployment("web-stable", "app-stable", "web"), name="web/stable")
    canary = side(config("app-canary", {"LOG": "debug"}, "app"), deployment("web-canary", "app-canary", "web"), name="web/canary")
    found = compared(stable, canary)
    assert told(found) == ["configmap/app: LOG: info -> debug"]
    assert [(one.name, one.restarts) for one in found.affected] == [("deployment/web-canary", None)]
    assert found.title == "web/stable -> web/canary"


def test_of_a_secret_only_a_keyed_fingerprint_is_told_and_without_a_key_only_that_it_changed() -> None:
    old, new = (side(config("token", {"PIN": value}, kind="Secret")) for value in ("first-secret", "second-secret"))
    assert told(compared(old, new)) == ["secret/token: PIN: changed"]
    (keyed,) = told(compared(old, new, DigestKey("k", b"key")))
    assert keyed.startswith("secret/token: PIN: fingerprint ")
    for found in (compared(old, new), compared(old, new, DigestKey("k", b"key")), compared(None, new), compared(old, None)):
        assert "-secret" not in "".join(told(found)) + repr(found)


def test_what_came_or_went_is_told_with_its_keys_or_its_name() -> None:
    assert told(compared(side(), side(config("app", {"A": "1", "B": "2"})))) == ["configmap/app: A: added", "configmap/app: B: added"]
    assert told(compared(side(deployment("web", "app")), side())) == ["deployment/web: deployment/web: removed"]
    assert told(compared(None, side(deployment("web", "app")))) == ["deployment/web: deployment/web: added"]


def test_objects_of_one_name_in_two_namespaces_stay_apart() -> None:
    one, other, new = config("app", {"A": "1"}), replace(config("app", {"A": "2"}), namespace="other"), config("app", {"A": "3"})
    assert told(compared(side(one, other), side(new, other))) == ["configmap/app: A: 1 -> 3 (x3)"]
    assert told(compared(side(other, one), side(new, other))) == ["configmap/app: A: 1 -> 3 (x3)"]


values = st.dictionaries(st.sampled_from("ABC"), st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=5), max_size=3)
objects = st.lists(
    st.one_of(
        st.builds(config, st.sampled_from(["app", "other"]), values, kind=st.sampled_from(["ConfigMap", "Secret"])),
        st.builds(deployment, st.just("web"), st.sampled_from(["app", "other"]), replicas=st.sampled_from([None, 1, 2])),
    ),
    unique_by=lambda one: (one.kind, one.name),
    max_size=4,
)


@given(objects, objects)
def test_turned_round_the_same_is_told_with_old_and_new_exchanged(one: list[RenderedObject], other: list[RenderedObject]) -> None:
    there, back = compared(side(*one), side(*other)), compared(side(*other), side(*one))
    forward = sorted(
        (found.name, change.key, change.path, change.kind, change.old, change.new) for found in there.objects for change in found.changes
    )
    backward = sorted(
        (found.name, change.key, change.path, OPPOSITE.get(change.kind, change.kind), change.new, change.old)
        for found in back.objects
        for change in found.changes
    )
    assert forward == backward
    assert not compared(side(*one), side(*one)).objects
