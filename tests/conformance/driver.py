"""A client on the SDK that does, through the mesh, what each client scenario of the official suite expects a client to do."""

import json
from contextlib import suppress

import httpx2
import mcp.client.session
import mcp_types as types
from browser import Browser, link_in
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

ROUNDS = 4
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


async def never(*_question):
    raise SystemExit("the suite's servers ask for neither roots nor sampling")


def opens_links(browser):
    """What a client does whose user opens the links that it is given."""

    async def answer(_context, params):
        return types.ElicitResult(action="accept" if await browser.open(params.url) else "decline")

    return answer


class Driver:
    """One connection to the mesh, the prefix that it puts before the names of tools and prompts, and the user's browser."""

    def __init__(self, found, prefix, browser):
        self.found, self.prefix, self.browser = found, prefix, browser

    async def call(self, name, arguments=None):
        answer = await self.found.call_tool(self.prefix + name, arguments or {})
        if answer.is_error:
            raise SystemExit(f"{name}: {answer.content}")
        return answer

    async def raw_call(self, name, arguments):
        """A call that no client library looks at first."""
        params = types.CallToolRequestParams(name=self.prefix + name, arguments=arguments)
        await self.found.session.send_request(types.CallToolRequest(params=params), types.CallToolResult)

    async def signed_in_call(self, name):
        """A call that is made again after each link which its user has opened, a few times."""
        for _ in range(ROUNDS):
            try:
                return await self.call(name)
            except MCPError as error:
                link = link_in(error)
                if link is None or not await self.browser.open(link):
                    raise
        raise SystemExit(f"{name}: still not signed in after {ROUNDS} links")

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


async def call_with_everything(driver, _context):
    """What a caller's client can do is told to the server with its call."""
    await driver.call("test-tool")


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


async def sign_in(driver, _context):
    await driver.signed_in_call("test-tool")


def turned_away(*said):
    """A sign-in that the mesh ends for one of these reasons, before any token."""

    async def deed(driver, _context):
        with suppress(MCPError):
            await driver.signed_in_call("test-tool")
            raise SystemExit("signed in")
        if not any(text in page for page in driver.browser.refused for text in said):
            raise SystemExit(f"not turned away, or not for {said}: {driver.browser.refused}")

    return deed


async def never_enough(driver, _context):
    try:
        await driver.signed_in_call("test-tool")
    except MCPError as error:
        if "asked for a moment ago" in error.error.message:
            return
        raise
    raise SystemExit("the server let us in")


OTHER_ISSUER = turned_away("The answer is not from where you were sent to")
SIGNED_IN = (
    "metadata-default",
    "metadata-var1",
    "metadata-var2",
    "metadata-var3",
    "basic-cimd",
    "scope-from-www-authenticate",
    "scope-from-scopes-supported",
    "scope-omitted-when-undefined",
    "scope-step-up",
    "token-endpoint-auth-basic",
    "token-endpoint-auth-post",
    "token-endpoint-auth-none",
    "pre-registration",
    "offline-access-scope",
    "offline-access-not-supported",
    "iss-supported",
    "iss-not-advertised",
    "2025-03-26-oauth-metadata-backcompat",
)
DEEDS = {
    "initialize": list_tools,
    "tools_call": add,
    "elicitation-sep1034-client-defaults": elicit,
    "sse-retry": reconnect,
    "request-metadata": call_with_everything,
    "sep-2322-client-request-state": rounds,
    "http-standard-headers": everything,
    "http-custom-headers": given_calls,
    "http-invalid-tool-headers": wrong_headers,
    "json-schema-ref-no-deref": list_tools,
    "json-schema-2020-12-preservation": echo_schema,
    "auth/client-credentials-basic": everything,
    **{f"auth/{name}": sign_in for name in SIGNED_IN},
    "auth/scope-retry-limit": never_enough,
    # From its second answer on, the server has another authorization server than the one that was reviewed.
    "auth/authorization-server-migration": turned_away("takes tokens of other issuers"),
    "auth/resource-mismatch": turned_away("the server's metadata is about another resource"),
    "auth/iss-supported-missing": OTHER_ISSUER,
    "auth/iss-wrong-issuer": OTHER_ISSUER,
    "auth/iss-unexpected": OTHER_ISSUER,
    "auth/iss-normalized": OTHER_ISSUER,
    "auth/metadata-issuer-mismatch": turned_away("its metadata names another issuer"),
    "auth/2025-03-26-oauth-endpoint-fallback": turned_away("HTTP 404"),
}


async def drive(url, key, scenario, version, context, prefix, deed=None):
    """Do the scenario's deed (or another one) at the mesh's endpoint, as a client of this revision."""
    modern = version in MODERN_PROTOCOL_VERSIONS
    if not modern:
        mcp.client.session.LATEST_HANDSHAKE_VERSION = version
    browser = Browser(key)
    answer = defaults if scenario.startswith("elicitation") else confirm
    answer = opens_links(browser) if scenario.startswith("auth/") else answer
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=30) as http:
        transport = streamable_http_client(url, http_client=http)
        mode = version if modern else "legacy"
        can = {"sampling_callback": never, "list_roots_callback": never} if scenario == "request-metadata" else {}
        async with Client(transport, mode=mode, elicitation_callback=answer, **can) as found:
            await (deed or DEEDS[scenario])(Driver(found, prefix, browser), json.loads(context))
