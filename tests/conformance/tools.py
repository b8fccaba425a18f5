"""The tools that the conformance scenarios call, by name: description, input schema and behaviour."""

import anyio
import mcp_types as types
from asking import ask, form, modern, roots, sample, seal, unseal
from mcp.shared.exceptions import MCPError

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="
TEXT = {"type": "string"}
PAUSE = 0.05
ANSWER = {"name": TEXT}
ENUMS = {
    "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
    "titledSingle": {
        "type": "string",
        "oneOf": [{"const": f"value{n}", "title": f"Choice {n}"} for n in (1, 2, 3)],
    },
    "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]},
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
    "titledMulti": {
        "type": "array",
        "items": {"anyOf": [{"const": f"value{n}", "title": f"Choice {n}"} for n in (1, 2, 3)]},
    },
}
DEFAULTS = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
SCHEMA_2020 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": TEXT, "city": TEXT},
        }
    },
    "properties": {
        "name": TEXT,
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": TEXT,
        "email": TEXT,
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
TOOLS = {}


def tool(name, description, properties=None, required=(), schema=None):
    """Register a behaviour: `(ctx, params, arguments, server)` gives text, content blocks or a whole result."""
    found = schema or {"type": "object", "properties": properties or {}, "required": list(required)}

    def register(function):
        TOOLS[name] = types.Tool(name=name, description=description, input_schema=found), function
        return function

    return register


def text(value):
    return types.TextContent(type="text", text=value)


def embedded(uri, mime, content):
    resource = types.TextResourceContents(uri=uri, mime_type=mime, text=content)
    return types.EmbeddedResource(type="resource", resource=resource)


IMAGE = types.ImageContent(type="image", data=PNG, mime_type="image/png")


@tool("test_simple_text", "Answers with text")
async def simple_text(ctx, params, arguments, server):
    return "This is a simple text response for testing."


@tool("test_image_content", "Answers with an image")
async def image_content(ctx, params, arguments, server):
    return [IMAGE]


@tool("test_audio_content", "Answers with sound")
async def audio_content(ctx, params, arguments, server):
    return [types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")]


@tool("test_embedded_resource", "Answers with an embedded resource")
async def embedded_resource(ctx, params, arguments, server):
    return [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]


@tool("test_multiple_content_types", "Answers with three kinds of content")
async def multiple_content_types(ctx, params, arguments, server):
    resource = embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
    return [text("Multiple content types test:"), IMAGE, resource]


@tool("test_tool_with_logging", "Logs three times")
async def with_logging(ctx, params, arguments, server):
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await server.log(ctx, message)
        await anyio.sleep(PAUSE)
    return "Logged three times"


@tool("test_logging_tool", "Logs once")
async def logging_tool(ctx, params, arguments, server):
    await server.log(ctx, "Once")
    return "Logged once"


@tool("test_tool_with_progress", "Reports progress three times")
async def with_progress(ctx, params, arguments, server):
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100, f"{done} of 100")
        await anyio.sleep(PAUSE)
    return "Done"


@tool("test_error_handling", "Always fails")
async def error_handling(ctx, params, arguments, server):
    message = "This tool intentionally returns an error for testing"
    return types.CallToolResult(content=[text(message)], is_error=True)


@tool("test_reconnection", "Takes a while, and drops its stream meanwhile where it can")
async def reconnection(ctx, params, arguments, server):
    await server.log(ctx, "Before")
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await anyio.sleep(1.2)
    return "Reconnection test completed"


@tool("json_schema_2020_12_tool", "Has a schema with everything that 2020-12 has", schema=SCHEMA_2020)
async def json_schema(ctx, params, arguments, server):
    return "Taken"


@tool(
    "test_custom_header",
    "Mirrors an argument into a header",
    {"region": {**TEXT, "x-mcp-header": "Region"}, "query": TEXT},
    ["region"],
)
async def custom_header(ctx, params, arguments, server):
    return f"Region {arguments.get('region')}"


@tool("test_missing_capability", "Needs sampling")
async def missing_capability(ctx, params, arguments, server):
    capabilities = ctx.session.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        data = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "sampling is required", data)
    return "The client can sample"


@tool("test_trigger_tool_change", "Changes the list of tools")
async def trigger_tool_change(ctx, params, arguments, server):
    await server.change("tools")
    return "Changed"


@tool("test_trigger_prompt_change", "Changes the list of prompts")
async def trigger_prompt_change(ctx, params, arguments, server):
    await server.change("prompts")
    return "Changed"


@tool("test_extra", "Is offered by the second plan only")
async def extra(ctx, params, arguments, server):
    return "Extra"


@tool("test_touch_resource", "Changes the watched resource")
async def touch_resource(ctx, params, arguments, server):
    await server.touch(ctx, "test://watched-resource")
    return "Touched"


