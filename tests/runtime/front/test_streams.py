"""What a session keeps of its streams, and who gets the rest of one."""

import json

import anyio
import pytest
from plans import FakeUpstreams, simple
from sites import ACCEPT, bearer, request, site

from meshplan.runtime.front import streams as module
from meshplan.runtime.front.asgi import Exchange
from meshplan.runtime.front.streams import Reader, Streams
from meshplan.schemas.plan import Limits

EVENTS_FIRST = "text/event-stream, application/json"
SLOW = request("tools/call", {"name": "get_note", "_meta": {"progressToken": 1}}, 7)


class Wire:
    """Collects what an ASGI server would send."""

    def __init__(self):
        self.chunks = []

    async def send(self, event):
        self.chunks.append(event.get("body", b""))

    def reader(self, *, primes=True):
        return Reader(Exchange(self.send), primes=primes)

    @property
    def text(self):
        return b"".join(self.chunks).decode()


def parse(text):
    """Events as (id, data, retry)."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.partition(":")[::2] for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append(
                (fields.get("id", "").strip(), fields.get("data", "").strip(), fields.get("retry", "").strip())
            )
    return found


async def test_a_stream_begins_with_an_empty_event_and_each_message_has_an_id():
    wire, streams = Wire(), Streams()
    stream = streams.open()
    await stream.attach(wire.reader())
    await stream.write(b"1")
    await stream.finish(b"2")
    assert parse(wire.text) == [("1.0", "", "1000"), ("1.1", "1", ""), ("1.2", "2", "")]


async def test_older_revisions_get_no_empty_event():
    wire, streams = Wire(), Streams()
    stream = streams.open()
    await stream.attach(wire.reader(primes=False))
    await stream.write(b"1")
    assert parse(wire.text) == [("1.1", "1", "")]


async def test_what_came_while_the_client_was_away_is_sent_once_and_in_order():
    first, second, third, streams = Wire(), Wire(), Wire(), Streams()
    stream, other = streams.open(), streams.open()
    reader = first.reader()
    await stream.attach(reader)
    await stream.write(b"1")
    stream.detach(reader)
    await stream.write(b"2")
    await other.write(b"not mine")
    again = second.reader()
    assert await stream.attach(again, 1)
    await stream.write(b"3")
    await stream.finish(b"4")
    streams.close(stream)
    found, after = streams.find("1.2")
    late = third.reader()
    assert await found.attach(late, after)
    assert [data for _, data, _ in parse(second.text)] == ["", "2", "3", "4"]
    assert [data for _, data, _ in parse(third.text)] == ["", "3", "4"]
    assert late.over.is_set()
    assert again.over.is_set()


async def test_the_newest_reader_takes_over():
    first, second, streams = Wire(), Wire(), Streams()
    stream = streams.open()
    reader = first.reader()
    await stream.attach(reader)
    await stream.write(b"1")
    await stream.attach(second.reader(), 0)
    await stream.write(b"2")
    assert reader.over.is_set()
    assert [data for _, data, _ in parse(first.text)] == ["", "1"]
    assert [data for _, data, _ in parse(second.text)] == ["", "1", "2"]


async def test_what_is_kept_is_bounded_and_a_gap_is_refused(monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    streams = Streams()
    stream, ended = streams.open(), streams.open()
    await ended.write(b"0000")
    streams.close(ended)
    for _ in range(100):
        await stream.write(b"1234")
    assert streams.find("2.1") is None
    assert not await stream.attach(Wire().reader(), 50)
    assert not await stream.attach(Wire().reader(), 101)
    assert await stream.attach(Wire().reader(), 98)
    await stream.write(b"much more than all of it")
    wire = Wire()
    assert await stream.attach(wire.reader(), 100)
    assert [data for _, data, _ in parse(wire.text)] == ["", "much more than all of it"]


@pytest.mark.parametrize("event_id", ["", "1", "x.1", "1.x", "1.-1", "9.0", "1." + "9" * 50])
def test_an_id_that_is_none_of_ours_finds_nothing(event_id):
    streams = Streams()
    streams.open()
    assert streams.find(event_id) is None


def patient(upstreams):
    """An upstream that reports, waits to be let on, reports again and answers."""
    told, go = anyio.Event(), anyio.Event()

    async def work(call):
        await call.on_notify("notifications/progress", {"progress": 1})
        told.set()
        await go.wait()
        await call.on_notify("notifications/progress", {"progress": 2})
        return {"content": []}

    upstreams.serve("notes", work)
    return told, go


def data_of(text):
    return [json.loads(data) for _, data, _ in parse(text) if data]


async def test_a_client_that_lost_its_connection_fetches_the_rest_with_get():
    upstreams = FakeUpstreams()
    told, go = patient(upstreams)
    async with site(simple().bundle(), upstreams) as found:
        session, other = await found.session(), await found.session()
        headers = {"accept": ACCEPT, "mcp-session-id": session, **bearer("ann")}
        async with found.client.stream("POST", found.url(), json=SLOW, headers=headers) as response:
            with anyio.fail_after(5):
                await told.wait()
                lines = response.aiter_lines()
                first = [await anext(lines) for _ in range(8)]
        go.set()
        event_id = next(line for line in reversed(first) if line.startswith("id:"))[3:].strip()
        resumed = {"accept": "text/event-stream", "mcp-session-id": session, "last-event-id": event_id, **bearer("ann")}
        with anyio.fail_after(5):
            rest = await found.client.get(found.url(), headers=resumed)
            again = await found.client.get(found.url(), headers=resumed)
            foreign = await found.client.get(found.url(), headers={**resumed, "mcp-session-id": other})
            gone = await found.client.get(found.url(), headers={**resumed, "last-event-id": "77.1"})
    progress, final = data_of(rest.text)
    assert (progress["params"]["progress"], final["id"]) == (2, 7)
    assert data_of(again.text) == data_of(rest.text)
    assert (foreign.status_code, gone.status_code) == (400, 400)
    assert gone.json()["error"]["data"] == {"reason": "event_gone"}
    assert [attempt.outcome for attempt in found.attempts] == ["ok", "invalid", "invalid"]


@pytest.mark.parametrize(("version", "closed"), [("2025-11-25", True), ("2025-06-18", False)])
async def test_a_response_that_had_its_time_is_closed_where_the_client_can_come_back(version, closed):
    upstreams, draft = FakeUpstreams(), simple()
    draft.limits = Limits(body_bytes=100_000, concurrency_per_principal=64, stream_ms=50)
    _, go = patient(upstreams)
    async with site(draft.bundle(), upstreams) as found, anyio.create_task_group() as group:
        session = await found.session(version=version)
        headers = {"accept": EVENTS_FIRST, "mcp-session-id": session, **bearer("ann")}
        response = None

        async def call():
            nonlocal response
            response = await found.client.post(found.url(), json=SLOW, headers=headers)
            go.set()

        group.start_soon(call)
        if not closed:
            await anyio.sleep(0.2)
            go.set()
        with anyio.fail_after(5):
            await go.wait()
        if closed:
            event_id = parse(response.text)[-1][0]
            resumed = {**headers, "accept": "text/event-stream", "last-event-id": event_id}
            with anyio.fail_after(5):
                rest = await found.client.get(found.url(), headers=resumed)
            assert data_of(rest.text)[-1]["id"] == 7
    assert (7 in [message.get("id") for message in data_of(response.text)]) is not closed


async def test_a_client_that_names_events_first_gets_a_stream_at_once():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        session = await found.session()
        streamed = await found.legacy(request("tools/list"), session=session, headers={"accept": EVENTS_FIRST})
        plain = await found.legacy(request("tools/list"), session=session)
    assert parse(streamed.text)[0] == ("1.0", "", "1000")
    assert data_of(streamed.text) == [plain.json()]
