"""Who hears of what when the plan or a live server changes."""

import hashlib
from datetime import UTC, datetime

import anyio
from plans import simple

from meshplan.runtime.active import Active
from meshplan.runtime.principal import Caller
from meshplan.runtime.snapshot import Snapshot

METHOD = "notifications/resources/list_changed"


def caller(active, name="ann"):
    credential = hashlib.sha256(f"secret-{name}".encode()).hexdigest()
    return Caller(credential, active.snapshot.keyring.principal(credential, datetime(2026, 5, 1, tzinfo=UTC)))


async def heard(watcher):
    """Everything that a watcher was told until it ended."""
    with anyio.fail_after(5):
        return [sorted(lists) async for lists in watcher.changes()]


async def test_only_callers_whose_lists_changed_are_told_and_once_for_several_changes():
    draft, active = simple(), Active()
    active.swap(Snapshot(draft.bundle()))
    with active.watch("dev", caller(active)) as ann, active.watch("dev", caller(active, "bob")) as bob:
        for name in ("one", "two"):
            draft.tool("dev", "notes", name)
            active.swap(Snapshot(draft.bundle()))
        active.close()
        assert (await heard(ann), await heard(bob)) == ([["tools"]], [])


async def test_a_live_server_that_changed_is_told_where_it_is_live():
    draft, active = simple(), Active()
    draft.server("files")
    draft.live["dev"] = ("files",)
    draft.tool("other", "notes", "get")
    active.swap(Snapshot(draft.bundle()))
    with active.watch("dev", caller(active)) as here, active.watch("other", caller(active)) as there:
        active.upstream_changed("files", METHOD)
        active.upstream_changed("notes", METHOD)
        active.upstream_changed("files", "notifications/tools/list_changed")
        active.close()
        assert (await heard(here), await heard(there)) == ([["resources"]], [])


async def test_after_the_end_a_new_watcher_ends_at_once():
    active = Active()
    active.swap(Snapshot(simple().bundle()))
    active.close()
    with active.watch("dev", caller(active)) as late:
        assert await heard(late) == []
    assert active.watching(("key", "ann")) == 0
