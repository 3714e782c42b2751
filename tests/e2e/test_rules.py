"""What a Canary can ask for besides weights: matched and mirrored requests, webhooks, alerts, MetricTemplates."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from e2e.documents import SUCCESS, bad, document, settings, shop
from e2e.harness import Load, Place, soon

pytestmark = pytest.mark.e2e


class Receiver:
    """A web server that remembers what it was sent, and answers as it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.answers: dict[str, tuple[int, bytes]] = {}
        heard, answers = self.heard, self.answers

        class Handler(BaseHTTPRequestHandler):
            """Takes anything."""

            def do_POST(self) -> None:
                """Remembers a body."""
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                heard.append((self.path, json.loads(body) if body else None))
                status, text = answers.get(self.path, (200, b"{}"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *words: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def on(self, path: str) -> list[Any]:
        """What came to one path."""
        return [body for place, body in self.heard if place == path]

    def close(self) -> None:
        """Stops listening."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web server of the test."""
    made = Receiver()
    yield made
    made.close()


def test_requests_that_match_see_the_canary_and_all_others_the_primary(here: Place, port: int) -> None:
    rules = {"interval": "1s", "threshold": 2, "iterations": 3, "match": [{"headers": {"x-team": {"exact": "us"}}}], "metrics": [SUCCESS]}
    here.repository.commit(shop(port, rules))
    here.up()
    here.outcome(1)
    with Load(here.port(), headers={"x-team": "us"}) as us, Load(here.port()) as others:
        here.repository.commit({"settings.yaml": settings("two")})
        here.wait(lambda view: "requests that match" in view["exposure"], "the matched requests go to the canary")
        soon(lambda: us.bodies().get("two"), "we see the canary")
        shown = others.bodies()
        assert set(shown) == {"one"}
        assert here.outcome(2)["outcome"] == "Promoted"
        soon(lambda: others.bodies().get("two"), "all see it after promotion")
    assert not us.lost() + others.lost()


def test_mirrored_requests_are_judged_and_answered_by_the_primary_alone(here: Place, port: int) -> None:
    rules = {"interval": "1s", "threshold": 2, "stepWeights": [50], "mirror": True, "metrics": [SUCCESS]}
    here.repository.commit(shop(port, rules))
    here.up()
    here.outcome(1)
    with Load(here.port()) as load:
        here.repository.commit({"settings.yaml": bad()})
        here.wait(lambda view: "mirrored" in view["exposure"], "requests are mirrored")
        run = here.outcome(2)
    assert run["outcome"] == "RolledBack"
    assert [check["value"] for check in run["checks"]] == [0.0]
    assert set(load.bodies()) == {"one"}


def test_a_gate_webhook_holds_the_rollout_until_it_answers_yes(here: Place, port: int, receiver: Receiver) -> None:
    hooks = [{"name": "desk", "type": "confirm-rollout", "url": f"{receiver.url}/gate", "metadata": {"team": "us"}}]
    receiver.answers["/gate"] = (403, b"not yet")
    here.repository.commit(shop(port, {"interval": "500ms", "threshold": 2, "stepWeights": [50], "webhooks": hooks}))
    here.up()
    here.outcome(1)
    here.repository.commit({"settings.yaml": settings("two")})
    waiting = here.phase("Waiting", 2)
    assert waiting["rollout"]["gate"]["hook"] == "desk"
    asked = soon(lambda: receiver.on("/gate"), "the gate is asked")[0]
    assert (asked["name"], asked["namespace"], asked["metadata"]) == ("shop", "default", {"team": "us"})
    receiver.answers["/gate"] = (200, b"")
    assert here.outcome(2)["outcome"] == "Promoted"


def test_a_rollout_webhook_that_fails_is_a_failed_check(here: Place, port: int, receiver: Receiver) -> None:
    hooks = [{"name": "smoke", "type": "rollout", "url": f"{receiver.url}/smoke", "timeout": "2s"}]
    receiver.answers["/smoke"] = (400, b"the basket is empty")
    here.repository.commit(shop(port, {"interval": "500ms", "threshold": 2, "stepWeights": [50], "webhooks": hooks}))
    here.up()
    here.outcome(1)
    with Load(here.port()) as load:
        here.repository.commit({"settings.yaml": settings("two")})
        run = here.outcome(2)
    assert run["outcome"] == "RolledBack"
    assert "the basket is empty" in here.ok("show", "2")
    assert not load.lost()


def test_alerts_and_events_reach_their_receivers(here: Place, port: int, receiver: Receiver) -> None:
    provider = {
        "alert.yaml": document(
            "AlertProvider", "chat", "flagger.app/v1beta1", spec={"type": "slack", "channel": "ops", "address": f"{receiver.url}/chat"}
        )
    }
    rules = {
        "interval": "1s",
        "threshold": 1,
        "stepWeights": [50],
        "metrics": [SUCCESS],
        "alerts": [{"name": "ops", "severity": "error", "providerRef": {"name": "chat"}}],
    }
    here.repository.commit(shop(port, rules) | provider)
    here.up("--event-webhook", f"{receiver.url}/events")
    here.outcome(1)
    with Load(here.port()):
        here.repository.commit({"settings.yaml": bad()})
        assert here.outcome(2)["outcome"] == "RolledBack"
    alert = soon(lambda: receiver.on("/chat"), "the alert arrives")[0]
    assert "shop.default" in json.dumps(alert)
    events = soon(lambda: [body for body in receiver.on("/events") if "Canary failed" in json.dumps(body)], "the last event arrives")
    assert events[0]["name"] == "shop"
    assert events[0]["metadata"]["eventType"] in ("Warning", "Normal")
