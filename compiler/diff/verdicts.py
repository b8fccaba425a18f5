"""The two-sided rules: BREAKING stops an agent that works, WIDENING lets somebody do more.

Access itself is judged exactly, in access.py; here are the rules for everything else (docs/diff.md has the table).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from pydantic import JsonValue

from meshplan.compiler.diff.model import Detail, Verb


class Verdict(NamedTuple):
    """What a change of a resource means."""

    breaking: bool
    widening: bool
    summary: str
    redirected: bool = False


Judge = Callable[[str, Verb, tuple[Detail, ...], JsonValue, JsonValue], Verdict]


def verdict_on(subject: str, verb: Verb, details: tuple[Detail, ...], old: JsonValue, new: JsonValue) -> Verdict:
    """Judge one changed entry by its kind."""
    kind, _, name = subject.partition(":")
    judge = _JUDGES.get(kind, _by_rule)
    return judge(f"{kind} `{name}`", verb, details, old, new)


def _moved(paths: dict[str, Detail], prefix: str) -> bool:
    return any(path == prefix or path.startswith(prefix + ".") for path in paths)


def _less(detail: Detail | None) -> tuple[bool, bool]:
    """(smaller, larger) for a number; ``None`` means without bound."""
    if detail is None or detail.before == detail.after:
        return False, False
    if detail.before is None or detail.after is None:
        return detail.before is None, detail.after is None
    was, now = cast("int", detail.before), cast("int", detail.after)
    return now < was, now > was


def _server(what: str, verb: Verb, details: tuple[Detail, ...], old: JsonValue, new: JsonValue) -> Verdict:
    """Another transport is another server: what was reviewed says nothing about it."""
    paths = {detail.path: detail for detail in details}
    if verb == "added":
        return Verdict(breaking=False, widening=True, summary=f"{what} is new: {_reach(new)}")
    if verb == "removed":
        return Verdict(breaking=True, widening=False, summary=f"{what} is gone: {_reach(old)}")
    identity = [p for p in paths if p.split(".")[:2] in _IDENTITY]
    if identity:
        summary = f"{what} now reaches {_reach(new)} instead of {_reach(old)}"
        return Verdict(breaking=True, widening=True, summary=summary, redirected=True)
    credentials = (
        _moved(paths, "transport.auth") or _moved(paths, "transport.headers") or _moved(paths, "transport.env")
    )
    shorter, _ = _less(paths.get("timeout_ms"))
    relaxed = "on_drift" in paths and paths["on_drift"].after == "warn"
    return Verdict(
        breaking=credentials or shorter,
        widening=credentials or relaxed or _moved(paths, "retry"),
        summary=_listed(what, details),
    )


_IDENTITY = [["transport", name] for name in ("kind", "url", "replicas", "argv", "cwd", "document", "operations")]


def _reach(server: JsonValue) -> str:
    transport = cast("dict[str, dict[str, Any]]", server)["transport"]
    match transport["kind"]:
        case "stdio":
            return "`" + " ".join(transport["argv"]) + "`"
        case "tunnel":
            return "a tunnel"
        case _:
            return f"`{transport['url']}`"


def _binding(what: str, verb: Verb, details: tuple[Detail, ...], old: JsonValue, new: JsonValue) -> Verdict:
    if verb != "changed":
        return _by_rule(what, verb, details, old, new)
    if any(detail.path == "provider" for detail in details):
        was, now = (cast("dict[str, Any]", side)["provider"] for side in (old, new))
        summary = f"{what} is now provided by `{now}` instead of `{was}`"
        return Verdict(breaking=True, widening=True, summary=summary, redirected=True)
    return Verdict(breaking=True, widening=True, summary=_listed(what, details))


def _budget(what: str, verb: Verb, details: tuple[Detail, ...], old: JsonValue, new: JsonValue) -> Verdict:
    """More to spend widens, less breaks; anything else about a budget may do either."""
    del old, new
    if verb == "added":
        return Verdict(breaking=True, widening=False, summary=f"{what} is new")
    if verb == "removed":
        return Verdict(breaking=False, widening=True, summary=f"{what} is gone")
    paths = {detail.path: detail for detail in details}
    smaller, larger = _less(paths.get("amount"))
    other = set(paths) - {"amount", "warn_at_percent", "counted_as"}
    return Verdict(breaking=smaller or bool(other), widening=larger or bool(other), summary=_listed(what, details))


def _limits(what: str, verb: Verb, details: tuple[Detail, ...], old: JsonValue, new: JsonValue) -> Verdict:
    """Settings of the runtime: a bound that shrinks breaks, one that grows widens; what guards and goes, widens."""
    del verb
    if isinstance(old, int) and isinstance(new, int):
        return Verdict(breaking=new < old, widening=new > old, summary=f"{what} went from {old} to {new}")
    numbers = [d for d in details if isinstance(d.before, int) and isinstance(d.after, int)]
    other = len(numbers) < len(details)
    return Verdict(
        breaking=other or any(_less(d)[0] for d in numbers),
        widening=other or any(_less(d)[1] for d in numbers),
        summary=_listed(what, details),
    )


def _by_rule(what: str, verb: Verb, details: tuple[Detail, ...], old: JsonValue, new: JsonValue) -> Verdict:
    del old, new
    kind = what.split(" ", 1)[0]
    breaking, widening = _TABLE.get((kind, verb), (verb == "removed", False))
    if verb == "changed":
        return Verdict(breaking=breaking, widening=widening, summary=_listed(what, details))
    return Verdict(breaking=breaking, widening=widening, summary=f"{what} is {'new' if verb == 'added' else 'gone'}")


def _listed(what: str, details: tuple[Detail, ...]) -> str:
    paths = [f"`{detail.path}`" for detail in details if detail.path]
    return f"{what} changed" + (": " + ", ".join(paths[:6]) + (" and more" if len(paths) > 6 else "") if paths else "")


_TABLE: dict[tuple[str, str], tuple[bool, bool]] = {
    ("endpoint", "changed"): (False, False),
    ("workflow", "changed"): (True, True),
    ("price", "changed"): (False, True),
    ("price", "removed"): (False, True),
    ("price", "added"): (False, False),
    ("issuer", "added"): (False, True),
    ("issuer", "changed"): (True, True),
    ("key", "added"): (False, True),
    ("key", "changed"): (True, True),
    ("claim", "added"): (False, True),
    ("claim", "changed"): (True, True),
    ("identity", "changed"): (True, True),
    ("identity", "added"): (False, True),
    ("tags", "added"): (False, False),
    ("tags", "changed"): (False, True),
    ("tags", "removed"): (False, True),
    ("invariant", "removed"): (False, True),
    ("invariant", "changed"): (False, True),
    ("policy", "removed"): (False, True),
    ("policy", "changed"): (False, True),
}
"""(kind, verb) to (breaking, widening); what is not here breaks when it is removed."""
_JUDGES: dict[str, Judge] = {"server": _server, "binding": _binding, "budget": _budget, "runtime": _limits}
