"""A client on the SDK that does, through the mesh, what each client scenario of the official suite expects a client to do."""

import json
from contextlib import suppress

import httpx2
import mcp.client.session
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

PAIR = {"field1": "x", "field2": "y"}
WRONG_HEADERS = {
    "invalid_empty_header": {"value": "x"},
    "invalid_object_header": {"data": {}},
    "invalid_array_header": {"items": ["x"]},
    "invalid_null_header": {"nil": None},
    "invalid_number_header": {"score": 1},
    "invalid_duplicate_same_case": PAIR,
    "invalid_duplicate_diff_case": PAIR,
    "invalid_space_in_name": {"value": "x"},
    "invalid_colon_in_name": {"value": "x"},
    "invalid_non_ascii_name": {"value": "x"},
    "invalid_control_char_name": {"value": "x"},
}
"""Arguments for the tools that the suite's server declares wrongly: the mesh sends it no call of them, whoever asks."""


async def defaults(_context, params):
    """Accept what the form proposes."""
    fields = params.requested_schema.get("properties", {})
    return types.ElicitResult(
        action="accept", content={name: field["default"] for name, field in fields.items() if "default" in field}
    )


async def confirm(_context, _params):
    return types.ElicitResult(action="accept", content={"confirmed": True})


class Driver:
    """One connection to the mesh, and the prefix that it puts before the names of tools and prompts."""

    def __init__(self, found, prefix):
        self.found, self.prefix = found, prefix

    async def call(self, name, arguments=None):
        answer = await self.found.call_tool(self.prefix + name, arguments or {})
        if answer.is_error:
            raise SystemExit(f"{name}: {answer.content}")
        return answer

    async def raw_call(self, name, arguments):
        """A call that no client library looks at first."""
        params = types.CallToolRequestParams(name=self.prefix + name, arguments=arguments)
        await self.found.session.send_request(types.CallToolRequest(params=params), types.CallToolResult)

    async def everything(self):
        """List and use all that there is, in every kind."""
        for tool in (await self.found.list_tools()).tools:
            await self.found.call_tool(tool.name, {})
        for resource in (await self.found.list_resources()).resources:
            await self.found.read_resource(resource.uri)
        for prompt in (await self.found.list_prompts()).prompts:
            await self.found.get_prompt(prompt.name, {})


async def list_tools(driver, _context):
    await driver.found.list_tools()


async def add(driver, _context):
    await driver.found.list_tools()
    await driver.call("add_numbers", {"a": 5, "b": 3})


async def everything(driver, _context):
    await driver.everything()


async def reconnect(driver, _context):
    await driver.call("test_reconnection")


async def elicit(driver, _context):
    await driver.call("test_client_elicitation_defaults")


async def given_calls(driver, context):
    await driver.found.list_tools()
    for call in context["toolCalls"]:
        await driver.call(call["name"], call["arguments"])


async def rounds(driver, _context):
    for name in ("test_mrtr_echo_state", "test_mrtr_unrelated", "test_mrtr_no_state", "test_mrtr_no_result_type"):
        await driver.call(name)


async def wrong_headers(driver, _context):
    await driver.call("valid_tool", {"region": "here"})
    for name, arguments in WRONG_HEADERS.items():
        with suppress(MCPError):
            await driver.raw_call(name, arguments)


async def echo_schema(driver, _context):
    tools = {tool.name: tool for tool in (await driver.found.list_tools()).tools}
    await driver.call("json_schema_echo", {"schema": tools[driver.prefix + "json_schema_2020_12_tool"].input_schema})


DEEDS = {
    "initialize": list_tools,
    "tools_call": add,
    "elicitation-sep1034-client-defaults": elicit,
    "sse-retry": reconnect,
    "request-metadata": list_tools,
    "sep-2322-client-request-state": rounds,
    "http-standard-headers": everything,
    "http-custom-headers": given_calls,
    "http-invalid-tool-headers": wrong_headers,
    "json-schema-ref-no-deref": list_tools,
    "json-schema-2020-12-preservation": echo_schema,
    "auth/client-credentials-basic": everything,
    "auth/pre-registration": everything,
}


async def drive(url, key, scenario, version, context, prefix):
    """Do the scenario's deed at the mesh's endpoint, as a client of this revision."""
    modern = version in MODERN_PROTOCOL_VERSIONS
    if not modern:
        mcp.client.session.LATEST_HANDSHAKE_VERSION = version
    answer = defaults if scenario.startswith("elicitation") else confirm
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=30) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=version if modern else "legacy", elicitation_callback=answer) as found:
            await DEEDS[scenario](Driver(found, prefix), json.loads(context))
