"""The comparison of traces: what is equal, what differs, and what may differ everywhere."""

import copy
import json
from typing import Any

import pytest

from cluster.testbed.compare import compared, readable
from cluster.testbed.scenario import find

Raw = dict[str, Any]
NAMES = ("weighted-istio", "config-secret", "alerts", "session-affinity-gatewayapi", "autoscaler", "daemonset")


def expected(name: str) -> Raw:
    """What Flagger did."""
    found: Raw = find(name).document["expected"]
    return found


def altered(document: Raw, before: str, after: str) -> Raw:
    """The same trace with a word replaced wherever it is found."""
    text = json.dumps(document)
    assert before in text
    found: Raw = json.loads(text.replace(before, after))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_equals_itself(name: str) -> None:
    assert compared(name, expected(name), copy.deepcopy(expected(name))) == {}


@pytest.mark.parametrize(
    ("name", "before", "after", "channel"),
    [
        ("weighted-istio", '"app-canary": 20', '"app-canary": 30', "routes"),
        ("weighted-istio", "canary weight 40", "canary weight 50", "events"),
        ("weighted-istio", "istio_requests_total", "istio_requests", "queries"),
        ("config-secret", "secret/app-", "secret/the-", "reads"),
        ("autoscaler", '"max": 9', '"max": 8', "autoscalers"),
        ("alerts", '"color": "good"', '"color": "danger"', "alerts"),
        ("session-affinity-gatewayapi", "Max-Age", "Age", "routes"),
        ("daemonset", '"DaemonSet/app-primary"', '"DaemonSet/app-main"', "final"),
        ("service-options", "->9898", "->9899", "services"),
        ("config-volume", "241889ca0604e333", "21f76dfbfe6dfe21", "pods"),
        ("hook-retries-and-timeout", '"hook": "', '"authorization": "Basic x", "hook": "', "requests"),
    ],
)
def test_a_difference_is_found_in_its_channel(name: str, before: str, after: str, channel: str) -> None:
    differs = compared(name, expected(name), altered(expected(name), before, after))
    assert channel in differs
    text = readable(name, differs)
    assert name in text and f"  {channel}\n" in text


def test_copies_named_by_content_read_as_flaggers_copies() -> None:
    flagger = expected("config-volume")
    trimtab = altered(flagger, "configmap/app-config-primary", "configmap/app-config-primary-0123456789")
    assert compared("config-volume", flagger, trimtab) == {}


def test_our_own_annotations_are_no_difference_and_foreign_ones_are() -> None:
    def annotated(name: str) -> Raw:
        trace = copy.deepcopy(expected("weighted-istio"))
        trace["final"]["objects"]["Deployment/app-primary"].setdefault("annotations", {})[name] = "1"
        return trace

    assert compared("weighted-istio", expected("weighted-istio"), annotated("trimtab.dev/serial")) == {}
    assert compared("weighted-istio", expected("weighted-istio"), annotated("example.com/serial")).keys() == {"final"}


def test_a_query_asked_more_often_is_no_difference_and_one_never_asked_is() -> None:
    flagger = expected("weighted-istio")
    often, never = copy.deepcopy(flagger), copy.deepcopy(flagger)
    for tick in often["trace"]:
        tick["queries"] = tick.get("queries", []) * 2
    for tick in never["trace"]:
        tick["queries"] = [query for query in tick.get("queries", []) if not query.startswith("q1 ")]
    assert compared("weighted-istio", flagger, often) == {}
    assert compared("weighted-istio", flagger, never).keys() == {"queries"}
