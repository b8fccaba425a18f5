"""The few pages that a browser is shown: no scripts, nothing from elsewhere, every value escaped."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Final

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1rem;color:#1c1c1c}"
    "h1{font-size:1.3rem}code{background:#eee;padding:0 .3em}"
    "a.go,button{display:inline-block;margin:1rem 0;padding:.6rem 1.2rem;border:0;border-radius:.3rem;font:inherit;"
    "background:#1a5fb4;color:#fff;text-decoration:none;cursor:pointer}"
    "input{font:inherit;width:100%;padding:.5rem;box-sizing:border-box}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
    # Stricter, and browsers would not say where a form was sent from.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Sent with every page, so that nothing runs in it, nobody frames it, and nothing of it is kept or told to others."""


def consent(mesh: str, server: str, who: str, issuer: str, url: str) -> bytes:
    """Leads to the authorization server of a server, for somebody who is known."""
    return _page(
        f"Sign in to {server}",
        f"<p>You are <code>{escape(who)}</code> at the mesh <code>{escape(mesh)}</code>. Go on, and "
        f"<code>{escape(issuer)}</code> asks you whether the mesh may call <code>{escape(server)}</code> for you, "
        "and for nobody else.</p><p>If you did not ask for this a moment ago, or if that is not you, close this page.</p>"
        f'<a class="go" href="{escape(url)}" rel="noreferrer">Go on to {escape(issuer)}</a>',
    )


def proof(server: str, ticket: str) -> bytes:
    """Asks for the secret that the caller calls with."""
    return _page(
        f"Sign in to {server}",
        "<p>This link was made for one caller of the mesh. Prove that this is you, with the API key or the local "
        "secret that your client calls the mesh with. Never enter one that somebody sent you: what you sign in to would "
        "be theirs.</p>"
        '<form method="post"><input type="password" name="secret" autocomplete="off" autofocus required>'
        f'<input type="hidden" name="ticket" value="{escape(ticket)}"><button>This is me</button></form>',
    )


def done(server: str) -> bytes:
    """The end."""
    return _page(f"You are signed in to {server}", "<p>Go back to your client. You can close this page.</p>")


def refused(why: str) -> bytes:
    """Why it does not go on."""
    return _page("This did not work", f"<p>{escape(why)}</p>")


def _page(title: str, body: str) -> bytes:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1>{body}</html>\n"
    ).encode()