def asking(name, description, questions, answer, *, state=None, properties=None, required=()):
    """Register a tool that asks once; `questions` and `answer` are functions of what is known by then."""

    @tool(name, description, properties, required)
    async def behave(ctx, params, arguments, server):
        if state is not None and params.request_state is not None:
            unseal(params.request_state)
        wanted = questions(ctx, arguments)
        found = await ask(ctx, params, wanted, seal(state) if state is not None and modern(ctx) else None)
        return found if isinstance(found, types.InputRequiredResult) else answer(found)


def _said(kind, found):
    return f"{kind}: action={found.action}, content={found.content or {}}"


NAME = {"properties": ANSWER, "required": ["name"]}
asking(
    "test_sampling",
    "Asks the client's model",
    lambda ctx, args: {"answer": sample(args["prompt"])},
    lambda found: f"LLM response: {found['answer'].content.text}",
    properties={"prompt": TEXT},
    required=["prompt"],
)
asking(
    "test_elicitation",
    "Asks the user",
    lambda ctx, args: {"user": form(args["message"], {"username": TEXT, "email": TEXT}, ["username", "email"])},
    lambda found: _said("User response", found["user"]),
    properties={"message": TEXT},
    required=["message"],
)
asking(
    "test_elicitation_sep1034_defaults",
    "Asks the user, with defaults",
    lambda ctx, args: {"user": form("Who are you?", DEFAULTS)},
    lambda found: _said("Elicitation completed", found["user"]),
)
asking(
    "test_elicitation_sep1330_enums",
    "Asks the user to choose",
    lambda ctx, args: {"user": form("Please choose", ENUMS)},
    lambda found: _said("Elicitation completed", found["user"]),
)
asking(
    "test_streaming_elicitation",
    "Asks the user to confirm",
    lambda ctx, args: {"user": form("Really?", {"ok": {"type": "boolean"}}, ["ok"])},
    lambda found: _said("Elicitation completed", found["user"]),
)
asking(
    "test_input_required_result_elicitation",
    "Asks for a name",
    lambda ctx, args: {"user_name": form("What is your name?", **NAME)},
    lambda found: f"Hello, {(found['user_name'].content or {}).get('name')}!",
)
asking(
    "test_input_required_result_sampling",
    "Asks the client's model for a capital",
    lambda ctx, args: {"capital_question": sample("What is the capital of France?")},
    lambda found: found["capital_question"].content.text,
)
asking(
    "test_input_required_result_list_roots",
    "Asks for the client's roots",
    lambda ctx, args: {"client_roots": roots()},
    lambda found: "Roots: " + ", ".join(str(root.uri) for root in found["client_roots"].roots),
)
for tool_name in ("test_input_required_result_request_state", "test_input_required_result_tampered_state"):
    asking(
        tool_name,
        "Asks for a confirmation, with a state",
        lambda ctx, args: {"confirm": form("Please confirm", {"ok": {"type": "boolean"}}, ["ok"])},
        lambda found: "state-ok",
        state="confirm",
    )
asking(
    "test_input_required_result_multiple_inputs",
    "Asks three things at once",
    lambda ctx, args: {
        "user_name": form("What is your name?", **NAME),
        "greeting": sample("Generate a greeting", 50),
        "client_roots": roots(),
    },
    lambda found: "All three came",
    state="multiple",
)


def _can(ctx):
    capabilities = ctx.session.client_capabilities
    questions = {"answer": sample("Anything?"), "user": form("Anything?", ANSWER)}
    declared = {"answer": "sampling", "user": "elicitation"}
    return {
        key: question
        for key, question in questions.items()
        if capabilities is not None and getattr(capabilities, declared[key]) is not None
    }


asking(
    "test_input_required_result_capabilities",
    "Asks only what the client can answer",
    lambda ctx, args: _can(ctx),
    lambda found: f"Answered: {len(found)}",
)


@tool("test_input_required_result_multi_round", "Asks twice, one after the other")
async def multi_round(ctx, params, arguments, server):
    first = {"step1": form("Step 1: What is your name?", **NAME)}
    second = {"step2": form("Step 2: What is your favorite color?", {"color": TEXT}, ["color"])}
    if not modern(ctx):
        await ask(ctx, params, first)
        await ask(ctx, params, second)
        return "Two rounds"
    if params.request_state is None:
        return await ask(ctx, params, first, seal("round-1"))
    if unseal(params.request_state) == "round-1":
        found = await ask(ctx, params, first, seal("round-1"))
        return (
            found if isinstance(found, types.InputRequiredResult) else await ask(ctx, params, second, seal("round-2"))
        )
    found = await ask(ctx, params, second, seal("round-2"))
    return found if isinstance(found, types.InputRequiredResult) else "Two rounds"
