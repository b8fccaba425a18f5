"""What a diff of two plans of 8,000 tools costs, in total and by how much differs; nothing here gates."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import mesh
from run import best

from meshplan.compiler.diff.compare import Compared, compare
from meshplan.compiler.pipeline import compile_mesh
from meshplan.compiler.reader import FolderReader

TODAY = date(2026, 11, 22)
EDITS: dict[str, Callable[[str], str]] = {
    "nothing": lambda text: text + "# a comment\n",
    "a grant and three rules": lambda text: text.replace("team-7}", "team-8}", 1).replace("[get_*]", "[list_*]", 3),
    "a rule of every role": lambda text: text.replace("{effect: [read, write]}", "{effect: read}"),
}


def main() -> None:
    """Print CPU seconds of each."""
    servers, tools = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (400, 20)
    with tempfile.TemporaryDirectory() as name:
        folder = mesh.write(Path(name), servers=servers, tools=tools, size=1200)
        text = (folder / "mesh.yaml").read_text()
        one = compile_mesh(FolderReader(folder), today=TODAY)
        for what, edit in EDITS.items():
            (folder / "mesh.yaml").write_text(edit(text))
            other = compile_mesh(FolderReader(folder), today=TODAY)
            if one.bundle is None or other.bundle is None:
                raise SystemExit("the made-up mesh does not compile")
            sides = Compared("a", one.bundle, one.draft.locks), Compared("b", other.bundle, other.draft.locks)
            kept = compare(*sides, acknowledged={}, today=TODAY, environment=None)
            took = best(lambda sides=sides: compare(*sides, acknowledged={}, today=TODAY, environment=None), 3)
            print(
                f"diff of two plans of {servers * tools:,} tools, {what:<24} {len(kept.access):>6,} access changes "
                f"{took * 1000:>7.0f} ms CPU   target <= 500 ms"
            )


if __name__ == "__main__":
    main()
