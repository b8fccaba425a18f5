"""Servers from npm, as anybody would use them: locked, compiled, served, called."""

import sys

import pytest
import worlds
import yaml
from mcp.shared.exceptions import MCPError

HERE = """\
mesh: v1
name: real
servers:
  everything: {stdio: [EVERYTHING]}
  files: {stdio: [FILES, ./data]}
virtual:
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
