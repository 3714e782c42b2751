"""After an edit the receiver reads what was judged, and nothing else of it changed."""

import pytest

from trimtab.errors import InputError
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.model.rendered import Rendered, RenderedObject, Use
from trimtab.promotion.content import Key
from trimtab.promotion.pictures import picture
from trimtab.promotion.proof import Picture, prove_content, prove_nothing_else

APP = ConfigName(ConfigKind.CONFIG_MAP, "app")


def target(text: str, digest: str, *, env: str = "x", replicas: int = 1, rendering: str = "kustomize", name: str = "") -> Rendered:
    """One ConfigMap with a hash behind its name, and a Deployment that reads it."""
    full = name or f"app-{digest}"
    content = Content(ConfigName(ConfigKind.CONFIG_MAP, full), {"a.yaml": text.encode()})
    tree = {"kind": "ConfigMap", "metadata": {"name": full, "annotations": {"checksum/config": digest * 4}}, "data": {"a.yaml": text}}
    config = RenderedObject("v1", "ConfigMap", "shop", full, name or "app", tree, content=content)
    spec = {"replicas": replicas, "env": env, "volumes": [{"configMap": {"name": full}}], "annotations": {"checksum/config": digest * 4}}
    workload = RenderedObject("apps/v1", "Deployment", "shop", "app", "app", {"kind": "Deployment", "spec": spec})
    return Rendered("x", rendering, "tool", objects=(config, workload), uses=(Use(workload, content.name, config),))


def pictured(*arguments: str, **more: object) -> Picture:
    return picture(target(*arguments, **more), "canary")  # type: ignore[arg-type]


OLD, NEW = ("pool: 10\n", "aaaaaaaaaa"), ("pool: 20\n", "bbbbbbbbbb")


def test_names_with_hashes_and_digests_in_annotations_follow_the_content() -> None:
    before, after, source = pictured(*OLD), pictured(*NEW), pictured(*NEW, replicas=5)
    prove_content(before, after, source, (), ())
    prove_nothing_else(before, after, {APP})


@pytest.mark.parametrize("other", [{"env": "y"}, {"replicas": 2}])
def test_anything_else_that_changes_is_named(other: dict[str, object]) -> None:
    with pytest.raises(InputError, match="Deployment/app in shop"):
        prove_nothing_else(pictured(*OLD), pictured(*NEW, **other), {APP})  # type: ignore[arg-type]


def test_content_that_nobody_judged_may_not_change() -> None:
    with pytest.raises(InputError, match=r"configmap/app\[a.yaml\]"):
        prove_nothing_else(pictured(*OLD), pictured(*NEW), set())


def test_content_that_would_still_differ_is_named() -> None:
    with pytest.raises(InputError, match=r"configmap/app\[a.yaml\] would still differ"):
        prove_content(pictured(*OLD), pictured(*OLD), pictured(*NEW), (), ())
    prove_content(pictured(*OLD), pictured(*OLD), pictured(*NEW), ("configmap/app",), ())


def test_kept_values_excuse_only_the_differences_that_were_there_before() -> None:
    before = pictured("pool: 10\nhost: prod\n", "aaaaaaaaaa")
    source = pictured("pool: 20\nhost: canary\n", "bbbbbbbbbb")
    after = pictured("pool: 20\nhost: prod\n", "cccccccccc")
    prove_content(before, after, source, (), ("host",))
    for wrong in ("pool: 15\nhost: prod\n", "pool: 20\nhost: other\n"):
        with pytest.raises(InputError, match="would still differ"):
            prove_content(before, pictured(wrong, "cccccccccc"), source, (), ("host",))
    with pytest.raises(InputError, match="would still differ"):
        prove_content(before, after, source, (), ())


def test_plain_objects_lose_the_targets_name() -> None:
    found = picture(target("a", "x", rendering="plain", name="app-canary"), "canary")
    assert set(found.values) == {Key(APP, "a.yaml")}


def test_without_readers_every_config_counts_as_read() -> None:
    whole = target(*OLD)
    assert picture(Rendered("x", "plain", "tool", objects=whole.objects[:1]), "canary").values == {Key(APP, "a.yaml"): b"pool: 10\n"}
