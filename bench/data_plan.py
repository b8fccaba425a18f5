"""A plan for measuring the data path: many HTTP servers with ten tools each, hundreds of rules, one key that may call all."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from meshplan.schemas import jsontext
from meshplan.schemas.bundle import pack, seal
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.plan import (
    Access,
    Capability,
    Endpoint,
    Grant,
    HttpTransport,
    Identity,
    Key,
    Ledger,
    Limits,
    Offer,
    Passthrough,
    Plan,
    Rule,
    Server,
    Settings,
)

KEY = "bench-secret"


def definition(name: str, server: int) -> dict[str, object]:
    """A tool of the size that real servers publish, about 500 bytes."""
    properties = {
        "text": {"type": "string", "description": "the text to send back, as it is"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "description": "the most results to return"},
    }
    return {
        "name": name,
        "description": f"{name} of server {server}: a fixed tool that does one small thing and answers at once, "
        "so that the time that is seen is the time of whatever stands in between",
        "inputSchema": {"type": "object", "properties": properties, "required": ["text"]},
        "annotations": {"readOnlyHint": True, "idempotentHint": True},
    }


def plan(base_port: int, servers: int, tools: int, rules: int, ledger: Ledger | None = None) -> str:
    """A packed plan: endpoint `all`, server `sNN` at ``base_port + NN``, tools shown as `sNN_NAME`."""
    capabilities: dict[str, Capability] = {}
    definitions: dict[str, str] = {}
    offers: list[Offer] = []
    for number in range(servers):
        for name in ("echo", *(f"t{tool}" for tool in range(1, tools))):
            text = jsontext.canonical(definition(name, number))
            digest, key = jsontext.digest(text), CapabilityKey(f"s{number:02d}", "tool", name).id
            definitions[digest] = text
            capabilities[key] = Capability(
                server=f"s{number:02d}",
                kind="tool",
                name=name,
                definition=digest,
                effect="read",
                effect_from="declared",
            )
            offers.append(Offer(capability=key, name=f"s{number:02d}_{name}", description=None, set={}, hide=()))
    ids = sorted(capabilities)
    found = {
        f"r{n:03d}": Rule(
            effect="allow", covers=tuple(sorted({ids[(n * 7 + step) % len(ids)] for step in range(25)})), live=(),
            endpoints=None, when=None,
        )
        for n in range(rules - 1)
    } | {"none": Rule(effect="deny", covers=tuple(ids[-1:]), live=(), endpoints=None, when=None)}  # fmt: skip
    names = sorted(found)
    roles = {f"role{n}": tuple(names[n::10]) for n in range(10)}
    return pack(
        seal(
            Plan(
                format=1,
                mesh="bench",
                servers={
                    f"s{n:02d}": Server(
                        transport=HttpTransport(url=f"http://127.0.0.1:{base_port + n}/mcp", headers={}, auth=None),
                        timeout_ms=30_000,
                        relays=(),
                    )
                    for n in range(servers)
                },
                capabilities=capabilities,
                endpoints={
                    "all": Endpoint(
                        description="everything",
                        strategy=Passthrough(),
                        offers=tuple(sorted(offers, key=lambda offer: offer.name)),
                        live=(),
                    )
                },
                access=Access(
                    rules=found,
                    roles=roles,
                    grants=tuple(
                        Grant(role=role, to=(("team:bench",),), expires=None, delegated="intersection")
                        for role in roles
                        if "none" not in roles[role]
                    ),
                ),
                identity=Identity(
                    keys={
                        "bench": Key(
                            sha256=hashlib.sha256(KEY.encode()).hexdigest(), subjects=("team:bench",), expires=None
                        )
                    },
                    local=None,
                ),
                runtime=Settings(
                    listen="127.0.0.1:0",
                    public_url=None,
                    allowed_origins=(),
                    limits=Limits(body_bytes=4 << 20, concurrency_per_principal=1024),
                    ledger=ledger,
                ),
            ),
            definitions,
            {},
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--base-port", type=int, default=29000)
    parser.add_argument("--servers", type=int, default=50)
    parser.add_argument("--tools", type=int, default=10)
    parser.add_argument("--rules", type=int, default=500)
    found = parser.parse_args()
    found.path.write_text(plan(found.base_port, found.servers, found.tools, found.rules))


if __name__ == "__main__":
    main()
