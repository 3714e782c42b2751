"""Canary against primary with real requests through a real Envoy: worse goes back, trouble of both is waited for, too little says so."""

from pathlib import Path
from typing import Any

import pytest

import e2e.shared_database as shared
from e2e.documents import bad, settings, shop
from e2e.harness import Load, Place

pytestmark = pytest.mark.e2e

STEPS: dict[str, Any] = {"interval": "1s", "threshold": 2, "stepWeights": [50]}
QUICK: dict[str, Any] = {"scrapeInterval": "1s", "tolerance": {"absolute": "2%"}}


def compared(view: dict[str, Any]) -> dict[str, Any]:
    """What the comparison said last; empty where it said nothing yet."""
    run = view["rollout"]
    return (run["compared"] or {}) if run is not None else {}


def test_a_canary_that_fails_where_the_primary_does_not_goes_back_by_comparison(here: Place, port: int) -> None:
    here.repository.commit(shop(port, STEPS, rules={"judge": QUICK}))
    here.up()
    here.outcome(1)
    with Load(here.port()) as load:
        here.repository.commit({"settings.yaml": bad()})
        run = here.outcome(2)
    assert run["outcome"] == "RolledBack"
    said = run["compared"]
    assert (said["ruling"], said["reason"], [metric["implicated"] for metric in said["metrics"]]) == ("rollback", "worse", [True])
    assert said["metrics"][0]["canary"]["rate"] == 1 and said["metrics"][0]["primary"]["bad"] == 0
    assert "canary requests failed (100 %)" in here.ok("show", "2")
    assert "stored scrapes come to the verdict on record, word for word" in here.ok("show", "2", "--replay")
    assert not load.lost()


def test_an_incident_that_both_copies_share_is_waited_for(here: Place, port: int, tmp_path: Path) -> None:
    down = tmp_path / "database-is-down"
    objective = {"name": "objective", "kind": "objective", "limit": "5%"}
    rules = {"judge": {**QUICK, "metrics": [{"name": "errors"}, objective]}}
    here.repository.commit(shop(port, STEPS, rules=rules, service=Path(shared.__file__), arguments=[str(down)]))
    here.up()
    here.outcome(1)
    with Load(here.port()) as load:
        here.repository.commit({"settings.yaml": settings("two")})
        here.wait(lambda view: view["weight"] == 50, "half of the requests go to the canary")
        down.touch()
        held = here.wait(lambda view: compared(view).get("reason") == "shared-breach", "it is held because both copies fail")
        assert (compared(held)["ruling"], held["weight"], held["rollout"]["outcome"]) == ("hold", 50, "")
        assert "that is not the canary's doing" in compared(held)["sentence"]
        down.unlink()
        assert here.outcome(2)["outcome"] == "Promoted"
    assert not load.lost()


def test_too_little_traffic_ends_without_a_verdict_and_says_what_was_missing(here: Place, port: int) -> None:
    judge = {**QUICK, "step": {"deadline": "4s"}, "onInsufficient": "stop"}
    here.repository.commit(shop(port, STEPS, rules={"judge": judge}))
    here.up()
    here.outcome(1)
    with Load(here.port(), rate=4, clients=1) as load:
        here.repository.commit({"settings.yaml": settings("two")})
        run = here.outcome(2)
    assert (run["outcome"], run["compared"]["ruling"]) == ("Inconclusive", "insufficient")
    assert "more to prove that" in run["compared"]["sentence"]
    assert here.run("watch", "--until-done").returncode == 3
    assert not load.lost()
