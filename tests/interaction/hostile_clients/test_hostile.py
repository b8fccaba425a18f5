"""What hostile clients send: each gets the right status or no answer at all, and nobody else notices."""

import json
import threading
import time
from contextlib import ExitStack

import pytest
from raw_wires import BODY, DEPTH, HEADERS, STREAMS, Wire, legacy, modern

MB = 1_000_000
WORKERS = pytest.mark.parametrize("mesh", ["alone", "of_four"], indirect=True)
"""For what is not over with one connection: it holds for all workers together."""


def raw(mesh, first="POST /mcp/dev HTTP/1.1", *, more=(), drop=(), body=None, **what):
    """A good request with another first line, further header lines, or another body."""
    head, good = modern(mesh.port, more=more, drop=drop, **what)
    return head.replace(b"POST /mcp/dev HTTP/1.1", first.encode("latin-1"), 1) + (good if body is None else body)


# What is no request.


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\r\n\r\n\r\nHELLO\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"FROBNICATE /mcp/dev HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET /mcp/dev HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rb\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n folded: x\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nno colon here\r\n\r\n", 400),
        (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", 200),
        (b"GET http://evil.example/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 421),
        (b"GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", 421),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\n\r\n", 403),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: null\r\n\r\n", 403),
        (b"GET /mcp/dev/../../healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 401),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404),
        (b"DELETE /status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405),
        (b"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n", 405),
        (b"GET /" + b"a" * (HEADERS + 100) + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * (HEADERS + 1) + b"\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: 1\r\n" * 200 + b"\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 10 * HEADERS, 431),
    ],
)
def test_what_is_no_request_or_not_for_us(mesh, data, status):
    assert mesh.once(data).status == status


@pytest.mark.parametrize(
    ("more", "drop"),
    [
        (["Content-Length: 3"], ()),
        (["Transfer-Encoding: chunked"], ()),
        (["Transfer-Encoding: chunked", "Content-Length: 5"], ("Content-Length",)),
        (["Content-Length: 5, 6"], ("Content-Length",)),
        (["Content-Length: +5"], ("Content-Length",)),
        (["Content-Length: -5"], ("Content-Length",)),
        (["Content-Length: 0x5"], ("Content-Length",)),
        (["Content-Length: 99999999999999999999999"], ("Content-Length",)),
        (["Transfer-Encoding: chunked, identity"], ("Content-Length",)),
        (["Transfer-Encoding: xchunked"], ("Content-Length",)),
        (["Transfer-Encoding : chunked"], ("Content-Length",)),
    ],
    ids=str,
)
def test_bodies_whose_end_two_readers_could_see_elsewhere(mesh, more, drop):
    smuggled = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with mesh.wire() as wire:
        wire.send(raw(mesh, more=more, drop=drop, body=smuggled))
        assert wire.answer().status == 400
        assert wire.closed()


@pytest.mark.parametrize(
    "chunks",
    [
        b"FFFFFFFFFFFFFFFFFF\r\nx",
        b"-1\r\nx\r\n0\r\n\r\n",
        b"zz\r\nx\r\n0\r\n\r\n",
        b"5\r\nabcdefgh\r\n0\r\n\r\n",
    ],
)
def test_chunks_that_lie_end_the_connection(mesh, chunks):
    with mesh.wire() as wire:
        wire.send(raw(mesh, more=["Transfer-Encoding: chunked"], drop=("Content-Length",), body=chunks))
        assert wire.answer().status == 400
        assert wire.closed()


def test_trailers_are_bounded_and_become_no_headers(mesh):
    head, body = modern(mesh.port, more=["Transfer-Encoding: chunked"], drop=("Content-Length", "Authorization"))
    chunk = b"%x\r\n%b\r\n0\r\n" % (len(body), body)
    first = raw(mesh)
    with mesh.wire() as wire:
        wire.send(first + head + chunk + b"Authorization: Bearer secret-ann\r\n\r\n")
        assert [wire.answer().status, wire.answer().status] == [200, 401]
    with mesh.wire() as wire:
        good, _ = modern(mesh.port, more=["Transfer-Encoding: chunked"], drop=("Content-Length",))
        wire.send(good + b"1\r\n{\r\n0\r\n" + b"X: y\r\n" * (HEADERS // 2))
        assert wire.answer().status == 431


# What is no message.


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"nonsense", -32700),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}', -32700),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"x"}', -32700),
        (b'{"jsonrpc":"2.0","id":"\xff\xfe","method":"x"}', -32700),
        (b'{"jsonrpc":"2.0","id":"\\ud800","method":"x"}', -32700),
        (b'{"jsonrpc":"2.0","id":"a\x00b","method":"x"}', -32700),
        (b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"x"}', -32700),
        (b'{"jsonrpc":"2.0","id":1e999,"method":"x"}', -32700),
        (b"[" * 500_000, -32700),
        (b'{"a":' * 100_000, -32700),
        (b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1), -32700),
        (b'{"id":' + b"9" * 100_000 + b"}", -32700),
        (b"[]", -32600),
        (b"3", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"x"}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"x"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":[]}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', -32600),
        (b'{"jsonrpc":"2.0","id":"' + b"x" * 100_000 + b'","method":"x"}', -32600),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_what_is_no_message(mesh, body, code, era):
    drop = (
        ("Content-Length",) if era == "modern" else ("Content-Length", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name")
    )
    answer = mesh.once(raw(mesh, more=[f"Content-Length: {len(body)}"], drop=drop, body=body))
    if era == "legacy" and body == b"[]":
        assert answer.status == 400  # a batch, for which there is no session
    else:
        assert (answer.status, answer.error["code"]) == (400, code)


@pytest.mark.parametrize(
    ("drop", "more", "status", "code"),
    [
        (("Mcp-Method",), [], 400, -32020),
        (("Mcp-Method",), ["Mcp-Method: tools/list"], 400, -32020),
        ((), ["Mcp-Method: tools/call"], 400, -32020),
        ((), ["mcp-method: tools/list"], 400, -32020),
        (("Mcp-Name",), [], 400, -32020),
        (("Mcp-Name",), ["Mcp-Name: big"], 400, -32020),
        ((), ["Mcp-Name: get_note"], 400, -32020),
        ((), ["MCP-Protocol-Version: 2026-07-28"], 400, -32020),
        (("MCP-Protocol-Version",), ["MCP-Protocol-Version: 2099-01-01"], 400, None),
        (("MCP-Protocol-Version",), [], 400, -32020),
        (("Content-Type",), [], 415, -32600),
        (("Content-Type",), ["Content-Type: text/plain"], 415, -32600),
        ((), ["Content-Type: application/json"], 400, -32600),
        ((), ["Content-Encoding: gzip"], 415, -32600),
        (("Accept",), ["Accept: text/html"], 406, -32600),
        (("Authorization",), [], 401, -31003),
        ((), ["Authorization: Bearer secret-bob"], 400, -32600),
        ((), ["Cookie: " + "a=b; " * 500], 200, None),
    ],
    ids=str,
)
def test_headers_that_are_wrong_missing_or_there_twice(mesh, drop, more, status, code):
    answer = mesh.once(raw(mesh, more=more, drop=drop))
    assert answer.status == status, answer
    if code is not None:
        assert answer.error["code"] == code


# What is too much.


@WORKERS
@pytest.mark.parametrize("size", [10 * MB, 100 * MB])
@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_are_not_read_to_their_end(mesh, size, chunked):
    piece = b"x" * 65_536
    line = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    head, _ = modern(mesh.port, more=[line], drop=("Content-Length",))
    sent = 0
    with mesh.wire() as wire:
        wire.send(head)
        while sent < size and wire.send((b"%x\r\n%b\r\n" % (len(piece), piece)) if chunked else piece):
            sent += len(piece)
        answer = wire.answer()
    assert answer.status in (413, 0)  # 0: our reset overtook the answer, because the client went on sending
    assert sent < 64 * MB  # the kernel's buffers may take some 40 MB of what is never read


@WORKERS
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_a_little_too_large_is_told_so(mesh, chunked):
    body = b" " * (BODY + 1)
    if chunked:
        line, sent = "Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        line, sent = f"Content-Length: {len(body)}", body
    assert mesh.once(raw(mesh, more=[line], drop=("Content-Length",), body=sent)).status == 413


@WORKERS
def test_a_body_that_is_declared_too_large_is_refused_before_it_comes(mesh):
    with mesh.wire() as wire:
        wire.send(
            raw(mesh, more=[f"Content-Length: {100 * MB}", "Expect: 100-continue"], drop=("Content-Length",), body=b"")
        )
        assert wire.answer().status == 413


@WORKERS
def test_many_large_arguments_at_once_stay_within_the_callers_share(mesh):
    params = {"name": "get_note", "arguments": {"x": ["y" * 100] * 8000}}
    request = mesh.good(params=params)
    answers = []

    def one():
        answers.append(mesh.once(request).status)

    threads = [threading.Thread(target=one) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {200, 429}
    assert 200 in answers


@WORKERS
def test_more_pipelined_requests_than_wait_in_line_end_the_connection(mesh):
    with mesh.wire() as wire:
        wire.send(mesh.good() * 4)
        assert [wire.answer().status for _ in range(4)] == [200] * 4
        wire.send(mesh.good() * 200)
        answered = 0
        while wire.answer().status == 200:
            answered += 1
        assert 1 <= answered < 200


@WORKERS
def test_a_thousand_idle_streams_cost_little_and_the_next_one_is_refused(mesh):
    wires, before = [], mesh.memory()
    listen = b"".join(modern(mesh.port, "subscriptions/listen", {"notifications": {}}, key="bob"))
    try:
        for _ in range(STREAMS):
            wires.append(mesh.wire())
            wires[-1].send(listen)
        for wire in wires:
            assert wire.head().status == 200
        refused = mesh.once(listen)
        assert (refused.status, refused.error["data"]["limit"]) == (429, STREAMS)
        assert "retry-after" in refused.headers
        assert mesh.memory() - before < 100 * MB
    finally:
        for wire in wires:
            wire.socket.close()


# Those who are slow.


def test_slow_heads_and_bodies_are_let_go_and_hold_nobody_up(mesh, of_four):
    head, _ = modern(mesh.port, key="bob")
    with ExitStack() as stack:
        slow = [stack.enter_context(found.wire()) for _ in range(200) for found in (mesh, of_four)]
        bodies = [stack.enter_context(found.wire()) for _ in range(100) for found in (mesh, of_four)]
        since = of_four.friend.begin()
        for wire in slow:
            wire.send(b"POST /mcp/dev HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        for wire in bodies:
            wire.send(head)
        for _ in range(8):
            time.sleep(1)
            for wire in (*slow[:20], *bodies[:20]):
                wire.send(b" ")
        assert all(wire.closed() for wire in slow)
        of_four.friend.got_on(since=since)


@WORKERS
def test_an_answer_that_nobody_reads_holds_nobody_up(mesh):
    wires = [mesh.wire() for _ in range(6)]
    for wire in wires:
        wire.send(mesh.good(params={"name": "big", "arguments": {}}, key="bob"))
    since = mesh.friend.begin()
    mesh.friend.got_on(since=since)
    for wire in wires:
        wire.socket.close()


# Those who are somebody else.


@WORKERS
def test_nothing_that_a_client_proves_itself_with_reaches_a_server(mesh):
    session = mesh.session()
    told = [
        "Cookie: c00kie=1",
        "X-Forwarded-For: 6.6.6.6",
        "Forwarded: for=6.6.6.6",
        "X-Custom: cust0m",
        "TE: trailers",
    ]
    message = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "get_note", "arguments": {}}}
    for sent in (raw(mesh, more=told), b"".join(legacy(mesh.port, message, session=session, more=told))):
        answer = mesh.once(sent)
        assert answer.status == 200
        assert b"mcp-protocol-version" in answer.body.lower()
        for word in (b"secret-ann", b"c00kie", b"6.6.6.6", b"cust0m", b"trailers", b"authorization"):
            assert word not in answer.body.lower()


@WORKERS
def test_a_session_is_of_who_opened_it(mesh):
    session = mesh.session("ann")
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    for key, sent, status in (
        ("ann", session, 200),
        ("bob", session, 404),
        ("ann", session[:-2] + ("AA" if session[-2:] != "AA" else "BB"), 404),
        ("ann", "1", 404),
        ("ann", "../../etc/passwd", 404),
        ("ann", "A" * 4000, 404),
        ("nobody", session, 401),
    ):
        assert mesh.once(b"".join(legacy(mesh.port, ping, key=key, session=sent))).status == status
    for first in ("GET /mcp/dev HTTP/1.1", "DELETE /mcp/dev HTTP/1.1"):
        head, _ = legacy(mesh.port, ping, key="bob", session=session)
        lines = head.replace(b"POST /mcp/dev HTTP/1.1", first.encode()).split(b"\r\n")
        kept = b"\r\n".join(line for line in lines if not line.lower().startswith((b"content-l", b"content-t")))
        assert mesh.once(kept).status == 404
    assert mesh.once(b"".join(legacy(mesh.port, ping, session=session))).status == 200


@WORKERS
def test_guessing_sessions_finds_none(mesh):
    with mesh.wire() as wire:
        for number in range(300):
            message = {"jsonrpc": "2.0", "id": number, "method": "ping"}
            wire.send(b"".join(legacy(mesh.port, message, session=f"{number:064x}")))
            assert wire.answer().status == 404


@WORKERS
def test_the_mesh_is_well_after_all_that(mesh):
    answer = mesh.once(mesh.good())
    assert json.loads(answer.body)["result"]["content"][0]["text"] == "here"
    assert mesh.process.poll() is None
    with Wire(mesh.port) as wire:
        wire.send(mesh.good())
        assert wire.answer().status == 200
