"""Makes the helpers of these and of the runtime's tests importable, and starts the runtime under attack once a module."""

import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "runtime")]


@contextmanager
def _attacked(tmp_path_factory, workers):
    import raw_wires

    with raw_wires.mesh(tmp_path_factory.mktemp("mesh"), workers) as mesh:
        yield mesh


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """A runtime as a process of its own, with a client that behaves and never stops calling."""
    with _attacked(tmp_path_factory, 1) as mesh:
        yield mesh


@pytest.fixture(scope="session")
def of_four(tmp_path_factory):
    """The same with four workers."""
    with _attacked(tmp_path_factory, 4) as mesh:
        yield mesh


@pytest.fixture
def mesh(request):
    """One of the two; after each attack the client that behaves must have got on, and memory must be what it was."""
    attacked = request.getfixturevalue(getattr(request, "param", "alone"))
    before = attacked.friend.begin()
    yield attacked
    attacked.friend.got_on(since=before)
    assert attacked.memory() - attacked.memory_at_start < attacked.MAX_GROWTH
