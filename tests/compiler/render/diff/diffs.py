"""Hand-built diffs: a realistic one, an empty one, a large one, and one whose every string is somebody else's."""

import dataclasses
import hashlib
import json

from meshplan.compiler.diff.model import (
    AccessChange,
    Cause,
    Change,
    Detail,
    Diff,
    LockChange,
    Place,
    Ref,
    TokenCost,
    Who,
)

OWNER = json.dumps(["==", ["select", ["var", "args"], "owner"], ["lit", "acme"]])
FORCE = json.dumps(["select", ["var", "args"], "force"])
BEFORE, AFTER = Ref("main", "sha256:" + "1" * 64), Ref("working tree", "sha256:" + "a" * 64)


def place(line, file="mesh.yaml"):
    return Place(file, line, 5)


def who(*atoms, unless=(), delegated=False):
    return Who(atoms, unless, delegated)


GRANT = Cause("grant", "`developer` granted to `team:eng`", place(42))


def access(capability, effect="read", gained=(), lost=(), causes=((GRANT,),), **more):
    _, kind, name = capability.split("/", 2)
    more = {
        "name": name,
        "endpoint": "engineering",
        "fingerprint": hashlib.sha256(capability.encode()).hexdigest()[:16],
    } | more
    return AccessChange(
        capability=capability,
        kind=kind,
        effect=effect,
        gained=gained,
        lost=lost,
        causes=causes,
        breaking=bool(lost),
        widening=bool(gained),
        **more,
    )


ENGINEERS = who("team:eng")
SMALL = Diff(
    before=BEFORE,
    after=AFTER,
    environments=("dev", "prod"),
    access=(
        access("github/tool/get_issue", gained=(ENGINEERS,), fingerprint="0000000000000001"),
        access("github/tool/list_issues", name="gh_list", gained=(ENGINEERS,), fingerprint="0000000000000002"),
        access(
            "github/tool/delete_repo",
            "destructive",
            gained=(who("team:eng", unless=(("team:ext",),)),),
            causes=(
                (Cause("policy edit", "deny rule `no-delete` removed", place(31)), GRANT),
                (
                    Cause(
                        "effect flip", "the effect of tool `delete_repo` of `github` went from write to read", place(9)
                    ),
                ),
            ),
            fingerprint="0000000000000003",
        ),
        access(
            "github/tool/create_issue",
            "write",
            name="open_issue",
            gained=(who("team:eng", f"if:{OWNER}", "before:2027-03-31"),),
            lost=(who("team:eng", f"unless:{FORCE}"),),
            fingerprint="0000000000000004",
            acknowledged="agreed with security",
        ),
        access(
            "files/prompt/review",
            lost=(who(), who("user:*", "agent:ci", "team:ops", delegated=True)),
            causes=((Cause("upstream removed", "prompt `review` of `files` is gone from the lock", None),),),
            endpoint="desk",
            fingerprint="0000000000000005",
        ),
    ),
    changes=(
        Change(
            "server:github",
            "redirected",
            "server `github` now reaches `https://gh.example/mcp` instead of `https://api.githubcopilot.com/mcp/`",
            (Detail("transport.url", "https://api.githubcopilot.com/mcp/", "https://gh.example/mcp"),),
            place(4),
            breaking=True,
            widening=True,
            fingerprint="0000000000000006",
        ),
        Change(
            "budget:eng-month",
            "changed",
            "budget `eng-month` changed: `amount`, `window`",
            (Detail("amount", 500, 200), Detail("window", "month", None)),
            place(60),
            breaking=True,
            widening=False,
            fingerprint="0000000000000007",
            acknowledged="cost cut of the quarter",
        ),
        Change("price:llm", "added", "price `llm` is new", (), place(70), False, False, "0000000000000008"),
    ),
    lock=(
        LockChange(
            "github",
            "github/tool/delete_repo",
            ("description", "effect READ → WRITE"),
            (Detail("description", "deletes a repository", "deletes a repository, at once"),),
            breaking=False,
            widening=True,
            fingerprint="0000000000000009",
            place=place(71, "mesh.lock/github.json"),
            acknowledged="read it",
        ),
        LockChange(
            *("github", "github/tool/open_pr", ("new",), (), False, False, "github/tool/create_pr", 0.91),
            fingerprint="000000000000000a",
        ),
        LockChange(
            *("files", None, ("package",), (Detail("version", "1.2.0", "1.3.0"),), True, True),
            fingerprint="000000000000000b",
            place=place(12, "mesh.lock/files.json"),
        ),
    ),
    tokens=(
        TokenCost("engineering", None, 5200, 8900, 8000),
        TokenCost("engineering", "developer", 3100, 4200, None),
        TokenCost("desk", None, 900, 750, None),
        TokenCost("new", None, None, 120, None),
        TokenCost("same", None, 5, 5, None),
    ),
    stale_acknowledgements=("ffffffffffffffff",),
)
EMPTY = Diff(BEFORE, AFTER, (), (), (), (), ())


def many(number=5000):
    """Every effect and direction in turn, each change alone; the destructive ones are told by their names."""
    kinds = [("read", "lost"), ("read", "gained"), ("write", "lost"), ("write", "gained")]
    kinds += [("destructive", "lost"), ("destructive", "gained")]
    found = []
    for index in range(number):
        effect, direction = kinds[index % 6]
        cause = Cause("grant", f"`role-{index}` granted to `team:t{index}`", place(index + 1))
        change = {direction: (who(f"team:t{index}", unless=((f"team:x{index}",),)),), "causes": ((cause,),)}
        found.append(access(f"server-{index % 50}/tool/{effect}_{direction}_{index}", effect, **change))
    return dataclasses.replace(SMALL, access=tuple(found))


def poisoned(text, diff=SMALL):
    """The diff with ``text`` in every string that can come from a file or an upstream."""
    return _poisoned(diff, text)


_KEPT = {"kind", "effect", "verb", "delegated"}


def _poisoned(value, text):
    if dataclasses.is_dataclass(value):
        fields = [field.name for field in dataclasses.fields(value) if field.name not in _KEPT]
        return dataclasses.replace(value, **{name: _poisoned(getattr(value, name), text) for name in fields})
    if isinstance(value, tuple):
        return tuple(_poisoned(item, text) for item in value)
    if not isinstance(value, str):
        return value
    if value.startswith(("if:", "unless:", "before:")):
        return value.partition(":")[0] + ":" + text
    if value.count("/") == 2 and value.split("/")[1] in ("tool", "prompt"):
        server, kind, _ = value.split("/")
        return f"{server}/{kind}/{text}"
    return f"{value}{text}"
