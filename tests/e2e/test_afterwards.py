"""After promotion on one machine: what turns bad once everybody has it is found by looking at the primary, and gone back from."""

import re
import signal
from pathlib import Path
from typing import Any

import pytest

import e2e.shared_database as shared
from e2e.documents import SUCCESS, settings, shop
from e2e.harness import Load, Place, get

pytestmark = pytest.mark.e2e

STEPS: dict[str, Any] = {"interval": "1s", "threshold": 2, "stepWeights": [50], "metrics": [{**SUCCESS, "interval": "2s"}]}


def test_what_turns_bad_after_promotion_is_gone_back_from_though_trimtab_was_killed_meanwhile(
    here: Place, port: int, tmp_path: Path
) -> None:
    down = tmp_path / "database-is-down"
    here.repository.commit(shop(port, STEPS, rules={"afterPromotion": "undo"}, service=Path(shared.__file__), arguments=[str(down)]))
    here.up()
    here.outcome(1)
    with Load(here.port()) as load:
        here.repository.commit({"settings.yaml": settings("two")})
        assert here.outcome(2)["outcome"] == "Promoted"
        here.wait(lambda view: (view["rollout"]["watch"] or {"looks": 0})["looks"] > 2, "it is watched, look by look")
        assert "watched until" in here.ok("status", "shop") and here.json("status", "shop")["phase"] == "Succeeded"
        assert here.run("watch", "shop", "--until-done").returncode == 0
        assert here.signal(signal.SIGKILL) == -signal.SIGKILL
        down.touch()
        here.up()
        undo = here.outcome(3)
        down.unlink()
    assert (undo["kind"], undo["outcome"], undo["actor"]) == ("undo", "Undone", "the watch after promotion")
    told = here.ok("show", "2")
    seen = r"success rate [\d.]+% < 99%, in 3 looks in a row"
    assert "Promoted" in told and re.search(f"after      broken after promotion: {seen}", told), told
    assert re.search(rf"by the watch after promotion \({seen}\): going back to revision", here.ok("show", "3"))
    assert get(here.port()).body == "one" and not load.lost()
