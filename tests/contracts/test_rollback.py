"""The story of a rollback: real git, people who interfere."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.git_places import git
from contracts.promotion_places import CONFIG, MAIN, Shop, dying_git, run, shop
from trimtab.errors import Denied, InputError
from trimtab.promotion.journal import Entry, Kind
from trimtab.promotion.outcome import Word
from trimtab.promotion.text import trailers_of

CANARY = "canary/config.yaml"


def canary(place: Shop) -> str:
    return place.at_origin(f"{MAIN}:{CANARY}") + "\n"


def test_a_failed_canary_goes_back_to_stables_content_by_a_commit_that_names_the_verdict(tmp_path: Path) -> None:
    place = shop(tmp_path)
    judged = git(place.origin, "rev-parse", MAIN)
    done = place.roll_back(place.evidence("fail"))
    assert done.word is Word.ROLLED_BACK and git(place.origin, "rev-parse", MAIN) == done.commit
    assert canary(place) == CONFIG.format(level="info", pool=10)
    message = git(place.origin, "log", "-1", "--format=%B", MAIN)
    assert message.startswith("Roll back shop/canary: verdict fail\n") and "pool: 20 -> 10" in message
    trailers = trailers_of(message)
    assert (trailers["Rollback"], trailers["Verdict"], trailers["Journal"]) == ("shop/canary", "fail", place.journal()[-1].hash)
    assert place.journal()[-1].entry.commit == judged
    assert git(place.origin, "diff", "--name-only", judged, MAIN) == CANARY


def test_a_second_rollback_finds_nothing_to_do_and_there_is_none_of_a_rollback(tmp_path: Path) -> None:
    place = shop(tmp_path)
    proof = place.evidence("fail")
    place.roll_back(proof)
    before = git(place.origin, "for-each-ref")
    assert place.roll_back(proof).word is Word.NOTHING
    assert place.roll_back(place.evidence("fail")).word is Word.NOTHING
    assert git(place.origin, "for-each-ref") == before


def test_content_that_was_rolled_back_is_not_promoted_until_somebody_asks_for_it_again(tmp_path: Path) -> None:
    place = shop(tmp_path)
    place.roll_back(place.evidence("fail"))
    place.change("canary", "info", 20, "the same again")
    good = place.evidence()
    held = place.promote(good)
    assert held.word is Word.HELD and "retry --in repo shop/canary" in held.text
    workshop = place.workshop
    wish = Entry(kind=Kind.RETRIED, at=workshop.now(), app="shop", target="canary", content=held.content)
    run(workshop.noted(wish, None, lambda _: False))
    assert place.promote(good).word is Word.PROPOSED


def test_a_newer_change_that_the_verdict_is_not_about_stays(tmp_path: Path) -> None:
    place = shop(tmp_path)
    proof = place.evidence("fail")
    place.change("canary", "debug", 20)
    done = place.roll_back(proof)
    assert done.word is Word.ROLLED_BACK and "newer changes stay" in done.notes[0]
    assert canary(place) == CONFIG.format(level="debug", pool=10)


def test_a_newer_change_of_what_the_verdict_is_about_is_not_taken_back(tmp_path: Path) -> None:
    place = shop(tmp_path)
    proof = place.evidence("fail")
    place.change("canary", "info", 15)
    before = git(place.origin, "for-each-ref")
    with pytest.raises(InputError, match=r"newer change is not taken back"):
        place.roll_back(proof)
    assert git(place.origin, "for-each-ref") == before


def test_a_canary_that_passed_is_rolled_back_only_for_a_reason(tmp_path: Path) -> None:
    place = shop(tmp_path)
    with pytest.raises(InputError, match="verdict on shop/canary is pass"):
        place.roll_back(place.evidence())
    with pytest.raises(InputError, match="no evidence about shop/canary"):
        place.roll_back()
    done = place.roll_back(reason="customers complain")
    assert done.word is Word.ROLLED_BACK
    assert trailers_of(git(place.origin, "log", "-1", "--format=%B", MAIN))["Reason"] == "customers complain"


def test_evidence_that_does_not_fit_its_own_commit_is_refused(tmp_path: Path) -> None:
    place = shop(tmp_path)
    older = git(place.origin, "rev-parse", MAIN)
    place.change("canary", "info", 30)
    forged = place.evidence("fail").replace(git(place.origin, "rev-parse", MAIN).encode(), older.encode())
    with pytest.raises(InputError, match=r"other contents of canary/config.yaml"):
        place.roll_back(forged)


def test_a_dry_run_shows_the_patch_and_touches_nothing(tmp_path: Path) -> None:
    place = shop(tmp_path)
    before = git(place.origin, "for-each-ref")
    done = place.roll_back(place.evidence("fail"), dry=True)
    assert done.word is Word.PLANNED and "+  pool: '10'" in done.patch
    assert git(place.origin, "for-each-ref") == before


def protect(place: Shop) -> None:
    hook = place.origin / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\n[ "$1" = refs/heads/main ] && echo "GH006: Protected branch update failed" >&2 && exit 1\nexit 0\n')
    hook.chmod(0o755)


def test_where_main_is_protected_from_us_a_pull_request_asks_people(tmp_path: Path) -> None:
    place = shop(tmp_path)
    proof = place.evidence("fail")
    protect(place)
    done = place.roll_back(proof)
    assert (done.word, done.branch, done.operation) == (Word.WAITING, "trimtab/shop/canary", "created")
    assert place.forge is not None
    assert "`canary` was judged, and goes back to what `stable` has." in place.forge.hub.threads[done.number].body
    again = place.roll_back(proof)
    assert (again.number, again.operation) == (done.number, "updated")
    assert place.at_origin("trimtab/shop/canary:canary/config.yaml") + "\n" == CONFIG.format(level="info", pool=10)
    assert place.kinds() == ["verdict canary", "rolled-back canary"]
    with pytest.raises(Denied):
        replace(place, forge=None).roll_back(proof)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_run_that_dies_at_any_push_is_finished_by_the_next(tmp_path: Path, number: int, moment: str) -> None:
    place = shop(tmp_path)
    proof = place.evidence("fail")
    with contextlib.suppress(RuntimeError):
        replace(place, git=dying_git(number, moment)).roll_back(proof)
    assert place.roll_back(proof).word in (Word.ROLLED_BACK, Word.NOTHING)
    assert canary(place) == CONFIG.format(level="info", pool=10)
    assert len(git(place.origin, "rev-list", MAIN).split()) == 2
    assert place.kinds() == ["verdict canary", "rolled-back canary"]
