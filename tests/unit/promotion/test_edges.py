"""Which target is meant, and which run this is."""

from datetime import UTC, datetime

import pytest

from trimtab.config.digest import DigestKey
from trimtab.documents.pipeline import App, PipelineSpec, Target
from trimtab.errors import InputError
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.promotion.content import Key, content_digest, judged, moved
from trimtab.promotion.edges import giving_back, receiving, run_of
from trimtab.promotion.evidence import Evidence, Verdict, Window, decode, encode, name_of
from trimtab.promotion.trust import matching

AT = datetime(2026, 1, 2, tzinfo=UTC)
CHAIN = (Target(name="dev"), Target(name="staging", from_="dev"), Target(name="production", from_="staging"))
ONE = App(name="shop", targets=(Target(name="canary"), Target(name="stable", from_="canary")))


def test_a_single_edge_needs_no_name() -> None:
    spec = PipelineSpec(apps=(ONE,))
    for name in ("", "shop", "shop/stable"):
        assert [one.name for one in receiving(spec, name)] == ["shop", "canary", "stable"]
    for name in ("", "shop", "shop/canary"):
        assert [one.name for one in giving_back(spec, name)] == ["shop", "canary", "stable"]


def test_several_edges_are_told_apart_and_listed() -> None:
    spec = PipelineSpec(apps=(App(name="shop", targets=CHAIN),))
    assert [one.name for one in receiving(spec, "shop/staging")] == ["shop", "dev", "staging"]
    assert [one.name for one in giving_back(spec, "shop/staging")] == ["shop", "staging", "production"]
    for name, said in (("shop", "which target"), ("shop/dev", "nothing is promoted into shop/dev"), ("other", "no 'other'")):
        with pytest.raises(InputError, match=f"{said}.*shop/staging, shop/production"):
            receiving(spec, name)


def test_a_source_that_does_not_exist_is_named() -> None:
    with pytest.raises(InputError, match=r"no target nowhere\. There are: a"):
        receiving(PipelineSpec(apps=(App(name="shop", targets=(Target(name="a", from_="nowhere"),)),)), "")


def test_a_pipeline_without_edges_says_so() -> None:
    with pytest.raises(InputError, match=r"no target in trimtab\.yaml has a `from`"):
        receiving(PipelineSpec(apps=(App(name="shop", targets=(Target(name="a"),)),)), "")


def test_a_run_is_known_by_its_pipeline() -> None:
    github = {"GITHUB_RUN_ID": "7", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_ACTOR": "ann"}
    assert (run_of(github).id, run_of(github).url, run_of(github).actor) == ("7", "https://github.com/a/b/actions/runs/7", "ann")
    gitlab = {"CI_PIPELINE_ID": "9", "CI_PIPELINE_URL": "https://gitlab.com/a/b/-/pipelines/9", "GITLAB_USER_LOGIN": "bo"}
    assert (run_of(gitlab).id, run_of(gitlab).url, run_of(gitlab).actor) == ("9", "https://gitlab.com/a/b/-/pipelines/9", "bo")
    assert run_of({}).id == ""


APP, LOGIN = Key(ConfigName(ConfigKind.CONFIG_MAP, "app"), "a"), Key(ConfigName(ConfigKind.SECRET, "login"), "p")


def test_the_digest_is_of_kinds_names_keys_and_bytes_and_no_two_contents_share_one() -> None:
    base = {APP: b"1"}
    others = [{}, {APP: b"2"}, {Key(APP.name, "b"): b"1"}, {Key(ConfigName(ConfigKind.CONFIG_MAP, "appa"), ""): b"1"}, {**base, LOGIN: b""}]
    digests = {content_digest(values, None) for values in (base, *others)}
    assert len(digests) == 6
    assert content_digest(dict(reversed({**base, LOGIN: b"x"}.items())), None) == content_digest({**base, LOGIN: b"x"}, None)


def test_without_a_key_nothing_can_be_learnt_about_a_secret_and_with_one_a_change_shows() -> None:
    one, two = ({LOGIN: value} for value in (b"hunter2", b"hunter3"))
    assert content_digest(one, None) == content_digest(two, None)
    key, other = DigestKey("k", b"key"), DigestKey("k", b"other")
    assert len({content_digest(one, key), content_digest(two, key), content_digest(one, other)}) == 3


def test_what_moved_is_named_files_first_then_keys() -> None:
    before, after = judged({APP: b"1"}, {"a.yaml": "1"}, None), judged({APP: b"2"}, {"a.yaml": "1"}, None)
    evidence = Evidence(
        app="shop", target="canary", commit="c" * 40, source=before.source, content=before.content, keys=before.keys,
        window=Window(began=AT, ended=AT), verdict=Verdict(judgement="pass"),
    )  # fmt: skip
    matching(evidence, before)
    with pytest.raises(InputError, match=r"configmap/app\[a\] renders to other bytes"):
        matching(evidence, after)
    with pytest.raises(InputError, match=r"^a.yaml, b.yaml changed since commit cccccccccc"):
        matching(evidence, judged({APP: b"1"}, {"a.yaml": "2", "b.yaml": "1"}, None))
    assert moved({"a": "1", "b": "1"}, {"b": "2", "c": "1"}) == ("a", "b", "c")


def test_evidence_has_one_name_however_it_is_laid_out_and_no_other_version_is_read() -> None:
    evidence = Evidence(
        app="shop",
        target="canary",
        commit="c",
        source={},
        content="x",
        window=Window(began=AT, ended=AT),
        verdict=Verdict(judgement="pass"),
    )
    text = encode(evidence)
    assert decode(text) == evidence and name_of(text) == name_of(text.replace(b",", b" ,\n"))
    for wrong in (
        b"",
        b"[]",
        b"{}",
        text.replace(b'"version":1', b'"version":2'),
        text.replace(b'"pass"', b'"passed"'),
        text[:-1] + b',"x":1}',
    ):
        with pytest.raises(InputError, match="evidence"):
            decode(wrong)
