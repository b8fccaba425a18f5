"""Makes the helpers of these and of the runtime's tests importable, and starts the example servers once."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "runtime"), str(HERE.parents[1] / "servers")]


@pytest.fixture(scope="session")
def world():
    """All three example servers: `tickets` and `catalog` over HTTP, `notes` as a child of whoever uses it."""
    from runtimes import example, free_port, http, look, notes

    tickets, catalog = free_port(), free_port()
    with example("tickets", tickets), example("catalog", catalog):
        yield look({"notes": notes(), "tickets": http(tickets), "catalog": http(catalog)})
