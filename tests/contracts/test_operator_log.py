"""The lines that the operator logs: each has its canary, and its rollout once there is one."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from trimtab.errors import InputError
from trimtab.faces.exposition import Exposition
from trimtab.faces.operator import Log, Operating
from trimtab.model.decision import Decision
from trimtab.model.names import CanaryKey
from trimtab.model.rollout import CanaryState
from trimtab.testing.contracts.store import following

KEY = CanaryKey("shop", "app")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_what_goes_wrong_with_a_pass_is_logged_once_with_canary_and_rollout() -> None:
    lines: list[dict[str, Any]] = []
    operating = Operating(Log(lambda text: lines.append(json.loads(text)), lambda: "now"), Exposition("istio"))
    operating.went(KEY, InputError("it is wrong"))
    operating.exposition.decided(Decision(following(CanaryState(KEY), 3), (), None), timedelta(), NOW)
    for problem in (InputError("it is otherwise wrong"), InputError("it is otherwise wrong"), None, None):
        operating.went(KEY, problem)
    operating.followed(KEY, "the API server refuses the status")
    about = [(line["level"], line["canary"], line.get("rollout")) for line in lines]
    assert about == [("error", str(KEY), None), ("error", str(KEY), 3), ("info", str(KEY), 3), ("warn", str(KEY), 3)]
