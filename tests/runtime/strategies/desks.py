"""An invoker over a draft whose endpoint `dev` has a strategy, and what was recorded."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from plans import Draft, FakeUpstreams, spending

from meshplan.runtime.active import Active
from meshplan.runtime.call import Call
from meshplan.runtime.errors import RpcError
from meshplan.runtime.invoke import Invoker
from meshplan.runtime.principal import Caller
from meshplan.runtime.snapshot import Snapshot

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass
class Told:
    """A ledger that only remembers, in the order in which it was told."""

    steps: list = field(default_factory=list)

    def admit(self):
        return None

    def intent(self, at, plan, call, trace, target):
        self.steps.append(("intent", call))

    def outcome(self, attempt, call=None, trace=None):
        self.steps.append((attempt.outcome, attempt))


class Desk:
    """Calls at endpoint `dev`, by key."""

    def __init__(self, draft: Draft, upstreams=None, **budgets):
        self.upstreams, self.attempts, self.told = upstreams or FakeUpstreams(), [], Told()
        self.active = Active(lambda: NOW)
        self.active.swap(Snapshot(spending(draft.bundle(), budgets)))
        self.invoker = Invoker(self.active, self.upstreams, self.attempts.append, ledger=self.told)

    async def send(self, method, params=None, *, key="ann", era="modern", **more):
        digest = hashlib.sha256(f"secret-{key}".encode()).hexdigest()
        caller = Caller(digest, self.active.snapshot.keyring.principal(digest, self.active.now))
        call = Call(endpoint="dev", caller=caller, era=era, method=method, params=params or {}, **more)
        result = await self.invoker.invoke(call)
        return json.loads(result) if isinstance(result, bytes) else result

    async def tool(self, name, arguments=None, **more):
        return await self.send("tools/call", {"name": name, "arguments": arguments or {}}, **more)

    async def error(self, name, arguments=None, **more):
        try:
            found = await self.tool(name, arguments, **more)
        except RpcError as error:
            return error
        raise AssertionError(found)

    async def listed(self, **more):
        return [tool["name"] for tool in (await self.send("tools/list", **more))["tools"]]
