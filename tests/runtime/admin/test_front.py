"""The pages of `admin_listen`: where they are, who sees them, and that nothing but GET is answered."""

import socket
import subprocess
import sys

import httpx2
import pytest
from plans import publish, simple
from processes import serving

from meshplan.schemas.bundle import pack


@pytest.fixture
def plan(tmp_path):
    draft = simple()
    draft.admin_listen = "127.0.0.1:0"
    path = tmp_path / "plan"
    path.write_text(pack(draft.bundle()))
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_the_status_moves_there_and_health_stays(plan, workers):
    with serving("--plan", plan, "--workers", workers) as found:
        status = httpx2.get(f"{found.admin}/status")
        assert (status.json()["ready"], status.json()["endpoints"]) == (True, ["dev"])
        assert len(status.json().get("workers", [None])) == workers
        assert "default-src 'none'" in status.headers["content-security-policy"]
        main = [httpx2.get(f"{found.base}/{page}").status_code for page in ("status", "healthz", "readyz")]
        assert main == [404, 200, 200]
        assert httpx2.get(f"{found.admin}/mcp/dev").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_only_get_is_answered(plan, method):
    with serving("--plan", plan) as found:
        answer = httpx2.request(method, f"{found.admin}/status")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"x-forwarded-for": "10.0.0.1"}, 401),
        ({"forwarded": "for=10.0.0.1"}, 401),
    ],
)
def test_nobody_comes_from_elsewhere(plan, headers, status):
    with serving("--plan", plan) as found:
        assert httpx2.get(f"{found.admin}/status", headers=headers).status_code == status


@pytest.mark.parametrize("workers", [1, 2])
def test_an_address_in_use_is_said(plan, workers):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "meshplan.runtime", "serve", "--listen", "127.0.0.1:0", "--plan", str(plan)]
        command += ["--workers", str(workers), "--admin-listen", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 6
    assert done.stderr.startswith(f"the plan is refused (admin_listen): cannot listen on `{address}`")


def test_a_plan_that_moves_it_waits_for_the_next_start(tmp_path):
    draft = simple()
    draft.admin_listen = "127.0.0.1:0"
    publish(tmp_path, draft.bundle(), 1)
    with serving("--store", tmp_path) as found:
        first = httpx2.get(f"{found.admin}/status").json()
        draft.admin_listen = None
        publish(tmp_path, draft.bundle(), 2)
        for _ in range(2000):
            now = httpx2.get(f"{found.admin}/status").json()
            if now["refused"]:
                break
    assert (now["refused"]["code"], now["active"]) == ("admin_listen", first["active"])
