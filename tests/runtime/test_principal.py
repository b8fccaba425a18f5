"""Keys with their expiry, and what the claims of an issuer prove."""

import hashlib
from datetime import UTC, datetime

import pytest

from meshplan.runtime.identity.token import RejectedError, Token
from meshplan.runtime.principal import LOCAL, Bearer, Keyring, Vouched, is_loopback
from meshplan.schemas.plan import Claim, Identity, JwtIssuer, Key, ProxyIssuer, UserClaim

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TOP = hashlib.sha256(b"top").hexdigest()
CORP = JwtIssuer(url="https://idp.example", audience=None, algorithms=("RS256",), scopes=("mesh",))
RESOURCE = "https://mesh.example/mcp/dev"


def keyring(expires=None, local=None, exclusive=()):
    key = Key(sha256=TOP, subjects=("team:a", "team:b"), expires=expires)
    claims = (
        Claim(subject="team:eng", issuer="corp", claim="groups", test="has", value="eng"),
        Claim(subject="agent:copilot", issuer="corp", claim="azp", test="is", value="copilot"),
        Claim(subject="team:other", issuer="other", claim="groups", test="has", value="eng"),
        Claim(subject="agent:robot", issuer="edge", claim="sub", test="is", value="CN=robot"),
    )
    issuers = {"corp": CORP, "edge": ProxyIssuer(header="X-Subject")}
    users = UserClaim(issuer="corp", claim="email")
    return Keyring(
        Identity(keys={"ci": key}, local=local, issuers=issuers, users=users, claims=claims, exclusive=exclusive)
    )


def bearer(resource=RESOURCE, **more):
    claims = {"scope": "mesh other", **more.pop("claims", {})}
    given = {
        "issuer": CORP.url, "subject": "7", "audience": frozenset({RESOURCE}), "algorithm": "RS256",
        "expires": NOW.timestamp() + 60, "starts": 0.0, "generation": 1, "claims": claims, "text": "",
    }  # fmt: skip
    return Bearer(Token(**{**given, **more}), resource)


def why(ring, credential):
    with pytest.raises(RejectedError) as caught:
        ring.judge(credential, NOW)
    assert ring.principal(credential, NOW) is None
    return caught.value.why


def test_a_key_proves_its_subjects():
    principal = keyring().judge(TOP, NOW)
    assert (principal.issuer, principal.sub, principal.subjects) == ("key", "ci", {"team:a", "team:b"})


@pytest.mark.parametrize(("expires", "valid"), [("2026-05-02", True), ("2026-05-01", False), ("2026-04-01", False)])
def test_a_key_ends_when_its_day_begins(expires, valid):
    if valid:
        assert keyring(expires).judge(TOP, NOW).sub == "ci"
    else:
        assert why(keyring(expires), TOP) == "key_expired"


@pytest.mark.parametrize("digest", ["", "top", LOCAL, hashlib.sha256(b"Top").hexdigest(), TOP.upper()])
def test_anything_else_proves_nothing(digest):
    assert why(keyring(), digest) in ("unknown_key", "no_local_profile")


def test_a_user_acts_through_an_agent_where_the_claims_say_both():
    found = keyring().judge(bearer(claims={"email": "ana@x", "groups": ["eng", "x"], "azp": "copilot"}), NOW)
    assert found.subjects == {"user:ana@x", "team:eng", "agent:copilot"}
    assert found.delegated
    assert (found.issuer, found.sub) == (CORP.url, "7")


@pytest.mark.parametrize(
    "claims",
    [
        {"groups": "eng"},
        {"groups": "eng ext"},
        {"groups": {"eng": True}},
        {"groups": [["eng"]]},
        {"groups": ["Eng", "eng ", "engineering", None, 1]},
        {"azp": ["copilot"]},
        {"email": ["ana"]},
        {"email": ""},
        {"teams": ["eng"], "team": "eng", "subjects": ["team:eng"]},
    ],
)
def test_values_that_nobody_declared_prove_nothing(claims):
    assert keyring().judge(bearer(claims=claims), NOW).subjects == frozenset()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"issuer": "https://idp.example/"}, "unknown_issuer"),
        ({"algorithm": "ES256"}, "algorithm_not_allowed"),
        ({"audience": frozenset({RESOURCE + "/"})}, "wrong_audience"),
        ({"resource": None}, "wrong_audience"),
        ({"claims": {"scope": "mes"}}, "insufficient_scope"),
        ({"expires": NOW.timestamp() - 31}, "token_expired"),
        ({"starts": NOW.timestamp() + 31}, "token_not_yet_valid"),
    ],
)
def test_a_token_that_the_plan_does_not_take(wrong, reason):
    assert why(keyring(), bearer(**wrong)) == reason


def test_what_a_proxy_vouches_for_is_a_principal_of_its_own():
    found = keyring().judge(Vouched("edge", "CN=robot"), NOW)
    assert (found.issuer, found.sub, found.subjects) == ("proxy:edge", "CN=robot", {"agent:robot"})
    assert why(keyring(), Vouched("corp", "CN=robot")) == "unknown_issuer"


def test_nobody_has_two_subjects_that_exclude_each_other():
    ring = keyring(exclusive=((("team:a",), ("team:b",)),))
    assert why(ring, TOP) == "exclusive_subjects"
    assert keyring(exclusive=((("team:a",), ("team:eng",)),)).judge(TOP, NOW)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost.evil", False),
        ("", False),
        ("0.0.0.0", False),
    ],
)
def test_loopback(host, loopback):
    assert is_loopback(host) is loopback
