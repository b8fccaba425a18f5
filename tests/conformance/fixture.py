"""A conformant MCP server of both eras on the SDK, over HTTP or standard input and output: what the mesh is put before."""

import argparse
import json
import sys
import warnings
from pathlib import Path

import anyio
import mcp_types as types
import uvicorn
from asking import ask, form
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourceUpdated,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from tools import IMAGE, PNG, TOOLS, embedded, text

WATCHED = "test://watched-resource"
RESOURCES = {
    "test://static-text": ("text/plain", "This is the content of the static text resource."),
    "test://static-binary": ("image/png", None),
    WATCHED: ("text/plain", "Watched resource content"),
}
TEMPLATE = "test://template/{id}/data"
PROMPTS = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    "test_input_required_result_prompt": (),
    "test_extra_prompt": (),
}
PREFIX = "test_"
COMPLETIONS = ("paris", "park", "party", "london")


class Events(EventStore):
    """Keeps every event of a short run, so that a stream can be resumed."""

    def __init__(self):
        self._events = []

    async def store_event(self, stream_id, message):
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id, send_callback):
        at = int(last_event_id)
        stream = self._events[at - 1][0]
        for number, (owner, message) in enumerate(self._events[at:], at + 1):
            if owner == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


class Fixture:
    """The server's state: who subscribed to what, and where a change of its lists is told."""

    def __init__(self, pointers, *, bare):
        self.bare = bare
        self.bus = InMemorySubscriptionBus()
        self.pointers = pointers
        self.subscribed = {}

    def shown(self, name):
        """The name under which this server offers something: bare, where the mesh puts the prefix back."""
        return name.removeprefix(PREFIX) if self.bare else name

    def meant(self, name):
        return PREFIX + name if self.bare and PREFIX + name in {*TOOLS, *PROMPTS} else name

    async def log(self, ctx, message):
        await ctx.session.send_log_message("info", message, "fixture", related_request_id=ctx.request_id)

    async def change(self, what):
        """Tell subscribers of changed lists and, behind a mesh, publish its other plan: there, that is what changes."""
        for path in self.pointers:
            _flip(path)
        await self.bus.publish(ToolsListChanged() if what == "tools" else PromptsListChanged())

    async def touch(self, ctx, uri):
        await self.bus.publish(ResourceUpdated(uri=uri))
        for session in self.subscribed.get(uri, {}).values():
            await session.send_resource_updated(uri)

    async def call_tool(self, ctx, params):
        found = TOOLS.get(self.meant(params.name))
        if found is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
        answer = await found[1](ctx, params, params.arguments or {}, self)
        if isinstance(answer, str):
            answer = [text(answer)]
        return types.CallToolResult(content=answer) if isinstance(answer, list) else answer

    async def get_prompt(self, ctx, params):
        given = params.arguments or {}
        match self.meant(params.name):
            case "test_simple_prompt" | "test_extra_prompt":
                blocks = [text("This is a simple prompt for testing.")]
            case "test_prompt_with_arguments":
                blocks = [text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'")]
            case "test_prompt_with_embedded_resource":
                content = embedded(given["resourceUri"], "text/plain", "Embedded resource content for testing.")
                blocks = [content, text("Please process the embedded resource above.")]
            case "test_prompt_with_image":
                blocks = [IMAGE, text("Please analyze the image above.")]
            case "test_input_required_result_prompt":
                question = form("What context should the prompt use?", {"context": {"type": "string"}}, ["context"])
                found = await ask(ctx, params, {"user_context": question})
                if isinstance(found, types.InputRequiredResult):
                    return found
                blocks = [text(f"Use {found['user_context'].content}")]
            case _:
                raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=block) for block in blocks])

    async def read(self, ctx, params):
        uri = str(params.uri)
        if uri in RESOURCES:
            mime, content = RESOURCES[uri]
            if content is None:
                part = types.BlobResourceContents(uri=uri, mime_type=mime, blob=PNG)
            else:
                part = types.TextResourceContents(uri=uri, mime_type=mime, text=content)
        elif uri.startswith("test://template/") and uri.endswith("/data"):
            number = uri.removeprefix("test://template/").removesuffix("/data")
            data = {"id": number, "templateTest": True, "data": f"Data for ID: {number}"}
            part = types.TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps(data))
        else:
            modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
            raise MCPError(types.INVALID_PARAMS if modern else -32002, "Resource not found", {"uri": uri})
        return types.ReadResourceResult(contents=[part], ttl_ms=1000, cache_scope="private")

    async def subscribe(self, ctx, params):
        self.subscribed.setdefault(str(params.uri), {})[id(ctx.session)] = ctx.session
        return types.EmptyResult()

    async def unsubscribe(self, ctx, params):
        self.subscribed.get(str(params.uri), {}).pop(id(ctx.session), None)
        return types.EmptyResult()

    async def set_level(self, ctx, params):
        return types.EmptyResult()

    async def complete(self, ctx, params):
        values = [word for word in COMPLETIONS if word.startswith(params.argument.value)]
        return types.CompleteResult(completion=types.Completion(values=values, total=len(values), has_more=False))

    async def list_tools(self, ctx, params):
        tools = [found.model_copy(update={"name": self.shown(name)}) for name, (found, _) in TOOLS.items()]
        return types.ListToolsResult(tools=tools, ttl_ms=1000, cache_scope="public")

    def input_schema(self, name):
        found = TOOLS.get(self.meant(name))
        return None if found is None else found[0].input_schema

    async def list_prompts(self, ctx, params):
        prompts = [
            types.Prompt(
                name=self.shown(name),
                description=f"Prompt {name}",
                arguments=[types.PromptArgument(name=word, required=True) for word in words],
            )
            for name, words in PROMPTS.items()
        ]
        return types.ListPromptsResult(prompts=prompts, ttl_ms=1000, cache_scope="public")

    async def list_resources(self, ctx, params):
        found = [
            types.Resource(uri=uri, name=uri.rpartition("/")[2], description=f"Resource {uri}", mime_type=mime)
            for uri, (mime, _) in RESOURCES.items()
        ]
        return types.ListResourcesResult(resources=found, ttl_ms=1000, cache_scope="public")

    async def list_templates(self, ctx, params):
        found = types.ResourceTemplate(
            uri_template=TEMPLATE, name="template", description="Data by id", mime_type="application/json"
        )
        return types.ListResourceTemplatesResult(resource_templates=[found], ttl_ms=1000, cache_scope="public")

    def server(self):
        return Server(
            "fixture",
            version="1",
            get_tool_input_schema=self.input_schema,
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
            on_list_prompts=self.list_prompts,
            on_get_prompt=self.get_prompt,
            on_list_resources=self.list_resources,
            on_list_resource_templates=self.list_templates,
            on_read_resource=self.read,
            on_subscribe_resource=self.subscribe,
            on_unsubscribe_resource=self.unsubscribe,
            on_subscriptions_listen=ListenHandler(self.bus),
            on_set_logging_level=self.set_level,
            on_completion=self.complete,
        )


