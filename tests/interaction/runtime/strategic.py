"""What tests of strategies over real servers share: a plan with one strategy, and a user who agrees."""

import anyio
import mcp_types as types

from meshplan.schemas.bundle import pack
from meshplan.schemas.plan import FromEnv

EFFECTS = {"tickets/tool/close_ticket": "destructive", "notes/tool/create_note": "write"}
HIDDEN = "notes/tool/delete_note"


def plan_with(strategy, world, folder):
    """The file of a plan in which `dev` has a strategy, and one tool is denied."""
    draft = world.draft()
    draft.strategies["dev"] = strategy
    draft.seal_keys = (FromEnv(name="TEST_SEAL_KEY"),)
    for key, effect in EFFECTS.items():
        draft.capabilities[key] = draft.capabilities[key].model_copy(update={"effect": effect})
    draft.servers["catalog"] = draft.servers["catalog"].model_copy(update={"sessions": "per_client"})
    draft.deny("all", HIDDEN)
    path = folder / "plan.json"
    path.write_text(pack(draft.bundle()))
    return path


class User:
    """Agrees to whatever it is asked."""

    def __init__(self):
        self.asked = []

    async def elicit(self, _context, params):
        await anyio.lowlevel.checkpoint()
        self.asked.append(params.message)
        return types.ElicitResult(action="accept", content={"close": True})
