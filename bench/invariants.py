"""What ten invariants cost on 60 roles and 8,000 capabilities, beside what making the plan costs; target: 3 s."""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import mesh

from meshplan.compiler.assure.cells import Atlas
from meshplan.compiler.assure.invariants import judge_all
from meshplan.compiler.assure.labels import labels_of
from meshplan.compiler.assure.statement import statement
from meshplan.compiler.pipeline import compile_mesh
from meshplan.compiler.reader import FolderReader

TODAY = date(2026, 11, 22)
READ, DESTROY = {"effect": "read"}, {"effect": "destructive"}
WRITE = {"effect": "write"}
TEN = [
    {"who": "anyone", "reach": DESTROY},
    {"who": {"team": "team-3"}, "reach": DESTROY},
    {"who": {"team": "team-3"}, "reach": {"server": "server-9", "effect": ["read", "write"]}},
    {"who": {"team": "team-3"}, "reach": {"tools": ["get_*"]}},
    {"who": {"team": "team-3"}, "reach": {"tools": ["get_*"]}, "unless": "args.id > 0"},
    {"who": "anyone", "reach_all": [READ, WRITE], "within": "endpoint"},
    {"who": "anyone", "reach_all": [READ, WRITE, DESTROY], "within": "endpoint"},
    {"who": "anyone", "reach_all": [READ, WRITE, DESTROY], "within": "mesh"},
    {"who": {"team": "team-5"}, "reach_all": [{"tools": ["get_*"]}, {"tools": ["list_*"]}, {"tools": ["update_*"]}]},
    {
        "who": {"team": "team-7"},
        "reach_all": [{"server": "server-1"}, {"server": "server-200"}, {"server": "server-390"}],
    },
]


def main() -> None:
    """Print the figures; nothing here gates."""
    tools = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder:
        root = mesh.write(Path(folder), tools=tools, size=200)
        begin = time.process_time()
        compiled = compile_mesh(FolderReader(root), today=TODAY)
        made = time.process_time() - begin
    if compiled.bundle is None or compiled.draft.resolved is None:
        raise SystemExit("the made-up mesh does not compile")
    plan = compiled.bundle.plan
    labels = labels_of(compiled.draft.resolved)
    begin = time.process_time()
    verdicts = judge_all(
        Atlas(plan, TODAY), [statement(f"i{n}", data) for n, data in enumerate(TEN)], [labels], plan.identity.exclusive
    )
    spent = time.process_time() - begin
    print(
        f"{len(labels):,} capabilities, {len(plan.access.roles)} roles, {len(plan.endpoints)} endpoints: "
        f"ten invariants {spent * 1000:.0f} ms CPU (target 3,000), {spent / made:.2f} x compiling the mesh"
    )
    for verdict in verdicts:
        state = "holds" if verdict.holds else "not proved" if verdict.unproved else f"broken in {len(verdict.found)}"
        print(f"    {verdict.statement.name}: {state}, {verdict.meant} in its way")


if __name__ == "__main__":
    main()
