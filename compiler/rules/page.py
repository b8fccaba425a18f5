"""docs/rules.md, made from the registry: `python -m meshplan.compiler.rules.page docs/rules.md` writes it."""

from __future__ import annotations

import sys
from pathlib import Path

from meshplan.compiler.render.view import visible
from meshplan.compiler.rules import RULES
from meshplan.compiler.rules.model import Rule

_HEAD = """\
# The rules of mesh.yaml

Every diagnostic of the compiler. Codes and names are permanent; wording is not. `mesh explain CODE` shows the same, offline.
`make docs` writes this page from the registry in `compiler/rules/`: change that, not this. An example that shows only some
sections stands for a file that has the others, too; what follows a line `#@ FILE` is another file, and `#env NAME` picks an
environment. Characters that could not be seen are shown as `\\uXXXX`.

A warning that is meant is suppressed where it stands, with a reason and an end: a comment on its own line or alone on the
line above, `# mesh: ignore[MESH405] reason="…" until=2027-01-31`. Errors cannot be suppressed.
"""


def rules_page() -> str:
    """The page: a table of all rules, then a section for each."""
    rows = "".join(
        f"| [{rule.code}](#{anchor(rule)}) | `{rule.slug}` | {rule.level} | {rule.summary.replace('|', '&#124;')} |\n"
        for rule in _sorted()
    )
    table = f"| code | name | level | what |\n| --- | --- | --- | --- |\n{rows}"
    sections = "\n".join(f"## {rule.code}\n\n{rule_section(rule)}" for rule in _sorted())
    return f"{_HEAD}\n{table}\n{sections}"


def anchor(rule: Rule) -> str:
    """The rule's section on the page."""
    return rule.code.lower()


def rule_section(rule: Rule) -> str:
    """One rule in Markdown, without its heading."""
    parts = [
        f"**`{rule.slug}`** · {rule.level} · since {rule.since}\n",
        f"{rule.summary[0].upper()}{rule.summary[1:]}. {rule.why}\n",
    ]
    if rule.bad:
        parts.append(f"Wrong:\n\n{_fenced(rule.bad)}")
    parts.append(f"Right:\n\n{_fenced(rule.good)}")
    return "\n".join(parts)


def example(text: str) -> str:
    """An example with what could not be seen shown as escapes, very long lines cut."""
    lines = (visible(line) for line in text.rstrip("\n").split("\n"))
    return "\n".join(line if len(line) <= 160 else line[:160] + "…" for line in lines)


def _fenced(text: str) -> str:
    return f"```yaml\n{example(text)}\n```\n"


def _sorted() -> list[Rule]:
    return sorted(RULES, key=lambda rule: rule.code)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(rules_page(), encoding="utf-8")
