"""What pods need of ConfigMaps and Secrets, and who reads what there is."""

from unit.inspection.cases import findings, found, target

POD = """apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: app
    image: x
    envFrom: [{configMapRef: {name: settings}}]
    env:
    - name: PIN
      valueFrom: {secretKeyRef: {name: token, key: pin}}
    - name: LOG
      valueFrom: {configMapKeyRef: {name: settings, key: LOG}}
"""
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {LOG: info}\n"
TOKEN = "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\nstringData: {pin: x}\n"
MISSING = "reference/missing"


def all_of(*parts: str) -> str:
    return "---\n".join(parts)


def test_what_is_all_there_is_fine() -> None:
    whole = all_of(POD, SETTINGS, TOKEN)
    assert found(whole, MISSING) == found(whole, "reference/secret") == found(whole, "reference/unused") == []


def test_a_config_map_that_nobody_makes_is_an_error_where_it_is_named() -> None:
    (only,) = found(all_of(POD, TOKEN), MISSING)
    assert only == "error 8: needs configmap/settings, which nobody makes; read by containers[app].env[LOG], containers[app].envFrom"


def test_a_key_that_is_not_there_is_an_error_where_it_is_named() -> None:
    (only,) = found(all_of(POD, SETTINGS.replace("LOG", "LEVEL"), TOKEN), MISSING)
    assert only.startswith("error 13: needs the key LOG of configmap/settings, which has none of that name")


def test_what_is_optional_may_be_missing() -> None:
    optional = POD.replace("name: settings", "optional: true, name: settings")
    assert found(all_of(optional, TOKEN), MISSING) == []


def test_a_config_map_of_another_target_of_the_app_counts() -> None:
    assert found(all_of(POD, TOKEN), MISSING, beside=[target(SETTINGS)]) == []


def test_config_maps_of_the_cluster_itself_are_there() -> None:
    assert found(all_of(POD.replace("name: settings}}]", "name: kube-root-ca.crt}}]"), SETTINGS, TOKEN), MISSING) == []


def test_a_secret_may_come_from_elsewhere_so_it_is_a_warning_unless_something_rendered_makes_it() -> None:
    (only,) = found(all_of(POD, SETTINGS), "reference/secret")
    assert only.startswith("warning 11: needs secret/token, which is not rendered here")
    maker = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: a}\nspec: {target: {name: token}}\n"
    assert found(all_of(POD, SETTINGS, maker), "reference/secret") == []


def test_a_config_map_that_nobody_reads_is_a_note() -> None:
    other = SETTINGS.replace("settings", "left-over")
    assert found(all_of(POD, SETTINGS, other, TOKEN), "reference/unused") == ["info 20: is read by no workload of this app"]


def test_a_misspelt_name_is_told_once_with_what_was_meant() -> None:
    whole = all_of(POD.replace("name: settings", "name: setings"), SETTINGS.replace("info", "info, PIN: '1'"), TOKEN)
    told = [one for one in findings(whole) if one.check.startswith("reference/")]
    assert [(one.check, one.line, one.fix) for one in told] == [(MISSING, 8, "Did you mean settings?")]


def test_a_misspelt_key_and_a_misspelt_secret_are_told_with_what_was_meant() -> None:
    whole = all_of(POD.replace("key: LOG", "key: LGO"), SETTINGS, TOKEN.replace("token", "tokens"))
    told = {one.check: one.fix for one in findings(whole) if one.check.startswith("reference/")}
    assert told == {MISSING: "Did you mean LOG?", "reference/secret": "Did you mean tokens?"}


def test_items_of_a_volume_that_need_a_key_are_where_it_is_told() -> None:
    items = "      - {key: LOG, path: a}\n      - {key: NONE, path: b}\n"
    volume = f"  volumes:\n  - name: v\n    configMap:\n      name: settings\n      items:\n{items}"
    assert [one.line for one in findings(all_of(POD + volume, SETTINGS, TOKEN)) if one.check == MISSING] == [20]
