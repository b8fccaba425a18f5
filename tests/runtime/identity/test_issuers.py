"""Keys of an issuer: found, kept, renewed, and not believed for ever."""

import anyio
import jwt
import pytest
from idp import EC, ED, RSA, RSA_OTHER, issuing, jwk

from meshplan.runtime.identity.issuers import MIN_GAP, REFRESH, STALE, Issuers, IssuerUnavailableError
from meshplan.runtime.identity.keys import read_keys
from meshplan.runtime.identity.token import RejectedError
from meshplan.runtime.identity.verifier import Verifier
from meshplan.runtime.principal import Keyring
from meshplan.schemas.plan import Identity, JwtIssuer

AUDIENCE = "https://mesh.example/mcp/dev"
ALL = ("ES256", "EdDSA", "PS256", "RS256")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Lab:
    """A verifier over one issuer, with a clock for the age of keys that tests move."""

    def __init__(self, idp, **more):
        self.idp, self.clock = idp, Clock()
        self.declared = JwtIssuer(url=idp.url, audience=None, algorithms=more.pop("algorithms", ALL), **more)
        self.keyring = Keyring(Identity(issuers={"corp": self.declared}, keys={}, local=None))
        self.issuers = Issuers(self.clock)
        self.verifier = Verifier(self.issuers)

    async def check(self, text, now=None):
        import time

        return await self.verifier.check(text, text, self.keyring, now or time.time())

    async def why(self, text):
        with pytest.raises(RejectedError) as caught:
            await self.check(text)
        return caught.value.why

    @property
    def health(self):
        return self.issuers.health(self.keyring.issuers)["corp"]


@pytest.fixture
async def lab():
    async with issuing() as idp:
        found = Lab(idp)
        yield found
        await found.issuers.aclose()


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(RSA, "RS256", "r"), (RSA, "PS256", "r"), (EC, "ES256", "e"), (ED, "EdDSA", "d")]
)
async def test_every_declared_algorithm_is_taken(lab, key, algorithm, kid):
    if algorithm == "PS256":
        lab.idp.keys = [{name: value for name, value in jwk(RSA, "r").items() if name != "alg"}]
    token = await lab.check(lab.idp.token(AUDIENCE, key=key, algorithm=algorithm, kid=kid, header={"typ": "at+jwt"}))
    assert (token.issuer, token.subject, token.audience) == (lab.idp.url, "7", {AUDIENCE})
    assert lab.idp.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_a_declared_place_of_keys_needs_no_discovery():
    async with issuing() as idp:
        lab = Lab(idp, jwks=f"{idp.url}/other-keys")
        await lab.check(idp.token(AUDIENCE))
        await lab.issuers.aclose()
    assert idp.asked == ["/other-keys"]


async def test_many_callers_ask_the_issuer_once(lab):
    tokens = [lab.idp.token(AUDIENCE, jti=str(number)) for number in range(20)]
    async with anyio.create_task_group() as group:
        for token in tokens:
            group.start_soon(lab.check, token)
    assert lab.idp.asked.count("/keys") == 1


async def test_a_rotated_key_is_found_at_once_and_strangers_cannot_make_us_ask_again(lab):
    await lab.check(lab.idp.token(AUDIENCE))
    lab.idp.keys = [jwk(RSA_OTHER, "new")]
    rotated = lab.idp.token(AUDIENCE, key=RSA_OTHER, kid="new")
    assert await lab.why(rotated) == "unknown_signing_key"
    lab.clock.now += MIN_GAP
    assert (await lab.check(rotated)).generation == 2
    asked = len(lab.idp.asked)
    for number in range(5):
        assert await lab.why(lab.idp.token(AUDIENCE, kid=f"guess-{number}")) == "unknown_signing_key"
    assert len(lab.idp.asked) == asked


async def test_many_callers_with_a_rotated_key_ask_the_issuer_once_and_all_get_in(lab):
    await lab.check(lab.idp.token(AUDIENCE))
    lab.idp.keys = [jwk(RSA_OTHER, "new")]
    lab.clock.now += MIN_GAP
    tokens = [lab.idp.token(AUDIENCE, key=RSA_OTHER, kid="new", jti=str(number)) for number in range(10)]
    async with anyio.create_task_group() as group:
        for token in tokens:
            group.start_soon(lab.check, token)
    assert lab.idp.asked.count("/keys") == 2


