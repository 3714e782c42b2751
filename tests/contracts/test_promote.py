"""The story of a promotion: real git, a forge in memory, people who interfere."""

import asyncio
import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.git_places import commit, git
from contracts.promotion_places import BRANCH, CONFIG, MAIN, Shop, dying_git, run, shop
from trimtab.documents.pipeline import Promotion
from trimtab.errors import Denied, InputError
from trimtab.model.forge import Permission, PullRequest, RequestState, StatusState
from trimtab.promotion.outcome import Word
from trimtab.promotion.text import trailers_of
from trimtab.testing.forge import MemoryForge
from trimtab.wiring.promoting import Promoting, Wish

PROMOTED = "# stable's own\n" + CONFIG.format(level="info", pool=20)


def request_of(place: Shop) -> PullRequest:
    assert place.forge is not None
    found = run(place.forge.pull_request("trimtab/shop/stable", "main"))
    assert found is not None
    return found


def test_judged_content_becomes_one_pull_request_with_evidence_and_trailers(tmp_path: Path) -> None:
    place = shop(tmp_path, promotion=Promotion(labels=("promotion",), reviewers=("ann",)))
    done = place.promote(place.evidence())
    assert (done.word, done.operation, done.branch) == (Word.PROPOSED, "created", "trimtab/shop/stable")
    assert place.at_origin(f"{BRANCH}:stable/config.yaml") == PROMOTED.rstrip("\n")
    assert git(place.origin, "diff", "--name-only", MAIN, BRANCH) == "stable/config.yaml"
    request = request_of(place)
    assert request.labels == ("promotion",) and request.title.startswith("Promote shop to stable: app-config (")
    for said in ("pool: 10 -> 20 (x2)", "| request-success-rate | 99.95 % | 99.94 % |", "**Verdict: pass**"):
        assert said in request.body
    trailers = trailers_of(git(place.origin, "log", "-1", "--format=%B", BRANCH))
    assert trailers["Promotion"] == "shop/stable" and trailers["Content"] == done.content and trailers["Evidence"] == done.evidence
    assert trailers["Journal"] == place.journal()[-1].hash
    assert place.kinds() == ["verdict canary", "proposed stable"]
    assert place.forge is not None
    assert [status.state for status in run(place.forge.statuses(done.commit))] == [StatusState.SUCCESS]


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    place = shop(tmp_path)
    first = place.promote(place.evidence())
    before = git(place.origin, "for-each-ref")
    again = place.promote()
    assert (again.word, again.operation, again.commit, again.number) == (Word.PROPOSED, "none", first.commit, first.number)
    assert git(place.origin, "for-each-ref") == before


def test_newer_evidence_for_the_same_content_is_told_and_noted_without_a_new_commit(tmp_path: Path) -> None:
    place = shop(tmp_path)
    first = place.promote(place.evidence())
    place.change("other", "x", 1)
    again = place.promote(place.evidence())
    assert (again.commit, again.operation) == (first.commit, "updated") and again.evidence != first.evidence
    assert again.evidence[:16] in request_of(place).body
    assert place.kinds() == ["verdict canary", "proposed stable"] * 2


def test_newer_content_updates_the_pull_request_in_place_and_keeps_what_people_wrote(tmp_path: Path) -> None:
    place = shop(tmp_path)
    first = place.promote(place.evidence())
    assert place.forge is not None
    hub = place.forge.hub
    hub.threads[first.number] = replace(request_of(place), body=f"Please look!\n\n{request_of(place).body}\nSigned: Ann\n")
    place.change("canary", "debug", 30)
    done = place.promote(place.evidence())
    assert (done.number, done.operation) == (first.number, "updated")
    body = request_of(place).body
    assert (
        body.startswith("Please look!")
        and body.endswith("Signed: Ann\n")
        and "level: info -> debug" in body
        and body.count("trimtab:begin") == 1
    )
    assert len(git(place.origin, "rev-list", f"{MAIN}..{BRANCH}").split()) == 1