def _flip(path):
    """Let the channel's pointer name the other plan: `pointer.json` lies beside the two that it may become."""
    current, others = json.loads(path.read_text()), sorted(path.parent.glob(f"{path.stem}.plan-*"))
    names = [json.loads(other.read_text()) for other in others]
    following = next(found for found in names if found["plan"] != current["plan"])
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({**following, "seq": current["seq"] + 1, "previous": None}))
    draft.replace(path)


def without_modern(app):
    """The same server as if it knew only the revisions with sessions."""

    async def serve(scope, receive, send):
        headers = dict(scope.get("headers", ()))
        if headers.get(b"mcp-protocol-version", b"").decode() in MODERN_PROTOCOL_VERSIONS:
            body = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Missing session ID"}}'
            head = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 400, "headers": head})
            await send({"type": "http.response.body", "body": body})
        else:
            await app(scope, receive, send)

    return serve


async def serve_stdio(fixture):
    server = fixture.server()
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, help="serve HTTP on this port of 127.0.0.1, else standard input and output")
    parser.add_argument("--legacy", action="store_true", help="know only the revisions with sessions")
    parser.add_argument("--bare", action="store_true", help="offer everything without the prefix `test_`")
    parser.add_argument(
        "--pointer", type=Path, action="append", default=[], help="a channel's pointer to flip on a change"
    )
    found = parser.parse_args()
    warnings.simplefilter("ignore")
    fixture = Fixture(found.pointer, bare=found.bare)
    if found.port is None:
        anyio.run(serve_stdio, fixture)
        return
    app = fixture.server().streamable_http_app(event_store=Events(), retry_interval=100)
    if found.legacy:
        app = without_modern(app)
    uvicorn.run(app, host="127.0.0.1", port=found.port, http="h11", log_level="error", access_log=False)


if __name__ == "__main__":
    sys.exit(main())
