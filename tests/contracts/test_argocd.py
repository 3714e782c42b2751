"""When does an Application run a commit? Each observation of the real Argo CD 3.6.1, as a sequence of Application objects."""

import asyncio
import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trimtab.adapters.argocd.application import REFRESH, Wanted, plain, within
from trimtab.adapters.argocd.following import AGAIN, LINGERS, Follower, Look, State
from trimtab.adapters.argocd.notice import CONTENT, LONGEST, SEVERITY, URL, is_foreign, notice
from trimtab.errors import Denied, InputError, Unavailable
from trimtab.testing.jumping import JumpingClock

OLD, COMMIT, NEWER, OTHER = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)
"""NEWER contains COMMIT; OTHER is of a branch that does not."""
LIMIT = timedelta(minutes=5)
Raw = dict[str, Any]
WANTED = Wanted("argocd", "shop", COMMIT, "main", "https://forge.example/acme/shop.git", "overlays/canary")


def merged(one: Raw, other: Mapping[str, Any]) -> Raw:
    """A deep copy with changes; None takes a field away."""
    made = copy.deepcopy(one)
    for name, value in other.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = merged(made.get(name, {}), value) if isinstance(value, dict) else value
    return made


def at(second: float) -> str:
    """A time as Kubernetes writes it: whole seconds."""
    return (datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=int(second))).strftime("%Y-%m-%dT%H:%M:%SZ")


def operation(phase: str, revision: str, start: float, end: float | None = None, **more: Any) -> Raw:
    """An operation state."""
    made: Raw = {
        "phase": phase,
        "operation": {"sync": {"revision": revision}},
        "startedAt": at(start),
        "syncResult": {"revision": revision},
    }
    return merged(made, {**({"finishedAt": at(end)} if end is not None else {}), **more})


APP: Raw = {
    "metadata": {"name": "shop", "namespace": "argocd"},
    "spec": {
        "source": {"repoURL": "http://gitea.svc/acme/shop", "path": "overlays/canary", "targetRevision": "main"},
        "syncPolicy": {"automated": {"selfHeal": True}},
    },
    "status": {
        "sync": {"status": "Synced", "revision": OLD},
        "health": {"status": "Healthy"},
        "reconciledAt": at(1),
        "operationState": operation("Succeeded", OLD, 0, 1),
    },
}
DONE = merged(
    APP, {"status": {"sync": {"revision": COMMIT}, "operationState": operation("Succeeded", COMMIT, 3, 4), "reconciledAt": at(4)}}
)


class Scripted:
    """One object after the other, the last one for ever. The annotation is taken away at the next look unless it `stays`."""

    def __init__(self, *objects: Raw | Exception | None, stays: bool = False) -> None:
        self.left, self.stays, self.annotated, self.marked = list(objects), stays, 0, False
        self.taken: set[str] = set()

    async def read(self, namespace: str, name: str) -> Mapping[str, object] | None:
        assert (namespace, name) == ("argocd", "shop")
        found = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(found, Exception):
            raise found
        if found is not None and self.marked:
            self.marked = self.stays
            found = merged(found, {"metadata": {"annotations": {REFRESH: "normal"}}}) if self.stays else found
        return found

    async def annotate(self, namespace: str, name: str, annotations: Mapping[str, str | None]) -> None:
        assert annotations.get(REFRESH) == "normal"
        self.taken |= {name for name, value in annotations.items() if value is None}
        self.annotated += 1
        self.marked = True


async def contains(revision: str) -> bool:
    return revision in (COMMIT, NEWER)


async def followed(
    *objects: Raw | Exception | None,
    stays: bool = False,
    wanted: Wanted = WANTED,
    within: timedelta = LIMIT,
    includes: Callable[[str], Any] = contains,
) -> tuple[list[Look], Scripted]:
    """All looks. The first object is what there was before git was looked at afresh."""
    script = Scripted(*objects, stays=stays)
    async with asyncio.timeout(20):
        return [look async for look in Follower(script, JumpingClock(), includes, wanted).follow(within)], script


async def test_git_is_looked_at_afresh_before_anything_is_believed() -> None:
    looks, script = await followed(DONE)
    assert script.annotated == 1 and [look.state for look in looks] == [State.WAITING, State.RUNNING]
    assert "is synced and healthy" in looks[-1].reason and looks[-1].revision == COMMIT


async def test_a_refresh_that_is_not_taken_up_proves_nothing_however_reconciled_at_moves() -> None:
    moving = [merged(DONE, {"status": {"reconciledAt": at(second)}}) for second in range(10)]
    looks, _ = await followed(*moving, stays=True)
    assert looks[-1].state is State.LATE and "has not looked at git yet" in looks[-1].reason


