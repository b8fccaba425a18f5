"""Sections of mesh.yaml, parameters and environments, policies and invariants."""

from __future__ import annotations

from typing import Any

KEYS: dict[str, tuple[Any, ...]] = {
    "Mesh.mesh": ("Version of the language.", "v1"),
    "Mesh.name": ("Name of the mesh; it is part of the plan.", "acme"),
    "Mesh.description": ("What the mesh is for, for people.", "MCP servers of the platform team"),
    "Mesh.include": ("Further files of this mesh, by path or glob; they are read in sorted order.", ["servers/*.yaml"]),
    "Mesh.parameters": (
        "Values that `${param.NAME}` stands for in text.",
        {"region": {"type": "enum", "values": ["eu", "us"], "default": "eu"}},
    ),
    "Mesh.servers": ("Upstream MCP servers by name.", {"notes": {"stdio": ["python", "notes.py"]}}),
    "Mesh.contracts": (
        "Contracts of your own: named, versioned sets of tool signatures.",
        {"ticketing/v1": {"operations": {"GET": {"input": {"type": "object"}}}}},
    ),
    "Mesh.bindings": (
        "Contracts that a server provides through an explicit mapping.",
        {
            "tickets": {
                "contract": "collection/v1",
                "as": "ticket",
                "provider": "jira",
                "map": {"LIST": {"tool": "search"}},
            }
        },
    ),
    "Mesh.workflows": (
        "Declared sequences of calls, each offered as one tool.",
        {
            "triage": {
                "input": {"type": "object"},
                "steps": [{"name": "get", "call": "notes.get_note"}],
                "output": "steps.get",
            }
        },
    ),
    "Mesh.virtual": (
        "Virtual MCPs by name: curated sets of capabilities, each under its own endpoint.",
        {"desk": {"include": [{"server": "notes", "tools": "all"}]}},
    ),
    "Mesh.identity": ("The subjects there are, and who may assert them.", {"teams": {"desk": {}}}),
    "Mesh.roles": (
        "Rules by role; a role has no effect until it is granted.",
        {"reader": {"allow": [{"server": "notes", "tools": {"effect": "read"}}]}},
    ),
    "Mesh.grants": (
        "Who has which role. What nobody grants is denied.",
        [{"role": "reader", "to": [{"team": "desk"}]}],
    ),
    "Mesh.prices": ("What calls cost, by `SERVER.TOOL`.", {"llm.generate": {"per_call": "0.02 usd"}}),
    "Mesh.budgets": (
        "Limits on calls, tokens or money over a window.",
        {"burst": {"each": "user", "limit": "60 calls", "per": "minute"}},
    ),
    "Mesh.moved": (
        "What was renamed, so that its state goes with it.",
        [{"budget": {"from": "monthly", "to": "month"}}],
    ),
    "Mesh.policies": ("Compile-time guardrails on the whole mesh.", {"use": ["builtin/safe-defaults"]}),
    "Mesh.invariants": (
        "Statements that must hold for every principal and capability; the compiler refuses a mesh that breaks one.",
        [{"name": "no-destruction", "never": {"who": "anyone", "reach": {"effect": "destructive"}}}],
    ),
    "Mesh.acknowledge": (
        "Changes that were agreed to, by fingerprint.",
        [{"change": "9f3c0a1b2c3d", "reason": "agreed with security", "until": "2027-12-31"}],
    ),
    "Mesh.environments": (
        "Variants of the mesh by explicit patches.",
        {"prod": {"patch": [{"set": "servers.notes.timeout", "to": "5s"}]}},
    ),
    "Mesh.runtime": ("Where and within which bounds the runtime serves.", {"listen": "127.0.0.1:8700"}),
    "Parameter.type": ("Type of the value.", "enum"),
    "Parameter.values": ("The values that an `enum` may have.", ["eu", "us"]),
    "Parameter.default": ("The value where no environment gives another; left out, every environment must.", "eu"),
    "Parameter.description": ("What the parameter is for.", "where the servers run"),
    "SetPatch.set": ("Path of what is replaced; it must exist.", "servers.github.http"),
    "SetPatch.to": ("The new value.", "https://github.prod.example/mcp"),
    "AddPatch.add": ("Path of what is added: a new key of a mapping, or a list to append to.", "roles.reader.allow"),
    "AddPatch.value": ("The value that is added.", {"server": "notes", "tools": ["get_note"]}),
    "RemovePatch.remove": ("Path of what is taken away; it must exist.", "roles.developer.allow[own-issues]"),
    "Environment.description": ("What the environment is for.", "what customers use"),
    "Environment.parameters": ("Values of parameters in this environment.", {"region": "us"}),
    "Environment.patch": ("Changes, applied in order after parsing.", [{"set": "servers.notes.timeout", "to": "5s"}]),
    "Policies.use": ("Policy packs by name.", ["builtin/safe-defaults"]),
    "Policies.files": ("Files with policies of your own, by path or glob.", ["policies/*.yaml"]),
    "Policies.levels": (
        "Levels other than a policy's own: `mandatory` refuses the mesh, `advisory` warns, `skip` does not judge.",
        {"no-wildcard-to-danger": "mandatory"},
    ),
    "Policies.except": (
        "What a policy lets pass, why, and until when.",
        [{"policy": "https-only", "at": "server:legacy", "reason": "moves in May", "until": "2027-05-31"}],
    ),
    "PolicyException.policy": ("The policy.", "https-only"),
    "PolicyException.at": ("The thing, by logical name or glob.", "server:legacy", "capability:legacy/*"),
    "PolicyException.reason": ("Why it may pass.", "moves in May"),
    "PolicyException.until": ("Date on which the exception ends.", "2027-05-31"),
    "Never.who": ("Whom the statement is about; `anyone` means every caller.", "anyone", {"team": "contractors"}),
    "Never.reach": ("What they may never reach.", {"effect": "destructive"}),
    "Never.reach_all": ("What they may never reach together.", [{"tag": "private-data"}, {"tag": "outbound"}]),
    "Never.within": ("Whether `reach_all` is about one endpoint or the whole mesh.", "endpoint"),
    "Never.unless": (
        "Conditions that are enough where they stand between: the invariant is not about calls for which one holds.",
        "args.owner == 'acme'",
        ["args.owner == 'acme'", "args.dry_run"],
    ),
    "Invariant.name": ("Name that the compiler reports it by.", "contractors-never-destroy"),
    "Invariant.description": ("Why it must hold.", "agreed in the security review"),
    "Invariant.never": ("What may never be.", {"who": {"team": "contractors"}, "reach": {"effect": "destructive"}}),
    "Acknowledgement.change": ("Fingerprint of the change, as `mesh diff` shows it.", "9f3c0a1b2c3d"),
    "Acknowledgement.reason": ("Why it is wanted.", "agreed with security"),
    "Acknowledgement.until": ("Date on which the agreement ends.", "2027-12-31"),
}
