"""The laws in the world: what pods ran and where requests went, not only what the record says. Each test is a break that was found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from trimtab.config.digest import DigestKey
from trimtab.control.reconcile import reconcile
from trimtab.errors import Unavailable
from trimtab.model.commands import Command, Verb
from trimtab.model.content import Content, ContentRules
from trimtab.model.facts import Capabilities, Routes
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Analysis, HookType, Match, OnNewer, Policy, StringMatch
from trimtab.model.revision import Revision
from trimtab.model.rollout import Ask, Leaving, Outcome, Phase
from trimtab.ports import Wanted
from trimtab.testing.memory import Memory, MemoryRouter, MemorySources, MemoryWorkloads, run
from trimtab.testing.policies import BASE, SUCCESS
from trimtab.testing.story import Story
from trimtab.testing.world import World

Tell = Callable[..., Story]

TOO_BIG = "x" * (1024 * 1024 + 1)
SOME = timedelta(minutes=5)
LONG = timedelta(hours=3)
BY_HEADER = {"weights": (), "iterations": 2, "match": (Match(headers=(StringMatch("x-canary", "exact", "yes"),)),)}
MIRRORED = {"weights": (), "iterations": 2, "mirror": True}


def exposed(story: Story) -> bool:
    """Does any request reach the canary?"""
    return story.memory.world.routes not in (None, Routes(0))


def first(color: str = "red") -> Story:
    """A Canary whose first revision nobody has seen."""
    policy = replace(BASE, weights=(20, 40), analysis=Analysis((SUCCESS,), 2))
    return Story(Memory(World(CanaryKey("test", "app"), policy, data={"color": color})))


def ran(story: Story, revision: Revision) -> bool:
    """Does a pod run it?"""
    return any(pod.revision == revision for pod in story.memory.world.pods)


@dataclass
class FullDisk(MemorySources):
    """Sources that cannot keep any bytes."""

    async def keep(self, key: CanaryKey, revisions: Sequence[Revision]) -> None:
        """No room."""
        raise Unavailable("no space left on device")


@dataclass
class MovedOn(MemorySources):
    """Sources that have lost the bytes of a revision between `read` and `contents`."""

    lost: str = ""

    async def contents(self, key: CanaryKey, revision: Revision) -> tuple[Content, ...]:
        """Unknown ones are left out."""
        return () if revision.id == self.lost else await super().contents(key, revision)


@dataclass
class TwoProviders(MemoryRouter):
    """Weights can be set by every provider but `kubernetes`."""

    def capabilities(self, policy: Policy) -> Capabilities:
        """By provider."""
        return Capabilities(False, False, False) if policy.provider == "kubernetes" else Capabilities()


@dataclass
class Lagging(MemoryRouter):
    """A data plane that does not go by the routes for a while."""

    lags: Callable[[], bool] = lambda: False

    async def look(self, key: CanaryKey, policy: Policy) -> Routes | None:
        """What is written, and that it is not in force."""
        routes = await super().look(key, policy)
        return replace(routes, in_force=not self.lags()) if routes is not None else None


@dataclass
class Away(MemoryWorkloads):
    """A runtime that takes no orders."""

    async def set(self, key: CanaryKey, wanted: Wanted) -> None:
        """Does not answer."""
        raise Unavailable("the runtime did not answer")


def test_s5_a_first_revision_with_errors_runs_in_no_pod_and_its_fix_does() -> None:
    story = first(TOO_BIG)
    bad = story.memory.world.revision()
    story.go_on(SOME)
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.REFUSED
    assert not story.memory.world.pods
    story.memory.world.edit(color="red")
    story.go_on(SOME)
    assert story.state.phase is Phase.INITIALIZED and not ran(story, bad)


def test_s5_a_newer_first_revision_with_errors_leaves_the_pods_of_the_older_one_alone() -> None:
    story = first()
    story.memory.world.stuck.add("primary")
    old = story.memory.world.revision()
    story.go_on(timedelta(seconds=5))
    story.memory.world.edit(color=TOO_BIG)
    bad = story.memory.world.revision()
    story.go_on(SOME)
    assert ran(story, old) and not ran(story, bad)


def test_s5_what_cannot_be_validated_since_its_bytes_are_gone_starts_nothing_and_is_validated_when_it_is_back(told: Tell) -> None:
    story = told()
    memory = story.memory
    memory.world.edit(color=TOO_BIG)
    bad, sources = memory.world.revision(), memory.sources
    memory.sources = MovedOn(memory.world, bad.id)
    story.look()
    assert story.state.running is None and any("cannot be validated" in text for text in story.said())
    memory.sources = sources
    story.go_on(SOME)
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.REFUSED and not ran(story, bad)


@pytest.mark.parametrize("rules", [{}, BY_HEADER, MIRRORED], ids=["weights", "match", "mirror"])
def test_l8_an_abort_takes_all_requests_off_the_canary_although_the_disk_is_full(told: Tell, rules: dict[str, object]) -> None:
    story = told(**rules)
    memory = story.memory
    memory.world.edit(color="blue")
    assert story.go_on(SOME, lambda state: exposed(story))
    memory.sources = FullDisk(memory.world)
    memory.store.wish(memory.world.key, Command("c", Verb.ABORT, "ann", "", memory.world.now, 2))
    for _ in range(3):
        with pytest.raises(Unavailable):
            story.look()
    assert not exposed(story)


def test_an_attempt_goes_by_what_the_router_of_its_own_policy_can_do(told: Tell) -> None:
    story = told(provider="kubernetes")
    memory = story.memory
    memory.router = TwoProviders(memory.world)
    memory.world.policy = replace(memory.world.policy, provider="istio")
    memory.world.edit(color="blue")
    story.look()
    assert story.state.rollout is not None and [step.weight for step in story.state.rollout.steps] == [20, 40]


def test_r8_what_was_undone_while_the_source_could_not_be_read_stays_held_when_it_can_again(told: Tell) -> None:
    story = told()
    world = story.memory.world
    world.edit(color="blue")
    story.until_phase(Phase.SUCCEEDED)
    world.problem = "the remote is away"
    story.say(Verb.UNDO)
    story.until_settled()
    world.problem = ""
    story.go_on(SOME)
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.UNDONE
    assert story.say(Verb.RETRY) == "trying again"


@pytest.mark.parametrize("how", ["rolled back", "undone"])
def test_c1_a_new_key_for_digests_of_secrets_does_not_start_what_is_held(told: Tell, how: str) -> None:
    story = told()
    world = story.memory.world
    world.password = "one"
    story.until_phase(Phase.SUCCEEDED)
    world.password = "two"
    if how == "undone":
        story.go_on(SOME)
        story.say(Verb.UNDO)
        story.go_on(SOME)
    else:
        story.turn_bad()
        story.until_phase(Phase.FAILED)
        story.memory.metrics.script = None
    before = story.state.rollout
    world.digest_key = DigestKey("k2", b"z" * 32)
    story.go_on(SOME)
    assert story.state.rollout == before
    world.password = "three"
    story.go_on(SOME)
    assert story.state.promoted == world.revision()


def test_r9_a_suspension_does_not_use_up_the_time_that_pods_have_to_get_ready(told: Tell) -> None:
    story = told()
    memory = story.memory
    memory.world.edit(color="blue")
    workloads, memory.workloads = memory.workloads, Away(memory.world)
    with pytest.raises(Unavailable):
        story.look()
    memory.workloads, memory.world.suspended = workloads, True
    story.look()
    memory.world.now += timedelta(seconds=90)
    story.look()
    memory.world.suspended = False
    story.go_on(SOME)
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.PROMOTED


@pytest.mark.parametrize("phase", [Phase.INITIALIZING, Phase.PROGRESSING, Phase.PROMOTING])
def test_trimtab_that_was_down_for_long_gives_pods_their_time_before_it_says_that_they_are_late(phase: Phase) -> None:
    story = first()
    memory = story.memory
    if phase is not Phase.INITIALIZING:
        story.until_settled()
        memory.world.edit(color="blue")
    if phase is Phase.PROMOTING:
        memory.world.stuck.add(f"primary/{memory.world.revision().id}")
        story.until_phase(phase)
        memory.world.stuck.clear()
        memory.world.kill("primary")
    workloads, memory.workloads = memory.workloads, Away(memory.world)
    with pytest.raises(Unavailable):
        story.look()
    memory.workloads = workloads
    memory.world.pods.clear()
    memory.world.now += LONG
    story.go_on(SOME)
    assert story.state.rollout is not None and story.state.rollout.outcome in (Outcome.PROMOTED, Outcome.SKIPPED)


def test_a_clock_that_is_set_back_does_not_stop_the_checks(told: Tell) -> None:
    story = told(analysis=Analysis((SUCCESS,), 1))
    world = story.memory.world
    world.edit(color="blue")
    assert story.go_on(SOME, lambda state: world.routes == Routes(40))
    story.turn_bad()
    world.set_back(LONG)
    story.go_on(world.policy.interval)
    assert not exposed(story)


def test_a_clock_that_jumps_forth_and_back_costs_an_interval_and_no_law(told: Tell) -> None:
    story = told()
    world = story.memory.world
    world.edit(color="blue")
    assert story.go_on(SOME, lambda state: world.routes == Routes(20))
    world.now += LONG
    story.look()
    world.set_back(LONG)
    story.go_on(SOME)
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.PROMOTED


def test_s9_after_a_failed_promotion_a_canary_that_dies_gives_way_to_a_primary_that_serves(told: Tell) -> None:
    story = told()
    world = story.memory.world
    world.edit(color="blue")
    world.stuck.add(f"primary/{world.revision().id}")
    story.until_phase(Phase.FAILED)
    story.go_on(SOME)
    assert world.routes == Routes(100)
    world.stuck.add("canary")
    world.kill("canary")
    story.go_on(SOME)
    assert world.routes == Routes(0) and world.copy("primary").available


def test_s9_the_deadline_of_a_gate_does_not_cut_off_the_only_copy_that_serves(told: Tell) -> None:
    story = told(approvals=frozenset({HookType.CONFIRM_PROMOTION}), gate_deadline=SOME)
    world = story.memory.world
    world.edit(color="blue")
    story.until_phase(Phase.WAITING_PROMOTION)
    world.stuck.add("primary")
    world.kill("primary")
    story.go_on(2 * SOME)
    assert world.routes == Routes(40)
    world.stuck.clear()
    world.kill("primary")
    story.go_on(SOME)
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.ABORTED and world.routes == Routes(0)


@pytest.mark.parametrize("how", ["fails", "is aborted"])
def test_what_was_rejected_is_not_started_when_the_attempt_before_it_ends_badly(told: Tell, how: str) -> None:
    story = told(on_newer=OnNewer.REJECT)
    world = story.memory.world
    world.edit(color="blue")
    assert story.go_on(SOME, lambda state: exposed(story))
    world.edit(color="green")
    story.look()
    if how == "fails":
        story.turn_bad()
    else:
        story.say(Verb.ABORT)
    story.until_phase(Phase.FAILED)
    story.go_on(SOME)
    assert story.state.rollout is not None and story.state.rollout.number == 2
    assert story.state.held is not None and story.state.held.revision == world.revision().id


@pytest.mark.parametrize("again", ["good", "rolled back"])
def test_r7_an_undo_that_fails_while_the_source_cannot_be_read_does_not_let_go_of_what_was_held(told: Tell, again: str) -> None:
    story = told()
    world = story.memory.world
    first = world.revision()
    world.edit(color="green")
    story.until_phase(Phase.SUCCEEDED)
    if again == "rolled back":
        world.edit(color="blue")
        story.turn_bad()
        story.until_phase(Phase.FAILED)
    world.stuck.add(f"primary/{first.id}")
    assert story.say(Verb.UNDO) == "going back"
    world.problem = "the remote is away"
    story.go_on(SOME)
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.PROMOTION_FAILED
    world.problem, number = "", story.state.rollout.number
    story.go_on(SOME)
    assert story.state.rollout.number == number and story.state.held is not None
    assert story.state.held.revision == world.revision().id


def test_r7_what_was_rejected_stays_so_when_the_attempt_before_it_fails_while_the_source_cannot_be_read(told: Tell) -> None:
    story = told(on_newer=OnNewer.REJECT)
    world = story.memory.world
    world.edit(color="blue")
    assert story.go_on(SOME, lambda state: world.routes == Routes(20))
    world.edit(color="green")
    story.look()
    story.turn_bad()
    world.problem = "the remote is away"
    story.until_phase(Phase.FAILED)
    world.problem = ""
    story.go_on(SOME)
    assert story.state.rollout is not None and story.state.rollout.number == 2
    assert story.state.held is not None and story.state.held.revision == world.revision().id


def test_s5_requests_that_somebody_sends_to_the_canary_start_no_pod_of_refused_content(told: Tell) -> None:
    story = told()
    world = story.memory.world
    world.edit(color=TOO_BIG)
    story.until_phase(Phase.FAILED)
    world.routes = Routes(30)
    story.look()
    assert not ran(story, world.revision()) and not exposed(story)


def test_s6_requests_that_somebody_sends_to_a_canary_that_drains_are_taken_off_it_and_the_promotion_ends(told: Tell) -> None:
    story = told()
    world = story.memory.world
    world.edit(color="blue")
    story.go_on(SOME, lambda state: world.routes == Routes(40))
    world.now += BASE.interval
    while not (story.state.running is not None and story.state.running.draining):
        run(reconcile(world.key, story.memory.outside))
        world.now += timedelta(seconds=1)
    world.routes = Routes(30)
    story.until_phase(Phase.SUCCEEDED)
    assert world.routes == Routes(0)


def test_a_clock_that_is_set_back_before_providers_were_asked_does_not_keep_the_loop_busy() -> None:
    story = first()
    while story.state.asks is not Ask.PROVIDERS:
        run(reconcile(story.memory.world.key, story.memory.outside))
    story.memory.world.set_back(timedelta(seconds=2))
    story.look()
    story.until_phase(Phase.INITIALIZED)


def test_r5_each_of_very_many_wishes_is_obeyed_once_and_answered(told: Tell) -> None:
    story = told()
    memory = story.memory
    memory.world.edit(color="blue")
    assert story.go_on(SOME, lambda state: exposed(story))
    verbs = (Verb.PAUSE, *(Verb.RESUME,) * 50)
    for number, verb in enumerate(verbs):
        memory.store.wish(memory.world.key, Command(f"w{number}", verb, "ann", "", memory.world.now, 2))
    story.look()
    assert story.state.running is not None and story.state.running.paused is None
    answers = [memory.store.reply(memory.world.key, f"w{number}") for number in range(len(verbs))]
    assert [answer is not None and answer.done for answer in answers] == [True, True, *[False] * 49]


@pytest.mark.parametrize("skip", [False, True])
def test_s3_a_policy_without_steps_promotes_nothing_unless_no_check_is_wanted(told: Tell, skip: bool) -> None:
    story = told(weights=(), skip_analysis=skip)
    story.memory.world.edit(color="blue")
    story.go_on(SOME)
    run = story.state.rollout
    assert run is not None and run.outcome is (Outcome.SKIPPED if skip else Outcome.REFUSED)
    assert skip or "the policy has no steps, so nothing would be checked before promotion" in run.why


@pytest.mark.parametrize("how", ["is tried again", "is taken back and put in again"])
def test_s5_s9_what_everybody_is_on_after_a_failed_promotion_goes_on_serving_when_stricter_rules_refuse_it(told: Tell, how: str) -> None:
    story = told()
    world = story.memory.world
    first = dict(world.data)
    world.edit(color="x" * 5000)
    world.stuck.add("primary")
    story.until_phase(Phase.FAILED)
    story.go_on(SOME)
    last = dict(world.data)
    world.kill("primary")
    story.memory.tune(content=ContentRules((), (), 1000))
    story.look()
    for _ in range(2):
        if how == "is tried again":
            assert story.say(Verb.RETRY) == "trying again"
        else:
            world.data = first
            story.look()
            world.data = last
        story.go_on(SOME)
        assert story.state.rollout is not None and (story.state.rollout.number, world.routes) == (2, Routes(100))
        assert story.state.held is not None and "that rules refuse by now: " in story.state.held.why
    assert sum("that rules refuse by now: " in text for text in story.said()) == 2
    world.edit(color="green")
    world.stuck.clear()
    world.kill("primary")
    story.until_phase(Phase.SUCCEEDED)


def test_s6_an_attempt_that_took_the_place_of_another_is_aborted_while_the_traffic_of_that_one_still_leaves(told: Tell) -> None:
    story = told()
    memory, world = story.memory, story.memory.world
    world.edit(color="blue")
    assert story.go_on(SOME, lambda state: world.routes == Routes(20))
    memory.router = Lagging(world, lags=lambda: memory.state.running is None or memory.state.running.number == 3)
    world.edit(color="green")
    story.look()
    assert story.state.running is not None and story.state.running.began is None
    assert story.say(Verb.ABORT) == "aborted: all traffic goes back to the primary"
    story.go_on(SOME)
    assert story.state.phase is Phase.PROGRESSING, "the data plane does not go by the routes yet"
    memory.router = MemoryRouter(world)
    story.until_phase(Phase.FAILED)
    assert story.state.rollout is not None and (story.state.rollout.number, story.state.rollout.outcome) == (3, Outcome.ABORTED)
    assert not exposed(story) and not world.copy("canary").desired


def test_s5_a_first_revision_that_was_refused_is_not_taken_for_promoted_when_its_canary_is_deleted() -> None:
    story = first(TOO_BIG)
    story.go_on(SOME)
    world = story.memory.world
    world.routes, world.leaving = Routes(0), True
    assert story.go_on(SOME, lambda state: state.leaving is Leaving.GONE)
    assert story.state.promoted is None and not world.pods
