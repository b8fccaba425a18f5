"""MESH5xx: expressions, bindings and workflows, prices and budgets."""

from __future__ import annotations

from meshplan.compiler.rules.model import Rule

_ROLES = 'roles:\n  reader:\n    allow: [{{server: notes, tools: [{tools}], when: "{when}"}}]\n'
_DENY = 'roles:\n  reader:\n    allow: [{{server: notes, tools: {{effect: read}}}}]\n    deny: [{{server: notes, tools: [{tools}], when: "{when}"}}]\n'
_GOOD = _ROLES.format(tools="get_note", when="args.id > 0")
_MAPPED = (
    "bindings:\n  docs:\n    contract: collection/v1\n    as: doc\n    provider: notes\n    map:\n"
    "      LIST: {tool: list_notes, in: {limit: args.limit}, out: {items: result.notes}}\n"
    "      GET: {tool: get_note, in: {id: int(args.id)}, out: {item: result}}\n"
)
_STEPS = (
    "workflows:\n  sum:\n    input: {type: object, properties: {id: {type: integer}}, required: [id]}\n    steps:\n"
    "      - {name: note, call: notes.get_note, with: {id: input.id}}\n    output: steps.note\n"
)
_PRICES = "prices:\n  notes.search: {input_tokens: 3.00 usd/1M, max_per_call: 0.50 usd}\n"
_BUDGETS = "budgets:\n  month: {of: {team: writers}, limit: 500 usd, per: month}\n"
_LEDGER = "runtime: {ledger: {path: ./ledger}}\n"

