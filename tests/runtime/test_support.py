"""Every field of a plan is read where it is enforced, or refused by name: a new one cannot be forgotten."""

import ast
import functools
import types
import typing
from pathlib import Path

import pytest
from plans import simple

from meshplan.runtime.support import unsupported
from meshplan.schemas import plan as p
from meshplan.schemas.orchestration import Binding, Workflow

ROOT = Path(__file__).parents[2]


PRINCIPAL, DECIDE, GRANTS = "runtime/principal.py", "schemas/decide.py", "runtime/upstream/grants.py"
SIGN_INS = "runtime/signin/sign_ins.py"
CHILD, CREDENTIALS, INDEX = "runtime/upstream/child.py", "runtime/upstream/credentials.py", "runtime/index.py"
ENFORCED = {
    "Plan": "runtime/index.py runtime/snapshot.py runtime/front/http.py runtime/budget/tariff.py",
    "Settings": "runtime/app.py runtime/front/guard.py runtime/identity/door.py runtime/rounds.py runtime/front/http.py "
    "runtime/ledger/book.py runtime/reload.py runtime/budget/counting.py runtime/signin/sign_ins.py runtime/admin/gate.py runtime/admin/port.py",
    "Operator": "runtime/admin/gate.py",
    "SignIns": SIGN_INS,
    "Limits": "runtime/app.py runtime/front/http.py runtime/front/desk.py runtime/front/legacy_http.py runtime/invoke.py runtime/forward.py",
    "Counters": "runtime/budget/counting.py",
    "Ledger": "runtime/ledger/book.py runtime/ledger/writer.py",
    "Identity": f"{PRINCIPAL} {DECIDE}",
    "Key": PRINCIPAL,
    "Claim": PRINCIPAL,
    "UserClaim": PRINCIPAL,
    "ProxyIssuer": PRINCIPAL,
    "JwtIssuer": f"{PRINCIPAL} runtime/identity/discovery.py runtime/identity/verifier.py {SIGN_INS}",
    "Login": "runtime/signin/code.py",
    "Access": DECIDE,
    "Grant": DECIDE,
    "Rule": DECIDE,
    "LiveResources": DECIDE,
    "Endpoint": f"{INDEX} schemas/surface.py",
    "Search": "runtime/strategies/search/strategy.py",
    "Code": "runtime/strategies/code/program.py",
    "Plugin": "runtime/strategies/plugins.py",
    "Offer": "schemas/surface.py",
    "Capability": f"{INDEX} runtime/drift.py runtime/forward.py",
    "Server": f"{INDEX} runtime/forward.py runtime/resolver.py runtime/rounds.py runtime/upstream/pool.py",
    "Retry": "runtime/upstream/resilience.py runtime/forward.py runtime/budget/tariff.py",
    "Budget": "schemas/budgets.py runtime/budget/tariff.py runtime/budget/cashier.py runtime/budget/warnings.py",
    "Price": "schemas/budgets.py runtime/budget/tariff.py",
    "Rate": "schemas/budgets.py",
    "Breaker": "runtime/upstream/breaker.py",
    "HttpTransport": f"{CREDENTIALS} runtime/upstream/pool.py runtime/upstream/session.py",
    "OpenApiTransport": f"{CREDENTIALS} runtime/upstream/api.py",
    "ApiOperation": "runtime/upstream/api_request.py",
    "ApiArgument": "runtime/upstream/api_request.py",
    "StdioTransport": CHILD,
    "OAuthAuth": GRANTS,
    "ExchangeAuth": f"{GRANTS} runtime/upstream/callers.py",
    "PerUserAuth": f"{SIGN_INS} runtime/upstream/callers.py",
    "BearerAuth": CREDENTIALS,
    "HeaderAuth": CREDENTIALS,
    "BasicAuth": CREDENTIALS,
    "FromEnv": "runtime/secrets.py",
    "FromFile": "runtime/secrets.py",
    "FromExec": "runtime/secrets.py",
    "Literally": "runtime/secrets.py",
}
"""Where the fields of a model are read; the same name elsewhere proves nothing."""

