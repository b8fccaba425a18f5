"""Issuers that could vouch for nobody: the runtime would refuse each of their callers."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from meshplan.compiler.diagnostics import Diagnostic
from meshplan.compiler.draft import Draft
from meshplan.compiler.marks import locate
from meshplan.compiler.rules import report
from meshplan.compiler.syntax.identity import JwtIssuer, ProxyIssuer
from meshplan.compiler.syntax.settings import Runtime


def unusable_issuers(draft: Draft) -> list[Diagnostic]:
    """One finding an issuer: the first thing that makes it useless."""
    if draft.mesh is None or draft.root is None:
        return []
    found: list[Diagnostic] = []
    for name, issuer in draft.mesh.identity.issuers.items():
        wrong = _wrong(issuer, draft.mesh.runtime)
        if wrong is not None:
            key, message, way_out = wrong
            span = locate(draft.root, ("identity", "issuers", name, key)).value_span()
            found.append(report("unusable-issuer", span, message, help=way_out))
    return found


def _wrong(issuer: JwtIssuer | ProxyIssuer, runtime: Runtime) -> tuple[str, str, str] | None:
    """The key at fault, what is wrong, and the way out."""
    if isinstance(issuer, ProxyIssuer):
        if runtime.trusted_proxies:
            return None
        said = "no proxy is trusted, so this header is refused whoever sends it"
        return "proxy_header", said, "declare the proxy's address in `runtime.trusted_proxies`"
    for key, url in (("jwt", issuer.jwt), ("jwks", issuer.jwks)):
        if url is not None and not is_safe(url):
            return key, "keys are asked for over HTTPS only", "write an `https` URL"
    if issuer.audience is None and runtime.public_url is None and not is_loopback(runtime.listen.rpartition(":")[0]):
        said = "no token can be for an endpoint whose URL is not known"
        return "jwt", said, "declare `runtime.public_url`, or the issuer's `audience`"
    return None


def is_safe(url: str) -> bool:
    """Whether an issuer may be asked there: over HTTPS, or on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
