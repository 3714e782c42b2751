"""Promotion while others roll back, and beside commits whose messages claim what is not so."""

import asyncio
import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.git_places import git
from contracts.promotion_places import BRANCH, MAIN, Shop, dying_git, run, shop
from trimtab.adapters.git.process import Git, Output
from trimtab.documents.pipeline import Promotion
from trimtab.errors import InputError
from trimtab.model.forge import RequestState
from trimtab.promotion.asking import ASKED
from trimtab.promotion.outcome import Word
from trimtab.testing.forge import MemoryForge
from trimtab.wiring.rolling_back import Back, RollingBack
from trimtab.wiring.workshop import Proof


def overtaken(place: Shop, proof: bytes) -> type[Git]:
    """A git before whose first push somebody else notes a rollback of the same content, and gets no further."""
    other, done = replace(place, git=dying_git(2, "before")), list[str]()

    def roll_back() -> None:
        with contextlib.suppress(RuntimeError):
            asyncio.run(RollingBack(other.workshop, other.edge, other.forge).run(Back(proof, "evidence.json")))

    class Overtaken(Git):
        async def run(self, folder: Path, *arguments: str, stdin: bytes = b"", deadline: float = 30.0) -> Output:
            if "push" in arguments and not done:
                done.append("rolled back")
                await asyncio.to_thread(roll_back)
            return await super().run(folder, *arguments, stdin=stdin, deadline=deadline)

    return Overtaken


@pytest.mark.parametrize("by", ["push", "pull-request"])
def test_content_that_is_rolled_back_while_it_is_looked_at_is_not_promoted(tmp_path: Path, by: str) -> None:
    place = shop(tmp_path, promotion=Promotion(by=by))  # type: ignore[arg-type]
    proof = place.evidence()
    done = replace(place, git=overtaken(place, place.evidence("fail"))).promote(proof)
    assert done.word is Word.HELD, done
    assert place.kinds() == ["verdict canary", "rolled-back canary"]
    assert "pool: '10'" in place.at_origin(f"{MAIN}:stable/config.yaml")


def noted(place: Shop, evidence: bytes) -> None:
    """As a watch notes its verdict."""
    proof, at = Proof.of(evidence, "evidence.json"), place.workshop
    run(at.journal.append(lambda _: [(at.verdict(proof), proof.data)], at.now()))


def test_an_older_pass_does_not_count_against_a_newer_verdict_on_the_same_content(tmp_path: Path) -> None:
    place = shop(tmp_path, promotion=Promotion(by="push"))
    older = place.evidence()
    noted(place, older)
    noted(place, place.evidence("fail"))
    done = place.promote(older)
    assert (done.word, "the newest verdict on shop/canary is fail" in done.text) == (Word.FAILED, True), done
    newer = json.loads(older) | {"window": {"began": "2026-02-01T00:00:00Z", "ended": "2026-02-01T00:10:00Z"}}
    assert place.promote(json.dumps(newer).encode()).word is Word.PROMOTED


def carried(place: Shop, ref: str) -> str:
    """The trailers of the promotion at the head of a branch."""
    return "\n".join(line for line in git(place.origin, "log", "-1", "--format=%B", ref).splitlines() if line.startswith("Trimtab-"))


@pytest.mark.parametrize("whole", [False, True])
def test_a_message_that_claims_a_promotion_does_not_make_a_change_by_hand_part_of_it(tmp_path: Path, whole: bool) -> None:
    place = shop(tmp_path, promotion=Promotion(by="push"))
    assert place.promote(place.evidence()).word is Word.PROMOTED
    claimed = carried(place, MAIN) if whole else "Trimtab-Promotion: shop/stable"
    place.change("stable", "info", 99, f"docs: a typo\n\n{claimed}\n")
    place.change("canary", "info", 30)
    with pytest.raises(InputError, match="stable was changed by hand since the last promotion"):
        place.promote(place.evidence())


def test_a_message_that_claims_what_was_only_proposed_promotes_nothing(tmp_path: Path) -> None:
    place = shop(tmp_path)
    proof = place.evidence()
    assert place.promote(proof).word is Word.PROPOSED
    place.change("other", "info", 1, f"docs: a typo\n\n{carried(place, BRANCH)}\n")
    assert place.promote(proof).word is Word.PROPOSED
    assert place.kinds() == ["verdict canary", "proposed stable"]


@pytest.mark.parametrize("last", ["push", "say", "edit"])
def test_an_approved_issue_whose_run_died_after_its_promotion_is_closed_by_the_next(tmp_path: Path, last: str) -> None:
    place = shop(tmp_path, promotion=Promotion(by="issue", approvers=("ann",)))
    asked = place.promote(place.evidence())
    assert place.forge is not None
    hub = place.forge.hub
    hub.comment(hub.threads[asked.number], "/approve", "ann")

    def strike(name: str, when: str) -> None:
        if (name, when) == (last, "before"):
            raise RuntimeError("died")

    # The second push is that of the commit; the first brings the approval into the journal.
    dying = {"git": dying_git(2, "after")} if last == "push" else {"forge": MemoryForge(hub, strike=strike)}
    with pytest.raises(RuntimeError):
        replace(place, **dying).promote()  # type: ignore[arg-type]
    assert hub.threads[asked.number].state is RequestState.OPEN
    done = place.promote()
    assert (done.word, done.operation, done.number) == (Word.NOTHING, "closed", asked.number)
    assert hub.threads[asked.number].state is RequestState.CLOSED and "content=-" in hub.threads[asked.number].body
    assert place.kinds()[-2:] == ["approved stable", "promoted stable"]
    assert place.promote().operation != "closed"


def test_an_issue_of_somebody_else_is_not_closed(tmp_path: Path) -> None:
    place = shop(tmp_path, promotion=Promotion(by="push"))
    place.promote(place.evidence())
    assert place.forge is not None
    hub = place.forge.hub
    theirs = run(MemoryForge(hub, login="eve").open_issue("x", "<!-- trimtab:begin shop/stable content=a evidence=b -->", (ASKED,)))
    assert replace(place, promotion=Promotion(by="issue")).promote().word is Word.NOTHING
    assert hub.threads[theirs.number].state is RequestState.OPEN
