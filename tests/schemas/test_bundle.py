"""A plan is believed only when every digest, the format, the shape and every reference hold."""

import json

import pytest

from meshplan.schemas import jsontext
from meshplan.schemas.bundle import PlanRefusedError, pack, seal, unpack
from meshplan.schemas.plan import Capability, Endpoint, Offer, Passthrough, Plan

RULE = {"effect": "allow", "covers": [], "live": [], "endpoints": None}
DEFINITION = jsontext.canonical({"name": "t", "inputSchema": {"type": "object"}})


@pytest.fixture
def bundle():
    from test_decide import make_plan

    made = make_plan({}, {}, [], {})
    capability = Capability(
        server="s", kind="tool", name="t", definition=jsontext.digest(DEFINITION), effect="read", effect_from="declared"
    )
    endpoint = Endpoint(
        description=None,
        strategy=Passthrough(),
        offers=(Offer(capability="s/tool/t", name="t", description=None, set={}, hide=()),),
        live=(),
    )
    plan = made.model_copy(update={"capabilities": {"s/tool/t": capability}, "endpoints": {"e": endpoint}})
    return seal(plan, {jsontext.digest(DEFINITION): DEFINITION}, {"server:s": ["mesh.yaml", 1, 2]})


def resealed(bundle, change):
    """The file of a plan that was changed and given matching digests: only its meaning is wrong."""
    ir = json.loads(json.loads(pack(bundle))["ir"])
    change(ir)
    text = jsontext.canonical(ir)
    return json.dumps({**json.loads(pack(bundle)), "ir": text, "digest": jsontext.digest(text)})


def test_what_is_packed_is_unpacked(bundle):
    assert unpack(pack(bundle)) == bundle


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda f: f | {"digest": "sha256:" + "0" * 64}, "digest"),
        (lambda f: f | {"ir": f["ir"].replace('"mesh":"m"', '"mesh":"n"')}, "digest"),
        (lambda f: f | {"definitions": {k: v.replace("t", "u") for k, v in f["definitions"].items()}}, "digest"),
        (lambda f: f | {"definitions": {}}, "incomplete"),
        (lambda f: f | {"format": "mesh.dev/plan/v2"}, "format"),
        (lambda f: f | {"extra": 1}, "malformed"),
        (lambda f: {k: v for k, v in f.items() if k != "ir"}, "malformed"),
        (lambda f: f | {"ir": 3}, "malformed"),
        (lambda _: [], "malformed"),
    ],
    ids=[
        "digest",
        "ir",
        "definition",
        "no definitions",
        "format",
        "extra part",
        "no ir",
        "ir of another type",
        "a list",
    ],
)
def test_damage_to_the_file_is_refused(bundle, change, code):
    with pytest.raises(PlanRefusedError) as refused:
        unpack(json.dumps(change(json.loads(pack(bundle)))))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda ir: ir.update(format=2), "format"),
        (lambda ir: ir.pop("format"), "format"),
        (lambda ir: ir.update(surprises={}), "shape"),
        (lambda ir: ir["servers"]["s"].update(surprise=True), "shape"),
        (lambda ir: ir["servers"]["s"].update(timeout_ms="1"), "shape"),
        (lambda ir: ir["servers"].clear(), "dangling"),
        (lambda ir: ir["endpoints"]["e"]["offers"][0].update(capability="s/tool/x"), "dangling"),
        (lambda ir: ir["access"]["grants"].append({"role": "r", "to": [["team:a"]], "expires": None, "delegated": "union"}), "dangling"),
        (lambda ir: ir["access"]["roles"].update(r=["nothing"]), "dangling"),
        (lambda ir: ir["access"]["rules"].update(r=RULE | {"when": True}), "expression"),
        (lambda ir: ir["access"]["rules"].update(r=RULE | {"when": ["exec", "rm"]}), "expression"),
    ],
    ids=["later format", "no format", "unknown part", "unknown field", "wrong type", "no server", "no capability", "no role", "no rule", "a constant for a condition", "an unknown operation"],
)  # fmt: skip
def test_a_plan_with_right_digests_and_wrong_meaning_is_refused(bundle, change, code):
    with pytest.raises(PlanRefusedError) as refused:
        unpack(resealed(bundle, change))
    assert refused.value.code == code


def test_every_truncation_is_refused(bundle):
    text = pack(bundle).rstrip("\n")
    for end in range(0, len(text), 37):
        with pytest.raises(PlanRefusedError):
            unpack(text[:end])


def test_a_plan_that_is_not_canonical_is_refused(bundle):
    file = json.loads(pack(bundle))
    spaced = json.dumps(json.loads(file["ir"]))
    with pytest.raises(PlanRefusedError) as refused:
        unpack(json.dumps(file | {"ir": spaced, "digest": jsontext.digest(spaced)}))
    assert refused.value.code == "canonical"


def test_the_schema_of_the_plan_accepts_it(bundle):
    import jsonschema
    import referencing

    from meshplan.schemas.plan import json_schema

    ir = json.loads(json.loads(pack(bundle))["ir"])
    validator = jsonschema.Draft202012Validator(json_schema(), registry=referencing.Registry())
    assert list(validator.iter_errors(ir)) == []
    assert list(validator.iter_errors(ir | {"surprise": 1}))
    assert Plan.model_validate_json(json.dumps(ir)) == bundle.plan