async def test_a_refresh_that_could_not_be_asked_for_is_asked_for_again() -> None:
    class Refusing(Scripted):
        async def annotate(self, namespace: str, name: str, annotations: Mapping[str, str | None]) -> None:
            await super().annotate(namespace, name, annotations)
            if self.annotated == 1:
                self.marked = False
                raise Unavailable("the API server is away")

    script = Refusing(DONE)
    looks = [look async for look in Follower(script, JumpingClock(), contains, WANTED).follow(LIMIT)]
    assert script.annotated == 2 and looks[-1].state is State.RUNNING


async def test_the_commit_before_is_not_taken_for_ours() -> None:
    looks, script = await followed(APP)
    assert looks[-1].state is State.LATE and "git had aaaaaaaaaa, which does not contain bbbbbbbbbb" in looks[-1].reason
    assert script.annotated > LIMIT / AGAIN / 2, "git is looked at again from time to time"


async def test_a_later_commit_that_contains_ours_will_do_and_is_named() -> None:
    looks, _ = await followed(APP, merged(DONE, {"status": {"sync": {"revision": NEWER}}}))
    assert looks[-1].state is State.RUNNING and looks[-1].revision == NEWER and "which contains it" in looks[-1].reason


async def test_a_commit_of_another_branch_will_not_do() -> None:
    looks, _ = await followed(APP, merged(DONE, {"status": {"sync": {"revision": OTHER}}}))
    assert looks[-1].state is State.LATE


async def test_a_commit_that_renders_to_the_same_objects_starts_no_operation_and_has_arrived() -> None:
    looks, _ = await followed(APP, merged(APP, {"status": {"sync": {"revision": COMMIT}}}))
    assert looks[-1].state is State.RUNNING


async def test_a_success_that_self_heal_replaces_at_once_is_waited_out() -> None:
    again = merged(DONE, {"status": {"operationState": operation("Running", COMMIT, 4, finishedAt=None), "sync": {"status": "OutOfSync"}}})
    looks, _ = await followed(APP, again, again, DONE)
    assert [look.state for look in looks[-2:]] == [State.WAITING, State.RUNNING] and "a sync is running" in looks[-2].reason


async def test_out_of_sync_right_after_success_is_waited_out_and_named() -> None:
    late = merged(DONE, {"status": {"sync": {"status": "OutOfSync"}, "resources": [
        {"kind": "ConfigMap", "name": name, "status": status} for name, status in zip("abcde", ["OutOfSync"] * 4 + ["Synced"], strict=True)
    ]}})  # fmt: skip
    looks, _ = await followed(APP, late, DONE)
    assert looks[-2].reason == "it is OutOfSync: ConfigMap a, ConfigMap b, ConfigMap c and 1 more" and looks[-1].state is State.RUNNING


async def test_an_operation_that_is_only_asked_for_is_waited_for() -> None:
    looks, _ = await followed(APP, merged(DONE, {"operation": {"sync": {"revision": COMMIT}}}), DONE)
    assert looks[-2].reason == "an operation is to begin"


async def test_the_end_of_a_try_is_not_the_end_of_the_operation() -> None:
    retrying = merged(
        DONE, {"status": {"operationState": operation("Running", COMMIT, 3, 5, retryCount=2, message="one or more objects failed")}}
    )
    looks, _ = await followed(APP, retrying, DONE)
    assert looks[-2].reason == "a sync is running, try 3: one or more objects failed" and looks[-1].state is State.RUNNING


async def test_an_old_commit_that_is_tried_again_and_again_is_named_and_does_not_fail_ours() -> None:
    stuck = merged(DONE, {"status": {"sync": {"status": "OutOfSync"}, "operationState": operation("Running", OLD, 3, retryCount=4)}})
    failed = merged(stuck, {"status": {"operationState": operation("Failed", OLD, 3, 160, message="no")}})
    looks, _ = await followed(APP, stuck, failed, DONE)
    assert "of aaaaaaaaaa, which is older: until it ends, bbbbbbbbbb waits" in looks[1].reason
    assert looks[2].reason.startswith("it is OutOfSync") and looks[-1].state is State.RUNNING


@pytest.mark.parametrize("phase", ["Failed", "Error"])
async def test_objects_that_the_cluster_refuses_are_final_with_the_reason(phase: str) -> None:
    ended = operation(phase, COMMIT, 3, 160, message="ConfigMap is invalid:\ntoo long (retried 5 times).")
    looks, _ = await followed(APP, merged(DONE, {"status": {"sync": {"status": "OutOfSync"}, "operationState": ended}}))
    assert looks[-1].state is State.REFUSED and "ConfigMap is invalid: too long" in looks[-1].reason


