"""An issuer's word about who logged in counts only where it was given to us, for this very login."""

from datetime import UTC, datetime

import pytest
from idp import RSA_OTHER, issuing

from meshplan.runtime.identity.issuers import Issuers
from meshplan.runtime.identity.verifier import Verifier
from meshplan.runtime.principal import Keyring
from meshplan.runtime.signin.id_token import checked
from meshplan.runtime.signin.visit import PageError
from meshplan.schemas.plan import Identity, JwtIssuer, Login


async def subject(make):
    """What comes of the token that ``make`` gets from an issuer (and another one): a subject, or why not."""
    async with issuing() as idp, issuing() as other:
        login = Login(client_id="mesh", client_secret=None)
        declared = [JwtIssuer(url=one.url, audience=None, algorithms=("RS256",), login=login) for one in (idp, other)]
        keyring = Keyring(Identity(issuers={"corp": declared[0], "guild": declared[1]}, keys={}, local=None))
        issuers = Issuers()
        try:
            verifier, now = Verifier(issuers), datetime.now(UTC).timestamp()
            return (await checked(verifier, keyring, declared[0], make(idp, other), "n", now)).subject
        except PageError as error:
            return error
        finally:
            await issuers.aclose()


async def test_who_logged_in():
    assert await subject(lambda idp, _: idp.token("mesh", sub="ann", nonce="n")) == "ann"


@pytest.mark.parametrize(
    "make",
    [
        lambda idp, _: idp.token("mesh", nonce="other"),
        lambda idp, _: idp.token("mesh"),
        lambda idp, _: idp.token("portal", nonce="n"),
        lambda idp, _: idp.token(["mesh", "portal"], nonce="n"),
        lambda _, other: other.token("mesh", nonce="n"),
        lambda idp, _: idp.token("mesh", nonce="n", exp=1),
        lambda idp, _: idp.token("mesh", nonce="n", key=RSA_OTHER),
        lambda idp, _: idp.token("mesh", nonce="n", algorithm="PS256"),
        lambda *_: "",
    ],
    ids=[
        "another-nonce",
        "no-nonce",
        "another-client",
        "two-clients",
        "another-issuer",
        "ended",
        "another-key",
        "another-algorithm",
        "no-token",
    ],
)
async def test_any_other_word_is_refused(make):
    refused = await subject(make)
    assert isinstance(refused, PageError)
    assert (refused.status, refused.why) == (403, "sign_in_id_token")
