"""One real Redis a test."""

import anyio
import pytest
from redis_servers import Relay, one_redis


@pytest.fixture
def server():
    with one_redis() as found:
        yield found


@pytest.fixture
async def relay(server):
    async with anyio.create_task_group() as tasks:
        found = Relay(server, server.folder / "r")
        await tasks.start(found.serve)
        yield found
        tasks.cancel_scope.cancel()