async def test_a_refused_commit_is_waited_out_where_git_has_a_newer_one_already() -> None:
    ended = operation("Failed", COMMIT, 3, 160)
    newer = merged(DONE, {"status": {"sync": {"status": "OutOfSync", "revision": NEWER}, "operationState": ended}})
    healed = merged(
        DONE, {"status": {"sync": {"revision": NEWER}, "operationState": operation("Succeeded", NEWER, 161, 161), "reconciledAt": at(162)}}
    )
    looks, _ = await followed(APP, newer, healed)
    assert looks[-1].state is State.RUNNING


async def test_a_success_without_result_or_end_is_no_success() -> None:
    for missing in ({"syncResult": None}, {"finishedAt": None}):
        hollow = merged(DONE, {"status": {"operationState": missing}})
        looks, _ = await followed(APP, hollow)
        assert looks[-1].state is State.LATE and "without a result" in looks[-1].reason


async def test_health_from_before_the_end_of_the_operation_is_not_believed() -> None:
    early = merged(DONE, {"status": {"reconciledAt": at(3)}})
    looks, script = await followed(APP, *[early] * 30, DONE)
    assert "before the end of the operation" in looks[-2].reason and looks[-1].state is State.RUNNING and script.annotated == 2


async def test_the_same_second_will_do_for_it_often_never_gets_later() -> None:
    looks, _ = await followed(APP, merged(DONE, {"status": {"reconciledAt": at(4)}}))
    assert looks[-1].state is State.RUNNING


async def test_a_comparison_error_is_waited_out_although_everything_looks_well() -> None:
    error = {"type": "ComparisonError", "message": "Failed to load target state: permission denied"}
    wrong = merged(DONE, {"status": {"sync": {"status": "Unknown", "revision": "main"}, "conditions": [error]}})
    looks, _ = await followed(APP, wrong, DONE)
    assert looks[-2].reason == "Argo CD cannot compare: Failed to load target state: permission denied" and looks[-1].state is State.RUNNING
    looks, _ = await followed(APP, merged(wrong, {"status": {"sync": {"status": "Synced", "revision": COMMIT}}}))
    assert looks[-1].state is State.LATE


async def test_the_name_of_a_branch_is_no_commit() -> None:
    looks, _ = await followed(APP, merged(DONE, {"status": {"sync": {"revision": "main"}}}), DONE)
    assert looks[-2].reason == "what git had is not known: 'main'" and looks[-1].state is State.RUNNING


async def test_progress_is_waited_for() -> None:
    looks, _ = await followed(
        APP, *[merged(DONE, {"status": {"health": {"status": word}}}) for word in ("Missing", "Progressing", "Suspended", "Unknown")], DONE
    )
    assert [look.reason for look in looks[1:-1]] == [f"health is {word}" for word in ("Missing", "Progressing", "Suspended", "Unknown")]


async def test_a_turn_to_degraded_is_final_at_once() -> None:
    worse = merged(DONE, {"status": {"health": {"status": "Degraded", "message": "exceeded its progress deadline"}}})
    looks, _ = await followed(APP, merged(DONE, {"status": {"health": {"status": "Progressing"}}}), worse)
    assert looks[-1].state is State.DEGRADED and "exceeded its progress deadline" in looks[-1].reason


async def test_degraded_from_before_is_final_only_if_it_lasts() -> None:
    worse = merged(DONE, {"status": {"health": {"status": "Degraded"}}})
    looks, _ = await followed(merged(APP, {"status": {"health": {"status": "Degraded"}}}), worse, worse, DONE)
    assert looks[-1].state is State.RUNNING
    looks, _ = await followed(APP, worse, within=LINGERS + LIMIT)
    assert looks[-1].state is State.DEGRADED


async def test_without_automatic_sync_it_says_who_must_act() -> None:
    manual = merged(
        DONE,
        {"spec": {"syncPolicy": None}, "status": {"sync": {"status": "OutOfSync"}, "operationState": operation("Succeeded", OLD, 0, 1)}},
    )
    looks, _ = await followed(APP, manual)
    assert looks[-1].state is State.LATE and "somebody must sync it" in looks[-1].reason
    off = merged(manual, {"spec": {"syncPolicy": {"automated": {"enabled": False}}}})
    assert "somebody must sync it" in (await followed(APP, off))[0][-1].reason
    on = merged(manual, {"spec": {"syncPolicy": {"automated": {}}}})
    assert "somebody must sync it" not in (await followed(APP, on))[0][-1].reason


