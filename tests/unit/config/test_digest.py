"""Flagger's checksums bit by bit, and our own digests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.config.digest import (
    DigestKey,
    checksum,
    digest,
    fingerprint,
    fingerprinted,
    flagger_checksum,
    template_fingerprint,
    unknown_key,
    webhook_checksum,
)
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName

KEY = DigestKey("0a1b2c3d", b"k" * 32)
CONFIG_MAP, SECRET = ConfigName(ConfigKind.CONFIG_MAP, "app"), ConfigName(ConfigKind.SECRET, "app")
values = st.dictionaries(st.text(min_size=1, max_size=8), st.binary(max_size=12), max_size=4)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, "74234e98afe7498f"),
        ({}, "44136fa355b3678a"),
        ({"color": "red"}, "241889ca0604e333"),
        ({"b": "2", "a": "1"}, "21f76dfbfe6dfe21"),
        ({"html": '<a href="x">&\'</a>\u2028\u2029'}, "9bbcdfa50cb6ffb6"),
        ({"ctl": "\x08\x0c\n\r\t\x01\x7f\x1f"}, "a33951d0401d12d5"),
        ({"u": "é漢😀"}, "5182ec303bf4f09e"),
        ({"conf.yaml": "key: value\n"}, "68b7acf19be1ebbf"),
    ],
)
def test_cfg17_checksums_of_config_maps_are_flaggers(data: dict[str, str] | None, expected: str) -> None:
    assert flagger_checksum(data) == expected
    content = Content(CONFIG_MAP, {name: value.encode() for name, value in (data or {}).items()}, declared=data is not None)
    assert checksum(content) == expected


@pytest.mark.parametrize(("data", "expected"), [({"apiKey": b"test"}, "3930f0692c2295eb"), ({"e": b""}, "2964dcc3b60c6506")])
def test_cfg17_checksums_of_secrets_are_flaggers(data: dict[str, bytes], expected: str) -> None:
    assert checksum(Content(SECRET, data)) == expected


@pytest.mark.parametrize(
    ("tracked", "applied", "expected"),
    [
        (None, "", "758df7c9fc"),
        (None, "4cb74184589", "7c9d467496"),
        ({}, "4cb74184589", "56966965f5"),
        ({"secret/z": "a", "configmap/app": "b"}, "4cb74184589", "57955f556c"),
        ({"test-config-map": "484637c76acaa7c6"}, "5f56684589", "85d557f47b"),
    ],
)
def test_the_name_of_a_run_is_flaggers(tracked: dict[str, str] | None, applied: str, expected: str) -> None:
    assert webhook_checksum(tracked, applied) == expected


@given(values, values)
def test_different_contents_have_different_digests(one: dict[str, bytes], two: dict[str, bytes]) -> None:
    same = digest(Content(CONFIG_MAP, one), KEY) == digest(Content(CONFIG_MAP, two), KEY)
    assert same == (one == two)


@given(values)
def test_binary_data_counts_and_is_not_taken_for_data(data: dict[str, bytes]) -> None:
    if data:
        assert digest(Content(CONFIG_MAP, data), KEY) != digest(Content(CONFIG_MAP, {}, data), KEY)


def test_a_secret_digest_depends_on_the_key_and_names_it() -> None:
    secret, other = Content(SECRET, {"a": b"1"}, type="Opaque"), DigestKey("ffffffff", b"o" * 32)
    assert digest(secret, KEY).startswith("hmac:0a1b2c3d:")
    assert digest(secret, KEY).split(":")[2] != digest(secret, other).split(":")[2]
    assert unknown_key(digest(secret, KEY), [other.id]) and not unknown_key(digest(secret, KEY), [KEY.id, other.id])
    assert not unknown_key(digest(Content(CONFIG_MAP, {}), KEY), [])
    assert fingerprint(b"1", KEY) != fingerprint(b"1", other)


def test_the_type_of_a_secret_counts() -> None:
    assert digest(Content(SECRET, {}, type="Opaque"), KEY) != digest(Content(SECRET, {}, type="kubernetes.io/tls"), KEY)


@given(values)
def test_the_order_of_keys_makes_no_difference(data: dict[str, bytes]) -> None:
    turned = dict(reversed(data.items()))
    assert digest(Content(SECRET, data), KEY) == digest(Content(SECRET, turned), KEY)
    assert checksum(Content(SECRET, data)) == checksum(Content(SECRET, turned))


def test_no_value_runs_into_the_next_key() -> None:
    one, two = Content(CONFIG_MAP, {"a": b"1", "b": b"2"}), Content(CONFIG_MAP, {"a": b"1datab2"})
    assert digest(one, KEY) != digest(two, KEY)


def test_values_of_a_secret_get_fingerprints_and_those_of_a_config_map_do_not() -> None:
    secret = fingerprinted(Content(SECRET, {"a": b"hunter2"}), KEY)
    assert secret.fingerprints == {"a": fingerprint(b"hunter2", KEY)}
    assert "hunter2" not in repr(secret)
    assert fingerprinted(Content(CONFIG_MAP, {"a": b"1"}), KEY).fingerprints == {}


def test_a_key_never_shows_its_bytes() -> None:
    assert "kkkk" not in repr(KEY)


def test_wl6_scaling_a_daemon_set_to_zero_is_no_change_of_its_template() -> None:
    plain = {"spec": {"containers": [{"image": "a"}]}}
    scaled = {"spec": {"containers": [{"image": "a"}], "nodeSelector": {"flagger.app/scale-to-zero": "true"}}}
    assert template_fingerprint(plain) == template_fingerprint(scaled)
    assert template_fingerprint(plain) != template_fingerprint({"spec": {"containers": [{"image": "b"}]}})
