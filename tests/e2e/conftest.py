"""A place for each story, with nothing left behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.harness import Place, free_port, place


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    """A repository and a state folder; every process is ended with the test, also when it fails."""
    with place(tmp_path) as made:
        yield made


@pytest.fixture
def port() -> int:
    """A free port for the Service."""
    return free_port()
