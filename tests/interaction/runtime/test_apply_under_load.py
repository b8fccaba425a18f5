"""A new plan while clients are calling: nothing fails, everybody is told, what was revoked is refused at once."""

import shutil

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import ToolListChangedNotification
from plans import publish
from runtimes import client, runtime

from meshplan.schemas.store import object_path, pointer_path

REVOKED = "notes/tool/delete_note"


def without(world, key):
    draft = world.draft("notes", "tickets")
    draft.deny("all", key)
    return draft.bundle()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_apply_under_load(world, tmp_path, mode):
    before, after = world.draft("notes", "tickets").bundle(), without(world, REVOKED)
    publish(tmp_path, before, 1)
    told, stop = anyio.Event(), anyio.Event()
    calls = 0

    async def on_message(message):
        if isinstance(message, ToolListChangedNotification):
            told.set()

    async def call_in_a_loop(found, name, arguments):
        nonlocal calls
        while not stop.is_set():
            result = await found.call_tool(name, arguments)
            assert not result.is_error
            calls += 1

    with anyio.fail_after(60):
        async with (
            runtime("--store", tmp_path) as running,
            client(running.url(), mode, message_handler=on_message) as found,
            client(running.url(), mode) as other,
            anyio.create_task_group() as group,
        ):
            assert "notes_delete_note" in [tool.name for tool in (await found.list_tools()).tools]
            for _ in range(2):
                group.start_soon(call_in_a_loop, other, "notes_get_note", {"id": 1})
                group.start_soon(call_in_a_loop, other, "tickets_get_ticket", {"id": 1})
            if mode == "auto":
                async with found.listen(tools_list_changed=True) as events:
                    publish(tmp_path, after, 2)
                    await anext(aiter(events))
            else:
                publish(tmp_path, after, 2)
                await told.wait()
            with pytest.raises(MCPError, match="Unknown tool: notes_delete_note"):
                await found.call_tool("notes_delete_note", {"id": 1})
            assert "notes_delete_note" not in [tool.name for tool in (await found.list_tools()).tools]
            at_swap = calls
            while calls < at_swap + 20:
                await anyio.lowlevel.checkpoint()
            stop.set()
            status = await running.status()
    assert status["active"] == {"plan": after.digest, "seq": 2}
    assert calls > 20


async def test_a_corrupt_object_is_refused_and_the_old_plan_goes_on(world, tmp_path):
    before, after, scratch = world.draft("tickets").bundle(), without(world, REVOKED), tmp_path / "scratch"
    publish(tmp_path, before, 1)
    with anyio.fail_after(60):
        async with runtime("--store", tmp_path) as running, client(running.url(), "auto") as found:
            publish(scratch, after, 2)
            for path in scratch.rglob("objects/**/*.json"):
                target = tmp_path / path.relative_to(scratch)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
            broken = tmp_path / object_path(after.digest)
            broken.write_bytes(broken.read_bytes()[:-7])
            shutil.copy(scratch / pointer_path("main"), tmp_path / pointer_path("main"))
            status = await running.status()
            while status["refused"] is None:
                status = await running.status()
            result = await found.call_tool("tickets_get_ticket", {"id": 1})
    assert (status["refused"]["code"], status["refused"]["seq"]) == ("digest", 2)
    assert status["active"] == {"plan": before.digest, "seq": 1}
    assert status["desired"] == {"plan": after.digest, "seq": 2}
    assert not result.is_error
