"""A Canary to tell stories about."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from trimtab.model.names import CanaryKey
from trimtab.model.policy import Analysis, Policy
from trimtab.testing.memory import Memory
from trimtab.testing.policies import BASE, SUCCESS
from trimtab.testing.story import Story
from trimtab.testing.world import World


@pytest.fixture
def told() -> Callable[..., Story]:
    """A settled Canary: weights 20 and 40, threshold 2, success rate at least 99 %, unless said otherwise."""

    def tell(**rules: object) -> Story:
        policy: Policy = replace(BASE, **{"weights": (20, 40), "analysis": Analysis((SUCCESS,), 2), **rules})
        story = Story(Memory(World(CanaryKey("test", "app"), policy)))
        story.until_settled()
        return story

    return tell
