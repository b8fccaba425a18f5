"""A plan with its blobs, as one file or as objects of a store; nothing is believed before its digest is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import ValidationError

from meshplan.schemas import jsontext
from meshplan.schemas.expr import IrError, load
from meshplan.schemas.plan import FORMAT, Plan, canonical

PLAN_FILE = "mesh.dev/plan/v1"


class PlanRefusedError(ValueError):
    """A plan that must not be served; ``code`` is stable, the text says what is wrong with which part."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified plan, its digest, its definitions by digest (canonical JSON text), and its source map.

    ``source_map`` maps a logical name (``rule:ROLE#ID``, ``server:NAME``, …) to ``[file, line, column, …]``.
    """

    plan: Plan
    digest: str
    definitions: dict[str, str]
    source_map: dict[str, list[str | int]]
    ir: str | None = field(default=None, compare=False, repr=False)
    """The plan's canonical text, where it has been made."""

    def text(self) -> str:
        """The plan's canonical text, of which ``digest`` is."""
        return canonical(self.plan) if self.ir is None else self.ir


def seal(plan: Plan, definitions: dict[str, str], source_map: dict[str, list[str | int]]) -> Bundle:
    """Bundle a freshly lowered plan."""
    ir = canonical(plan)
    return Bundle(plan, jsontext.digest(ir), definitions, source_map, ir)


def pack(bundle: Bundle) -> str:
    """The plan as one file: the same sources give the same bytes."""
    parts = {
        "format": PLAN_FILE,
        "digest": bundle.digest,
        "ir": bundle.text(),
        "definitions": bundle.definitions,
        "source_map": bundle.source_map,
    }
    return jsontext.whole(parts).decode() + "\n"


def unpack(text: str | bytes) -> Bundle:
    """Read and verify a plan file; raises ``PlanRefusedError``."""
    try:
        parsed = jsontext.quick(text.encode() if isinstance(text, str) else text)
    except (jsontext.JsonTextError, UnicodeEncodeError) as error:
        raise PlanRefusedError("malformed", f"the plan file is not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise PlanRefusedError("malformed", "the plan file is not an object")
    found = cast("dict[str, Any]", parsed)
    if found.get("format") != PLAN_FILE:
        raise PlanRefusedError("format", f"plan file format `{str(found.get('format'))[:60]}` is not `{PLAN_FILE}`")
    if set(found) != {"format", "digest", "ir", "definitions", "source_map"}:
        raise PlanRefusedError("malformed", "the plan file has missing or unknown parts")
    digest, ir, definitions = found["digest"], found["ir"], found["definitions"]
    if not isinstance(ir, str) or not isinstance(digest, str) or not isinstance(definitions, dict):
        raise PlanRefusedError("malformed", "the plan file's parts have the wrong types")
    blobs = cast("dict[str, Any]", definitions)
    return verify(digest, ir, lambda wanted: _blob(blobs, wanted), cast("dict[str, Any]", found["source_map"]))


def _blob(definitions: dict[str, Any], digest: str) -> str:
    text = definitions.get(digest)
    if not isinstance(text, str):
        raise PlanRefusedError("incomplete", f"definition `{digest}` is missing")
    return text


def verify(digest: str, ir: str, blob: Callable[[str], str], source_map: dict[str, Any]) -> Bundle:
    """Check ``ir`` and every definition that it refers to against their digests, and the shape against the format."""
    if jsontext.digest(ir) != digest:
        raise PlanRefusedError("digest", f"the plan's bytes do not match `{digest}`")
    plan = _model(ir)
    definitions: dict[str, str] = {}
    for capability in plan.capabilities.values():
        if capability.definition in definitions:
            continue
        text = blob(capability.definition)
        if jsontext.digest(text) != capability.definition:
            raise PlanRefusedError("digest", f"a definition's bytes do not match `{capability.definition}`")
        definitions[capability.definition] = text
    _closed(plan)
    _evaluable(plan)
    return Bundle(plan, digest, definitions, source_map, ir)


def _model(ir: str) -> Plan:
    """A text that is the one spelling of the model it makes was strict JSON, too: any other is read again for the reason."""
    try:
        jsontext.refuse_depth(ir)
        plan = Plan.model_validate_json(ir)
        if canonical(plan) == ir:
            return plan
        refused = PlanRefusedError("canonical", "the plan is not in its canonical form")
    except jsontext.JsonTextError as error:
        raise PlanRefusedError("malformed", f"the plan is not JSON: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        refused = PlanRefusedError("shape", f"the plan's `{where}` is not understood: {first['msg']}")
    _check_readable(ir)
    raise refused


def _check_readable(ir: str) -> None:
    """Raise where it is no plan of this format at all, whatever its shape."""
    try:
        parsed = jsontext.parse(ir)
    except jsontext.JsonTextError as error:
        raise PlanRefusedError("malformed", f"the plan is not JSON: {error}") from None
    number = cast("dict[str, Any]", parsed).get("format") if isinstance(parsed, dict) else None
    if number != FORMAT:
        raise PlanRefusedError("format", f"plan format {number!r} is not {FORMAT}")


def _closed(plan: Plan) -> None:
    """Every reference inside the plan must resolve inside the plan."""
    capabilities, servers, access = plan.capabilities, plan.servers, plan.access
    makers = {
        *servers,
        *(f"binding:{name}" for name in plan.bindings),
        *(f"workflow:{name}" for name in plan.workflows),
    }
    wanted: list[tuple[str, bool]] = [(f"server `{c.server}`", c.server in makers) for c in capabilities.values()]
    inner = [operation.capability for binding in plan.bindings.values() for operation in binding.operations.values()]
    inner += [step.capability for workflow in plan.workflows.values() for step in workflow.steps]
    inner += [capability for budget in plan.budgets.values() for capability in budget.covers or ()]
    wanted += [(f"capability `{c}`", c in capabilities) for c in (*inner, *plan.prices)]
    for endpoint in plan.endpoints.values():
        wanted += [(f"capability `{o.capability}`", o.capability in capabilities) for o in endpoint.offers]
        wanted += [(f"server `{name}`", name in servers) for name in endpoint.live]
    for rule in access.rules.values():
        wanted += [(f"capability `{c}`", c in capabilities) for c in rule.covers]
        wanted += [(f"endpoint `{name}`", name in plan.endpoints) for name in rule.endpoints or ()]
    for rules in access.roles.values():
        wanted += [(f"rule `{name}`", name in access.rules) for name in rules]
    wanted += [(f"role `{grant.role}`", grant.role in access.roles) for grant in access.grants]
    for what, there in wanted:
        if not there:
            raise PlanRefusedError("dangling", f"the plan refers to {what}, which it does not have")


def _evaluable(plan: Plan) -> None:
    """Every expression must load: one that does not would be found out in the middle of a call."""
    expressions: list[tuple[str, Any]] = [(f"rule `{name}`", rule.when) for name, rule in plan.access.rules.items()]
    expressions += [(f"the price of `{name}`", price.usage) for name, price in plan.prices.items()]
    for name, binding in plan.bindings.items():
        for operation in binding.operations.values():
            made = [*(operation.arguments or {}).values(), *(operation.result or {}).values()]
            expressions += [(f"binding `{name}`", expression) for expression in made]
    for name, workflow in plan.workflows.items():
        inner = [e for step in workflow.steps for e in (step.when, *step.arguments.values())]
        expressions += [(f"workflow `{name}`", expression) for expression in (*inner, workflow.output)]
    for where, expression in expressions:
        try:
            if expression is not None:
                load(expression)
        except IrError as error:
            raise PlanRefusedError("expression", f"an expression of {where} is not understood: {error}") from None
