"""Plan to bytes: definitions by digest, the source map apart, one digest over what is enforced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from meshplan.compiler.assemble.patches import label
from meshplan.compiler.diagnostics import Diagnostics, Path, Span
from meshplan.compiler.draft import Draft
from meshplan.compiler.lockfile import lock_path
from meshplan.compiler.marks import MapNode, SeqNode, child, locate, place_of
from meshplan.compiler.resolved import Resolved


def emit(draft: Draft) -> tuple[Draft, Diagnostics]:
    """The pass: seals the plan with its definitions and its source map."""
    from meshplan.schemas.bundle import seal

    if draft.plan is None or draft.resolved is None:
        return draft, ()
    definitions = {
        known.locked.digest: known.locked.text
        for key, known in draft.resolved.capabilities.items()
        if key.id in draft.plan.capabilities
    }
    return replace(draft, bundle=seal(draft.plan, definitions, _source_map(draft, draft.resolved))), ()


def _source_map(draft: Draft, resolved: Resolved) -> dict[str, list[str | int]]:
    """Logical name to ``[file, line, column]``; moving a line changes this and never the plan's digest.

    What stands in an environment's patch has `patched` as a fourth part; `locked:ID` has the effect, and is there for
    every locked capability, offered or not. `patch:N` is one patch of the environment, with its target and a digest.
    """
    if draft.root is None or draft.mesh is None:
        return {}
    paths: dict[str, Path] = {f"server:{name}": ("servers", name) for name in draft.mesh.servers}
    paths |= {f"key:{name}": ("identity", "keys", name) for name in draft.mesh.identity.keys}
    paths |= {"identity:exclusive": ("identity", "exclusive")} if draft.mesh.identity.exclusive else {}
    paths |= {f"role:{name}": ("roles", name) for name in draft.mesh.roles}
    paths |= {f"rule:{rule.id}": rule.path for rule in resolved.rules}
    paths |= {f"binding:{name}": ("bindings", name) for name in draft.mesh.bindings}
    paths |= {f"workflow:{name}": ("workflows", name) for name in draft.mesh.workflows}
    paths |= {f"budget:{name}": ("budgets", name) for name in draft.mesh.budgets}
    paths |= {f"price:{key.id}": price.path for key, price in resolved.prices.items()}
    paths |= {f"grant:{index}": grant.path for index, grant in enumerate(resolved.grants)}
    paths |= {f"invariant:{inv.name}": ("invariants", index) for index, inv in enumerate(draft.mesh.invariants)}
    paths |= {f"policy:{name}": ("policies",) for name in resolved.policies}
    for endpoint in resolved.endpoints:
        paths[f"endpoint:{endpoint.name}"] = ("virtual", endpoint.name)
        paths |= {f"offer:{endpoint.name}:{offer.capability.id}": offer.path for offer in endpoint.offers}
    found = {path: _place(draft.root, path) for path in set(paths.values())}
    places: dict[str, list[str | int]] = {name: list(found[path]) for name, path in paths.items()}
    for key, known in resolved.capabilities.items():
        places[f"locked:{key.id}"] = [lock_path(key.server), 1, 1, known.effect]
    return places | _patches(draft.root, draft.environment)


def _patches(root: MapNode, environment: str | None) -> dict[str, list[str | int]]:
    from meshplan.schemas import jsontext

    path: Path = ("environments", environment or "", "patch")
    patches: Any = root
    for part in path:
        patches = child(patches, part)
    found: dict[str, list[str | int]] = {}
    for index, patch in enumerate(patches if isinstance(patches, SeqNode) else ()):
        verb = next(word for word in ("set", "add", "remove") if word in patch)
        item = patch.get("value")
        name = label(item) if isinstance(item, MapNode) and verb == "add" else None
        target = f"{patch[verb]}[{name}]" if name else str(patch[verb])
        span = locate(root, (*path, index, verb)).key_span()
        found[f"patch:{index}"] = [span.file, span.line, span.column, "patched", target, jsontext.digest(repr(patch))]
    return found


def _place(root: MapNode, path: Path) -> list[str | int]:
    span = locate(root, path).key_span()
    return [span.file, span.line, span.column, *(["patched"] if _patched(root, span) else [])]


def _patched(root: MapNode, span: Span) -> bool:
    """Whether something is written in a patch of an environment."""
    at = place_of(root, "environments")
    if at is None:
        return False
    whole = at.value_span()
    return span.file == whole.file and whole.start <= span.start < whole.end
