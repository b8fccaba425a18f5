"""The indexed decision against a plain definition, on random plans and principals."""

import json
import os
from collections import Counter
from datetime import date
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshplan.schemas import plan as p
from meshplan.schemas.decide import Decider, Principal, principal_value
from meshplan.schemas.expr import holds, load
from meshplan.schemas.globs import glob_match

TODAY = date(2026, 11, 22)
CAPABILITIES = [f"s/tool/t{i}" for i in range(4)]
SUBJECTS = ["user:u", "team:a", "team:b", "agent:g", "application:p"]
ENDPOINTS = ["e", "f"]
DIGEST = "sha256:" + "0" * 64


OWN = ["==", ["select", ["var", "args"], "owner"], ["select", ["var", "principal"], "user"]]
SENIOR = ["in", ["lit", "a"], ["select", ["var", "principal"], "teams"]]
FEW = ["<", ["select", ["var", "args"], "count"], ["lit", 3]]
BOTH = ["&&", FEW, SENIOR]
EITHER = ["||", ["!", ["has", ["var", "args"], "owner"]], OWN]
WHENS = [None, None, None, OWN, SENIOR, FEW, BOTH, EITHER]
ARGUMENTS = [None, {}, {"owner": "u", "count": 1}, {"owner": "v"}, {"count": 3}, {"count": "many", "owner": None}]
DECISIONS = int(os.environ.get("MESH_DECISIONS", "5000"))
"""How many (mesh, principal, call) triples are compared; `make decisions` compares 50,000."""
PRINCIPALS = 4
PER_WORLD = PRINCIPALS * len(ENDPOINTS) * len(CAPABILITIES) * len(ARGUMENTS)


def make_plan(rules, roles, grants, offers):
    return p.Plan(
        format=1,
        mesh="m",
        servers={"s": p.Server(transport=p.StdioTransport(argv=("x",), env={}, cwd="."), timeout_ms=1, relays=())},
        capabilities={
            c: p.Capability(
                server="s", kind="tool", name=c[-2:], definition=DIGEST, effect="read", effect_from="declared"
            )
            for c in CAPABILITIES
        },
        endpoints={
            name: p.Endpoint(
                description=None,
                strategy=p.Passthrough(),
                offers=tuple(p.Offer(capability=c, name=c[-2:], description=None, set={}, hide=()) for c in found),
                live=(),
            )
            for name, found in offers.items()
        },
        access=p.Access(rules=rules, roles=roles, grants=tuple(grants)),
        identity=p.Identity(keys={}, local=None),
        runtime=p.Settings(
            listen="127.0.0.1:0",
            public_url=None,
            allowed_origins=(),
            limits=p.Limits(body_bytes=1, concurrency_per_principal=1),
        ),
    )


def subsets(values, minimum=0):
    return st.lists(st.sampled_from(values), unique=True, min_size=minimum).map(lambda found: tuple(sorted(found)))


def rules_of(least):
    rule = st.builds(
        p.Rule,
        effect=st.sampled_from(["allow", "allow", "allow", "deny"]),
        covers=subsets(CAPABILITIES, least),
        live=st.just(()),
        endpoints=st.none() | subsets(ENDPOINTS, 1),
        when=st.sampled_from(WHENS),
    )
    return st.dictionaries(st.sampled_from([f"r{i}" for i in range(6)]), rule, min_size=least or 1)


@st.composite
def worlds(draw):
    """Sparse worlds, in which nearly everything is refused, and dense ones."""
    least = draw(st.sampled_from([0, 2, 2, 2]))
    rules = draw(rules_of(least))
    roles = draw(st.dictionaries(st.sampled_from(["x", "y", "z"]), subsets(sorted(rules), least), min_size=1))
    grant = st.builds(
        p.Grant,
        role=st.sampled_from(sorted(roles)),
        to=st.lists(subsets([*SUBJECTS, "anyone"], 1), min_size=least or 1, max_size=3).map(tuple),
        expires=st.sampled_from([None, None, "2026-11-22", "2026-11-23"]),
        delegated=st.sampled_from(["intersection", "intersection", "union"]),
    )
    grants = draw(st.lists(grant, min_size=least, max_size=4))
    offers = {name: draw(subsets(CAPABILITIES, least)) for name in ENDPOINTS}
    held = draw(st.lists(subsets(SUBJECTS, least), min_size=PRINCIPALS, max_size=PRINCIPALS))
    return make_plan(rules, roles, grants, offers), [Principal("i", "s", frozenset(subjects)) for subjects in held]


def plain(plan, endpoint, principal, capability, arguments):
    """The definition: offered; no matching deny; and an allow for the user's side and for the agent's."""
    if capability not in [offer.capability for offer in plan.endpoints[endpoint].offers]:
        return "not_offered"
    matching = []
    for grant in plan.access.grants:
        if grant.expires is not None and date.fromisoformat(grant.expires) <= TODAY:
            continue
        for conjunction in grant.to:
            if set(conjunction) <= principal.subjects | {"anyone"}:
                for rule_id in plan.access.roles[grant.role]:
                    rule = plan.access.rules[rule_id]
                    at = rule.endpoints is None or endpoint in rule.endpoints
                    if capability in rule.covers and at and says(rule, principal, arguments):
                        matching.append((rule.effect, grant.delegated, {s.split(":")[0] for s in conjunction}))
    if any(effect == "deny" for effect, _, _ in matching):
        return "denied_by_rule"
    kinds = {s.split(":")[0] for s in principal.subjects}
    for_user = [m for m in matching if m[1] == "union" or m[2] & {"user", "team"} or m[2] == {"anyone"}]
    for_agent = [m for m in matching if m[1] == "union" or m[2] & {"agent", "application"} or m[2] == {"anyone"}]
    if "user" in kinds and kinds & {"agent", "application"}:
        return "allowed" if for_user and for_agent else "no_allow"
    return "allowed" if matching else "no_allow"


