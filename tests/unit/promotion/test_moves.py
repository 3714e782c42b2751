"""What moves from canary to stable and back, in files as people write them."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.documents.yaml import read_yaml
from trimtab.errors import InputError
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.promotion.merging import Move
from trimtab.promotion.plan import Plan, planned, promoted_files
from trimtab.promotion.sides import Rules, Side
from trimtab.promotion.values import effective, leaves

APP = ConfigName(ConfigKind.CONFIG_MAP, "app-config")
CANARY, STABLE = "apps/myapp/overlays/canary", "apps/myapp/overlays/stable"
KUSTOMIZATION = """namespace: production
resources:
- ../../base
nameSuffix: -canary
patches:
- path: deployment-patch.yaml
- path: configmap-patch.yaml
"""


def patch(level: str, pool: int, note: str = "") -> str:
    head = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app-config{note}\ndata:\n  config.yaml: |\n"
    return head + f"    log_level: {level}        # as the founding document has it\n    database:\n      pool_size: {pool}\n"


def folder(place: str, **files: str) -> Side:
    named = {name.replace("__", "/").replace("_yaml", ".yaml"): text for name, text in files.items()}
    return Side(place.rpartition("/")[2], "kustomize", {f"{place}/{name}": text.encode() for name, text in named.items()}, place)


def overlay(place: str, level: str, pool: int, note: str = "") -> Side:
    deployment = "kind: Deployment\nmetadata:\n  name: myapp\nspec:\n  replicas: 2\n"
    return folder(place, kustomization_yaml=KUSTOMIZATION, deployment_patch_yaml=deployment, configmap_patch_yaml=patch(level, pool, note))


def moved(source: Side, receiver: Side, base: Side | None = None, *keep: str, move: Move = Move.PROMOTE, names: ConfigName = APP) -> Plan:
    return planned(source, receiver, base, Rules(keep, frozenset({names})), move)


def after(plan: Plan, side: Side) -> Side:
    return Side(side.target, side.rendering, {**side.files, **plan.files}, side.folder, side.values, side.fixed)


def texts(plan: Plan) -> dict[str, str]:
    return {path: data.decode() for path, data in plan.files.items()}


def test_the_patch_of_the_founding_document_moves_and_nothing_else_in_the_file_does() -> None:
    canary, stable = overlay(CANARY, "debug", 20), overlay(STABLE, "info", 10, "   # ours")
    plan = moved(canary, stable)
    assert texts(plan) == {f"{STABLE}/configmap_patch.yaml": patch("debug", 20, "   # ours")}
    assert [step.what for step in plan.steps] == ["configmap/app-config[config.yaml]"]
    assert not moved(canary, after(plan, stable)).steps


def test_replicas_images_and_the_list_of_patches_stay() -> None:
    canary, stable = overlay(CANARY, "debug", 20), overlay(STABLE, "debug", 20)
    other = {path: data.replace(b"replicas: 2", b"replicas: 9").replace(b"-canary", b"-x") for path, data in canary.files.items()}
    assert moved(Side("canary", "kustomize", other, CANARY), stable).files == {}


def test_a_hotfix_in_stable_that_the_canary_never_ran_is_a_conflict_that_names_it() -> None:
    canary, base, stable = overlay(CANARY, "debug", 20), overlay(STABLE, "info", 10), overlay(STABLE, "warn", 10)
    with pytest.raises(InputError, match=r"configmap_patch.yaml: configmap/app-config\[config.yaml\].*Bring that change into canary"):
        moved(canary, stable, base)
    assert moved(canary, base, base).files


def test_content_that_the_judged_pods_do_not_read_stays() -> None:
    canary, stable = overlay(CANARY, "debug", 20), overlay(STABLE, "info", 10)
    assert moved(canary, stable, names=ConfigName(ConfigKind.CONFIG_MAP, "other")).files == {}


def test_kept_objects_and_keys_stay() -> None:
    canary, stable = overlay(CANARY, "debug", 20), overlay(STABLE, "info", 10)
    for keep in ("configmap/app-config", "configmap/app-config.config.yaml", "configmap/app-config.config\\.yaml"):
        assert moved(canary, stable, None, keep).files == {}
    assert moved(canary, stable, None, "app-config", "config").files


def test_a_patch_that_only_the_canary_has_comes_as_a_whole_file_and_a_key_that_it_lost_goes() -> None:
    canary = overlay(CANARY, "debug", 20)
    stable = folder(STABLE, kustomization_yaml=KUSTOMIZATION)
    assert texts(moved(canary, stable)) == {f"{STABLE}/configmap_patch.yaml": patch("debug", 20)}
    more = overlay(STABLE, "debug", 20)
    more = Side(
        "stable", "kustomize", {**more.files, f"{STABLE}/configmap_patch.yaml": (patch("debug", 20) + "  gone: x\n").encode()}, STABLE
    )
    assert texts(moved(canary, more)) == {f"{STABLE}/configmap_patch.yaml": patch("debug", 20)}


GENERATOR = """configMapGenerator:
- name: app-config
  literals:
  - LEVEL={level}   # one
  - POOL=10
  files:
  - app.ini
