"""A unified diff of two texts, with what must not be shown covered and invisible characters made visible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import SequenceMatcher

from meshplan.compiler.render.view import visible

CONTEXT = 3


def unified(
    name: str,
    before: str | None,
    after: str,
    *,
    covered: Callable[[str], str] = lambda text: text,
    context: int = CONTEXT,
) -> str:
    """The difference between two versions of the file ``name``, empty where there is none.

    ``covered`` gives a text in which secrets are covered, line for line; lines are compared as they are, and shown
    covered. Without ``before`` the file is new.
    """
    old, new = _lines(before or ""), _lines(after)
    shown_old, shown_new = _lines(covered(before or "")), _lines(covered(after))
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    found: list[str] = []
    for group in matcher.get_grouped_opcodes(context):
        first, last = group[0], group[-1]
        found.append(f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@")
        for tag, start, end, new_start, new_end in group:
            if tag == "equal":
                found += _marked(" ", shown_old[start:end])
                continue
            found += _marked("-", shown_old[start:end])
            found += _marked("+", shown_new[new_start:new_end])
    if not found:
        return ""
    old_name, new_name = (name, name) if name.startswith("/") else (f"a/{name}", f"b/{name}")
    source = "/dev/null" if before is None else visible(old_name)
    return "\n".join([f"--- {source}", f"+++ {visible(new_name)}", *found]) + "\n"


def _lines(text: str) -> list[str]:
    """Lines with their ends, as `patch` counts them."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _marked(mark: str, lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield mark + visible(line.removesuffix("\n").removesuffix("\r"))
        if not line.endswith("\n"):
            yield "\\ No newline at end of file"


def _range(start: int, end: int) -> str:
    length = end - start
    return f"{start + 1 if length else start},{length}" if length != 1 else f"{start + 1}"
