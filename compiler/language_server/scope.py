"""What an expression may read where it stands: each variable as the JSON Schemas that describe it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.expressions import DYN, Type, from_schema
from meshplan.compiler.expressions.types import union
from meshplan.compiler.language_server.analysis import Analysis
from meshplan.compiler.language_server.names import at, entries, select
from meshplan.compiler.resolve.bindings import built_in_contracts
from meshplan.compiler.resolved import KnownCapability
from meshplan.schemas.capability import KINDS, CapabilityKey
from meshplan.schemas.globs import glob_match

Schema: TypeAlias = tuple[Any, Any]
"""A schema, and the document that its references are into."""

_DEEPEST: Final = 8
_KIND_KEYS: Final = {"tools": "tool", "prompts": "prompt", "resources": "resource", "templates": "template"}


@dataclass(frozen=True, slots=True)
class Held:
    """What a variable or a field holds: one schema for each of the `among` things that may be meant here and have it."""

    schemas: tuple[Schema, ...]
    required: bool = True
    among: int = 1

    @property
    def type(self) -> Type:
        """What is known of the value."""
        return union(_type(schema, root) for schema, root in self.schemas) if self.schemas else DYN

    @property
    def description(self) -> str:
        """What the first schema that says something says; an upstream's text, maybe."""
        texts = (node.get("description") for schema in self.schemas for node in _nodes(*schema))
        return next((text for text in texts if isinstance(text, str) and text.strip()), "")

    @property
    def values(self) -> list[str]:
        """The texts that it may be, where the schemas list them."""
        listed: list[Any] = []
        for schema in self.schemas:
            for node in _nodes(*schema):
                listed += [*cast("list[Any]", node.get("enum") or []), *([node["const"]] if "const" in node else [])]
        return list(dict.fromkeys(value for value in listed if isinstance(value, str)))

    def members(self) -> dict[str, Held]:
        """The fields that are declared."""
        found: dict[str, list[tuple[Schema, bool]]] = {}
        for schema, root in self.schemas:
            own: dict[str, tuple[Schema, bool]] = {}
            for node in _nodes(schema, root):
                always = _listed(node.get("required"))
                for name, inner in _mapping(node.get("properties")).items():
                    own[name] = ((inner, root), name in always or (name in own and own[name][1]))
            for name, field in own.items():
                found.setdefault(name, []).append(field)
        return {
            name: Held(
                tuple(schema for schema, _ in fields),
                len(fields) == len(self.schemas) and all(always for _, always in fields),
                len(fields),
            )
            for name, fields in found.items()
        }

    def element(self) -> Held:
        """What the list holds, or the keys of the map are."""
        items = [
            (node.get("items", {"type": "string"}), root)
            for schema, root in self.schemas
            for node in _nodes(schema, root)
            if "items" in node or "properties" in node
        ]
        return Held(tuple(items), among=len(items))