images:
- name: x
"""


def test_generators_move_literal_by_literal_and_file_by_file() -> None:
    canary = folder(CANARY, kustomization_yaml=GENERATOR.format(level="debug"), app_ini="")
    canary = Side(
        "canary",
        "kustomize",
        {f"{CANARY}/kustomization.yaml": GENERATOR.format(level="debug").encode(), f"{CANARY}/app.ini": b"a=2\r\n\xff"},
        CANARY,
    )
    text = GENERATOR.format(level="info").replace("  - POOL=10\n", "").replace("images:", "# mine\nimages:")
    stable = Side("stable", "kustomize", {f"{STABLE}/kustomization.yaml": text.encode(), f"{STABLE}/app.ini": b"a=1\n"}, STABLE)
    plan = moved(canary, stable)
    assert plan.files[f"{STABLE}/app.ini"] == b"a=2\r\n\xff"
    assert plan.files[f"{STABLE}/kustomization.yaml"].decode() == GENERATOR.format(level="debug").replace("images:", "# mine\nimages:")
    assert moved(canary, after(plan, stable)).steps == ()
    assert promoted_files(canary) == (f"{CANARY}/app.ini", f"{CANARY}/kustomization.yaml")


def test_a_generator_that_stable_does_not_have_is_asked_for() -> None:
    canary = Side("canary", "kustomize", {f"{CANARY}/kustomization.yaml": GENERATOR.format(level="debug").encode()}, CANARY)
    stable = Side("stable", "kustomize", {f"{STABLE}/kustomization.yaml": b"resources: [../../base]\n"}, STABLE)
    with pytest.raises(InputError, match="no generator for configmap/app-config: add it by hand"):
        moved(canary, stable)


def test_a_patch_inside_the_kustomization_moves_as_a_whole() -> None:
    inline = INLINE
    canary = Side("canary", "kustomize", {f"{CANARY}/kustomization.yaml": inline.format(value="debug").encode()}, CANARY)
    stable = Side("stable", "kustomize", {f"{STABLE}/kustomization.yaml": inline.format(value="info").encode()}, STABLE)
    assert texts(moved(canary, stable)) == {f"{STABLE}/kustomization.yaml": inline.format(value="debug")}


def test_plain_objects_with_the_targets_name_in_theirs_are_the_same_object() -> None:
    text = "kind: ConfigMap\nmetadata: {{name: app-config-{target}}}\ndata: {{a: '{value}'}}\n"
    canary = Side("canary", "plain", {"k8s/app-config-canary.yaml": text.format(target="canary", value=2).encode()}, "k8s")
    stable = Side("stable", "plain", {"prod/app-config-stable.yaml": text.format(target="stable", value=1).encode()}, "prod")
    plan = moved(canary, stable)
    assert texts(plan) == {"prod/app-config-stable.yaml": text.format(target="stable", value=2)}


def test_a_rollback_puts_back_what_was_judged_and_leaves_what_is_newer() -> None:
    two = "kind: ConfigMap\nmetadata: {{name: app-config}}\ndata:\n  a: '{a}'   # a\n  b: '{b}'\n"
    stable, judged, canary = (
        Side(target, "plain", {f"{target}/c.yaml": two.format(a=a, b=b).encode()}, target)
        for target, a, b in (("stable", 1, 1), ("canary", 2, 1), ("canary", 2, 3))
    )
    plan = moved(stable, canary, judged, move=Move.ROLL_BACK)
    assert texts(plan) == {"canary/c.yaml": two.format(a=1, b=3)}
    assert [step.what for step in plan.left] == ["configmap/app-config[b]"]
    newer = Side("canary", "plain", {"canary/c.yaml": two.format(a=9, b=1).encode()}, "canary")
    with pytest.raises(InputError, match="newer change is not taken back"):
        moved(stable, newer, judged, move=Move.ROLL_BACK)
    assert moved(stable, after(plan, canary), judged, move=Move.ROLL_BACK).steps == ()


PRODUCTION = """replicaCount: 10

