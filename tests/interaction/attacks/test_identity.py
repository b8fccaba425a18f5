"""Attacks on who the caller is: each is refused before any upstream hears of it, and recorded once with its reason."""

import base64
import json
import time

import jwt
import pytest
from ground import PATHS, PUBLIC, RESOURCE, Attack, battleground, bearer, by_legacy
from idp import EC, RSA, RSA_OTHER, jwk, part
from sites import request


def good(ground):
    return ground.bearer()


def key(name):
    return lambda _: bearer(f"secret-{name}")


def token(audience=RESOURCE, **more):
    return lambda ground: ground.bearer(audience, **more)


def unsigned(algorithm, signature=""):
    """A token that claims an algorithm and carries no signature of it."""

    def make(ground):
        claims = ground.idp.claims(RESOURCE, groups=["eng"])
        return bearer(f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'r'})}.{part(claims)}.{signature}")

    return make


def with_the_public_key_as_secret(form):
    """HS256 with what everybody can read as the secret (CVE-2015-9235)."""
    import hashlib
    import hmac

    def make(ground):
        from cryptography.hazmat.primitives import serialization as s

        public = RSA.public_key()
        secret = {
            "pem": lambda: public.public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo),
            "der": lambda: public.public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo),
            "jwk": lambda: json.dumps(jwk(RSA, "r")).encode(),
        }[form]()
        claims = ground.idp.claims(RESOURCE, groups=["eng"])
        signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'r'})}.{part(claims)}"
        return bearer(f"{signed}.{part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}")

    return make


def changed(change):
    """A good token whose claims were changed after it was signed."""

    def make(ground):
        head, claims, signature = ground.token(groups=["x"]).split(".")
        padded = claims + "=" * (-len(claims) % 4)
        return bearer(f"{head}.{part(change(json.loads(base64.urlsafe_b64decode(padded))))}.{signature}")

    return make


def raw(text):
    return lambda ground: [("authorization", text.format(token=ground.token(), key="secret-ann"))]


def also(*more):
    return lambda ground: [*ground.bearer(), *more]


def by_hand(**header):
    """A token that is signed well, with header members that a library would not write."""

    def make(ground):
        claims = ground.idp.claims(RESOURCE, groups=["eng"])
        signed = f"{part({'alg': 'RS256', 'typ': 'JWT', 'kid': 'r', **header})}.{part(claims)}"
        return bearer(f"{signed}.{part(jwt.get_algorithm_by_name('RS256').sign(signed.encode(), RSA))}")

    return make


def scoped(scope, audience="guild", **more):
    return lambda ground: bearer(ground.scoped.token(audience, **{"scope": scope, "groups": ["eng"], **more}))


def foreign(**more):
    return lambda ground: bearer(ground.foreign.token(RESOURCE, groups=["eng"], **more))


def in_the_name_of_corp(**more):
    """Signed with a key of the attacker's, claiming to come from the declared issuer."""
    return lambda ground: ground.bearer(key=RSA_OTHER, **more)


def pointing(member):
    """A header that says where to look for the key: the attacker's own place."""

    def make(ground):
        mine = jwk(RSA_OTHER, "mine")
        value = mine if member == "jwk" else f"{ground.foreign.url}/keys"
        ground.foreign.keys = [mine]
        return ground.bearer(key=RSA_OTHER, kid="mine", header={member: value})

    return make