def _nodes(schema: Any, root: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The schema behind its references, and its alternatives."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return
    node = cast("Mapping[str, Any]", schema)
    if isinstance(pointer := node.get("$ref"), str):
        yield from _nodes(_target(pointer, root), root, depth + 1)
    yield node
    for key in ("allOf", "anyOf", "oneOf"):
        for part in _listed(node.get(key)):
            yield from _nodes(part, root, depth + 1)


def _target(pointer: str, root: Any) -> Any:
    node = root if pointer == "#" or pointer.startswith("#/") else None
    for step in pointer[2:].split("/") if len(pointer) > 1 else []:
        node = _mapping(node).get(step.replace("~1", "/").replace("~0", "~"))
    return node


def _type(schema: Any, root: Any) -> Type:
    if not isinstance(schema, Mapping):
        return DYN
    shared = {key: inner for key, inner in _mapping(root).items() if key in ("$defs", "definitions")}
    return from_schema({**shared, **cast("Mapping[str, Any]", schema)})


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def scope_at(path: Path, data: Any, known: Analysis) -> dict[str, Held] | None:
    """The variables of the expression at ``path``, or ``None`` where there is none; ``data`` is the document around it."""
    match path:
        case ("roles", str(), "allow" | "deny", int(), "when"):
            covered = [_taken(capability) for capability in _covered(at(data, path[:-1]), known)]
            return {"args": _one(covered), "principal": _one([_principal(known)])}
        case ("workflows", str(name), "steps", int(index), "when") | (
            "workflows",
            str(name),
            "steps",
            int(index),
            "with",
            str(),
        ):
            return _workflow(at(data, ("workflows", name)), index, known)
        case ("workflows", str(name), "output"):
            return _workflow(at(data, ("workflows", name)), None, known)
        case ("bindings", str(name), "map", str(operation), "in" | "out" as way, str()):
            return _binding(at(data, ("bindings", name)), operation, way, data, known)
        case ("prices", str(reference), "usage"):
            return _price(reference, known)
        case _:
            return None


def _one(schemas: Iterable[Any]) -> Held:
    found = tuple((schema, schema) for schema in schemas)
    return Held(found, among=len(found))


def _principal(known: Analysis) -> Any:
    def names(what: str, declared: list[str]) -> Any:
        items: Any = {"enum": declared} if declared else {"type": "string"}
        return {"type": "array", "items": items, "description": f"the {what}s that the credential proves"}

    return {
        "type": "object",
        "properties": {
            "issuer": {"type": "string", "description": "who vouches for the caller"},
            "sub": {"type": "string", "description": "the caller's name at the issuer"},
            "user": {"type": ["string", "null"], "description": "the user, where the caller is or acts for one"},
            "teams": names("team", entries(known, "team")),
            "agents": names("agent", entries(known, "agent")),
            "applications": names("application", entries(known, "application")),
        },
        "required": ["issuer", "sub", "user", "teams", "agents", "applications"],
    }


def _covered(rule: Any, known: Analysis) -> list[KnownCapability]:
    """The capabilities that a rule means, as far as it is written."""
    entry = _mapping(rule)
    makers = [f"{kind}:{entry[kind]}" for kind in ("binding", "workflow") if isinstance(entry.get(kind), str)]
    servers = makers or ([entry["server"]] if isinstance(entry.get("server"), str) else _listed(entry.get("server")))
    kinds = {kind for key, kind in _KIND_KEYS.items() if key in entry} or set(KINDS)
    effect = [entry["effect"]] if isinstance(entry.get("effect"), str) else _listed(entry.get("effect"))
    return [
        known.capabilities[key]
        for key in sorted(known.capabilities)
        if key.kind in kinds
        and (key.server in servers if servers else not key.server.startswith(("binding:", "workflow:")))
        and (not effect or known.capabilities[key].effect in effect)
        and ("tag" not in entry or entry["tag"] in known.capabilities[key].tags)
        and (not _listed(entry.get("operations")) or key.name in _listed(entry.get("operations")))
        and _chosen(key, entry, known)
    ]


def _chosen(key: CapabilityKey, entry: Mapping[str, Any], known: Analysis) -> bool:
    chosen = [selector for name, kind in _KIND_KEYS.items() if kind == key.kind and (selector := entry.get(name))]
    return not chosen or select(known, [key], chosen[0]) == [key]


def _taken(capability: KnownCapability) -> Any:
    """What `args` is for a capability."""
    definition = capability.locked.definition
    if capability.key.kind == "tool":
        return definition.get("inputSchema")
    if capability.key.kind == "prompt":
        named = [_mapping(argument) for argument in _listed(definition.get("arguments"))]
        fields = {str(a.get("name")): {"type": "string", "description": a.get("description")} for a in named}
        return {"type": "object", "properties": fields}
    return {"type": "object", "properties": {"uri": {"type": "string"}}, "required": ["uri"]}


def _given(server: Any, tool: Any, known: Analysis) -> Any:
    """What a tool gives back."""
    found = known.capabilities.get(CapabilityKey(str(server), "tool", str(tool)))
    return None if found is None else found.locked.definition.get("outputSchema")


def _workflow(workflow: Any, until: int | None, known: Analysis) -> dict[str, Held]:
    steps: dict[str, Held] = {}
    for step in map(_mapping, _listed(_mapping(workflow).get("steps"))[:until]):
        server, _, tool = str(step.get("call")).partition(".")
        always = "when" not in step and step.get("on_error", "fail") == "fail"
        output = _given(server, tool, known)
        steps[str(step.get("name"))] = Held(((output, output),), required=always)
    return {"input": _one([_mapping(workflow).get("input")]), "steps": Steps((), steps=steps)}


@dataclass(frozen=True, slots=True)
class Steps(Held):
    """The results of a workflow's steps by name, each with a schema of its own."""

    steps: Mapping[str, Held] | None = None

    def members(self) -> dict[str, Held]:
        """The steps."""
        return dict(self.steps or {})

    @property
    def type(self) -> Type:
        """A map."""
        return from_schema({"type": "object"})


def _binding(binding: Any, operation: str, way: str, data: Any, known: Analysis) -> dict[str, Held]:
    contract = str(_mapping(binding).get("contract"))
    written = at(data, ("contracts", contract, "operations", operation))
    if written is None and (section := known.section("contracts", contract, "operations", operation)) is not None:
        written = section
    built_in = built_in_contracts().get(contract)
    signature = built_in.operations.get(operation) if built_in is not None else None
    given = _mapping(written).get("input") if signature is None else signature.input
    scope = {"args": _one([given])}
    if way == "out":
        provider, tool = _mapping(binding).get("provider"), at(binding, ("map", operation, "tool"))
        scope["result"] = _one([_given(provider, tool, known)])
    return scope


def _price(reference: str, known: Analysis) -> dict[str, Held]:
    maker, _, pattern = reference.partition(".")
    found = [
        capability
        for key, capability in sorted(known.capabilities.items())
        if key.kind == "tool" and key.server in (maker, f"binding:{maker}") and glob_match(pattern, key.name)
    ]
    results = [capability.locked.definition.get("outputSchema") for capability in found]
    return {"args": _one([_taken(capability) for capability in found]), "result": _one(results)}