config:
  mountAsVolume: true  # Use runtime reload
  logLevel: info
  database:
    host: prod-db.example.com
    poolSize: 20
  featureFlags:
    newUI: false
    betaFeatures: false
"""
CHANGES = """canary:
  enabled: true
replicaCount: 2
config:
  logLevel: debug      # Test new value
  database:
    poolSize: 30       # Test new value
  featureFlags:
    newUI: true
    sort: [a, b]   # new
"""


def chart(own: str, lower: str = "", target: str = "canary", fixed: tuple[str, ...] = ()) -> Side:
    files = (
        {"chart/values-production.yaml": lower.encode(), f"chart/values-{target}.yaml": own.encode()}
        if lower
        else {f"chart/values-{target}.yaml": own.encode()}
    )
    return Side(target, "helm", files, values=tuple(files), fixed=fixed)


PUT_BACK = """canary:
  enabled: true
replicaCount: 2
config:
  logLevel: info      # Test new value
  database:
    poolSize: 20       # Test new value
  featureFlags:
    newUI: false
"""
INLINE = """patches:
- target: {{kind: ConfigMap, name: app-config}}
  patch: |-
    - op: replace
      path: /data/level
      value: {value}
"""
DEFAULT = ("replicas", "replicaCount", "canary", "image")


def test_helm_values_of_the_founding_document_move_changed_keys_only() -> None:
    plan = moved(chart(CHANGES, PRODUCTION), chart(PRODUCTION, target="production"), None, *DEFAULT)
    expected = PRODUCTION.replace("info", "debug").replace("20\n", "30\n").replace("newUI: false", "newUI: true")
    expected = expected.replace("newUI: true\n", "newUI: true\n    sort: [a, b]   # new\n")
    assert texts(plan) == {"chart/values-production.yaml": expected}
    assert plan.apart == ("canary.enabled", "replicaCount")
    assert not moved(chart(CHANGES, expected), chart(expected, target="production"), None, *DEFAULT).steps


def test_a_value_that_stable_needs_for_itself_is_kept_and_said() -> None:
    staging = PRODUCTION.replace("prod-db", "staging-db").replace("20\n", "30\n")
    plan = moved(chart(staging, target="staging"), chart(PRODUCTION, target="production"), None, "config.database.host")
    assert texts(plan) == {"chart/values-production.yaml": PRODUCTION.replace("20\n", "30\n")}
    assert plan.apart == ("config.database.host",)


def test_what_a_target_sets_on_the_command_line_does_not_move() -> None:
    canary = chart("a: 2\nb: 2\n", fixed=("a",))
    assert texts(moved(canary, chart("a: 1\nb: 1\n", target="production"))) == {"chart/values-production.yaml": "a: 1\nb: 2\n"}


def test_a_value_that_stable_changed_itself_since_the_last_promotion_is_a_conflict() -> None:
    base, now = chart("a: 1\nb: 1\n", target="production"), chart("a: 5\nb: 1\n", target="production")
    with pytest.raises(InputError, match=r"values-production.yaml: a\. Bring that change into canary"):
        moved(chart("a: 1\nb: 2\n"), now, base)


def test_a_rolled_back_override_goes_rather_than_repeating_what_is_below() -> None:
    canary = chart(CHANGES, PRODUCTION)
    plan = moved(chart(PRODUCTION, target="production"), canary, canary, *DEFAULT, move=Move.ROLL_BACK)
    assert texts(plan) == {"chart/values-canary.yaml": PUT_BACK}


def test_a_value_that_a_lower_file_has_and_the_source_has_not_becomes_null() -> None:
    receiver = Side("production", "helm", {"low.yaml": b"a: 1\nb: 1\n", "own.yaml": b"# mine\n"}, values=("low.yaml", "own.yaml"))
    assert texts(moved(chart("a: 2\n"), receiver)) == {"own.yaml": "# mine\nb: null\na: 2\n"}


names = st.sampled_from(["a", "b", "on", "x.y", "image"])
leaf = (
    st.none()
    | st.booleans()
    | st.integers(0, 3)
    | st.sampled_from(["v", "1", "two\nlines\n", "# no"])
    | st.lists(st.integers(0, 2), max_size=2)
)
trees = st.recursive(st.dictionaries(names, leaf, max_size=3), lambda inner: st.dictionaries(names, leaf | inner, max_size=3), max_leaves=8)


@settings(max_examples=60, deadline=None)
@given(wanted=trees, there=trees)
def test_after_a_promotion_there_is_nothing_left_to_promote_and_kept_values_are_as_they_were(
    wanted: dict[str, object], there: dict[str, object]
) -> None:
    from trimtab.promotion.edits import Spot, written

    def text(tree: dict[str, object]) -> str:
        found = "# head\n"
        for key, value in tree.items():
            found = written(Spot(found, 0, (key,)), value)
        return found

    source, receiver = chart(text(wanted)), chart(text(there), target="production")
    plan = moved(source, receiver, None, "image")
    done = after(plan, receiver)
    assert not moved(source, done, None, "image").steps
    values = read_yaml(done.files["chart/values-production.yaml"].decode())
    assert (values[0].value if values else {}).get("image") == there.get("image")  # type: ignore[attr-defined]
    assert done.files["chart/values-production.yaml"].startswith(b"# head\n")


def test_a_mapping_that_changes_all_its_keys_keeps_the_comment_on_it() -> None:
    plan = moved(chart("a:\n  c: 2\n"), chart("a:   # why\n  b: 1\nz: 1\n", target="production"), None, "z")
    assert texts(plan) == {"chart/values-production.yaml": "a:   # why\n  {c: 2}\nz: 1\n"}


keys = st.sampled_from(["app.yaml", "LEVEL", "a b", "on", "0x1"])
texts_of_keys = st.sampled_from(
    ["", "x", "on", "012", "a: 1\nb: 2\n", "  lead\n", "\n\n", "tab\there\n", "no end", "# c\n", "é😀\u0085", "x: |\n  y\n"]
)
config_maps = st.dictionaries(keys, texts_of_keys, max_size=4)
styles = st.tuples(st.sampled_from([None, "|", '"', "'"]), st.booleans())


def written_as(data: dict[str, str], style: tuple[str | None, bool], name: str = "app-config") -> str:
    """A ConfigMap in one of the ways in which people write them."""
    tree = {"kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    return yaml.safe_dump(tree, default_style=style[0], default_flow_style=style[1], allow_unicode=True, sort_keys=False, width=40)


@settings(max_examples=80, deadline=None)
@given(config_maps, config_maps, styles, styles)
def test_whatever_way_content_is_written_in_it_arrives_byte_for_byte_and_the_rest_stays(
    wanted: dict[str, str], there: dict[str, str], one: tuple[str | None, bool], other: tuple[str | None, bool]
) -> None:
    source = Side("canary", "plain", {"canary/c.yaml": written_as(wanted, one).encode()}, "canary")
    rest = f"# ours\n{written_as({'a': 'b'}, other, 'not-judged')}--- # second\n"
    receiver = Side("stable", "plain", {"stable/c.yaml": (rest + written_as(there, other)).encode()}, "stable")
    done = after(moved(source, receiver), receiver)
    text = done.files["stable/c.yaml"].decode()
    values = [document.value["data"] for document in read_yaml(text)]  # type: ignore[index]
    # What PyYAML writes of U+0085 is not always what it was given, so what counts is what the source says.
    assert values == [{"a": "b"}, read_yaml(source.files["canary/c.yaml"].decode())[0].value["data"]]  # type: ignore[index]
    assert text.startswith(rest) and not moved(source, done).steps


Tree = dict[str, object]


def said(side: Side) -> dict[tuple[str, ...], object]:
    found = leaves(effective(side, side.values))
    return {path: value for path, value in found.items() if value is not None and value != {} and path[0] != "image"}


@settings(max_examples=60, deadline=None)
@given(trees, trees, trees, trees, trees, st.sampled_from(Move))
def test_over_several_files_the_receiver_gets_what_the_source_gets(
    shared: Tree, low: Tree, own: Tree, other_low: Tree, other: Tree, move: Move
) -> None:
    def side(name: str, low: dict[str, object], own: dict[str, object]) -> Side:
        files = {"values.yaml": shared, f"low-{name}.yaml": low, f"{name}.yaml": own}
        dumped = {path: yaml.safe_dump(tree, allow_unicode=True).encode() for path, tree in files.items()}
        return Side(name, "helm", dumped, values=tuple(files))

    source, receiver = side("one", low, own), side("two", other_low, other)
    plan = moved(source, receiver, receiver, "image", move=move)
    assert set(plan.files) <= {"two.yaml"}
    assert said(after(plan, receiver)) == said(source)
