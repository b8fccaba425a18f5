"""One real Redis a test."""

import tempfile
from pathlib import Path

import anyio
import pytest
from redis_servers import Relay, start_redis


@pytest.fixture
def server():
    # The path of a socket may have about a hundred characters.
    with tempfile.TemporaryDirectory(prefix="mesh-redis-") as folder:
        found = start_redis(Path(folder))
        try:
            yield found
        finally:
            found.kill()


@pytest.fixture
async def relay(server):
    async with anyio.create_task_group() as tasks:
        found = Relay(server, server.folder / "r")
        await tasks.start(found.serve)
        yield found
        tasks.cancel_scope.cancel()
