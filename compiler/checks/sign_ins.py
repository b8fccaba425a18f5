"""Tokens that could never be got: an authorization server that is not named well, or a sign-in that nobody could finish."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from meshplan.compiler.checks.issuers import is_loopback, is_safe
from meshplan.compiler.diagnostics import Diagnostic, Path
from meshplan.compiler.draft import Draft
from meshplan.compiler.marks import locate
from meshplan.compiler.rules import report
from meshplan.compiler.syntax.auth import AuthorizationCode, ClientCredentials, OAuth, PerUser
from meshplan.compiler.syntax.identity import JwtIssuer
from meshplan.compiler.syntax.mesh import Mesh
from meshplan.compiler.syntax.servers import HttpServer, OpenApiServer

_Wrong = tuple[Path, str, str]
"""The path at fault, what is wrong, and the way out."""


def impossible_sign_ins(draft: Draft) -> list[Diagnostic]:
    """One finding a server: the first thing for which it would never get a token."""
    if draft.mesh is None or draft.root is None:
        return []
    found: list[Diagnostic] = []
    for name, server in draft.mesh.servers.items():
        auth = server.auth if isinstance(server, HttpServer | OpenApiServer) else None
        wrong = next(_wrong(("servers", name, "auth"), auth, draft.mesh), None)
        if wrong is not None:
            path, message, way_out = wrong
            found.append(report("no-way-to-a-token", locate(draft.root, path).value_span(), message, help=way_out))
    return found


def callers_without_login(draft: Draft) -> list[Diagnostic]:
    """One warning an issuer whose users could not sign in to the servers that want each to."""
    mesh, root = draft.mesh, draft.root
    wanting = sorted(name for name, server in mesh.servers.items() if _per_user(server)) if mesh is not None else []
    if mesh is None or root is None or not wanting:
        return []
    return [
        report(
            "caller-cannot-sign-in",
            locate(root, ("identity", "issuers", name, "jwt")).value_span(),
            f"callers of this issuer cannot sign in to `{wanting[0]}`, since nothing proves who opens a link",
            help="register the mesh at the issuer, and declare it: `login: {client_id: NAME}`",
        )
        for name, issuer in mesh.identity.issuers.items()
        if isinstance(issuer, JwtIssuer) and issuer.login is None
    ]


def _per_user(server: object) -> bool:
    return isinstance(server, HttpServer | OpenApiServer) and isinstance(server.auth, PerUser)


def _wrong(path: Path, auth: object, mesh: Mesh) -> Iterator[_Wrong]:
    match auth:
        case OAuth():
            yield from _own_token((*path, "oauth"), auth.oauth)
        case PerUser():
            yield from _callers_token((*path, "per_user"), auth.per_user, mesh)
        case _:
            return


def _own_token(path: Path, given: ClientCredentials) -> Iterator[_Wrong]:
    if (given.token_url is None) == (given.issuer is None):
        said = "says neither" if given.token_url is None else "says both"
        yield path, f"{said} where tokens are got and which issuer knows that", "write `token_url` or `issuer`"
    if given.issuer is not None and not is_safe(given.issuer):
        yield (*path, "issuer"), "an issuer is asked over HTTPS only", "write an `https` URL"


def _callers_token(path: Path, given: AuthorizationCode, mesh: Mesh) -> Iterator[_Wrong]:
    runtime = mesh.runtime
    if not is_safe(given.issuer):
        yield (*path, "issuer"), "an issuer is asked over HTTPS only", "write an `https` URL"
    yield from _own_name(path, given, runtime.public_url)
    if runtime.sign_ins is None:
        way_out = "declare a folder: `runtime: {sign_ins: {path: ./sign-ins}}`"
        yield path, "there is no place to keep what callers are given", way_out
    if not runtime.seal_keys:
        way_out = "declare one by reference: `runtime: {seal_keys: [{file: /run/secrets/mesh-seal}]}`"
        yield path, "there is no key to seal what callers are given with", way_out
    if runtime.public_url is None and not is_loopback(runtime.listen.rpartition(":")[0]):
        yield path, "nobody could come back to a mesh whose URL is not known", "declare `runtime.public_url`"
    elif runtime.public_url is not None and not is_safe(runtime.public_url):
        way_out = "write an `https` URL in `runtime.public_url`"
        yield path, "a sign-in would come back over plain HTTP", way_out


def _own_name(path: Path, given: AuthorizationCode, public_url: str | None) -> Iterator[_Wrong]:
    """The mesh's name at the authorization server: declared, or got by a registration."""
    if (given.client_id is None) == (given.registration is None):
        said = "says neither" if given.client_id is None else "says both"
        way_out = "write `client_id`, or `registration: either` where the mesh is to register itself"
        yield path, f"{said} which client the mesh is and how it gets registered", way_out
    if given.registration is not None and given.client_secret is not None:
        way_out = "leave it out: a registration brings its own"
        yield (*path, "client_secret"), "a client that registers itself has no declared secret", way_out
    if given.registration == "metadata" and urlsplit(public_url or "").scheme != "https":
        way_out = "declare an `https` URL in `runtime.public_url`, or write `registration: dynamic`"
        yield (*path, "registration"), "a metadata document is read over HTTPS only, from the mesh's own URL", way_out
