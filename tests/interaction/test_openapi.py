"""An API behind the mesh, from its document to a client's call: locked, reviewed, granted by method, called over HTTP."""

import os
import subprocess
import sys

import pytest
import worlds

SERVER = worlds.ROOT / "tests/servers/stock_api.py"

MESH = """
mesh: v1
name: shop
servers:
  stock:
    openapi: ./stock.openapi.json
    url: http://127.0.0.1:{port}
    headers: {{X-Key: {{env: STOCK_KEY}}}}
virtual:
  shop:
    include: [{{server: stock, tools: all}}]
    tools: {{create_item: {{set: {{count: 3}}}}}}
identity: {{local: {{user: me}}, users: {{named: [me]}}}}
roles:
  clerk:
    allow:
      - {{server: stock, tools: {{effect: read}}}}
      - {{server: stock, tools: [create_item, login]}}
    deny: [{{effect: destructive}}]
grants: [{{role: clerk, to: [{{user: me}}]}}]
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder, api, front = tmp_path_factory.mktemp("shop"), worlds.free_port(), worlds.free_port()
    document = subprocess.run([sys.executable, SERVER, "--document"], capture_output=True, text=True, check=True).stdout
    (folder / "stock.openapi.json").write_text(document)
    (folder / "mesh.yaml").write_text(MESH.format(port=api))
    said = worlds.mesh(folder, "lock")
    assert "stock: 8 tools" in said.stdout + said.stderr
    worlds.mesh(folder, "plan", "--out", "shop.plan")
    worlds.ENVIRONMENT["STOCK_KEY"] = "sesame"
    try:
        with (
            worlds.process(sys.executable, SERVER, api, cwd=folder),
            worlds.process(
                sys.executable, "-m", "meshplan.compiler", "serve", "--plan", "shop.plan", "--local", "--listen", f"127.0.0.1:{front}",
                cwd=folder, stderr=subprocess.DEVNULL,
            ),
        ):  # fmt: skip
            worlds.listening(api)
            worlds.ready(front)
            secret = (folder / ".mesh/local-secret").read_text().strip()
            yield f"http://127.0.0.1:{front}/mcp/shop", secret
    finally:
        os.environ.pop("STOCK_KEY", None)
        del worlds.ENVIRONMENT["STOCK_KEY"]


@pytest.fixture
async def client(shop):
    async with worlds.client(*shop) as connected:
        yield connected


async def test_operations_are_tools_and_methods_are_effects(client):
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"get_item", "list_items", "create_item", "login", "picture", "elsewhere", "seen"}
    assert tools["get_item"].annotations.read_only_hint is True
    assert tools["get_item"].input_schema["required"] == ["item_id"]
    assert "count" not in tools["create_item"].input_schema["properties"]
    assert all(tool.meta is None for tool in tools.values())


async def test_a_path_argument_is_one_segment_and_big_integers_survive(client):
    found = await client.call_tool("get_item", {"item_id": "a/b"})
    assert found.structured_content == {"id": "a/b", "name": "Ångström", "count": 12345678901234567890}


async def test_an_error_of_the_api_is_an_error_of_the_tool(client):
    found = await client.call_tool("get_item", {"item_id": "gone"})
    assert found.is_error
    assert [block.text for block in found.content] == ["HTTP 404", '{"detail":"there is no gone"}']


@pytest.mark.parametrize("value", ["", ".", ".."])
async def test_a_path_cannot_be_left(client, value):
    with pytest.raises(Exception, match="cannot be empty"):
        await client.call_tool("get_item", {"item_id": value})


async def test_parameters_travel_where_the_document_says(client):
    sent = {"tag": ["x", "y z"], "order": "desc", "x-trace": "t1", "flavour": "plum&c"}
    found = await client.call_tool("list_items", sent)
    assert found.structured_content["tag"] == ["x", "y z"]
    assert found.structured_content["order"] == "desc"
    assert found.structured_content["trace"] == "t1"


async def test_a_body_is_made_of_arguments_and_what_the_mesh_sets(client):
    found = await client.call_tool("create_item", {"name": "bolt", "parent": {"name": "box", "count": 1}})
    assert found.structured_content["created"]["count"] == 3
    assert found.structured_content["created"]["parent"]["name"] == "box"


async def test_a_form_is_sent_as_a_form(client):
    found = await client.call_tool("login", {"user": "me&you", "roles": ["a", "b"]})
    assert found.structured_content == {"user": "me&you", "roles": ["a", "b"]}


async def test_a_picture_is_a_picture(client):
    (block,) = (await client.call_tool("picture", {})).content
    assert (block.type, block.mime_type, block.data) == ("image", "image/png", "iVBORw==")


async def test_a_redirect_is_not_followed(client):
    with pytest.raises(Exception, match="redirect"):
        await client.call_tool("elsewhere", {})


async def test_an_unknown_argument_is_refused_and_never_sent(client):
    with pytest.raises(Exception, match="not one of this tool"):
        await client.call_tool("seen", {"surprise": 1})


async def test_what_is_not_granted_never_reaches_the_api(client):
    with pytest.raises(Exception, match=r"[Uu]nknown tool"):
        await client.call_tool("delete_item", {"item_id": "a"})
    requests = (await client.call_tool("seen", {})).structured_content["requests"]
    assert not [request for request in requests if request["method"] == "DELETE"]
    assert {request["key"] for request in requests} == {"sesame"}
