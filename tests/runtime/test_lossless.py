"""What a server answers, and what it is sent, comes out equal, unknown members and all: both eras in front, three kinds of server behind."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from plans import Draft
from sites import request, site

from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.schemas.plan import HttpTransport, StdioTransport

STDIO = Path(__file__).parent / "lossless_stdio.py"
TEXT = st.text('aZ "\\/\n\t\x7f\u00e9\u2028\u202e\ufeff\U0001f600\U0010ffff', max_size=6)
NUMBERS = st.integers() | st.integers(10**19, 10**20) | st.sampled_from([0.1, -1.5, 1e300, 5e-324])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
NOVEL = st.fixed_dictionaries(
    {"type": st.just("hologram")}, optional={"depth": NUMBERS, "none": st.none(), "x": VALUES}
)
PLAIN = st.fixed_dictionaries({"type": st.just("text"), "text": TEXT}, optional={"novel": VALUES})
RESULTS = st.fixed_dictionaries(
    {"content": st.lists(PLAIN | NOVEL, max_size=3)},
    optional={
        "structuredContent": st.dictionaries(TEXT, VALUES, max_size=3),
        "_meta": st.none() | st.dictionaries(st.sampled_from(["vendor/key", "x"]), VALUES),
        "isError": st.booleans(),
        "futureField": VALUES,
    },
)
HARD = {
    "content": [{"type": "hologram", "n": 12345678901234567890, "none": None}],
    "_meta": None,
    "structuredContent": {"\u2028": [1e300, -0.5, 10**30], "": {}},
    "futureField": [[], {}, None, "\U0001f600\x7f"],
}


class Server:
    """One HTTP server that answers a call with the text that its argument holds, in one era."""

    def __init__(self, *, modern):
        self.modern = modern

    async def __call__(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = [line for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(length[0][15:])) if length else b""
                status, text = self.answer(json.loads(body)) if head.startswith(b"post") else (405, "")
                answer = (
                    f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(text.encode())}"
                )
                writer.write(f"{answer}\r\n\r\n{text}".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer(self, asked):
        if "id" not in asked:
            return 202, ""
        match asked["method"], self.modern:
            case "tools/call", _:
                given = asked["params"]["arguments"]
                result = given["text"] if "text" in given else json.dumps({"content": [], "heard": given})
            case "server/discover", True:
                kept = {"resultType": "complete", "ttlMs": 0, "cacheScope": "public"}
                result = json.dumps({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, **kept})
            case "initialize", False:
                about = {"capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
                result = json.dumps({"protocolVersion": "2025-11-25", **about})
            case _:
                error = {"code": -32601, "message": "no such method"}
                return 404, json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": error})
        return 200, f'{{"jsonrpc":"2.0","id":{json.dumps(asked["id"])},"result":{result}}}'


def exact(value):
    """Equal texts are equal values of equal types: 1 is neither 1.0 nor true."""
    return json.dumps(value, sort_keys=True)


@asynccontextmanager
async def transport_of(kind):
    if kind == "stdio":
        yield StdioTransport(argv=(sys.executable, str(STDIO)), env={}, cwd=".")
        return
    server = await asyncio.start_server(Server(modern=kind == "modern"), "127.0.0.1", 0)
    async with server:
        yield HttpTransport(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp", headers={}, auth=None)


@asynccontextmanager
async def served(kind, root):
    """A mesh before a server of this kind, and a session of a client of the handshake era."""
    draft = Draft()
    async with transport_of(kind) as transport:
        draft.server("notes", transport, timeout_ms=20_000)
        draft.tool("dev", "notes", "get", schema={"type": "object", "properties": {"text": {"type": "string"}}})
        draft.key("ann", "user:ann")
        draft.grant("all", "user:ann")
        bundle = draft.bundle()
        async with open_upstreams(bundle.plan.servers, root) as upstreams, site(bundle, upstreams) as found:
            yield found, await found.session()


async def both(found, session, arguments):
    """The results that clients of both eras get."""
    params = {"name": "get", "arguments": arguments}
    with anyio.fail_after(20):
        modern = await found.modern("tools/call", params)
        legacy = await found.legacy(request("tools/call", params, 5), session=session)
    return [json.loads(answer.text)["result"] for answer in (modern, legacy)]


KINDS = pytest.mark.parametrize("kind", ["modern", "legacy", "stdio"])
FEW = settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))


@KINDS
@pytest.mark.parametrize("ascii_only", [True, False])
@FEW
@given(drawn=st.lists(RESULTS, min_size=8, max_size=12))
@example(drawn=[HARD])
async def test_results_come_out_as_they_were_answered(kind, ascii_only, drawn, tmp_path_factory):
    async with served(kind, tmp_path_factory.mktemp("root")) as (found, session):
        for result in drawn:
            modern, legacy = await both(found, session, {"text": json.dumps(result, ensure_ascii=ascii_only)})
            assert exact(modern) == exact({**result, "resultType": "complete"})
            assert exact(legacy) == exact(result)


@KINDS
@FEW
@given(drawn=st.lists(st.dictionaries(st.sampled_from(["a", "ä", ""]), VALUES), min_size=8, max_size=12))
@example(drawn=[{"hard": HARD, "none": None, "n": 12345678901234567890, "\u2028": [None, 1e300]}])
async def test_arguments_arrive_as_they_were_sent(kind, drawn, tmp_path_factory):
    async with served(kind, tmp_path_factory.mktemp("root")) as (found, session):
        for arguments in drawn:
            for result in await both(found, session, arguments):
                assert exact(result["heard"]) == exact(arguments)
