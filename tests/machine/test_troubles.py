"""What the outside has against what is wanted is told, once, and nothing else follows from it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from trimtab.control.reconcile import reconcile
from trimtab.faces.views import status_view
from trimtab.model.facts import Routes
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.rollout import Outcome, Phase
from trimtab.testing.memory import MemoryRouter, run
from trimtab.testing.story import Story

Tell = Callable[..., Story]
REFUSED = "Gateway public does not accept HTTPRoute app.test: NoMatchingParent. Correct spec.service.gatewayRefs"


@dataclass
class Gateway(MemoryRouter):
    """Takes a route over, or not."""

    refuses: Callable[[int], bool] = lambda weight: False
    problem: str = ""

    async def look(self, key: CanaryKey, policy: Policy) -> Routes | None:
        found = await super().look(key, policy)
        refused = found is not None and self.refuses(found.weight)
        return replace(found, in_force=False, problem=self.problem) if found is not None and refused else found


def behind(story: Story, refuses: Callable[[int], bool], problem: str = "") -> Gateway:
    """From now on a Gateway says which weights it takes."""
    made = story.memory.router = Gateway(story.memory.world, story.memory.router.moves, refuses, problem)
    return made


def test_a_route_that_a_gateway_refuses_is_told_once_after_an_interval_and_nothing_grows_until_it_is_taken(told: Tell) -> None:
    story = told()
    gateway = behind(story, lambda weight: weight == 20, REFUSED)
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: bool(state.running and state.running.position))
    assert REFUSED not in story.said(), "a Gateway needs a moment"
    checks = story.state.evidence.checks
    story.go_on(timedelta(minutes=10))
    assert story.said().count(REFUSED) == 1
    assert story.state.running is not None and story.state.running.position == 1 and story.state.evidence.checks == checks
    assert status_view(story.state).problems == (REFUSED,)
    gateway.refuses = lambda weight: False
    run = story.until_settled().rollout
    assert run is not None and run.outcome is Outcome.PROMOTED
    assert not status_view(story.state).problems


def test_a_gateway_that_says_nothing_about_the_newest_route_is_told_about(told: Tell) -> None:
    story = told()
    behind(story, lambda weight: weight == 20)
    story.memory.world.edit(color="blue")
    story.go_on(timedelta(minutes=10))
    assert sum("not in force yet" in text for text in story.said()) == 1


def test_a_rollback_moves_traffic_at_once_and_ends_when_the_gateway_has_taken_it(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: bool(state.running and state.running.position))
    gateway = behind(story, lambda weight: weight == 0, REFUSED)
    story.turn_bad()
    story.go_on(timedelta(minutes=10))
    assert story.weights()[-1] == 0
    assert story.state.phase is Phase.PROGRESSING
    assert any(pod.copy == "canary" for pod in story.memory.world.pods), "requests may reach its pods still"
    assert story.said().count(REFUSED) == 1
    gateway.refuses = lambda weight: False
    story.until_phase(Phase.FAILED)
    assert story.weights() == [0, 20, 0]


def test_a_settled_canary_whose_route_breaks_is_told_about_and_waits_for_nothing(told: Tell) -> None:
    story = told()
    phase = story.state.phase
    behind(story, lambda weight: True, REFUSED)
    story.go_on(timedelta(minutes=10))
    assert story.said().count(REFUSED) == 1 and story.state.phase is phase


def test_what_cannot_be_carried_out_is_told_once_for_as_long_as_it_is_so(told: Tell) -> None:
    story = told()
    text = "Ingress test/app has no backend app. Correct spec.ingressRef"

    def passed(refused: str) -> None:
        run(reconcile(story.memory.world.key, story.memory.outside, refused))

    passed(text)
    passed(text)
    passed("")
    assert story.said().count(text) == 1
    passed(text)
    passed("")
    assert story.said().count(text) == 2