RULES = (
    Rule(
        "MESH501",
        "expression",
        "an expression is malformed or does not type-check",
        "A condition that fails at run time denies; the compiler says so before anybody is locked out.",
        _ROLES.format(tools="get_note", when="args.id > 'one'"),
        _GOOD,
    ),
    Rule(
        "MESH502",
        "expression-field",
        "an expression names an argument or field that does not exist",
        "Reading what is not there is an error at run time, and an error in a condition denies.",
        _ROLES.format(tools="get_note", when="args.idd > 0"),
        _GOOD,
    ),
    Rule(
        "MESH503",
        "expression-unguarded",
        "an expression reads an optional argument without asking whether it is there",
        "Where the caller leaves it out, reading it is an error: an allow then does not match, and a deny does.",
        _ROLES.format(tools="list_notes", when="args.limit < 100"),
        _ROLES.format(tools="list_notes", when="has(args.limit) && args.limit < 100"),
        level="warning",
    ),
    Rule(
        "MESH504",
        "expression-doubtful",
        "an expression is always the same, compares with a value that never occurs, or may fail",
        "It compiles, and hardly says what was meant.",
        _ROLES.format(tools="get_note", when="true"),
        _GOOD,
        level="warning",
    ),
    Rule(
        "MESH505",
        "condition-narrows",
        "a condition names an argument that some of the rule's tools do not have",
        "An allow does not cover those tools, although its selector names them.",
        _ROLES.format(tools="get_note, search", when="args.id > 0"),
        _GOOD,
        level="warning",
    ),
    Rule(
        "MESH506",
        "deny-unguarded",
        "a deny's condition names an argument that some of its tools do not have",
        "For those an error in the condition denies every call, which is hardly meant.",
        _DENY.format(tools="get_note, search", when="args.id > 0"),
        _DENY.format(tools="get_note", when="args.id > 0"),
    ),
    Rule(
        "MESH511",
        "operation-missing",
        "a binding does not map an operation that its contract needs",
        "Whoever relies on the contract would find it missing at run time.",
        "bindings:\n  docs:\n    contract: collection/v1\n    as: doc\n    provider: notes\n    map:\n"
        "      GET: {tool: get_note, in: {id: int(args.id)}, out: {item: result}}\n",
        _MAPPED,
    ),
    Rule(
        "MESH512",
        "argument-missing",
        "a required argument is not given",
        "The call would be refused by the server every time.",
        _STEPS.replace(", with: {id: input.id}", ""),
        _STEPS,
    ),
    Rule(
        "MESH513",
        "field-missing",
        "a field that the contract promises is not mapped",
        "Callers rely on it whoever provides it.",
        _MAPPED.replace(
            "LIST: {tool: list_notes, in: {limit: args.limit}, out: {items: result.notes}}",
            "LIST: {tool: list_notes, in: {limit: args.limit}, out: {total: '3'}}",
        ),
        _MAPPED,
    ),
    Rule(
        "MESH514",
        "duplicate-step",
        "two steps of a workflow have the same name",
        "`steps.NAME` would mean either.",
        _STEPS.replace("    output", "      - {name: note, call: notes.list_notes}\n    output"),
        _STEPS,
    ),
    Rule(
        "MESH521",
        "priced-twice",
        "a tool has two prices",
        "Which one is charged would depend on their order.",
        _PRICES + "  notes.sear*: {per_call: 1.00 usd}\n",
        _PRICES,
    ),
    Rule(
        "MESH522",
        "mixed-currencies",
        "amounts in different currencies meet",
        "There is no exchange rate in a reviewed file.",
        _PRICES.replace("0.50 usd", "0.50 eur"),
        _PRICES,
    ),
    Rule(
        "MESH523",
        "unbounded-cap",
        "a hard cap has nothing to reserve by",
        "A cap holds only if the most that one call can cost is set aside before it.",
        _PRICES.replace(", max_per_call: 0.50 usd", "") + _BUDGETS,
        _PRICES + _BUDGETS + _LEDGER,
    ),
    Rule(
        "MESH524",
        "budget-scope",
        "a budget has two scopes",
        "`of` is one counter for a set of principals, `each` is one counter for everybody.",
        _BUDGETS.replace("limit: 500 usd", "each: user, limit: 10 calls"),
        _BUDGETS.replace("500 usd", "10 calls") + _LEDGER,
    ),
    Rule(
        "MESH525",
        "forgotten-cap",
        "a restart would forget what was spent of a cap",
        "Spending is the sum of the ledger's entries. Without one, whoever restarts the runtime spends the cap again.",
        _BUDGETS,
        _BUDGETS + _LEDGER,
    ),
    Rule(
        "MESH526",
        "no-room",
        "a budget never lets a call through",
        "A call sets aside the most that it can cost, as often as it may be tried, before it leaves.",
        _PRICES + _BUDGETS.replace("500 usd", "0.10 usd") + _LEDGER,
        _PRICES + _BUDGETS + _LEDGER,
        level="warning",
    ),
    Rule(
        "MESH531",
        "duplicate-name",
        "two things of a kind have the same name",
        "One of them would be judged or shown in the other's place.",
        "invariants:\n"
        "  - {name: a, never: {who: {team: writers}, reach: {server: notes, effect: destructive}}}\n"
        "  - {name: a, never: {who: anyone, reach: {server: notes, effect: destructive}}}\n",
        "",
    ),
    Rule(
        "MESH532",
        "selector-matches-nothing",
        "a selector of an invariant matches no capability",
        "The invariant would hold whatever the mesh became.",
        "invariants:\n  - {name: a, never: {who: anyone, reach: {server: notes, tools: [get_note], effect: destructive}}}\n",
        "",
    ),
    Rule(
        "MESH533",
        "invariant-broken",
        "somebody can reach what an invariant says is never reached",
        "The invariant was agreed on for good; no plan is made that breaks it.",
        "invariants:\n  - {name: a, never: {who: {team: writers}, reach: {server: notes, tools: [get_note]}}}\n",
        "invariants:\n  - {name: a, never: {who: {team: writers}, reach: {effect: destructive}}}\n",
        guard=True,
    ),
    Rule(
        "MESH534",
        "invariant-not-proved",
        "an invariant has too many combinations to try",
        "What is not proved is not taken for true.",
        "",
        "",
        guard=True,
    ),
    Rule(
        "MESH535",
        "exclusive-together",
        "one credential proves subjects that exclude each other",
        "Invariants rely on nobody holding both.",
        "identity:\n  teams: {writers: {}, guests: {}}\n  exclusive: [[{team: writers}, {team: guests}]]\n"
        "  local: {teams: [writers, guests]}\n",
        "identity:\n  teams: {writers: {}, guests: {}}\n  exclusive: [[{team: writers}, {team: guests}]]\n"
        "  local: {teams: [writers]}\n",
    ),
    Rule(
        "MESH541",
        "include-cycle",
        "files include each other in a circle",
        "What the mesh is would depend on where one starts to read.",
        "include: [parts/*.yaml]\n#@ parts/a.yaml\ninclude: [a.yaml]\n",
        "include: [parts/*.yaml]\n#@ parts/a.yaml\nmoved: []\n",
    ),
    Rule(
        "MESH542",
        "include-missing",
        "an include matches no file",
        "What it should bring is not there.",
        "include: [parts/*.yaml]\n",
        "include: [parts/*.yaml]\n#@ parts/a.yaml\nmoved: []\n",
    ),
    Rule(
        "MESH543",
        "bad-parameter",
        "a parameter's value is missing or not of its type",
        "Without a value there is nothing to put in its place.",
        "parameters: {region: {type: enum, values: [eu, us], default: mars}}\n",
        "parameters: {region: {type: enum, values: [eu, us], default: eu}}\n",
    ),
    Rule(
        "MESH544",
        "unknown-environment",
        "an environment is asked for that is not declared",
        "Compiling another one than was meant is how a test setup reaches production.",
        "#env prd\n#+ sections\nenvironments: {prod: {}}\n",
        "#env prod\n#+ sections\nenvironments: {prod: {}}\n",
    ),
)