def test_a_branch_is_made_anew_when_main_changed_below_it_and_left_when_it_moved_elsewhere(tmp_path: Path) -> None:
    place = shop(tmp_path)
    first = place.promote(place.evidence())
    place.change("other", "x", 1)
    assert place.promote().commit == first.commit
    git(place.clone, "mv", "readme.md", "README.md")
    text = "# stable's own\n# and more\n" + CONFIG.format(level="info", pool=10)
    (place.clone / "stable/config.yaml").write_text(text)
    commit(place.clone, "a comment", {})
    git(place.clone, "push", "--quiet", "origin", "HEAD:main")
    second = place.promote()
    assert second.commit != first.commit
    assert "# and more" in place.at_origin(f"{BRANCH}:stable/config.yaml")


def test_a_commit_by_somebody_else_on_the_branch_is_respected(tmp_path: Path) -> None:
    place = shop(tmp_path)
    place.promote(place.evidence())
    git(place.clone, "fetch", "--quiet", "origin", BRANCH)
    git(place.clone, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    theirs = commit(place.clone, "mine", {"stable/config.yaml": PROMOTED.replace("20", "15")})
    git(place.clone, "push", "--quiet", "origin", f"HEAD:{BRANCH}")
    place.change("canary", "debug", 30)
    done = place.promote(place.evidence())
    assert done.word is Word.FOREIGN and theirs[:10] in done.text
    assert git(place.origin, "rev-parse", BRANCH) == theirs


def test_our_commit_that_somebody_amended_is_theirs(tmp_path: Path) -> None:
    place = shop(tmp_path)
    place.promote(place.evidence())
    git(place.clone, "fetch", "--quiet", "origin", BRANCH)
    git(place.clone, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    (place.clone / "stable/config.yaml").write_text(PROMOTED.replace("20", "15"))
    git(place.clone, "commit", "--quiet", "--all", "--amend", "--no-edit")
    git(place.clone, "push", "--quiet", "--force", "origin", f"HEAD:{BRANCH}")
    assert place.promote().word is Word.FOREIGN


def test_closed_means_declined_for_this_content_until_it_is_reopened_or_changes(tmp_path: Path) -> None:
    place = shop(tmp_path)
    place.promote(place.evidence())
    assert place.forge is not None
    place.forge.hub.end(request_of(place))
    for _ in range(2):
        assert place.promote().word is Word.DECLINED
    assert place.kinds().count("declined stable") == 1
    place.change("canary", "debug", 30)
    done = place.promote(place.evidence())
    assert (done.word, done.operation) == (Word.PROPOSED, "created")


def test_a_merge_ends_it_and_is_noted_and_the_next_promotion_starts_from_there(tmp_path: Path) -> None:
    place = shop(tmp_path)
    place.promote(place.evidence())
    assert place.forge is not None
    place.forge.hub.review(request_of(place), "ann")
    place.merge()
    place.forge.hub.end(request_of(place), RequestState.MERGED)
    assert place.promote().word is Word.NOTHING
    assert place.kinds() == ["verdict canary", "proposed stable", "promoted stable"]
    last = place.journal()[-1].entry
    assert (last.text, last.request, last.commit) == ("approved by ann", request_of(place).url, git(place.origin, "rev-parse", MAIN))
    place.change("stable", "warn", 20, "a hotfix")
    place.change("canary", "info", 40)
    with pytest.raises(InputError, match=r"stable was changed by hand since the last promotion.*level"):
        place.promote(place.evidence())


def test_a_squash_under_another_message_is_a_promotion_all_the_same(tmp_path: Path) -> None:
    place = shop(tmp_path)
    place.promote(place.evidence())
    place.change("stable", "info", 20, "Squashed (#1)")
    assert place.forge is not None
    hub, request = place.forge.hub, request_of(place)
    hub.threads[request.number] = replace(request, state=RequestState.MERGED, merge_commit=git(place.origin, "rev-parse", MAIN))
    assert place.promote().word is Word.NOTHING
    assert place.kinds()[-1] == "promoted stable"
    place.change("stable", "warn", 20, "a hotfix")
    place.change("canary", "info", 40)
    with pytest.raises(InputError, match=r"stable was changed by hand since the last promotion.*level"):
        place.promote(place.evidence())


def test_an_open_pull_request_without_a_purpose_is_closed_and_its_branch_goes(tmp_path: Path) -> None:
    place = shop(tmp_path)
    place.promote(place.evidence())
    git(place.clone, "reset", "--quiet", "--hard", "HEAD")
    place.change("stable", "info", 20)
    done = place.promote()
    assert (done.word, done.operation) == (Word.NOTHING, "closed")
    assert request_of(place).state is RequestState.CLOSED
    assert BRANCH not in git(place.origin, "for-each-ref")
    place.change("stable", "info", 10, "taken back")
    assert place.promote().operation == "created"


def test_a_shallow_checkout_finds_the_last_promotion(tmp_path: Path) -> None:
    place = shop(tmp_path, forge=False, promotion=Promotion(by="push"))
    place.promote(place.evidence())
    place.change("stable", "warn", 20, "a hotfix")
    place.change("canary", "info", 40)
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{place.origin}", str(tmp_path / "shallow"))
    shallow = replace(place, clone=tmp_path / "shallow")
    with pytest.raises(InputError, match=r"stable was changed by hand since the last promotion"):
        shallow.promote(shallow.evidence())


def test_content_that_moved_since_it_was_judged_is_refused_and_named(tmp_path: Path) -> None:
    place = shop(tmp_path)
    proof = place.evidence()
    place.change("canary", "info", 21)
    before = git(place.origin, "for-each-ref")
    with pytest.raises(InputError, match=r"canary/config.yaml changed since commit"):
        place.promote(proof)
    assert git(place.origin, "for-each-ref") == before


@pytest.mark.parametrize(("judgement", "word"), [("fail", Word.FAILED), ("inconclusive", Word.INCONCLUSIVE), ("no-data", Word.NO_DATA)])
def test_only_a_pass_promotes(tmp_path: Path, judgement: str, word: Word) -> None:
    place = shop(tmp_path, forge=False)
    before = git(place.origin, "for-each-ref")
    assert place.promote(place.evidence(judgement)).word is word
    assert git(place.origin, "for-each-ref") == before


def test_evidence_of_another_run_counts_only_from_the_journal(tmp_path: Path) -> None:
    place = shop(tmp_path, run_id="100")
    proof = place.evidence()
    with pytest.raises(InputError, match="anybody could have written it"):
        replace(place, run_id="101").promote(proof)
    place.promote(proof)
    assert replace(place, run_id="101").promote(proof).word is Word.PROPOSED


def test_evidence_in_a_file_does_not_count_outside_of_a_pipeline_unless_the_journal_has_it(tmp_path: Path) -> None:
    place = shop(tmp_path, run_id="")
    proof = place.evidence()
    for refused in (lambda: place.promote(proof), lambda: place.roll_back(place.evidence("fail"))):
        with pytest.raises(InputError, match="anybody could have written it"):
            refused()
    in_run = replace(place, run_id="100")
    newer = in_run.evidence()
    in_run.promote(newer)
    assert place.promote(newer).word is Word.PROPOSED


def test_what_changes_beside_the_judged_content_is_refused(tmp_path: Path) -> None:
    place = shop(tmp_path)

    def paint_that_leaks() -> Promoting:
        workshop = place.workshop

        async def paint(at, app, target):  # type: ignore[no-untyped-def]
            picture = await workshop.paint(at, app, target)
            pool = next(value for key, value in picture.values.items() if key.key == "pool")
            return replace(picture, others={**picture.others, "Deployment/app": {"env": pool.decode()}})

        return Promoting(replace(workshop, paint=paint), place.edge, place.forge)

    with pytest.raises(InputError, match=r"would change more than what was judged: Deployment/app"):
        run(paint_that_leaks().run(Wish(place.evidence(), "evidence.json")))


def test_a_push_commits_on_the_branch_itself_and_is_noted(tmp_path: Path) -> None:
    place = shop(tmp_path, forge=False, promotion=Promotion(by="push"))
    done = place.promote(place.evidence())
    assert done.word is Word.PROMOTED and git(place.origin, "rev-parse", MAIN) == done.commit
    assert place.kinds() == ["verdict canary", "proposed stable", "promoted stable"]
    assert place.promote().word is Word.NOTHING


def test_a_push_that_somebody_beats_is_made_anew_on_theirs(tmp_path: Path) -> None:
    place = shop(tmp_path, forge=False, promotion=Promotion(by="push"))
    hook = place.clone / ".git" / "beaten"
    beaten = Beaten(place, hook)
    done = run(Promoting(replace(place.workshop, journal=beaten), place.edge, None).run(Wish(place.evidence(), "evidence.json")))  # type: ignore[arg-type]
    assert done.word is Word.PROMOTED
    assert git(place.origin, "show", f"{MAIN}:other/config.yaml")
    assert git(place.origin, "rev-parse", f"{MAIN}^") == beaten.theirs


class Beaten:
    """A journal that lets somebody push to main just before we do, once."""

    def __init__(self, place: Shop, _: Path) -> None:
        self.inner, self.place, self.theirs = place.workshop.journal, place, ""

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    async def append(self, make: object, at: object) -> object:
        found = await self.inner.append(make, at)  # type: ignore[arg-type]
        if not self.theirs:
            self.theirs = await asyncio.to_thread(self.place.change, "other", "x", 1)
        return found


def test_a_push_to_a_protected_branch_says_what_must_be_allowed(tmp_path: Path) -> None:
    place = shop(tmp_path, forge=False, promotion=Promotion(by="push"))
    hook = place.origin / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\n[ "$1" = refs/heads/main ] && echo "GH006: Protected branch update failed" >&2 && exit 1\nexit 0\n')
    hook.chmod(0o755)
    with pytest.raises(Denied, match="refs/heads/main"):
        place.promote(place.evidence())


def test_an_issue_waits_for_an_approver_and_then_promotes_exactly_that(tmp_path: Path) -> None:
    place = shop(tmp_path, promotion=Promotion(by="issue", approvers=("ann",)))
    asked = place.promote(place.evidence())
    assert (asked.word, asked.operation) == (Word.WAITING, "created")
    assert place.forge is not None
    hub, issue = place.forge.hub, place.forge.hub.threads[asked.number]
    hub.people |= {"eve": Permission.WRITE}
    hub.comment(issue, "/approve", "eve")
    hub.comment(issue, "should we /approve this?", "ann")
    hub.comment(issue, "/approve", "ann", edited=True)
    hub.comment(issue, "/approve", "trimtab-bot")
    assert place.promote().word is Word.WAITING
    hub.comment(issue, "Looked at it.\n/approve\n", "Ann")
    done = place.promote()
    assert done.word is Word.PROMOTED and done.operation == "closed"
    assert trailers_of(git(place.origin, "log", "-1", "--format=%B", MAIN))["Approved-By"] == "Ann"
    assert place.kinds() == ["verdict canary", "proposed stable", "approved stable", "promoted stable"]
    assert place.promote().word is Word.NOTHING
    assert "content=-" in hub.threads[asked.number].body


def test_an_approval_does_not_count_for_content_that_came_later(tmp_path: Path) -> None:
    place = shop(tmp_path, promotion=Promotion(by="issue"))
    first = place.promote(place.evidence())
    assert place.forge is not None
    place.forge.hub.comment(place.forge.hub.threads[first.number], "/approve", "ann")
    place.change("canary", "debug", 30)
    second = place.promote(place.evidence())
    assert (second.word, second.operation) == (Word.WAITING, "created") and second.number != first.number
    assert place.forge.hub.threads[first.number].state is RequestState.CLOSED
    place.forge.hub.end(place.forge.hub.threads[second.number])
    assert place.promote().word is Word.DECLINED


def test_an_approval_does_not_count_for_content_that_somebody_wrote_into_the_issue_later(tmp_path: Path) -> None:
    place = shop(tmp_path, promotion=Promotion(by="issue", approvers=("ann",)))
    first = place.promote(place.evidence())
    assert place.forge is not None
    hub = place.forge.hub
    issue = hub.threads[first.number]
    hub.comment(issue, "/approve", "ann")
    place.change("canary", "debug", 30)
    proof = place.evidence()
    content = json.loads(proof)["content"]
    hub.threads[first.number] = replace(issue, body=issue.body.replace(first.content, content))
    done = place.promote(proof)
    assert (done.word, done.operation) == (Word.WAITING, "created") and done.number != first.number
    assert place.at_origin(f"{MAIN}:stable/config.yaml") + "\n" != PROMOTED.replace("20", "30")


def test_an_issue_that_somebody_else_opened_is_not_asked_in(tmp_path: Path) -> None:
    place = shop(tmp_path, promotion=Promotion(by="issue", approvers=("ann",)))
    asked = place.promote(place.evidence())
    (tmp_path / "other").mkdir()
    other = shop(tmp_path / "other", promotion=Promotion(by="issue", approvers=("ann",)))
    assert place.forge is not None and other.forge is not None
    body = "Only a typo is mended.\n" + place.forge.hub.threads[asked.number].body
    eve = MemoryForge(other.forge.hub, login="eve")
    theirs = run(eve.open_issue("Promote?", body, ["trimtab/promotion"]))
    other.forge.hub.comment(theirs, "/approve", "ann")
    done = other.promote(other.evidence())
    assert (done.word, done.operation) == (Word.WAITING, "created") and done.number != theirs.number


def test_a_dry_run_shows_the_patch_and_touches_nothing(tmp_path: Path) -> None:
    place = shop(tmp_path, forge=False)
    before = git(place.origin, "for-each-ref"), git(place.clone, "for-each-ref"), git(place.clone, "status", "--porcelain")
    done = place.promote(place.evidence(), dry=True)
    assert done.word is Word.PLANNED and "+  pool: '20'" in done.patch and "-  pool: '10'" in done.patch
    assert done.patch.count("\n+") == 2
    after = git(place.origin, "for-each-ref"), git(place.clone, "for-each-ref"), git(place.clone, "status", "--porcelain")
    assert [line for line in after[1].splitlines() if "refs/trimtab/seen" not in line] == before[1].splitlines()
    assert (after[0], after[2]) == (before[0], before[2])


def test_without_a_forge_a_pull_request_is_refused_with_what_to_do(tmp_path: Path) -> None:
    place = shop(tmp_path, forge=False)
    with pytest.raises(InputError, match="by: push"):
        place.promote(place.evidence())


def test_two_runs_at_once_make_one_pull_request(tmp_path: Path) -> None:
    place = shop(tmp_path)
    git(tmp_path, "clone", "--quiet", str(place.origin), str(tmp_path / "second"))
    other = replace(place, clone=tmp_path / "second")
    proof = place.evidence()

    async def both() -> None:
        runs = (Promoting(one.workshop, one.edge, one.forge).run(Wish(proof, "evidence.json")) for one in (place, other))
        done = await asyncio.gather(*runs)
        assert {one.word for one in done} == {Word.PROPOSED}
        assert len({one.commit for one in done}) == 1

    run(both())
    assert place.forge is not None and len(place.forge.hub.threads) == 1
    assert len(git(place.origin, "rev-list", f"{MAIN}..{BRANCH}").split()) == 1
    assert place.kinds() == ["verdict canary", "proposed stable"]


CALLS = ["pull_request", "open_pull_request", "statuses", "set_status"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_a_run_that_dies_at_any_call_to_the_forge_is_finished_by_the_next(tmp_path: Path, call: str, moment: str) -> None:
    place = shop(tmp_path)
    assert place.forge is not None
    strikes = iter([True])

    def strike(name: str, when: str) -> None:
        if (name, when) == (call, moment) and next(strikes, False):
            raise RuntimeError("died")

    dying = replace(place, forge=MemoryForge(place.forge.hub, strike=strike))
    try:
        dying.promote(place.evidence())
    except RuntimeError:
        place.promote(place.evidence())
    assert len(place.forge.hub.threads) == 1
    assert place.at_origin(f"{BRANCH}:stable/config.yaml") == PROMOTED.rstrip("\n")
    assert place.kinds() == ["verdict canary", "proposed stable"]
    assert run(place.forge.statuses(git(place.origin, "rev-parse", BRANCH)))


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("by", ["pull-request", "push"])
def test_a_run_that_dies_at_any_push_is_finished_by_the_next(tmp_path: Path, by: str, number: int, moment: str) -> None:
    place = shop(tmp_path, promotion=Promotion(by=by))  # type: ignore[arg-type]
    proof = place.evidence()
    with contextlib.suppress(RuntimeError):
        replace(place, git=dying_git(number, moment)).promote(proof)
    done = place.promote(proof)
    if by == "push":
        assert done.word in (Word.PROMOTED, Word.NOTHING)
        assert place.at_origin(f"{MAIN}:stable/config.yaml") == PROMOTED.rstrip("\n")
        assert len(git(place.origin, "rev-list", MAIN).split()) == 2
        assert place.kinds() == ["verdict canary", "proposed stable", "promoted stable"]
    else:
        assert place.forge is not None and len(place.forge.hub.threads) == 1
        assert len(git(place.origin, "rev-list", f"{MAIN}..{BRANCH}").split()) == 1
        assert place.kinds() == ["verdict canary", "proposed stable"]