def says(rule, principal, arguments):
    """What a condition says of a call: an error is on the side of refusing; what waits for arguments refuses nothing."""
    if rule.when is None:
        return True
    if arguments is None and '["var", "args"]' in json.dumps(rule.when):
        return rule.effect == "allow"
    value = holds(load(rule.when), {"args": arguments or {}, "principal": principal_value(principal)})
    return value is True or (rule.effect == "deny" and value is not False)


ASKED = Counter()


@settings(max_examples=-(-DECISIONS // PER_WORLD), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_the_index_agrees_with_the_definition(world):
    plan, principals = world
    decider = Decider(plan)
    for principal, endpoint in product(principals, ENDPOINTS):
        standing = decider.standing(principal, TODAY)
        seen = decider.visible(endpoint, principal, standing)
        for capability, arguments in product(CAPABILITIES, ARGUMENTS):
            verdict = decider.decide(endpoint, principal, standing, capability, arguments)
            assert verdict.code == plain(plan, endpoint, principal, capability, arguments)
            assert verdict.allowed == (verdict.code == "allowed")
            assert arguments is not None or verdict.allowed == (capability in seen)
            assert (verdict.rule is not None) == (verdict.code in ("allowed", "denied_by_rule"))
            ASKED[verdict.code] += 1


@pytest.mark.skipif(
    "MESH_DECISIONS" not in os.environ, reason="a few are asked in every run; `make decisions` asks all"
)
def test_as_many_were_asked_as_wanted():
    test_the_index_agrees_with_the_definition()
    print(f"{ASKED.total():,} decisions: {dict(ASKED)}")
    assert ASKED.total() >= DECISIONS
    assert min(ASKED[code] for code in ("allowed", "denied_by_rule", "no_allow", "not_offered")) > DECISIONS / 50


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("*", "", True), ("a*", "abc", True), ("a*", "ba", False), ("*_x", "get_x", True), ("a?c", "abc", True),
        ("a?c", "ac", False), ("[a]", "a", False), ("a.c", "abc", False), ("Get", "get", False), ("*a*b*", "xxaxxbxx", True),
        ("note://*", "note://a/b", True), ("", "", True), ("", "a", False),
    ],
)  # fmt: skip
def test_globs_have_two_wildcards_and_no_other_magic(pattern, text, matches):
    assert glob_match(pattern, text) is matches


def test_a_glob_cannot_be_made_slow():
    assert glob_match("*a" * 50 + "b", "a" * 5000) is False


def judged(effect, when, arguments, subjects=("user:u", "team:b")):
    """One conditional rule beside one plain allow (for a deny), for one principal."""
    rules = {"r": p.Rule(effect=effect, covers=(CAPABILITIES[0],), live=(), endpoints=None, when=when)}
    if effect == "deny":
        rules["all"] = rules["r"].model_copy(update={"effect": "allow", "when": None})
    grant = p.Grant(role="x", to=(("user:u",),), expires=None, delegated="intersection")
    plan = make_plan(rules, {"x": tuple(sorted(rules))}, [grant], {"e": (CAPABILITIES[0],), "f": ()})
    decider, principal = Decider(plan), Principal("i", "s", frozenset(subjects))
    standing = decider.standing(principal, TODAY)
    verdict = decider.decide("e", principal, standing, CAPABILITIES[0], arguments)
    assert (CAPABILITIES[0] in decider.visible("e", principal, standing)) == decider.decide(
        "e", principal, standing, CAPABILITIES[0]
    ).allowed
    return verdict.code


@pytest.mark.parametrize(
    ("effect", "when", "arguments", "code"),
    [
        ("allow", OWN, {"owner": "u"}, "allowed"),
        ("allow", OWN, {"owner": "v"}, "no_allow"),
        ("allow", OWN, {}, "no_allow"),  # an error does not match an allow
        ("allow", OWN, None, "allowed"),  # some arguments are allowed, so it is listed
        ("deny", OWN, {"owner": "u"}, "denied_by_rule"),
        ("deny", OWN, {"owner": "v"}, "allowed"),
        ("deny", OWN, {}, "denied_by_rule"),  # an error matches a deny
        ("deny", OWN, None, "allowed"),
        ("allow", SENIOR, None, "no_allow"),  # what depends on the principal alone is decided for lists, too
        ("deny", SENIOR, None, "allowed"),
    ],
)
def test_conditions_decide(effect, when, arguments, code):
    assert judged(effect, when, arguments) == code


def test_conditions_on_the_principal_filter_lists():
    assert judged("allow", SENIOR, None, ("user:u", "team:a")) == "allowed"
    assert judged("deny", SENIOR, None, ("user:u", "team:a")) == "denied_by_rule"