SILENT = {
    "Plan.format": "the model takes no other",
    "Plan.mesh": "a name to show",
    "Plan.environment": "a name to show",
    "Plan.guardrails": "judged when the plan is made",
    "Endpoint.max_tokens": "judged when the plan is made",
    "Capability.effect_from": "what the effect rests on, for reviewers",
    "Capability.tags": "rules are resolved to capabilities",
    "OpenApiTransport.document": "the operations were read from it",
}
"""Fields that ask nothing of a runtime, and why."""


REFUSED = {
    "Plan.bindings": {"bindings": {"b": Binding.model_construct()}},
    "Plan.workflows": {"workflows": {"w": Workflow.model_construct()}},
    "StdioTransport.instances": {
        "servers": {"transport": p.StdioTransport(argv=("x",), env={}, cwd=".", instances="per_worker")}
    },
}
"""What is not enforced yet, and a part of a plan that asks for it."""

WHOLE = {
    p.TunnelTransport: {"transport": p.TunnelTransport()},
}
"""Models that are refused wherever they are, and a server that has one."""


def models(annotation):
    """The models that an annotation holds."""
    if isinstance(annotation, type) and issubclass(annotation, p.Frozen):
        yield annotation
    for inner in typing.get_args(annotation):
        if not isinstance(inner, str | types.NoneType):
            yield from models(inner)


def fields():
    """Every field of the plan and of all that is in it, except below what is refused as a whole."""
    found, queue, seen = [], [p.Plan], set()
    while queue:
        model = queue.pop()
        if model in seen or model in WHOLE:
            continue
        seen.add(model)
        for name, field in model.model_fields.items():
            if name == "kind" and typing.get_origin(field.annotation) is typing.Literal:
                continue
            found.append(f"{model.__name__}.{name}")
            if found[-1] not in REFUSED and found[-1] not in SILENT:
                queue.extend(models(field.annotation))
                queue.extend(inner for part in field.metadata for inner in models(part))
    return found


@functools.cache
def reads(path):
    """The attributes that a module reads, also by patterns."""
    tree = ast.parse((ROOT / path).read_text())
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return found | {name for node in ast.walk(tree) if isinstance(node, ast.MatchClass) for name in node.kwd_attrs}


def asking(changes):
    """A plan that is served, but for these changes."""
    plan = simple().bundle().plan
    for part, change in changes.items():
        if part == "runtime":
            plan = plan.model_copy(update={part: plan.runtime.model_copy(update=change)})
        elif part in ("endpoints", "servers"):
            parts = {name: value.model_copy(update=change) for name, value in getattr(plan, part).items()}
            plan = plan.model_copy(update={part: parts})
        else:
            plan = plan.model_copy(update={part: change})
    return plan


def elsewhere(name):
    """Whether the runtime reads a field outside of what refuses it."""
    paths = [path.relative_to(ROOT) for path in (ROOT / "runtime").rglob("*.py") if path.name != "support.py"]
    return any(name in reads(str(path)) for path in paths)


def test_a_plain_plan_is_served():
    assert unsupported(asking({})) is None


@pytest.mark.parametrize("field", fields())
def test_a_field_is_enforced_or_refused(field):
    model, name = field.split(".")
    if field in SILENT:
        return
    if field in REFUSED:
        refused = unsupported(asking(REFUSED[field]))
        assert (refused and name.removesuffix("_ms") in refused) or elsewhere(name)
        return
    assert any(name in reads(path) for path in ENFORCED[model].split()), field


@pytest.mark.parametrize("model", WHOLE)
def test_what_is_not_served_at_all_is_refused_by_name(model):
    kind = model.model_fields["kind"].default
    assert f"`{kind}`" in unsupported(asking({"servers": WHOLE[model]}))


def test_no_table_speaks_of_what_is_gone():
    found = set(fields())
    assert {*SILENT, *REFUSED} <= found
    assert set(ENFORCED) <= {field.split(".")[0] for field in found}