async def test_only_so_many_verified_tokens_are_remembered_and_the_oldest_go_first(lab, monkeypatch):
    monkeypatch.setattr("meshplan.runtime.identity.verifier.MAX_TOKENS", 2)
    texts = [lab.idp.token(AUDIENCE, jti=str(number)) for number in range(3)]
    oldest, *others = [await lab.check(text) for text in texts]
    assert [await lab.check(text) for text in texts[1:]] == others
    assert await lab.check(texts[2]) is others[1]
    assert await lab.check(texts[0]) is not oldest


async def test_a_verified_token_does_not_outlive_its_key(lab):
    old = lab.idp.token(AUDIENCE)
    first = await lab.check(old)
    assert await lab.check(old) is first
    lab.idp.keys = [jwk(RSA_OTHER, "new")]
    lab.clock.now += REFRESH
    await lab.issuers.refresh([lab.declared])
    assert await lab.why(old) == "unknown_signing_key"


async def test_a_verified_token_ends(lab):
    import time

    token = lab.idp.token(AUDIENCE)
    await lab.check(token)
    with pytest.raises(RejectedError, match="token_expired"):
        await lab.check(token, time.time() + 331)


async def test_keys_are_believed_for_a_while_when_the_issuer_is_down_and_then_not(lab):
    token = lab.idp.token(AUDIENCE)
    await lab.check(token)
    lab.idp.down = True
    lab.clock.now += REFRESH
    assert await lab.issuers.refresh([lab.declared]) == 1.0
    assert (lab.health.state, lab.health.error) == ("stale", "HTTP 503")
    await lab.check(token)
    lab.clock.now += STALE - REFRESH
    with pytest.raises(IssuerUnavailableError):
        await lab.check(token)
    assert lab.health.state == "unavailable"
    lab.idp.down = False
    lab.clock.now += 60
    await lab.check(token)
    assert lab.health.state == "ready"


async def test_an_issuer_that_is_down_is_asked_again_later_and_later(lab):
    lab.idp.down = True
    left = []
    for _ in range(4):
        with pytest.raises(IssuerUnavailableError):
            await lab.check(lab.idp.token(AUDIENCE))
        left.append(await lab.issuers.refresh([lab.declared]))
        lab.clock.now += left[-1]
    assert left == [1, 2, 4, 8]
    assert len(lab.idp.asked) == 4


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"metadata": {"issuer": "https://other.example"}}, "its metadata names another issuer"),
        ({"metadata": {"jwks_uri": "http://idp.example/keys"}}, "it is not an HTTPS URL"),
        ({"metadata": {"jwks_uri": "file:///etc/passwd"}}, "it is not an HTTPS URL"),
        ({"metadata": {"jwks_uri": 1}}, "its metadata names no `jwks_uri`"),
        ({"redirect": "/other-keys"}, "HTTP 302"),
        ({"body": b"x" * 300_000}, "more than 256 KiB"),
        ({"body": b"[]"}, "it is not a JSON object"),
        ({"body": b"<html>"}, "it is not JSON"),
        ({"body": b'{"keys": []}'}, "it holds no public key for signatures"),
        ({"body": b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "r"}]}'}, "it holds no public key for signatures"),
    ],
)
async def test_what_an_issuer_may_not_answer(change, error):
    async with issuing(**change) as idp:
        lab = Lab(idp)
        with pytest.raises(IssuerUnavailableError):
            await lab.check(idp.token(AUDIENCE))
        await lab.issuers.aclose()
    assert lab.health.error == error
    assert "/other-keys" not in idp.asked


def test_keys_that_sign_nothing_are_left_out():
    good = jwk(RSA, "good")
    private = {**jwk(RSA, "private"), "d": "AQAB"}
    bad = [jwk(RSA, "enc", use="enc"), jwk(RSA, "ops", key_ops=["encrypt"]), private, {"kty": "oct", "k": "AA"}, "x"]
    keys = read_keys({"keys": [good, *bad]}, None)
    assert [key["kid"] for key in keys.keys] == ["good"]
    assert read_keys({"keys": [good]}, keys) is keys


def test_two_keys_for_one_header_are_none():
    keys = read_keys({"keys": [jwk(RSA, "r"), jwk(RSA_OTHER, "r"), jwk(EC, "r")]}, None)
    assert keys.find("r", "RS256") is None
    assert keys.find(None, "RS256") is None
    assert keys.find("r", "ES256").key_type == "EC"


def test_a_short_rsa_key_is_no_key():
    from cryptography.hazmat.primitives.asymmetric import rsa

    short = jwt.get_algorithm_by_name("RS256").to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)
    assert read_keys({"keys": [short]}, None).find(None, "RS256") is None
