"""An issuer that really listens on 127.0.0.1: metadata and keys over HTTP, and tokens signed as a test asks for."""

import base64
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from sites import listening

RSA, RSA_OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
ALGORITHMS = {"RS256": RSA, "PS256": RSA, "ES256": EC, "EdDSA": ED}


def jwk(key, kid, **more):
    name = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}[_family(key)]
    return {**jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


def _family(key):
    return (
        "RSA" if isinstance(key, rsa.RSAPrivateKey) else "EC" if isinstance(key, ec.EllipticCurvePrivateKey) else "OKP"
    )


def part(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


@dataclass
class Idp:
    """What the issuer answers, all of it changeable by a test, and what it was asked."""

    url: str = ""
    keys: list = field(default_factory=lambda: [jwk(RSA, "r"), jwk(EC, "e"), jwk(ED, "d")])
    metadata: dict | None = None
    down: bool = False
    redirect: str | None = None
    body: bytes | None = None
    asked: list = field(default_factory=list)

    async def __call__(self, scope, receive, send):
        path = scope["path"]
        self.asked.append(path)
        status, headers, body = 200, [(b"content-type", b"application/json")], b""
        if self.down:
            status = 503
        elif self.redirect and path == "/keys":
            status, headers = 302, [(b"location", self.redirect.encode())]
        elif path == "/.well-known/openid-configuration":
            body = json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **(self.metadata or {})}).encode()
        elif path in ("/keys", "/other-keys"):
            body = self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()
        else:
            status = 404
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def claims(self, audience, **more):
        now = int(time.time())
        made = {"iss": self.url, "sub": "7", "aud": audience, "iat": now, "exp": now + 300, **more}
        return {name: value for name, value in made.items() if value is not None}

    def token(self, audience, *, key=RSA, algorithm="RS256", kid="r", header=None, **claims):
        """A token; a claim of ``None`` is left out."""
        headers = {"kid": kid, **(header or {})} if kid is not None else dict(header or {})
        return jwt.encode(self.claims(audience, **claims), key, algorithm=algorithm, headers=headers)


@asynccontextmanager
async def issuing(**more):
    """An issuer that answers until the context ends."""
    idp = Idp(**more)
    async with listening(idp) as port:
        idp.url = f"http://127.0.0.1:{port}"
        yield idp
