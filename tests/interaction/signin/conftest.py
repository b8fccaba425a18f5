"""Makes the helpers of these and of the runtime's tests importable."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RUNTIME, SERVERS = HERE.parents[1] / "runtime", HERE.parents[1] / "servers"
sys.path[:0] = [str(HERE), str(RUNTIME), str(RUNTIME / "identity"), str(SERVERS)]


@pytest.fixture(scope="module")
def provider():
    """A certified provider (its URL), and the port of the mesh that people come back to."""
    import worlds

    library = worlds.ROOT / "build/node/node_modules/oidc-provider"
    if not library.exists():
        pytest.skip("LOUD SKIP: oidc-provider is not installed; CI has it")
    port, mesh = worlds.free_port(), worlds.free_port()
    script = (SERVERS / "authorization_server.mjs", port, library, f"http://127.0.0.1:{mesh}")
    with worlds.process("node", *script, cwd=worlds.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        worlds.listening(port)
        yield f"http://127.0.0.1:{port}", mesh
