"""Random small meshes and random edits of them: real mesh.yaml and mesh.lock, compiled in memory."""

import copy
import json
from datetime import date

from meshplan.compiler.lockfile import ServerLock, locked, write_lock
from meshplan.compiler.pipeline import compile_mesh
from meshplan.compiler.reader import MemoryReader
from meshplan.schemas.capability import CapabilityKey

TODAY = date(2026, 11, 22)
DATES = ["2026-11-22", "2026-11-25", "2026-12-01"]
"""Days on which a grant may end: today, so that it is over, and two later ones."""
SUBJECTS = ["user:u", "team:a", "team:b", "agent:g"]
TOOLS = ["get_a", "get_b", "put_a", "del_a"]
LATER = ["get_c", "put_c"]
HINTS = {
    "read": {"readOnlyHint": True},
    "write": {"readOnlyHint": False, "destructiveHint": False},
    "destructive": {"destructiveHint": True},
}
CONDITIONS = [None, None, None, "args.a", "args.b", "args.a && args.b", "args.b && args.a"]
INPUT = {
    "type": "object",
    "properties": {"a": {"type": "boolean"}, "b": {"type": "boolean"}},
    "required": ["a", "b"],
}


def entry(subject):
    kind, _, name = subject.partition(":")
    return {kind: name} if name else {"anyone": "authenticated"}


def conjunction(random):
    if random.random() < 0.1:
        return {"anyone": "authenticated"}
    chosen = random.sample(SUBJECTS, random.choice([1, 1, 1, 2]))
    if {s.split(":")[0] for s in chosen} == {"team"}:
        chosen = chosen[:1]
    return {key: value for subject in chosen for key, value in entry(subject).items()}


def selection(random):
    return random.choice(
        [
            "all",
            ["get_*"],
            ["*_a"],
            [random.choice(TOOLS)],
            random.sample(TOOLS, 2),
            {"effect": "read"},
            {"effect": ["read", "write"]},
            {"effect": "destructive"},
        ]
    )


def rule(random):
    made = random.random()
    found = {"server": "s", "tools": selection(random)}
    if made < 0.15:
        found = {"binding": "b"}
    elif made < 0.3:
        found = {"workflow": "w"}
    when = random.choice(CONDITIONS)
    if when is not None and "workflow" not in found:
        found["when"] = when
    if random.random() < 0.2:
        found["endpoint"] = random.choice("ef")
    return found


def role(random):
    return {
        "allow": [rule(random) for _ in range(random.choice([1, 2]))],
        "deny": [rule(random) for _ in range(random.choice([0, 0, 1]))],
    }


def grant(random):
    found = {"role": random.choice("xyz"), "to": [conjunction(random) for _ in range(random.choice([1, 2]))]}
    if random.random() < 0.25:
        found["expires"] = random.choice(DATES)
    if random.random() < 0.3:
        found["delegated"] = "union"
    return found


def steps(random):
    called = random.sample(TOOLS, random.choice([1, 2]))
    return [{"name": f"n{i}", "call": f"s.{t}", "with": {"a": "input.a", "b": "input.b"}} for i, t in enumerate(called)]


def include(random):
    return [
        {"server": "s", "tools": selection(random)},
        *([{"binding": "b"}] if random.random() < 0.5 else []),
        *([{"workflow": "w"}] if random.random() < 0.5 else []),
    ]


class World:
    """One mesh: its document, and what each tool's annotations say."""

    def __init__(self, random):
        self.effects = {name: random.choice(["read", "read", "write", "destructive"]) for name in TOOLS}
        self.words = dict.fromkeys(TOOLS, "what it does")
        self.document = {
            "mesh": "v1",
            "name": "m",
            "servers": {"s": {"stdio": ["python", "s.py"]}},
            "contracts": {"c/v1": {"operations": {"GET": {"input": INPUT}}}},
            "bindings": {"b": self.binding(random)},
            "workflows": {
                "w": {"run_as": random.choice(["caller", "workflow"]), "input": INPUT, "steps": steps(random)}
                | {"output": "1"}
            },
            "virtual": {"e": {"include": include(random)}, "f": {"include": include(random)}},
            "identity": {"teams": {"a": {}, "b": {}}, "agents": {"g": {}}, "users": {"issuer": "i", "claim": "email"}}
            | {"issuers": {"i": {"jwt": "https://i.example"}}},
            "roles": {name: role(random) for name in "xyz"},
            "grants": [grant(random) for _ in range(random.choice([2, 3, 4]))],
            "environments": {"prod": {"patch": []}},
        }

    def binding(self, random):
        mapped = {"tool": random.choice(TOOLS), "in": {"a": "args.a", "b": "args.b"}}
        return {"contract": "c/v1", "as": "thing", "provider": "s", "map": {"GET": mapped}}

    def compiled(self):
        """With the lock that it would have; in its environment, so that the patch counts."""
        definitions = {
            CapabilityKey("s", "tool", name): locked(
                {"name": name, "description": self.words[name], "inputSchema": INPUT, "annotations": HINTS[effect]}
            )
            for name, effect in self.effects.items()
        }
        identity = {"kind": "stdio", "argv": ["python", "s.py"], "cwd": "."}
        lock = ServerLock("s", identity, "2026-07-28", {}, {}, None, definitions)
        files = {"mesh.yaml": json.dumps(self.document, indent=1), "mesh.lock/s.json": write_lock(lock)}
        return compile_mesh(MemoryReader(files), today=TODAY, environment="prod")

    def edited(self, random):
        """Another world, and what was done to it."""
        other = copy.deepcopy(self)
        done = [random.choice(EDITS) for _ in range(random.choice([1, 1, 2, 3, 5]))]
        for edit in done:
            edit(other, random)
        return other, [edit.__name__ for edit in done]


