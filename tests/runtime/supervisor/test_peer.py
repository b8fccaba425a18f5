"""Calls between processes: notes on the way, questions back, cancellation, the end of the other side, strangers."""

import asyncio
import os
import stat
from contextlib import asynccontextmanager

import anyio
import pytest

from meshplan.runtime.supervisor import wire
from meshplan.runtime.supervisor.peer import LinkLostError, Peer, RefusalError, linked
from meshplan.runtime.supervisor.wire import ForeignPeerError, Listener


class Other:
    """The other side; remembers what became of its calls."""

    def __init__(self):
        self.log, self.began, self.ended = [], anyio.Event(), anyio.Event()
        self.left = anyio.Event()

    async def answer(self, name, arguments, incoming):
        await anyio.lowlevel.checkpoint()
        match name:
            case "echo":
                incoming.note(["half", arguments])
                return arguments
            case "ask":
                return await incoming.ask(arguments)
            case "refuse":
                raise RefusalError({"why": arguments})
            case "odd":
                return {1: float("nan")} if arguments else object()
            case _:
                self.began.set()
                try:
                    await anyio.sleep_forever()
                finally:
                    self.ended.set()

    async def welcome(self, wire):
        try:
            await Peer(wire, self.answer, lambda *said: self.log.append(said)).run()
        finally:
            self.left.set()


@asynccontextmanager
async def talking(folder):
    other = Other()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Listener(folder / "s").serve, other.welcome)
            yield other, folder / "s"
            await other.left.wait()
            tasks.cancel_scope.cancel()


async def test_results_notes_questions_and_refusals(tmp_path):
    async with talking(tmp_path) as (_, path), linked(path) as peer:
        notes = []

        async def on_note(note):
            notes.append(note)
            await anyio.lowlevel.checkpoint()

        async def on_ask(question):
            await anyio.lowlevel.checkpoint()
            if question == "no":
                raise RefusalError({"why": "no"})
            return [question, 10**30]

        odd = {"text": "\ud800 é \U0001f600", "number": 10**30, "none": None}
        assert await peer.call("echo", odd, on_note=on_note) == odd
        assert notes == [["half", odd]]
        assert await peer.call("ask", "yes", on_ask=on_ask) == ["yes", 10**30]
        for name, arguments, asked in (("ask", "no", on_ask), ("refuse", "no", None)):
            with pytest.raises(RefusalError) as refusal:
                await peer.call(name, arguments, on_ask=asked)
            assert refusal.value.value == {"why": "no"}
        with pytest.raises(RefusalError, match="nobody can be asked"):
            await peer.call("ask", "yes")
        with pytest.raises(RefusalError, match="cannot be passed on"):
            await peer.call("odd", arguments=False)
        assert peer.wire.pid == os.getpid()


async def test_a_cancelled_call_is_cancelled_over_there_and_others_go_on(tmp_path):
    async with talking(tmp_path) as (other, path), linked(path) as peer:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.call, "wait", None)
            await other.began.wait()
            assert await peer.call("echo", 1) == 1
            tasks.cancel_scope.cancel()
        await other.ended.wait()
        peer.tell("bye", [1])
        assert await peer.call("echo", 2) == 2
        assert other.log == [("bye", [1])]


async def test_whoever_waits_hears_that_the_other_side_has_gone(tmp_path):
    heard = []
    async with talking(tmp_path) as (other, path), linked(path) as peer, anyio.create_task_group() as tasks:

        async def wait():
            with pytest.raises(LinkLostError):
                await peer.call("wait", None)
            heard.append("lost")

        tasks.start_soon(wait)
        await other.began.wait()
        peer.wire.close()
        await peer.lost.wait()
        with pytest.raises(LinkLostError):
            await peer.call("echo", 1)
    assert heard == ["lost"]


async def test_only_this_user_gets_in(tmp_path, monkeypatch, caplog):
    async with talking(tmp_path) as (other, path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        mine = os.geteuid()
        monkeypatch.setattr(wire.os, "geteuid", lambda: mine + 1)
        with pytest.raises(ForeignPeerError):
            async with linked(path):
                pass
        reader, writer = await asyncio.open_unix_connection(path)
        assert await reader.read() == b""
        writer.close()
        other.left.set()
    assert other.log == []
    assert f"process {os.getpid()} belongs to user {mine}" in caplog.text
