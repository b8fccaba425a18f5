"""What holds for every upstream, whatever its transport and era."""

import anyio
import pytest
from msgspec import structs

from meshplan.runtime.upstream.port import UpstreamRefusal, UpstreamTimeout

MODERN_META = {f"io.modelcontextprotocol/{key}" for key in ("protocolVersion", "clientCapabilities", "clientInfo")}


async def until_held(upstream, kit, key):
    with anyio.fail_after(10):
        while key not in (await upstream.request(kit.call("seen")))["held"]:
            pass


async def test_unknown_fields_and_exact_numbers_survive(upstream, kit):
    arguments = {
        "big": 12345678901234567890123,
        "float": 1.0,
        "null": None,
        "text": "ü\u2028\U0001f600",
        "deep": [{"a": []}],
    }

    result = await upstream.request(kit.call("echo", **arguments))

    assert result["futureField"] == arguments
    assert isinstance(result["futureField"]["float"], float)
    assert result["content"] == [{"type": "text", "text": "x", "novel": None}]
    assert result["resultType"] == "complete"


async def test_the_envelope_is_that_of_the_servers_era(upstream, kit, flavour):
    request = kit.call("echo")
    request = structs.replace(
        request,
        params={**request.params, "_meta": {"example.com/own": 1}},
        client_capabilities={"elicitation": {}},
        client_info={"name": "caller", "version": "7"},
        log_level="info",
    )

    meta = (await upstream.request(request))["meta"]

    assert meta.pop("example.com/own") == 1
    if flavour.endswith("modern"):
        assert meta.pop("io.modelcontextprotocol/clientCapabilities") == {"elicitation": {}}
        assert meta.pop("io.modelcontextprotocol/clientInfo") == {"name": "caller", "version": "7"}
        assert meta.pop("io.modelcontextprotocol/protocolVersion") == "2026-07-28"
        assert meta.pop("io.modelcontextprotocol/logLevel") == "info"
    assert meta == {}
    expected = "2026-07-28" if flavour.endswith("modern") else "2025-11-25"
    assert upstream.health().protocol_version == expected
    assert upstream.health().state == "connected"


async def test_an_error_keeps_its_code_message_and_data(upstream, kit):
    with pytest.raises(UpstreamRefusal) as caught:
        await upstream.request(kit.call("fail"))

    assert (caught.value.code, caught.value.message, caught.value.data) == (-32050, "no such luck", {"why": [1, None]})


async def test_fifty_calls_at_once_each_get_their_own_answer(upstream, kit):
    answers = {}

    async def one(number):
        answers[number] = (await upstream.request(kit.call("echo", number=number)))["futureField"]["number"]

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(one, number)

    assert answers == {number: number for number in range(50)}


async def test_progress_goes_to_the_request_that_it_belongs_to(upstream, kit):
    notices = {"a": [], "b": []}
    arrived = {"a": anyio.Event(), "b": anyio.Event()}

    async def one(key):
        async def on_notify(method, params):
            notices[key].append((method, params))
            arrived[key].set()

        await upstream.request(structs.replace(kit.call("hold", key=key), wants_progress=True, on_notify=on_notify))

    with anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one, "a")
            tasks.start_soon(one, "b")
            await arrived["a"].wait()
            await arrived["b"].wait()
            for key in ("a", "b"):
                await upstream.request(kit.call("release", key=key))

    for key in ("a", "b"):
        [(method, params)] = notices[key]
        assert method == "notifications/progress"
        assert params["progress"] == 1
        assert key in {params.get("message"), params.get("key")}
        assert "progressToken" not in params


async def test_cancelling_the_caller_cancels_the_request_upstream(upstream, kit, eventually):
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstream.request, kit.call("hold", key="k"))
            await until_held(upstream, kit, "k")
            tasks.cancel_scope.cancel()

        async def cancelled():
            return (await upstream.request(kit.call("seen")))["cancelled"] == ["k"]

        await eventually(cancelled)


async def test_a_timeout_is_one_and_cancels_the_request_upstream(upstream, kit, eventually):
    await upstream.request(kit.call("echo"))

    with anyio.fail_after(5), pytest.raises(UpstreamTimeout):
        await upstream.request(kit.call("hold", key="k", timeout=0.2))

    async def cancelled():
        return (await upstream.request(kit.call("seen")))["cancelled"] == ["k"]

    await eventually(cancelled)


async def test_the_servers_own_requests_are_refused_except_ping(upstream, kit, flavour, eventually):
    if flavour == "http-modern":
        pytest.skip("a modern HTTP server has no way to send a request")
    answers = []
    for method in ("elicitation/create", "ping"):
        found = await upstream.request(kit.call("ask", method=method))
        answers.append(found.get("asked"))
    if flavour.startswith("stdio"):

        async def asked():
            answers[:] = (await upstream.request(kit.call("seen")))["asked"]
            return len(answers) == 2

        await eventually(asked)
    assert answers == [-32601, "answered"]
