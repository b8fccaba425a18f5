"""Servers from npm, as anybody would use them: locked, compiled, served, called."""

import sys

import anyio
import mcp_types as types
import pytest
import worlds
import yaml
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError

HERE = """\
mesh: v1
name: real
servers:
  everything: {stdio: [EVERYTHING], sessions: per_client}
  files: {stdio: [FILES, ./data]}
virtual:
  plain: {include: [{server: everything, tools: all, prompts: all, templates: all}]}
  all:
    include:
      - {server: everything, tools: all, prompts: all, templates: all, prefix: e_}
      - {server: files, tools: {effect: read}, except: [read_multiple_files], prefix: f_}
identity: {teams: {dev: {}}, local: {teams: [dev]}}
roles:
  dev:
    allow: [{server: everything}, {server: files, tools: {effect: read}}]
grants:
  - {role: dev, to: [{team: dev}]}
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    programs = {name: worlds.node_tool(f"mcp-server-{name}") for name in ("everything", "filesystem")}
    if None in programs.values():
        pytest.skip("LOUD SKIP: the npm servers are not installed; CI has them")
    folder = tmp_path_factory.mktemp("real")
    (folder / "data").mkdir()
    (folder / "data/hello.txt").write_text("hello from a file\n")
    text = HERE.replace("EVERYTHING", programs["everything"]).replace("FILES", programs["filesystem"])
    assert yaml.safe_load(text)
    (folder / "mesh.yaml").write_text(text)
    worlds.mesh(folder, "lock")
    port = worlds.free_port()
    command = (sys.executable, "-m", "meshplan.compiler", "up", "--listen", f"127.0.0.1:{port}")
    with (folder / "up.log").open("wb") as log, worlds.process(*command, cwd=folder, stdout=log, stderr=log):
        worlds.ready(port)
        yield f"http://127.0.0.1:{port}/mcp/all", (folder / ".mesh/local-secret").read_text().strip()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_npm_servers_work_as_stdio_upstreams(real, mode):
    async with worlds.client(*real, mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"e_echo", "f_read_text_file", "f_list_directory"} <= names
        assert "f_write_file" not in names
        assert "f_read_multiple_files" not in names
        echoed = await client.call_tool("e_echo", {"message": "through the mesh"})
        assert "through the mesh" in echoed.content[0].text
        read = await client.call_tool("f_read_text_file", {"path": "hello.txt"})
        assert "hello from a file" in read.content[0].text
        with pytest.raises(MCPError):
            await client.call_tool("f_write_file", {"path": "new.txt", "content": "x"})
        assert (await client.list_prompts()).prompts


async def test_an_upstream_tool_error_is_the_tools_own(real):
    async with worlds.client(*real) as client:
        missing = await client.call_tool("f_read_text_file", {"path": "absent.txt"})
        assert missing.is_error
        assert "ENOENT" in missing.content[0].text


CALLS = {
    "echo": {"message": 'h\u00e9llo \u2028 "x"'},
    "get-sum": {"a": 2, "b": 3.5},
    "get-tiny-image": {},
    "get-annotated-message": {"messageType": "error", "includeImage": True},
    "get-structured-content": {"location": "New York"},
    "trigger-elicitation-request": {},
    "trigger-sampling-request": {"prompt": "hi", "maxTokens": 5},
    "get-roots-list": {},
    "trigger-long-running-operation": {"duration": 0.2, "steps": 2},
}
TASKS_ALONE = {"simulate-research-query"}


class Person:
    """Answers whatever a client asks its user."""

    async def elicit(self, _context, params):
        await anyio.lowlevel.checkpoint()
        return types.ElicitResult(action="accept", content={"name": "ann"} if params.mode == "form" else None)

    async def sample(self, _context, _params):
        await anyio.lowlevel.checkpoint()
        content = types.TextContent(type="text", text="hello")
        return types.CreateMessageResult(role="assistant", content=content, model="m")

    async def roots(self, _context):
        await anyio.lowlevel.checkpoint()
        return types.ListRootsResult(roots=[types.Root(uri="file:///a", name="a")])

    @property
    def callbacks(self):
        return {
            "elicitation_callback": self.elicit,
            "sampling_callback": self.sample,
            "list_roots_callback": self.roots,
        }


def plain(result):
    """What a client sees of an answer, without what each era adds to it."""
    found = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {name: value for name, value in found.items() if name not in ("_meta", "resultType", "ttlMs", "cacheScope")}


async def heard(client):
    """Everything that the server says to a client that can be asked."""
    found = {tool["name"]: tool for tool in plain(await client.list_tools())["tools"]}
    found |= {f"call {name}": plain(await client.call_tool(name, sent)) for name, sent in CALLS.items()}
    found |= {f"prompt {prompt['name']}": prompt for prompt in plain(await client.list_prompts())["prompts"]}
    found["prompt"] = plain(await client.get_prompt("args-prompt", {"city": "B", "state": "X"}))
    reference = types.PromptReference(type="ref/prompt", name="completable-prompt")
    found["completion"] = plain(await client.complete(reference, {"name": "department", "value": "E"}))
    return found


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_hears_through_the_mesh_what_it_hears_from_the_server(real, mode):
    person = Person().callbacks
    direct = StdioServerParameters(command=worlds.node_tool("mcp-server-everything"))
    async with Client(direct, mode="legacy", **person) as client:
        said = await heard(client)
    async with worlds.client(real[0].replace("/all", "/plain"), real[1], mode, **person) as client:
        assert await heard(client) == {name: value for name, value in said.items() if name not in TASKS_ALONE}
