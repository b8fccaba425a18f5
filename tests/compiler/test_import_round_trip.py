"""From each configuration that people have, to a mesh that compiles, to a client's configuration that reads back."""

from __future__ import annotations

import pytest
from imported import CONFIGS, compiled, rendered, synthetic_locks

from meshplan.compiler.clients import CLIENTS, snippet
from meshplan.compiler.commands.client import base_url
from meshplan.compiler.importers import read, render_mesh
from meshplan.compiler.pipeline import Compiled


def _said(found: Compiled) -> list[tuple[str, str]]:
    return [(d.code, d.message) for d in found.diagnostics]


@pytest.fixture(params=CONFIGS, ids=[f"{path.parent.name}/{path.name}" for path in CONFIGS])
def text(request: pytest.FixtureRequest) -> str:
    return rendered(request.param)


def test_an_imported_mesh_lacks_nothing_but_its_locks(text: str) -> None:
    found = compiled(text)
    assert {code for code, _ in _said(found)} <= {"MESH901"}, _said(found)
    assert found.draft.mesh is not None
    assert len(found.diagnostics) == len(found.draft.mesh.servers)


def test_once_locked_it_is_a_plan_without_any_complaint(text: str) -> None:
    found = compiled(text, synthetic_locks(compiled(text)))
    assert _said(found) == []
    assert found.bundle is not None
    (endpoint,) = found.bundle.plan.endpoints.values()
    assert {offer.name.split("_")[0] for offer in endpoint.offers} == {"find"}


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_its_client_entry_reads_back_as_a_way_to_the_endpoint(text: str, client: str) -> None:
    found = compiled(text, synthetic_locks(compiled(text)))
    assert found.bundle is not None
    url = f"{base_url(found.bundle.plan)}/mcp/main"
    command = ["mesh", "stdio", "main"] if client == "claude-desktop" else None

    made = snippet(client, "main", url, token_env="MESH_KEY", stdio_command=command).text

    again = read(client, "client", made)
    (server,) = again.servers
    wanted = {"stdio": command} if command else {"http": url, "auth": {"bearer": {"env": "MESH_KEY"}}}
    assert (server.name, dict(server.entry)) == ("main", wanted)
    assert [note for note in again.notes if note.level == "warning"] == []
    second = compiled(render_mesh(again.servers, again.notes, name="again"))
    assert {code for code, _ in _said(second)} == {"MESH901"}