def some_rule(world, random):
    found = [r for name in "xyz" for kind in ("allow", "deny") for r in world.document["roles"][name][kind]]
    return random.choice(found)


def change_rule(world, random):
    some_rule(world, random).clear()
    empty = [r for name in "xyz" for kind in ("allow", "deny") for r in world.document["roles"][name][kind] if not r]
    empty[0].update(rule(random))


def change_condition(world, random):
    changed = some_rule(world, random)
    changed.pop("when", None)
    when = random.choice(CONDITIONS)
    if when is not None and "workflow" not in changed:
        changed["when"] = when


def narrow_to_endpoint(world, random):
    changed = some_rule(world, random)
    if changed.pop("endpoint", None) is None:
        changed["endpoint"] = random.choice("ef")


def add_rule(world, random):
    world.document["roles"][random.choice("xyz")][random.choice(["allow", "deny"])].append(rule(random))


def remove_rule(world, random):
    rules = world.document["roles"][random.choice("xyz")][random.choice(["allow", "deny"])]
    if rules:
        rules.pop(random.randrange(len(rules)))


def extend_role(world, random):
    changed = world.document["roles"]["z"]
    if changed.pop("extends", None) is None:
        changed["extends"] = [random.choice("xy")]


def add_grant(world, random):
    world.document["grants"].append(grant(random))


def remove_grant(world, random):
    grants = world.document["grants"]
    if grants:
        grants.pop(random.randrange(len(grants)))


def some_grant(world, random):
    return random.choice(world.document["grants"]) if world.document["grants"] else {}


def change_expiry(world, random):
    changed = some_grant(world, random)
    if (changed and changed.pop("expires", None) is None) or random.random() < 0.5:
        changed["expires"] = random.choice(DATES)


def change_delegation(world, random):
    changed = some_grant(world, random)
    if changed.pop("delegated", None) is None:
        changed["delegated"] = "union"


def change_subjects(world, random):
    some_grant(world, random)["to"] = [conjunction(random)]


def flip_effect(world, random):
    world.effects[random.choice(sorted(world.effects))] = random.choice(sorted(HINTS))


def declare_effect(world, random):
    world.document["servers"]["s"]["effects"] = {random.choice(["read", "write", "destructive"]): ["*_a"]}


def reword(world, random):
    world.words[random.choice(sorted(world.words))] = "other words"


def tool_comes(world, random):
    name = random.choice(LATER)
    world.effects[name], world.words[name] = random.choice(sorted(HINTS)), "new"


def tool_goes(world, random):
    text = json.dumps(world.document)
    unnamed = [name for name in sorted(world.effects) if name not in text]
    gone = random.choice(unnamed or sorted(world.effects))
    del world.effects[gone], world.words[gone]


def change_include(world, random):
    world.document["virtual"][random.choice("ef")]["include"] = include(random)


def rename(world, random):
    offered = random.choice(TOOLS)
    world.document["virtual"][random.choice("ef")]["tools"] = {offered: {"name": f"new_{offered}"}}


def change_binding(world, random):
    world.document["bindings"]["b"] = world.binding(random)


def change_steps(world, random):
    world.document["workflows"]["w"]["steps"] = steps(random)


def change_authority(world, random):
    world.document["workflows"]["w"]["run_as"] = random.choice(["caller", "workflow"])


def change_exclusive(world, random):
    identity = world.document["identity"]
    if identity.pop("exclusive", None) is None or random.random() < 0.5:
        identity["exclusive"] = [[{"team": "a"}, random.choice([{"team": "b"}, {"user": "u"}, {"agent": "g"}])]]


def patch(world, random):
    done = random.choice(
        [
            {"set": "roles.x.allow", "to": [rule(random)]},
            {"set": "roles.y.deny", "to": [rule(random)]},
            {"add": "identity.teams.c", "value": {}},
        ]
    )
    world.document["environments"]["prod"]["patch"] = [done]


EDITS = [
    *(change_rule, change_condition, narrow_to_endpoint, add_rule, remove_rule, extend_role, add_grant, remove_grant),
    *(change_expiry, change_delegation, change_subjects, flip_effect, declare_effect, reword, tool_comes, tool_goes),
    *(change_include, rename, change_binding, change_steps, change_authority, change_exclusive, patch),
]
