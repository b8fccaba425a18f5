"""MESH4xx: roles, rules and grants."""

from __future__ import annotations

from meshplan.compiler.rules.model import Rule

_ROLES = "roles:\n  reader:\n    allow: [{server: notes, tools: {effect: read}}]\n"
_GRANTS = "grants:\n  - {role: reader, to: [{team: writers}]}\n"

RULES = (
    Rule(
        "MESH401",
        "role-cycle",
        "roles extend each other in a circle",
        "What a role holds would depend on itself.",
        _ROLES + "    extends: [writer]\n  writer:\n    extends: [reader]\n",
        _ROLES,
    ),
    Rule(
        "MESH402",
        "duplicate-rule-id",
        "two rules of a role have the same id",
        "The ledger and `mesh why` name rules by id; two of them would be told apart by nothing.",
        "roles:\n  reader:\n    allow:\n      - {id: a, server: notes, tools: {effect: read}}\n      - {id: a, server: notes, prompts: all}\n",
        _ROLES,
    ),
    Rule(
        "MESH403",
        "duplicate-rule",
        "a role says the same thing twice",
        "One of the two can be removed or was meant to say something else.",
        "roles:\n  reader:\n    allow:\n      - {server: notes, tools: {effect: read}}\n      - {tools: {effect: read}, server: notes}\n",
        _ROLES,
        level="warning",
    ),
    Rule(
        "MESH404",
        "grant-to-nobody",
        "an entry of a grant names nobody",
        "It would match every caller or none; neither is said.",
        "grants:\n  - {role: reader, to: [{team: writers}, {}]}\n",
        _GRANTS,
    ),
    Rule(
        "MESH405",
        "dead-rule",
        "an allow covers nothing that any endpoint offers",
        "It gives nothing, and reads as if it did.",
        "roles:\n  reader:\n    allow: [{server: notes, tools: {effect: read}}, {server: notes, tools: [delete_note]}]\n",
        _ROLES,
        level="warning",
    ),
    Rule(
        "MESH406",
        "unused-role",
        "a role is never granted",
        "Its rules are never decisive.",
        _ROLES + "  writer:\n    allow: [{server: notes, tools: [list_notes]}]\n",
        _ROLES,
        level="warning",
    ),
    Rule(
        "MESH407",
        "expired",
        "a key or a grant has ended",
        "It is enforced as ended; the file still reads as if it gave access.",
        "grants:\n  - {role: reader, to: [{team: writers}]}\n  - {role: reader, to: [{team: writers}], expires: 2020-01-01}\n",
        _GRANTS,
        level="warning",
    ),
    Rule(
        "MESH408",
        "models-without-binding",
        "`models` stands in a rule that names no binding",
        "Models are named by calls of a language-model binding; elsewhere there is nothing to compare.",
        "roles:\n  reader:\n    allow: [{server: notes, tools: {effect: read}, models: ['gpt-*']}]\n",
        _ROLES,
    ),
    Rule(
        "MESH409",
        "claim-incomplete",
        "a subject's claim says too little or too much",
        "A subject is proved by one claim of one issuer, or asserted by keys.",
        "identity:\n  issuers: {corp: {jwt: 'https://idp.example'}}\n  teams: {writers: {issuer: corp, claim: groups}}\n",
        "identity:\n  issuers: {corp: {jwt: 'https://idp.example'}}\n"
        "  teams: {writers: {issuer: corp, claim: groups, has: writers}}\n",
    ),
    Rule(
        "MESH420",
        "unusable-issuer",
        "an issuer can vouch for nobody",
        "The runtime would refuse each of its callers, and the mesh reads as if it let them in.",
        "identity:\n  teams: {writers: {}}\n  issuers: {corp: {jwt: 'http://idp.example'}}\n",
        "identity:\n  teams: {writers: {}}\n  issuers: {corp: {jwt: 'https://idp.example'}}\n",
    ),
    Rule(
        "MESH421",
        "no-way-to-a-token",
        "a server's token could never be got",
        "Each call of the server would be refused for want of it.",
        "servers:\n  notes:\n    http: https://notes.example/mcp\n"
        "    auth: {oauth: {client_id: mesh, client_secret: {env: NOTES}}}\n",
        "servers:\n  notes:\n    http: https://notes.example/mcp\n"
        "    auth: {oauth: {token_url: 'https://idp.example/token', client_id: mesh, client_secret: {env: NOTES}}}\n",
    ),
    Rule(
        "MESH422",
        "caller-cannot-sign-in",
        "callers of an issuer cannot sign in to a server that wants each of them to",
        "Whoever opens a link to sign in must be proved to be the caller that it was made for, or somebody else's consent "
        "could be had by sending them one.",
        "servers:\n  notes:\n    http: https://notes.example/mcp\n"
        "    auth: {per_user: {issuer: 'https://auth.example', client_id: mesh}}\n"
        "runtime: {sign_ins: {path: ./sign-ins}, seal_keys: [{env: SEAL}]}\n"
        "identity:\n  teams: {writers: {}}\n  issuers: {corp: {jwt: 'https://idp.example'}}\n",
        "servers:\n  notes:\n    http: https://notes.example/mcp\n"
        "    auth: {per_user: {issuer: 'https://auth.example', client_id: mesh}}\n"
        "runtime: {sign_ins: {path: ./sign-ins}, seal_keys: [{env: SEAL}]}\n"
        "identity:\n  teams: {writers: {}}\n"
        "  issuers: {corp: {jwt: 'https://idp.example', login: {client_id: mesh}}}\n",
        level="warning",
    ),
)
