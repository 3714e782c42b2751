"""What Argo CD says about our kinds, by the interpreter that it has: the health of a Canary and of one attempt."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.programs import LUA, program

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
FOLDER = Path(__file__).parents[2] / "deploy" / "argocd"
WITHIN = 30.0


def lua(value: Any) -> str:
    """A value as Lua writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{lua(name)}] = {lua(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(lua, value)) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int) else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def health(tmp_path: Path, script: str, found: Raw) -> tuple[str, str]:
    """Status and message of an object."""
    check = (FOLDER / script).read_text()
    tmp_path.joinpath("check.lua").write_text(
        f"obj = {lua(found)}\nlocal function check()\n{check}\nend\nlocal said = check()\nprint(said.status)\nprint(said.message)\n"
    )
    command = [program(LUA), str(tmp_path / "check.lua")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=True)
    status, message = done.stdout.strip().split("\n")
    return status, message


def a_canary(phase: str, message: str = "", **spec: Any) -> Raw:
    conditions = [{"type": "Promoted", "message": message}] if message else []
    return {"kind": "Canary", "spec": spec, "status": {"phase": phase, "conditions": conditions}}


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ({"kind": "Canary", "spec": {}}, "Progressing"),
        (a_canary(""), "Progressing"),
        (a_canary("Initializing"), "Progressing"),
        (a_canary("Initialized"), "Healthy"),
        (a_canary("Waiting"), "Suspended"),
        (a_canary("Progressing"), "Progressing"),
        (a_canary("Progressing", suspend=True), "Suspended"),
        (a_canary("WaitingPromotion"), "Suspended"),
        (a_canary("Promoting"), "Progressing"),
        (a_canary("Finalising"), "Progressing"),
        (a_canary("Succeeded"), "Healthy"),
        (a_canary("Failed", suspend=True), "Degraded"),
        (a_canary("Terminating"), "Progressing"),
    ],
)
def test_the_health_of_a_canary_follows_its_phase(tmp_path: Path, found: Raw, status: str) -> None:
    assert health(tmp_path, "canary.lua", found)[0] == status


def test_the_message_of_a_canary_is_its_conditions(tmp_path: Path) -> None:
    said = health(tmp_path, "canary.lua", a_canary("Failed", "Canary analysis failed, Deployment scaled to zero."))
    assert said == ("Degraded", "Canary analysis failed, Deployment scaled to zero.")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({}, ("Progressing", "Not begun")),
        ({"phase": "Progressing", "reason": "check 1 passed"}, ("Progressing", "check 1 passed")),
        ({"phase": "WaitingPromotion", "waitingFor": "confirm-promotion"}, ("Suspended", "Waiting for confirm-promotion")),
        ({"phase": "Progressing", "paused": "ann: lunch"}, ("Suspended", "Paused by ann: lunch")),
        (
            {"phase": "Failed", "outcome": "RolledBack", "reason": "5 % of requests failed", "endedAt": "2026-01-01T00:00:00Z"},
            ("Healthy", "RolledBack: 5 % of requests failed"),
        ),
    ],
)
def test_an_attempt_that_waits_for_a_person_is_suspended_and_one_that_ended_is_history(
    tmp_path: Path, status: Raw, said: tuple[str, str]
) -> None:
    assert health(tmp_path, "configrollout.lua", {"kind": "ConfigRollout", "status": status}) == said


def test_there_is_no_action_that_would_hide_the_person() -> None:
    assert not [path for path in FOLDER.iterdir() if "actions" in path.read_text()]