INITIALIZE = request(
    "initialize",
    {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
)
CALL = request("tools/call", {"name": "get_note", "arguments": {}})
now = int(time.time())
REJECTED = [
    ("expired", token(exp=now - 31), token(exp=now + 3600), "token_expired"),
    ("expired long ago", token(exp=1), good, "token_expired"),
    ("expires before it was issued", token(iat=now - 500, exp=now - 400), good, "token_expired"),
    ("not yet valid", token(nbf=now + 3600), token(nbf=now - 1), "token_not_yet_valid"),
    ("issued in the future", token(iat=now + 3600, exp=now + 7200), good, "token_not_yet_valid"),
    ("no expiry", token(exp=None), good, "claim_missing:exp"),
    ("expiry as text", token(exp="9999999999"), good, "claim_of_wrong_type"),
    ("expiry is true", token(exp=True), good, "claim_of_wrong_type"),
    ("no subject", token(sub=None), good, "claim_missing:sub"),
    ("empty subject", token(sub=""), good, "claim_of_wrong_type"),
    ("no audience", lambda g: bearer(g.idp.token(None, groups=["eng"])), good, "claim_missing:aud"),
    ("audience of another endpoint", token(f"{PUBLIC}/mcp/ops"), good, "wrong_audience"),
    ("audience of the whole mesh", token(PUBLIC), good, "wrong_audience"),
    ("audience with a slash more", token(RESOURCE + "/"), good, "wrong_audience"),
    ("audience with a letter in upper case", token(RESOURCE.upper()), good, "wrong_audience"),
    ("audience of another host", token("https://mesh.example.evil.example/mcp/dev"), good, "wrong_audience"),
    ("audience as one text of many", token(f"{RESOURCE} x"), token([RESOURCE, "x"]), "wrong_audience"),
    ("audience list without ours", token(["a", "b"]), token(["a", RESOURCE]), "wrong_audience"),
    ("audience shared by another issuer", token("guild"), scoped("a b"), "wrong_audience"),
    ("our URL at an issuer with a shared audience", scoped("a b", RESOURCE), scoped("b a"), "wrong_audience"),
    ("wrong issuer, signed by itself", foreign(), good, "unknown_issuer"),
    ("issuer with a slash more", lambda g: g.bearer(iss=g.idp.url + "/"), good, "unknown_issuer"),
    ("issuer in upper case", lambda g: g.bearer(iss=g.idp.url.upper()), good, "unknown_issuer"),
    ("another declared issuer's name", lambda g: bearer(g.idp.token("guild", iss=g.scoped.url, kid="z")),
     scoped("a b"), "unknown_signing_key"),
    ("a foreign key in the name of the issuer", in_the_name_of_corp(), good, "bad_signature"),
    ("a foreign key with a kid of its own", in_the_name_of_corp(kid="mine"), good, "unknown_signing_key"),
    ("a foreign key without a kid", in_the_name_of_corp(kid=None), good, "bad_signature"),
    ("kid of a key of another kind", token(kid="e"), token(kid="r"), "unknown_signing_key"),
    ("kid as a path", in_the_name_of_corp(kid="../../../../dev/null"), good, "unknown_signing_key"),
    ("kid as SQL", in_the_name_of_corp(kid="' UNION SELECT 'x"), good, "unknown_signing_key"),
    ("jku", pointing("jku"), good, "unknown_signing_key"),
    ("x5u", pointing("x5u"), good, "unknown_signing_key"),
    ("jwk in the header", pointing("jwk"), good, "unknown_signing_key"),
    ("alg none", unsigned("none"), good, "algorithm_not_allowed"),
    ("alg None", unsigned("None"), good, "algorithm_not_allowed"),
    ("alg nOnE", unsigned("nOnE"), good, "algorithm_not_allowed"),
    ("alg empty", unsigned(""), good, "algorithm_not_allowed"),
    ("RS256 with an empty signature", unsigned("RS256"), good, "bad_signature"),
    ("ES256 with a signature of zeros", lambda g: bearer(
        jwt.encode(g.idp.claims(RESOURCE), EC, "ES256", {"kid": "e"}).rpartition(".")[0] + "." + part(bytes(64))),
     token(key=EC, algorithm="ES256", kid="e"), "bad_signature"),
    ("HS256 with the public key, PEM", with_the_public_key_as_secret("pem"), good, "algorithm_not_allowed"),
    ("HS256 with the public key, DER", with_the_public_key_as_secret("der"), good, "algorithm_not_allowed"),
    ("HS256 with the public key, JWK", with_the_public_key_as_secret("jwk"), good, "algorithm_not_allowed"),
    ("an algorithm that this issuer does not use", lambda g: bearer(
        g.scoped.token("guild", key=EC, algorithm="ES256", kid="e", scope="a b", groups=["eng"])),
     scoped("a b"), "algorithm_not_allowed"),
    ("claims changed after signing", changed(lambda claims: {**claims, "groups": ["eng"]}), good, "bad_signature"),
    ("critical extension", token(header={"crit": ["exp"], "exp": 1}), good, "not_a_token"),
    ("detached payload", by_hand(b64=True, crit=["b64"]), good, "token_extension"),
    ("a token of another type", token(header={"typ": "logout+jwt"}), token(header={"typ": "at+jwt"}), "token_type"),
    ("a proof of possession as a token", token(header={"typ": "dpop+jwt"}), good, "token_type"),
    ("three parts of nothing", lambda _: bearer("a.b.c"), good, "not_a_token"),
    ("a token in five parts", lambda g: bearer(g.token() + ".x.y"), good, "unknown_key"),
    ("a token cut short", lambda g: bearer(g.token()[:-6]), good, "bad_signature"),
    ("key expired", key("old"), key("far"), "key_expired"),
    ("unknown key", key("nobody"), key("ann"), "unknown_key"),
    ("the hash of a key", lambda g: bearer(next(iter(g.site.active.snapshot.plan.identity.keys.values())).sha256),
     key("ann"), "unknown_key"),
    ("key in upper case", lambda _: bearer("SECRET-ANN"), key("ann"), "unknown_key"),
    ("key with subjects that exclude each other", key("both"), key("ann"), "exclusive_subjects"),
    ("claims that exclude each other", token(groups=["eng", "sales"]), good, "exclusive_subjects"),
    ("the word local", lambda _: bearer("local"), key("ann"), "unknown_key"),
    ("another scheme", raw("Basic {key}"), raw("bearer {key}"), "not_a_bearer_token"),
    ("no scheme", raw("{key}"), raw("BEARER {key}"), "not_a_bearer_token"),
    ("a tab after the scheme", raw("Bearer\t{key}"), raw("Bearer  {key}"), "not_a_bearer_token"),
    ("two tokens in one header", raw("Bearer {key}, Bearer {key}"), raw("Bearer {key}"), "unknown_key"),
    ("a token behind a key", raw("Bearer {key} {token}"), raw("Bearer {token}"), "not_a_token"),
    ("an empty token", raw("Bearer"), raw("Bearer {key}"), "not_a_bearer_token"),
    ("a token beyond all bounds", lambda _: bearer("x" * 16_385), key("ann"), "not_a_bearer_token"),
    ("no credential", lambda _: [], good, "no_credential"),
    ("the credential in another header", lambda g: [("proxy-authorization", g.bearer()[0][1])], good, "no_credential"),
    ("the credential in a cookie", lambda g: [("cookie", f"access_token={g.token()}")], good, "no_credential"),
    ("the credential in x-api-key", lambda _: [("x-api-key", "secret-ann")], key("ann"), "no_credential"),
]  # fmt: skip
MALFORMED = [
    ("two Authorization headers", lambda g: [*g.bearer(), *bearer("secret-ann")], good, "repeated_header", "invalid"),
    ("the same Authorization twice", lambda g: [*g.bearer(), *g.bearer()], good, "repeated_header", "invalid"),
    ("a proxy's header from a stranger", lambda _: [("x-client-subject", "CN=robot")], good,
     "proxy_header_from_stranger", "unauthenticated"),
    ("a proxy's header in other case", lambda _: [("X-CLIENT-Subject", "CN=robot")], good,
     "proxy_header_from_stranger", "unauthenticated"),
    ("a proxy's header beside a token", also(("x-client-subject", "CN=robot")), good,
     "proxy_header_from_stranger", "unauthenticated"),
    ("an empty proxy's header", also(("x-client-subject", "")), good, "proxy_header_from_stranger", "unauthenticated"),
    ("a stranger who says that a proxy sent him",
     lambda _: [("x-client-subject", "CN=robot"), ("x-forwarded-for", "10.1.1.1"), ("forwarded", "for=10.1.1.1")],
     also(("x-forwarded-for", "10.1.1.1")), "proxy_header_from_stranger", "unauthenticated"),
]  # fmt: skip
UNGRANTED = [
    ("key of another team", key("eve"), key("ann")),
    ("a group that nobody declared", token(groups=["admins", "everyone"]), good),
    ("group as text", token(groups="eng"), token(groups=["eng"])),
    ("groups in one text", token(groups="eng sales"), good),
    ("group in an object", token(groups={"eng": True}), good),
    ("group in a nested list", token(groups=[["eng"]]), good),
    ("group by another claim", token(groups=[], roles=["eng"], team="eng", teams=["eng"]), good),
    ("group in a nested claim", token(groups=[], realm_access={"groups": ["eng"]}), good),
    ("group with a blank", token(groups=["eng ", " eng"]), good),
    ("group with a look-alike", token(groups=["\u0435ng"]), good),
    ("group in upper case", token(groups=["ENG"]), good),
    ("a subject spelled out", token(groups=["team:eng"], subjects=["team:eng"], team=["team:eng"]), good),
    ("user by sub", token(groups=[], sub="ann@acme.example"), token(groups=[], email="ann@acme.example")),
    ("user as a list", token(groups=[], email=["ann@acme.example"]), token(groups=[], email="ann@acme.example")),
    ("user with a blank", token(groups=[], email="ann@acme.example "), token(groups=[], email="ann@acme.example")),
    ("an agent without standing for an engineer", token(email="x@acme.example", azp="copilot"),
     token(email="x@acme.example")),
    ("what another issuer's claims prove", scoped("a b", email="ann@acme.example", groups=None), scoped("a b")),
]  # fmt: skip
ATTACKS = [
    *(Attack(name, attack, twin, reason) for name, attack, twin, reason in REJECTED),
    *(Attack(name, attack, twin, reason, 400, outcome) for name, attack, twin, reason, outcome in MALFORMED),
    *(Attack(name, attack, twin, "no_allow", 200, "denied") for name, attack, twin in UNGRANTED),
    Attack("a scope less", scoped("a"), scoped("a b"), "insufficient_scope", 403),
    Attack("scopes in one word", scoped("a,b"), scoped("b c a"), "insufficient_scope", 403),
    Attack("no scope", scoped(None), scoped(["a", "b"][0] + " b"), "insufficient_scope", 403),
    Attack("token in the query", lambda _: [], good, "token_in_query", 400, query="?access_token=secret-ann"),
    Attack("token in the query, too", good, good, "token_in_query", 400, query="?x=1&Access_Token=secret-ann"),
    Attack("token in the query, escaped", good, good, "token_in_query", 400, query="?access%5Ftoken=x"),
]


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
async def ground(anyio_backend):
    async with battleground() as found:
        yield found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("row", ATTACKS, ids=str)
async def test_an_attack_is_refused_and_its_twin_is_not(ground, row, path):
    ground.forget()
    refused = await PATHS[path](ground, row.attack(ground), row.query)
    assert ground.calls == 0
    assert ground.refusals == [(row.outcome, row.reason)]
    if row.status == 200:
        assert refused.json()["error"]["data"]["reason"] == "not_available"
    else:
        assert refused.status_code == row.status
    ground.forget()
    permitted = await PATHS[path](ground, row.twin(ground))
    assert permitted.status_code == 200, permitted.text
    assert permitted.json()["result"]
    assert (ground.calls, ground.refusals) == (1, [])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scope", ["a", "b", None])
async def test_a_token_without_a_scope_is_told_every_scope_that_its_issuer_must_give(ground, scope, path):
    refused = await PATHS[path](ground, scoped(scope)(ground))
    where = f"{PUBLIC}/.well-known/oauth-protected-resource/mcp/dev"
    assert refused.status_code == 403
    assert refused.headers["www-authenticate"] == (
        f'Bearer error="insufficient_scope", resource_metadata="{where}", scope="a b"'
    )


@pytest.mark.parametrize("row", [row for row in ATTACKS if row.status == 401], ids=str)
async def test_a_stranger_cannot_use_the_session_of_another(ground, row):
    opened = await ground.post(INITIALIZE, good(ground))
    session = [("mcp-session-id", opened.headers["mcp-session-id"])]
    ground.forget()
    refused = await ground.post(CALL, row.attack(ground), more=session)
    assert (refused.status_code, ground.refusals) == (401, [("unauthenticated", row.reason)])
    assert ground.calls == 0
    assert (await ground.post(CALL, good(ground), more=session)).json()["result"]


@pytest.mark.parametrize(
    "other",
    [
        key("ann"),
        token(sub="8"),
        token(sub="key:ann"),
        lambda g: bearer(g.scoped.token("guild", scope="a b", groups=["eng"])),
        lambda g: g.bearer(sub="7 "),
    ],
    ids=["a key", "another subject", "a subject that looks like a key", "the same subject elsewhere", "a blank more"],
)
async def test_a_session_is_for_whoever_opened_it(ground, other):
    opened = await ground.post(INITIALIZE, good(ground))
    session = [("mcp-session-id", opened.headers["mcp-session-id"])]
    ground.forget()
    for message in (CALL, request("tools/list")):
        assert (await ground.post(message, other(ground), more=session)).status_code == 404
    assert ground.calls == 0
    assert (await ground.post(CALL, good(ground), more=session)).json()["result"]


@pytest.mark.parametrize("path", PATHS)
async def test_no_key_of_the_issuer_means_neither_yes_nor_no(path):
    async with battleground() as ground:
        ground.idp.down = True
        refused = await PATHS[path](ground, good(ground))
        assert (refused.status_code, refused.json()["error"]["data"]["reason"]) == (503, "issuer_unavailable")
        assert (ground.calls, ground.refusals) == (0, [("unauthenticated", "issuer_unavailable")])
        for other in (key("ann")(ground), scoped("a b")(ground)):
            assert (await PATHS[path](ground, other)).json()["result"]
        health = ground.site.front.verifier.issuers.health(ground.site.active.snapshot.keyring.issuers)
        assert {name: state.state for name, state in health.items()} == {"corp": "unavailable", "guild": "ready"}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("attack", "reason", "status"),
    [
        ([("x-client-subject", "CN=robot"), *bearer("secret-ann")], "two_credentials", 400),
        ([("x-client-subject", "CN=robot"), ("x-client-subject", "CN=other")], "repeated_header", 400),
        ([("x-client-subject", "")], "proxy_header_unusable", 400),
        ([("x-client-subject", "x" * 600)], "proxy_header_unusable", 400),
        ([("x-client-subject", "CN=other")], "no_allow", 200),
        ([("x-client-subject", "CN=robot,CN=other")], "no_allow", 200),
        ([("x-client-subject", "cn=robot")], "no_allow", 200),
        ([], "no_credential", 401),
    ],
)
async def test_a_trusted_proxy_names_one_client(attack, reason, status, path):
    async with battleground(proxies=("127.0.0.0/8",)) as ground:
        refused = await PATHS[path](ground, attack)
        assert (400 if reason == "no_allow" and path == "fast" else status) == refused.status_code
        assert ground.calls == 0
        assert [why for _, why in ground.refusals] == [reason]
        ground.forget()
        for twin in ([("x-client-subject", "CN=robot")], bearer("secret-ann")):
            assert (await PATHS[path](ground, twin)).json()["result"]


async def test_the_callers_own_headers_go_no_further(ground):
    ground.forget()
    assert (await by_legacy(ground, [*good(ground), ("cookie", "session=1")])).json()["result"]
    [seen] = ground.upstreams.servers["notes"].requests
    assert ground.token().split(".")[0] not in str(seen)
    assert "session=1" not in str(seen)
