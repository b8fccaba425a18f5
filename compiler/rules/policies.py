"""MESH6xx: policies; those of the built-in pack, and one code for all that are the user's own."""

from __future__ import annotations

from meshplan.compiler.diagnostics import Severity
from meshplan.compiler.rules.model import Rule

_USE = "policies: {use: [builtin/safe-defaults]}\n"
_BUDGET = "budgets:\n  burst: {each: user, limit: 60 calls, per: minute}\n"
_SERVERS = "servers:\n  notes: {stdio: [%s]}\n"
_HTTP = "servers:\n  notes: {http: '%s://notes.example/mcp'}\n"
_TAGS = "servers:\n  notes:\n    stdio: [python, notes.py]\n    tags: {private-data: [get_note], untrusted-content: [search], outbound: [%s]}\n"
_ROLE = "roles:\n  reader:\n    allow: [{server: notes, tools: {effect: read}}]\n"
_OWN = "policies: {files: [own.yaml]}\n#@ own.yaml\npolicies:\n  - name: few-tools\n    for: endpoint\n    require: endpoint.tools <= %d\n    says: has too many tools\n"
_HIDDEN = (
    "servers:\n  notes: {{stdio: [python, notes.py]}}\n  {0}: {{stdio: [python, {0}.py]}}\n"
    "virtual:\n  desk: {{include: [{{server: notes, tools: {{effect: read}}}}, {{server: {0}, tools: all}}]}}\n"
    "roles:\n  reader: {{allow: [{{server: [notes, {0}], tools: {{effect: read}}}}]}}\n"
)


def _policy(code: str, slug: str, summary: str, why: str, bad: str, good: str, level: Severity = "warning") -> Rule:
    rest = "" if "budgets:" in bad else _BUDGET
    return Rule(code, slug, summary, why, _USE + rest + bad, _USE + rest + good, level, guard=True)


RULES = (
    _policy(
        "MESH641",
        "https-only",
        "a server that is not on this machine is reached without https",
        "Whoever is on the way reads the credentials and answers in the server's name.",
        _HTTP % "http",
        _HTTP % "https",
        "error",
    ),
    _policy(
        "MESH642",
        "pinned-packages",
        "a server is started from a package or an image that is not pinned",
        "What is started tomorrow is not what was reviewed today.",
        _SERVERS % "npx, -y, notes-mcp",
        _SERVERS % "python, notes.py",
        "error",
    ),
    _policy(
        "MESH643",
        "no-wildcard-to-danger",
        "an allow with a wildcard takes in tools that change something",
        "Tools that the server adds are allowed as soon as they are locked, whatever they destroy.",
        "virtual:\n  desk: {include: [{server: notes, tools: all}]}\nroles:\n  reader: {allow: [{server: notes, tools: all}]}\n",
        _ROLE,
    ),
    _policy(
        "MESH645",
        "locked-packages",
        "the lock does not record what is in a package",
        "A registry, or whoever took it over, can serve other contents under the same version.",
        _SERVERS % "npx, -y, notes-mcp@1.2.3",
        _SERVERS % "python, notes.py",
    ),
    _policy(
        "MESH646",
        "budget-for-everybody",
        "somebody is granted a role and has no budget",
        "An agent in a loop stops at a budget, or not at all.",
        "budgets: {}\n",
        _BUDGET,
    ),
    _policy(
        "MESH647",
        "no-hidden-characters",
        "a description has characters that nobody sees",
        "Models read what reviewers do not: hidden characters carry instructions past a review.",
        _HIDDEN.format("hidden"),
        _HIDDEN.format("plain"),
        "error",
    ),
    _policy(
        "MESH648",
        "no-instructions-in-descriptions",
        "a description speaks to the model rather than about the tool",
        "That is how tools are poisoned. It is a heuristic: it knows some turns of phrase, in English.",
        _HIDDEN.format("bossy"),
        _HIDDEN.format("plain"),
    ),
    _policy(
        "MESH649",
        "no-lethal-trifecta",
        "one endpoint has private data, untrusted content and a way out",
        "Whoever writes the untrusted content can have the model carry the private data out.",
        _TAGS % "list_notes",
        _TAGS % "create_note",
        "error",
    ),
    _policy(
        "MESH650",
        "no-orphaned-roles",
        "a role is extended only by roles that nobody is granted",
        "It reads as if it gave access. A role that nothing extends is `MESH406`.",
        _ROLE
        + '  base:\n    allow: [{server: notes, tools: [search]}]\n  unused:  # mesh: ignore[MESH406] reason="kept" until=2027-01-31\n    extends: [base]\n',
        _ROLE
        + '    extends: [base]\n  base:\n    allow: [{server: notes, prompts: all}]  # mesh: ignore[MESH405] reason="to come" until=2027-01-31\n',
    ),
    _policy(
        "MESH651",
        "no-shadowed-rules",
        "a rule never decides because of another one of its role",
        "Whoever edits it will think that it does something.",
        _ROLE
        + "    deny: [{server: notes, tools: [search, get_note, list_notes]}]\n  other:\n    allow: [{server: notes, tools: [get_note]}]\n"
        "grants:\n  - {role: reader, to: [{team: writers}]}\n  - {role: other, to: [{team: writers}]}\n",
        _ROLE,
    ),
    Rule(
        "MESH698",
        "exception-idle",
        "an exception of a policy excepts nothing",
        "It would silently let pass what comes later.",
        "policies:\n  use: [builtin/safe-defaults]\n  except: [{policy: https-only, at: 'server:notes', reason: gone, until: 2027-01-31}]\n"
        + _BUDGET,
        _USE + _BUDGET,
        level="warning",
    ),
    Rule(
        "MESH699",
        "own-policy",
        "a policy of your own has something against the mesh",
        "The file of the policy says why.",
        _OWN % 1,
        _OWN % 9,
        level="warning",
        guard=True,
    ),
)