async def test_of_several_sources_the_one_with_the_content_counts() -> None:
    sources = [
        {"repoURL": "https://charts.example", "chart": "redis", "targetRevision": "18.0.0"},
        {"repoURL": "git@forge.example:acme/shop.git", "path": "overlays/canary", "targetRevision": "main"},
        {"repoURL": "https://forge.example/acme/shop", "ref": "values", "targetRevision": "main"},
    ]
    several = {"spec": {"source": None, "sources": sources}}
    revisions = {"revision": "", "revisions": ["18.0.0", COMMIT, COMMIT]}
    state = operation("Succeeded", "", 3, 4, syncResult={"revision": "", "revisions": ["18.0.0", COMMIT, COMMIT]})
    done = merged(merged(DONE, several), {"status": {"sync": revisions, "operationState": state}})
    looks, _ = await followed(done)
    assert looks[-1].state is State.RUNNING and looks[-1].revision == COMMIT
    short = merged(done, {"status": {"sync": {"revisions": ["18.0.0"]}}})
    assert "what git had is not known" in (await followed(short))[0][-1].reason


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"metadata": {"annotations": {"argocd.argoproj.io/skip-reconcile": "true"}}}, "leaves it alone. Remove it"),
        ({"spec": {"source": {"targetRevision": "v1.2.3"}}}, "follows v1.2.3, not main"),
        ({"spec": {"source": {"path": "overlays/stable"}}}, "deploys overlays/stable, not overlays/canary"),
        ({"spec": {"source": None}}, "0 sources that fit"),
        (
            {"spec": {"source": None, "sources": [{"repoURL": "https://elsewhere.example/x"}, {"repoURL": "https://elsewhere.example/y"}]}},
            "0 sources",
        ),
        ({"spec": {"sourceHydrator": {"drySource": {}}}}, "source hydrator"),
        (
            {"status": {"conditions": [{"type": "InvalidSpecError", "message": "project default does not exist"}]}},
            "project default does not exist",
        ),
    ],
)
async def test_what_can_never_arrive_is_said_at_once(change: Raw, text: str) -> None:
    with pytest.raises(InputError, match=text):
        await followed(merged(APP, change))


async def test_an_application_that_is_not_there_or_may_not_be_read_is_said_at_once() -> None:
    with pytest.raises(InputError, match="the Application argocd/shop is not there"):
        await followed(None)
    with pytest.raises(Denied):
        await followed(Denied("no"))


async def test_trouble_of_the_cluster_and_of_git_is_waited_out_and_named() -> None:
    tries = 0

    async def flaky(revision: str) -> bool:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Unavailable("git is away")
        return await contains(revision)

    looks, _ = await followed(Unavailable("the API server is away"), APP, DONE, includes=flaky)
    assert [look.reason for look in looks][:1] == ["the API server is away"]
    assert "git is away" in [look.reason for look in looks] and looks[-1].state is State.RUNNING


async def test_when_the_time_is_over_it_says_what_it_was_waiting_for() -> None:
    looks, _ = await followed(APP, merged(DONE, {"status": {"health": {"status": "Progressing"}}}), within=timedelta(seconds=10))
    assert looks[-1].state is State.LATE
    assert looks[-1].reason == "the Application argocd/shop does not run bbbbbbbbbb after 10 s: health is Progressing"


async def test_an_object_that_is_none_of_argo_cd_is_waited_out() -> None:
    looks, _ = await followed(APP, merged(APP, {"status": {"sync": {"revision": 7}}}), DONE)
    assert "not as Argo CD writes one" in looks[1].reason and looks[-1].state is State.RUNNING


def test_addresses_of_one_repository_are_the_same_and_folders_contain_each_other() -> None:
    one = [
        plain(text)
        for text in ("https://u:p@Forge.example:443/acme/shop.git", "git@forge.example:acme/shop", "ssh://git@forge.example/acme/shop/")
    ]
    assert set(one) == {"forge.example/acme/shop"}
    assert within("a/b/c", "a/b") and within("./a/b", "a/b/") and within("a", ".") and not within("a/bc", "a/b")


async def test_of_a_long_message_the_end_is_shown_too() -> None:
    error = {"type": "ComparisonError", "message": "Failed to load: " + "x" * 5000 + ": nothing-here.yaml does not exist"}
    looks, _ = await followed(APP, merged(DONE, {"status": {"conditions": [error]}}), DONE)
    assert "Failed to load" in looks[1].reason and "nothing-here.yaml does not exist" in looks[1].reason and len(looks[1].reason) < 700


@pytest.mark.parametrize(("text", "taken"), (("Trimtab: canary went back", {CONTENT, SEVERITY, URL}), ("freeze until Monday", set())))
async def test_our_notice_about_an_older_commit_is_taken_away_and_that_of_others_stays(text: str, taken: set[str]) -> None:
    noticed = merged(DONE, {"metadata": {"annotations": {CONTENT: text}}})
    _, script = await followed(noticed)
    assert script.taken == taken


def test_a_notice_fits_and_is_on_one_line() -> None:
    made = notice("went back\n" + "x" * 600, "warning")
    assert made[CONTENT] is not None and len(made[CONTENT]) == LONGEST and made[CONTENT].startswith("Trimtab: went back x")
    assert not is_foreign(made)
