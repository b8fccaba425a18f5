"""A new plan and the workers: those that can load it swap together, and one that cannot is told of."""

import json
import signal
from dataclasses import dataclass, field
from types import SimpleNamespace

import anyio
import pytest
from plans import Draft

from meshplan.runtime.active import Active
from meshplan.runtime.supervisor import members, worker
from meshplan.runtime.supervisor.members import Members
from meshplan.runtime.supervisor.peer import LinkLostError, RefusalError
from meshplan.runtime.supervisor.worker import Duty
from meshplan.schemas.bundle import PlanRefusedError


@dataclass(eq=False)
class Worker:
    """What the keeper sees of one worker: ``answers`` says how it takes what it is told."""

    pid: int
    answers: dict = field(default_factory=dict)
    told: list = field(default_factory=list)

    @property
    def wire(self):
        return SimpleNamespace(pid=self.pid)

    async def call(self, name, arguments):
        await anyio.lowlevel.checkpoint()
        self.told.append(name)
        answer = self.answers.get(name)
        if answer == "silent":
            await anyio.sleep_forever()
        if answer is not None:
            raise answer


class Upstreams:
    async def replace(self, servers, networks):
        await anyio.lowlevel.checkpoint()


def bundle(*tools):
    draft = Draft()
    for tool in tools:
        draft.tool("dev", "s", tool)
    return draft.bundle()


async def crew(folder, *workers):
    active = Active()
    found = Members(folder, active, Upstreams(), lambda plan: None)
    for one in workers:
        await found.join(one, f"w{one.pid}", None, None)
    return found, active


def refusal():
    return RefusalError({"reason": "no room"})


async def test_a_worker_that_refuses_a_plan_keeps_the_last_one_and_is_told_of(tmp_path):
    one, two = Worker(1), Worker(2)
    found, active = await crew(tmp_path, one, two)
    await found.put(bundle("a"), 1)
    two.answers["load"] = refusal()
    await found.put(bundle("a", "b"), 2)
    assert active.snapshot.seq == 2
    assert (one.told, two.told) == (["load", "swap"] * 2, ["load", "swap", "load"])
    assert [(told["seq"], told["refused"]) for told in found.report()] == [(2, None), (1, "no room")]


async def test_a_plan_that_no_worker_can_load_is_refused_and_nothing_changes(tmp_path):
    workers = [Worker(1, {"load": refusal()}), Worker(2, {"load": LinkLostError("gone")})]
    found, active = await crew(tmp_path, *workers)
    with pytest.raises(PlanRefusedError, match="no worker could load the plan: no room"):
        await found.put(bundle("a"), 1)
    assert active.snapshot is None
    assert [one.told for one in workers] == [["load"]] * 2


@pytest.mark.parametrize("silent_at", ["load", "swap"])
async def test_a_worker_that_does_not_answer_is_ended(tmp_path, monkeypatch, silent_at):
    killed = []
    monkeypatch.setattr(members.os, "kill", lambda pid, number: killed.append((pid, number)))
    monkeypatch.setattr(members, f"{silent_at.upper()}_SECONDS", 0.01)
    found, active = await crew(tmp_path, Worker(1), Worker(2, {silent_at: "silent"}))
    await found.put(bundle("a"), 1)
    assert killed == [(2, signal.SIGKILL)]
    assert active.snapshot.seq == 1
    assert [told["seq"] for told in found.report()] == [1, None]


async def test_a_worker_that_says_nothing_of_itself_is_ended(tmp_path, monkeypatch):
    killed, done = [], anyio.Event()
    monkeypatch.setattr(members, "TICK", 0.001)
    monkeypatch.setattr(members, "SILENT", 5)
    one, two = Worker(1), Worker(2)
    found, _ = await crew(tmp_path, one, two)

    def kill(pid, number):
        killed.append((pid, number))
        found.leave(two)
        done.set()

    monkeypatch.setattr(members.os, "kill", kill)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(found.watch)
            while not done.is_set():
                found.heard(one)
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    assert killed == [(2, signal.SIGKILL)]


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_keeper_that_does_not_answer_is_ended(monkeypatch, hangs):
    killed, done = [], anyio.Event()

    def kill(pid, number):
        killed.append((pid, number))
        done.set()

    monkeypatch.setattr(worker, "EVERY", 0.001)
    monkeypatch.setattr(worker, "TICK", 0.001)
    monkeypatch.setattr(worker.os, "kill", kill)
    keeper = Worker(7, {"telemetry": "silent"} if hangs else {})
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker.report, SimpleNamespace(drain=dict), keeper)
            if hangs:
                await done.wait()
            while not hangs and len(keeper.told) < 100:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    assert killed == ([(7, signal.SIGKILL)] if hangs else [])


async def test_one_that_joins_late_gets_the_newest_plan_first_or_is_not_taken(tmp_path):
    found, _ = await crew(tmp_path, Worker(1))
    await found.put(bundle("a"), 1)
    late = Worker(2)
    await found.join(late, "late", None, None)
    assert late.told == ["load", "swap"]
    with pytest.raises(RefusalError):
        await found.join(Worker(3, {"load": refusal()}), "none", None, None)
    assert len(found) == 2


async def test_a_worker_refuses_what_it_cannot_read_and_goes_on_with_what_it_has(tmp_path):
    path = tmp_path / "plan"
    path.write_text(json.dumps({"format": 99}))
    active = Active()
    duty = Duty(active, Upstreams(), None, None, None)
    with pytest.raises(RefusalError) as refused:
        await duty.answer("load", {"file": str(path), "seq": 1}, None)
    assert refused.value.value["reason"]
    with pytest.raises(RefusalError, match="not for now"):
        await duty.answer("swap", {"plan": "sha256:0"}, None)
    assert active.snapshot is None
