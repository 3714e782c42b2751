"""Metrics from a Prometheus (flagger.md 4.5, MET-1, MET-2, MET-7): what is asked, what is read, and servers that misbehave."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import aiohttp
import pytest

from trimtab.adapters.metrics.measure import MetricSources
from trimtab.adapters.metrics.prometheus import Server, query
from trimtab.errors import Unavailable
from trimtab.model.names import CanaryKey, Target
from trimtab.model.policy import Analysis, Metric, MetricKind, Policy, Provider, Service
from trimtab.model.scrapes import Arm
from trimtab.model.verdict import Sample
from trimtab.testing.jumping import JumpingClock
from trimtab.testing.receiver import Receiver, receiver

KEY = CanaryKey("shop", "app")
POLICY = Policy(Target("Deployment", "app"), Service("web"), provider="istio")
QUERY = "/api/v1/query"
PASSWORD = "opensesame-7"
SUCCESS = Metric("request-success-rate", MetricKind.SUCCESS_RATE, minimum=99.0)
DURATION = Metric("request-duration", MetricKind.DURATION, maximum=500.0)


def vector(*values: object) -> tuple[int, str]:
    series = [{"metric": {}, "value": [1700000000.1, value]} for value in values]
    return 200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": series}})


@dataclass
class Desk:
    """A metrics port over a server, and the Secrets that there are."""

    there: Receiver
    session: aiohttp.ClientSession
    secrets: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    clock: JumpingClock = field(default_factory=JumpingClock)

    def says(self, *answers: tuple[int, str] | tuple[int, str, Mapping[str, str]]) -> None:
        self.there.says(QUERY, *answers)

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        return self.secrets.get(name, {})

    def template(self, query: str = "vector(1)", **provider: object) -> Metric:
        at = Provider("prometheus", self.there.address, namespace="shop")
        return Metric("errors", MetricKind.TEMPLATE, query=query, template="errors.shop", provider=replace(at, **provider))  # type: ignore[arg-type]

    def port(self) -> MetricSources:
        return MetricSources(self.session, self.clock, self.secret, self.there.address)

    async def measure(self, *metrics: Metric, policy: Policy = POLICY) -> tuple[Sample, ...]:
        policy = replace(policy, analysis=Analysis(metrics))
        return (await self.port().measure(KEY, policy, self.clock.now() - timedelta(hours=1))).answers

    async def one(self, metric: Metric, policy: Policy = POLICY) -> Sample:
        (sample,) = await self.measure(metric, policy=policy)
        assert (sample.metric, sample.kind) == (metric.name, metric.kind)
        return sample

    async def problem(self, metric: Metric | None = None) -> str:
        sample = await self.one(metric or self.template())
        assert sample.value is None
        assert PASSWORD not in sample.problem
        return sample.problem

    async def probe(self, *metrics: Metric) -> tuple[str, ...]:
        return await self.port().probe(KEY, replace(POLICY, analysis=Analysis(metrics)))


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with receiver() as there, aiohttp.ClientSession() as session:
        yield Desk(there, session)


async def test_met_1_a_template_is_asked_of_its_own_provider_with_its_names_filled_in_on_one_line(desk: Desk) -> None:
    desk.says(vector("0.5"))
    query = 'sum(rate(errors{ns="{{ namespace }}",\n  app="{{ target }}", svc="{{ service }}"}[{{ interval }}])) > {{ variables.least }}'
    metric = replace(desk.template(query), interval="2m", variables=(("least", "3"),))
    sample = await desk.one(metric, replace(POLICY, metrics_server="http://127.0.0.1:1"))
    assert (sample.value, sample.problem) == (0.5, "")
    assert sample.query == 'sum(rate(errors{ns="shop", app="app", svc="web"}[2m])) > 3'
    assert [(seen.method, seen.query) for seen in desk.there.seen] == [("GET", {"query": sample.query})]


async def test_all_metrics_of_a_policy_are_answered_in_order_though_some_cannot_be_measured(desk: Desk) -> None:
    desk.says(vector("1"))
    dead = desk.template(address="http://127.0.0.1:1")
    unusable = Metric("none", MetricKind.UNUSABLE)
    inline = Metric("inline", MetricKind.INLINE, query="up")
    found = await desk.measure(dead, inline, unusable, desk.template())
    assert [(sample.metric, sample.value, bool(sample.problem)) for sample in found] == [
        ("errors", None, True), ("inline", 1.0, False), ("none", None, False), ("errors", 1.0, False),
    ]  # fmt: skip


async def test_samples_say_when_they_were_asked_for(desk: Desk) -> None:
    desk.says(vector("1"))
    asked = desk.clock.now()
    assert (await desk.port().measure(KEY, POLICY, asked - timedelta(minutes=1))).asked == asked


async def test_the_canarys_own_metrics_server_is_asked_for_built_in_and_inline_metrics(desk: Desk) -> None:
    async with receiver() as own:
        own.says(QUERY, vector("99.5"))
        found = await desk.measure(SUCCESS, Metric("x", MetricKind.INLINE, query="up"), policy=replace(POLICY, metrics_server=own.address))
    assert [sample.value for sample in found] == [99.5, 99.5]
    assert desk.there.seen == []


async def test_counters_of_this_machine_are_asked_for_built_in_metrics_unless_the_canary_names_a_server(desk: Desk) -> None:
    async def counted(key: CanaryKey, policy: Policy, metric: Metric, since: datetime, copy: Arm) -> Sample:
        return Sample(metric.name, metric.kind, 42.0)

    desk.says(vector("99"))
    port = replace(desk.port(), built_in=counted)
    inline = Metric("x", MetricKind.INLINE, query="up")
    for server, expected in (("", [42.0, 42.0, 99.0]), (desk.there.address, [99.0, 0.099, 99.0])):
        policy = replace(POLICY, metrics_server=server, analysis=Analysis((SUCCESS, DURATION, inline)))
        assert [sample.value for sample in (await port.measure(KEY, policy, desk.clock.now())).answers] == expected


async def test_a_promoted_primary_is_asked_nothing_about_a_time_before_promotion(desk: Desk) -> None:
    desk.says(vector("50"))
    metric = Metric("x", MetricKind.INLINE, query='errors{app="{{ target }}"}[10m]')
    policy = replace(POLICY, analysis=Analysis((metric,)))
    for minutes, expected in ((9, (None, "its range of 10 min still reaches back before promotion")), (10, (50.0, ""))):
        since = desk.clock.now() - timedelta(minutes=minutes)
        (found,) = (await desk.port().afterwards(KEY, policy, since, since)).answers
        assert (found.value, found.problem) == expected


async def test_durations_are_in_seconds_whatever_the_provider_counts_in(desk: Desk) -> None:
    desk.says(vector("250"))
    assert (await desk.one(DURATION)).value == 0.25
    assert (await desk.one(DURATION, replace(POLICY, provider="kubernetes"))).value == 250


@pytest.mark.parametrize(
    ("provider", "mesh", "counter", "seconds"),
    [
        ("", "linkerd", "response_total", 0.25),
        ("gatewayapi:v1", "linkerd", "response_total", 0.25),
        ("", "nginx", "nginx_ingress_controller_requests", 0.25),
        ("kubernetes", "nginx", "http_request_duration_seconds_count", 250.0),
        ("", "", "http_request_duration_seconds_count", 250.0),
    ],
)
async def test_met_3_a_canary_without_a_provider_is_counted_as_the_operator_says_and_linkerd_counts_everybody(
    desk: Desk, provider: str, mesh: str, counter: str, seconds: float
) -> None:
    desk.says(vector("250"))
    port, policy = replace(desk.port(), mesh=mesh), replace(POLICY, provider=provider, analysis=Analysis((SUCCESS, DURATION)))
    rate, duration = (await port.measure(KEY, policy, desk.clock.now())).answers
    assert f"rate( {counter}{{" in rate.query and duration.value == seconds


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (vector("1", "2"), 2.0),
        (vector("+Inf"), float("inf")),
        (vector("NaN"), None),
        (vector(), None),
        ((200, '{"status":"success","data":{"resultType":"scalar","result":[1,"4.5"]}}'), 4.5),
        ((200, '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}}'), None),
        ((200, '{"status":"success","data":{}}'), None),
    ],
)
@pytest.mark.parametrize("metric", [DURATION, Metric("x", MetricKind.INLINE, query="up")])
async def test_met_7_the_last_series_counts_infinity_is_a_value_and_nan_or_nothing_is_none(
    desk: Desk, answer: tuple[int, str], value: float | None, metric: Metric
) -> None:
    desk.says(answer)
    sample = await desk.one(metric)
    expected = value / 1000 if value is not None and metric.kind is MetricKind.DURATION else value
    assert (sample.value, sample.problem) == (expected, "")


async def test_a_range_is_a_problem_in_flaggers_words(desk: Desk) -> None:
    desk.says((200, '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2"],[2,"3"]]}]}}'))
    assert (await desk.problem()).startswith("query returned multiple values")


async def test_an_answer_of_500_is_a_problem_in_flaggers_words_with_what_came_back(desk: Desk) -> None:
    desk.says((500, '{"status": "error", "error": "lab"}'))
    expected = 'error response: Status 500 Internal Server Error: {"status": "error", "error": "lab"}'
    assert await desk.problem() == expected


async def test_a_query_that_is_refused_is_a_problem_with_the_servers_reason(desk: Desk) -> None:
    desk.says((200, '{"status":"error","errorType":"bad_data","error":"parse error: unexpected }"}'))
    assert await desk.problem() == f"{desk.there.address} refused the query: parse error: unexpected }}. Correct the query"


@pytest.mark.parametrize(
    "body", ["", "<html>Please log in</html>", "[]", "null", '{"status": 1}', '{"status":"success","data":{"result":3}}', "\x00\x1b[31m"]
)
async def test_nonsense_is_a_problem_that_shows_how_it_begins(desk: Desk, body: str) -> None:
    desk.says((200, body))
    problem = await desk.problem()
    assert problem.startswith(f"{desk.there.address} does not answer like a Prometheus: ")
    assert body[:4].strip("\x00\x1b") in problem
    assert problem.isprintable()


@pytest.mark.parametrize("value", ["many", "", "1,5"])
async def test_a_value_that_is_no_number_is_a_problem(desk: Desk, value: str) -> None:
    desk.says(vector(value))
    assert "does not answer like a Prometheus" in await desk.problem()


async def test_an_answer_without_end_is_cut_off(desk: Desk) -> None:
    desk.there.sends(QUERY, 200, *[b" " * 65536] * 20, hangs=True)
    assert "answered with more than 1048576 bytes" in await desk.problem()


async def test_a_server_that_is_slow_is_given_up_at_the_deadline(desk: Desk) -> None:
    desk.there.hangs(QUERY)
    with pytest.raises(Unavailable, match=r"did not answer within 0\.05 s"):
        await query(desk.session, Server(desk.there.address, deadline=0.05), "up")
    assert Server(desk.there.address).deadline == 5


async def test_a_server_that_is_gone_or_hangs_up_is_a_problem_that_names_it(desk: Desk) -> None:
    desk.there.cuts(QUERY)
    assert (await desk.problem()).startswith(f"asking {desk.there.address} failed: ServerDisconnectedError")
    gone = await desk.problem(desk.template(address="http://127.0.0.1:1/prometheus"))
    assert gone.startswith("cannot connect to http://127.0.0.1:1/prometheus: ")
    assert gone.endswith("See whether it runs and can be reached")


@pytest.mark.parametrize("address", ["prometheus:9090", "http://", "http://prometheus:port", "http://[half", "ftp://prometheus"])
async def test_what_is_no_address_is_a_problem_that_says_what_one_looks_like(desk: Desk, address: str) -> None:
    assert "must begin with http:// or https:// and name a host" in await desk.problem(desk.template(address=address))


async def test_a_redirect_is_followed_and_takes_no_credentials_to_another_server(desk: Desk) -> None:
    desk.secrets["prom"] = {"token": PASSWORD.encode()}
    async with receiver() as elsewhere:
        elsewhere.says("/other", vector("3"))
        desk.says((302, "", {"Location": f"{elsewhere.address}/other"}))
        assert (await desk.one(desk.template(secret="prom"))).value == 3.0
        assert [seen.headers.get("Authorization") for seen in (*desk.there.seen, *elsewhere.seen)] == [f"Bearer {PASSWORD}", None]
    desk.says((302, "", {"Location": QUERY}))
    assert "redirects without end" in await desk.problem()


async def test_credentials_are_a_token_or_username_and_password_and_headers_are_sent_as_written(desk: Desk) -> None:
    desk.says(vector("1"))
    desk.secrets |= {"token": {"token": b"t0k\n"}, "basic": {"username": b"ada\n", "password": "pä:ss\n".encode()}}
    headers = (("X-Scope-OrgID", ("one", "two")),)
    for secret in ("token", "basic"):
        assert (await desk.one(desk.template(secret=secret, headers=headers))).value == 1.0
    basic = base64.b64encode("ada:pä:ss".encode()).decode()
    assert [seen.headers["Authorization"] for seen in desk.there.seen] == ["Bearer t0k", f"Basic {basic}"]
    assert "X-Scope-OrgID" in desk.there.seen[0].headers


async def test_a_server_whose_headers_the_policy_does_not_hold_is_asked_with_those_of_its_template_as_it_is_now(desk: Desk) -> None:
    desk.says(vector("1"))
    server = desk.template().provider
    assert server is not None
    port = replace(desk.port(), look_up=lambda one: replace(server, headers=(("Authorization", (f"Bearer of {one.document}",)),)))
    metric = replace(desk.template(), provider=replace(server, address="", document="errors"))
    assert await port.probe(KEY, replace(POLICY, analysis=Analysis((metric,)))) == ()
    assert [seen.headers["Authorization"] for seen in desk.there.seen] == ["Bearer of errors"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "secret prom.shop error: it does not exist or is empty. Add it with the key token, or with username and password"),
        ({"key": b"x", "pass": b"y"}, "secret prom.shop error: it has the keys key, pass; there must be token, or username and password"),
        ({"token": PASSWORD.encode() + b"\xff"}, "secret prom.shop error: the key token is not UTF-8 text"),
        (
            {"token": b"a\r\nX: " + PASSWORD.encode()},
            "secret prom.shop error: the key token holds a line break or another control character",
        ),
        ({"username": f"a:{PASSWORD}".encode()}, "secret prom.shop error: the key username holds a colon, which HTTP does not allow"),
    ],
)
async def test_a_secret_that_will_not_do_is_a_problem_that_names_it_and_its_key_and_nobody_is_asked(
    desk: Desk, values: dict[str, bytes], why: str
) -> None:
    desk.secrets["prom"] = values
    metric = desk.template(secret="prom")
    assert (await desk.problem(metric)).startswith(why)
    (problem,) = await desk.probe(metric)
    assert problem.startswith(f"metric template errors.shop provider prometheus error: {why}")
    assert desk.there.seen == []


@pytest.mark.parametrize("values", [{"token": PASSWORD.encode()}, {"username": b"ada", "password": PASSWORD.encode()}])
@pytest.mark.parametrize("status", [200, 401, 403, 500])
async def test_no_message_shows_credentials_though_the_server_says_them(desk: Desk, values: dict[str, bytes], status: int) -> None:
    desk.secrets["prom"] = values
    basic = base64.b64encode(f"ada:{PASSWORD}".encode()).decode()
    desk.says((status, f"who is {PASSWORD} or Basic {basic}?"))
    problem = await desk.problem(desk.template(secret="prom"))
    assert "who is ***" in problem
    assert basic not in problem or "token" in values
    if status in (401, 403):
        assert "of secret prom.shop, which must be allowed to query" in problem


async def test_no_message_shows_the_value_of_a_templates_header_though_the_server_says_it(desk: Desk) -> None:
    desk.says((500, f"who is {PASSWORD} of team red?"))
    headers = (("Authorization", (f"Bearer {PASSWORD}",)), ("X-Scope-OrgID", ("red",)))
    assert "who is *** of team red?" in await desk.problem(desk.template(headers=headers))


async def test_who_is_denied_without_credentials_is_told_so(desk: Desk) -> None:
    desk.says((401, "who are you"))
    expected = "error response: Status 401 Unauthorized: who are you"
    assert await desk.problem() == f"{expected}. {desk.there.address} was asked with no credentials, which must be allowed to query"


async def test_a_password_in_an_address_is_in_no_message(desk: Desk) -> None:
    for address in (f"http://ada:{PASSWORD}@127.0.0.1:1", f"http://ada:{PASSWORD}@host:port", f"ada:{PASSWORD}@host"):
        assert await desk.problem(desk.template(address=address))
    desk.says((500, PASSWORD))
    assert "***" in await desk.problem(desk.template(address=desk.there.address.replace("//", f"//ada:{PASSWORD}@")))


async def test_met_2_a_template_that_cannot_be_rendered_is_a_problem_and_an_inline_query_is_one_without_an_answer(desk: Desk) -> None:
    assert "missing" in await desk.problem(desk.template("{{ variables.missing }}"))
    inline = await desk.one(Metric("x", MetricKind.INLINE, query="{{ variables.missing }}"))
    assert (inline.value, inline.problem) == (None, "")
    assert desk.there.seen == []


async def test_an_inline_query_that_the_server_refuses_is_a_problem(desk: Desk) -> None:
    desk.says((200, '{"status":"error","error":"parse error"}'))
    assert "refused the query: parse error" in await desk.problem(Metric("x", MetricKind.INLINE, query="up{"))


async def test_met_2_each_template_is_probed_at_its_own_provider_with_a_number_that_is_always_there(desk: Desk) -> None:
    desk.says(vector("1"))
    missing = Metric("gone", MetricKind.UNUSABLE, template="gone.shop", problem="metric template gone.shop error: not found")
    dead = desk.template(address="http://127.0.0.1:1")
    found = await desk.probe(SUCCESS, desk.template(), missing, dead)
    assert found[0] == "metric template gone.shop error: not found"
    assert found[1].startswith("metric template errors.shop provider prometheus error: cannot connect to http://127.0.0.1:1: ")
    assert len(found) == 2
    assert [seen.query for seen in desk.there.seen] == [{"query": "vector(1)"}] * 2


async def test_met_2_the_server_of_built_in_metrics_is_probed_in_flaggers_words(desk: Desk) -> None:
    (found,) = await replace(desk.port(), metrics_server="http://127.0.0.1:1").probe(
        KEY, replace(POLICY, analysis=Analysis((SUCCESS, SUCCESS)))
    )
    assert found.startswith("prometheus not avaiable: running query failed: cannot connect to http://127.0.0.1:1: ")


async def test_a_provider_that_is_not_supported_and_a_missing_address_are_problems(desk: Desk) -> None:
    assert await desk.problem(desk.template(type="datadog")) == "metrics from datadog are not supported yet; prometheus is"
    assert "spec.provider.address of the MetricTemplate is missing" in await desk.problem(desk.template(address=""))


async def test_without_any_prometheus_it_is_said_where_to_name_one(desk: Desk) -> None:
    port = replace(desk.port(), metrics_server="")
    (sample,) = (await port.measure(KEY, replace(POLICY, analysis=Analysis((SUCCESS,))), desk.clock.now())).answers
    assert "Name one in spec.metricsServer or with --metrics-server" in sample.problem


async def test_c6_the_window_of_a_built_in_metric_never_reaches_back_to_the_canary_before(desk: Desk) -> None:
    policy = replace(POLICY, analysis=Analysis((SUCCESS, desk.template("up[{{ interval }}]"))))
    desk.says(vector("NaN"))
    for ago, window, early in ((20, "[20s]", True), (61, "[1m]", False)):
        rate, own = (await desk.port().measure(KEY, policy, desk.clock.now() - timedelta(seconds=ago))).answers
        assert (rate.query.count(window), rate.early, rate.problem) == (2, early, "")
        assert (own.query, own.early) == ("up[1m]", False), "what people write is theirs"
    desk.says(vector("97.5"))
    rate, _ = (await desk.port().measure(KEY, policy, desk.clock.now() - timedelta(seconds=20))).answers
    assert (rate.value, rate.early) == (97.5, False)
