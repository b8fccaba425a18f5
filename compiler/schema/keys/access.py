"""Identity, roles, rules and grants."""

from __future__ import annotations

from typing import Any

_USER = ("One user, as the issuer or a key names them.", "ana")
_TEAM = ("One team.", "desk")
_AGENT = ("One agent.", "ci")
_APPLICATION = ("One application.", "portal")

KEYS: dict[str, tuple[Any, ...]] = {
    "Identity.issuers": ("Who vouches for callers.", {"corp": {"jwt": "https://idp.example"}}),
    "Identity.users": ("Users, and who names them.", {"issuer": "corp"}, {"named": ["ana"]}),
    "Identity.teams": (
        "Teams by name.",
        {"desk": {"issuer": "corp", "claim": "groups", "has": "desk"}, "platform": {}},
    ),
    "Identity.agents": ("Agents by name.", {"ci": {}, "copilot": {"issuer": "corp", "claim": "azp", "is": "copilot"}}),
    "Identity.applications": ("Applications by name.", {"portal": {"issuer": "corp", "claim": "azp", "is": "portal"}}),
    "Identity.keys": (
        "API keys by name, known only by their SHA-256.",
        {"nightly": {"sha256": "0" * 64, "agent": "ci"}},
    ),
    "Identity.local": ("What `mesh up` and `mesh stdio` prove on this machine.", {"teams": ["desk"]}),
    "Identity.exclusive": ("Subjects of which nobody has two.", [[{"team": "engineering"}, {"team": "contractors"}]]),
    "JwtIssuer.jwt": ("URL of the OpenID Connect issuer.", "https://idp.example"),
    "JwtIssuer.audience": ("Whom tokens must be for, where that is not the endpoint's own URL.", "mesh"),
    "JwtIssuer.jwks": ("Where the issuer's keys are, where it publishes no metadata.", "https://idp.example/keys"),
    "JwtIssuer.scopes": ("Scopes that every token must have.", ["mesh"]),
    "JwtIssuer.login": ("The mesh as its client, to learn who opens a link of the mesh.", {"client_id": "mesh"}),
    "Login.client_id": ("The mesh's name at the issuer.", "mesh"),
    "Login.client_secret": ("What proves it, where it is not a public client.", {"env": "MESH_AT_IDP"}),
    "JwtIssuer.algorithms": ("Signature algorithms that are taken.", ["RS256", "ES256"]),
    "ProxyIssuer.proxy_header": ("Header in which a trusted proxy names the client.", "X-Client-Subject"),
    "Subject.description": ("Who they are, for people.", "the support desk"),
    "Subject.issuer": ("Issuer whose tokens prove it; left out: only keys do.", "corp"),
    "Subject.claim": ("Claim of the token that is looked at.", "groups"),
    "Subject.has": ("Value that the claim, a list, must have among its items.", "desk"),
    "Subject.is": ("Value that the claim must equal.", "copilot-app"),
    "Users.issuer": ("Issuer that names users.", "corp"),
    "Users.claim": ("Claim that holds the user's name.", "sub", "email"),
    "Users.named": ("Users whom keys may assert.", ["ana"]),
    "Assertion.user": ("The user that is proved.", "ana"),
    "Assertion.teams": ("The teams that are proved.", ["desk"]),
    "Assertion.agent": ("The agent that is proved.", "ci"),
    "Assertion.application": ("The application that is proved.", "portal"),
    "KeyEntry.sha256": ("SHA-256 of the key's text, in hex.", "0" * 64),
    "KeyEntry.expires": ("Date on which the key ends.", "2027-01-01"),
    "Reach.server": ("Server or servers; left out: every server.", "notes", ["notes", "tickets"]),
    "Reach.tools": ("Tools: `all`, names and globs, or a filter by effect.", "all", ["get_*"], {"effect": "read"}),
    "Reach.prompts": ("Prompts: `all`, or names and globs.", "all", ["summarize_*"]),
    "Reach.resources": ("Resources: `all` that are locked, `live`, or URIs and globs.", "all", ["note://*"]),
    "Reach.templates": ("Resource templates: `all`, or URI templates and globs.", "all", ["note://{id}"]),
    "Reach.effect": ("Only capabilities with this effect.", "read", ["write", "destructive"]),
    "Reach.tag": ("Only capabilities with this tag.", "outbound"),
    "Reach.binding": ("Operations of this binding, and only calls by way of it.", "tickets"),
    "Reach.operations": ("Only these operations of the binding.", ["LIST", "GET"]),
    "Reach.workflow": ("This workflow.", "triage"),
    "RuleEntry.id": ("Name of the rule in the ledger and in `mesh why`; left out: a hash of the rule.", "own-issues"),
    "RuleEntry.endpoint": ("Only in this virtual MCP, or these.", "engineering", ["engineering", "desk"]),
    "RuleEntry.models": ("Only these models of a language-model binding.", ["gpt-*"]),
    "RuleEntry.when": ("Only calls for which this expression holds.", "args.owner == 'acme'"),
    "Role.description": ("What the role is for, for people.", "may look, may not touch"),
    "Role.extends": ("Roles whose rules are taken over.", ["reader"]),
    "Role.allow": ("What the role may reach.", [{"server": "notes", "tools": {"effect": "read"}}]),
    "Role.deny": ("What it may not; a deny wins over every allow.", [{"effect": "destructive"}]),
    "SubjectRef.user": _USER,
    "SubjectRef.team": _TEAM,
    "SubjectRef.agent": _AGENT,
    "SubjectRef.application": _APPLICATION,
    "SubjectRef.anyone": ("Every caller who is known.", "authenticated"),
    "GrantEntry.role": ("The role that is given.", "reader"),
    "GrantEntry.to": (
        "Who gets it; an entry with two keys means both together.",
        [{"team": "desk"}, {"user": "ana", "agent": "ci"}],
    ),
    "GrantEntry.expires": ("Date on which the grant ends.", "2027-03-31"),
    "GrantEntry.delegated": (
        "How a user who acts through an agent is judged: both must be allowed, or either.",
        "intersection",
        "union",
    ),
    "ByEffect.effect": ("Effect, or effects, of what is meant.", "read", ["read", "write"]),
}
