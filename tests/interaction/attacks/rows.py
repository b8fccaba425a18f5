"""The attacks on access, as rows: what is tried, its permitted neighbour, and what must be recorded of it."""

from collections.abc import Callable
from dataclasses import dataclass

ALL = ("fast", "legacy", "stdio", "stdio-modern")
HTTP = ("fast",)
SESSIONS = ("legacy", "stdio")


@dataclass(frozen=True)
class Row:
    """``change`` alters the text of the attack, ``headers`` its head (``None`` leaves one out)."""

    name: str
    method: str
    attack: dict
    twin: dict
    reason: str
    outcome: str = "denied"
    paths: tuple[str, ...] = ALL
    change: Callable[[str], str] | None = None
    headers: dict | None = None

    def __str__(self):
        return self.name.replace(" ", "-")


def called(name, arguments=None):
    return {"name": name, "arguments": {} if arguments is None else arguments}


GET = called("get_note", {"id": "1"})
NAMES = {
    "the upstream's own name": "get",
    "the key of the capability": "web/tool/get",
    "server and name with a dot": "web.get",
    "server and name with an underscore": "web_get",
    "server and name with a slash": "web/get",
    "the name at another endpoint": "read_note",
    "what another endpoint offers": "purge",
    "a way through another endpoint": "ops/purge",
    "the upstream's name of what another endpoint offers": "web/tool/wipe",
    "a capital letter": "Get_note",
    "capital letters": "GET_NOTE",
    "a Cyrillic letter": "g\u0435t_note",
    "a Greek letter": "get_n\u03bfte",
    "a letter of full width": "\uff47et_note",
    "an underscore of full width": "get\uff3fnote",
    "a mathematical letter": "get_not\U0001d41e",
    "a subscript": "get_n\u2092te",
    "a combining mark": "get_note\u0301",
    "a blank of no width": "get_\u200bnote",
    "a joiner": "get_\u200dnote",
    "a soft hyphen": "get_\u00adnote",
    "a byte order mark": "\ufeffget_note",
    "the other direction": "\u202eget_note",
    "a NUL at the end": "get_note\x00",
    "a NUL in between": "get_note\x00.wipe",
    "a blank in front": " get_note",
    "a blank behind": "get_note ",
    "a no-break space": "get_note\u00a0",
    "a line end": "get_note\n",
    "a tab": "get_note\t",
    "a star": "*",
    "a glob": "get_*",
    "a percent sign": "get%5Fnote",
    "a path": "get_note/../wipe",
    "no letters": "",
    "a name without end": "get_note" * 2_000,
    "a prototype": "__proto__",
    "a dunder": "__class__",
}
UNGRANTED = {
    "not granted": ("wipe", "no_allow"),
    "grant that expired": ("lapsed", "no_allow"),
    "denied by rule": ("drop", "denied_by_rule"),
}
OWNERS = {
    "another text": "evil",
    "capitals": "ACME",
    "a blank": "acme ",
    "a NUL": "acme\x00",
    "a look-alike": "\u0430cme",
    "a number": 1,
    "a list": ["acme"],
    "an object": {"acme": "acme"},
    "true": True,
    "null": None,
    "a big number": 10**40,
}
AMOUNTS = {
    "more": 101,
    "more, as a float": 101.0,
    "a bit more": 100.5,
    "the biggest": 2**63 - 1,
    "beyond 64 bits": 2**63,
    "far beyond": 10**40,
    "far below": -(10**40),
    "text": "50",
    "empty text": "",
    "null": None,
    "true": True,
    "a list": [50],
    "an object": {"amount": 50},
}
LABELS = {"the word": "secret", "more": "secrets", "a number": 5, "null": None, "a list": ["x"], "true": True}
TAKEN = {
    "a hidden argument": {"milestone": "1"},
    "a hidden argument that is null": {"milestone": None},
    "a set argument": {"owner": "evil"},
    "a set argument with its own value": {"owner": "acme"},
    "a hidden argument in capitals": {"MILESTONE": "1"},
    "a set argument in other case": {"Owner": "evil"},
    "a set argument with a long s": {"owner\u017f": "evil"},
    "a hidden argument with a dotless i": {"m\u0131lestone": "1"},
    "an argument that nobody declared": {"admin": "1"},
    "a hidden argument with a blank of no width": {"mile\u200bstone": "1"},
    "an argument in two cases": {"title": "a", "Title": "b"},
    "a prototype": {"__proto__": {"owner": "evil"}},
}
SHAPES = {"a list": [], "text": "{}", "a number": 1, "true": True, "a list of pairs": [["id", "1"]]}
TYPES = {"a number": 1, "null": None, "a list": ["get_note"], "an object": {"name": "get_note"}, "true": True}


def _mistyped(what, method, attack, twin):
    """Where a header repeats the name, it cannot agree with what is no text; null is as good as absent."""
    rest = ALL if None in attack.values() else ("legacy", "stdio", "stdio-modern")
    yield Row(what, method, attack, twin, "invalid_params", "invalid", rest)
    if rest != ALL:
        yield Row(what, method, attack, twin, "header_mismatch", "invalid", HTTP)


def _tools():
    for what, name in NAMES.items():
        yield Row(f"tool by {what}", "tools/call", called(name), GET, "no_such_name")
    for what, (name, reason) in UNGRANTED.items():
        yield Row(f"tool {what}", "tools/call", called(name), GET, reason)
    for what, name in TYPES.items():
        yield from _mistyped(f"tool name is {what}", "tools/call", {"name": name}, GET)
    yield Row("tool changed since review", "tools/call", called("odd"), GET, "quarantined", "quarantined")
    for what, arguments in TAKEN.items():
        twin = called("open_issue", {"title": "t"})
        yield Row(
            f"call with {what}", "tools/call", called("open_issue", arguments), twin, "invalid_arguments", "invalid"
        )
    for what, arguments in SHAPES.items():
        attack = {"name": "get_note", "arguments": arguments}
        yield Row(f"arguments are {what}", "tools/call", attack, GET, "invalid_arguments", "invalid")


def _conditions():
    good = called("file", {"owner": "acme", "note": "x"})
    yield Row("allowed owner is absent", "tools/call", called("file"), good, "no_allow")
    for what, owner in OWNERS.items():
        yield Row(f"allowed owner is {what}", "tools/call", called("file", {"owner": owner}), good, "no_allow")
    for what, arguments in (
        ("beside one in other case", {"owner": "acme", "Owner": "evil"}),
        ("in other case", {"OWNER": "acme"}),
        ("beside what nobody declared", {"owner": "acme", "owner2": "evil"}),
    ):
        yield Row(
            f"allowed owner {what}", "tools/call", called("file", arguments), good, "invalid_arguments", "invalid"
        )
    fine = called("pay", {"amount": 100})
    yield Row("denied amount is absent", "tools/call", called("pay"), fine, "denied_by_rule")
    for what, amount in AMOUNTS.items():
        yield Row(f"denied amount is {what}", "tools/call", called("pay", {"amount": amount}), fine, "denied_by_rule")
    public = called("tag", {"label": "public"})
    yield Row("denied label is absent", "tools/call", called("tag"), public, "denied_by_rule")
    for what, label in LABELS.items():
        yield Row(f"denied label is {what}", "tools/call", called("tag", {"label": label}), public, "denied_by_rule")


def twice(old, new):
    """An attack by its text: one place of the message is written otherwise."""

    def change(text):
        assert text.count(old) == 1, text
        return text.replace(old, new)

    return change


def _texts():
    good = called("file", {"owner": "acme", "note": "x"})
    owner, name = '"owner": "acme"', '"name": "file"'
    for what, change in {
        "an argument twice": twice(owner, f'{owner}, "owner": "evil"'),
        "an argument twice, the good one last": twice(owner, f'"owner": "evil", {owner}'),
        "an argument twice, once escaped": twice(owner, f'{owner}, "\\u006fwner": "evil"'),
        "a tool twice": twice(name, f'{name}, "name": "wipe"'),
        "arguments twice": twice('"arguments": {', '"arguments": {"owner": "evil"}, "arguments": {'),
        "a method twice": twice('"method": "tools/call"', '"method": "tools/call", "method": "tools/list"'),
        "params twice": twice('"params": {', '"params": {"name": "wipe"}, "params": {'),
        "keys twice far inside": twice('"note": "x"', '"note": {"a": [{"b": 1, "b": 2}]}'),
        "NaN": twice('"note": "x"', '"note": NaN'),
        "Infinity": twice('"note": "x"', '"note": -Infinity'),
        "a number beyond all floats": twice('"note": "x"', '"note": 1e999'),
        "half a surrogate": twice('"note": "x"', '"note": "\\ud800"'),
        "a comment": twice('"note": "x"', '"note": "x" /* */'),
        "a comma too many": twice('"note": "x"', '"note": "x",'),
        "a control character": twice('"note": "x"', '"note": "\x01"'),
        "something behind it": lambda text: text + " {}",
        "nothing at its end": lambda text: text[:-1],
    }.items():
        yield Row(f"message with {what}", "tools/call", good, good, "not_json", "invalid", change=change)
    deep = twice('"note": "x"', f'"note": {"[" * 200}{"]" * 200}')
    yield Row("message with brackets without end", "tools/call", good, good, "too_deep", "invalid", change=deep)
    for what, change in {
        "in a batch": "[{}]".format,
        "in a batch of batches": "[[{}]]".format,
        "of JSON-RPC 1": twice('"jsonrpc": "2.0"', '"jsonrpc": "1.0"'),
        "with a result": twice('"jsonrpc": "2.0"', '"jsonrpc": "2.0", "result": {}'),
        "with params in a list": lambda text: text.replace('"params": {', '"params": [{', 1)[:-1] + "]}",
    }.items():
        yield Row(f"message {what}", "tools/call", good, good, "invalid_request", "invalid", change=change)
    for method in ("tools/Call", "TOOLS/CALL", "tool/call", "sampling/createMessage", "tasks/list", "x"):
        yield Row(f"method {method!r}", method, GET, GET, "method_not_found", "invalid")


def _headers():
    place = called("place", {"region": "eu", "size": 7})
    for what, headers in {
        "another tool in Mcp-Name": {"mcp-name": "get_note"},
        "no Mcp-Name": {"mcp-name": None},
        "Mcp-Name in capitals": {"mcp-name": "PLACE"},
        "Mcp-Name in broken base64": {"mcp-name": "=?base64?cGxhY2=?="},
        "another method in Mcp-Method": {"mcp-method": "tools/list"},
        "no Mcp-Method": {"mcp-method": None},
        "Mcp-Method in capitals": {"mcp-method": "TOOLS/CALL"},
        "an older version in the head": {"mcp-protocol-version": "2025-11-25"},
        "no version in the head": {"mcp-protocol-version": None},
        "another region": {"mcp-param-region": "us"},
        "no region": {"mcp-param-region": None},
        "region in capitals": {"mcp-param-region": "EU"},
        "another size": {"mcp-param-size": "8"},
        "a size that is no number": {"mcp-param-size": "7x"},
        "a size with a rest": {"mcp-param-size": "7.5"},
    }.items():
        sent = {"mcp-param-region": "eu", "mcp-param-size": "7", **headers}
        yield Row(what, "tools/call", place, place, "header_mismatch", "invalid", HTTP, headers=sent)
    bare = called("place", {"size": 7})
    sent = {"mcp-param-region": "eu", "mcp-param-size": "7"}
    yield Row(
        "a region that the body lacks", "tools/call", bare, place, "header_mismatch", "invalid", HTTP, headers=sent
    )


URIS = {
    "a resource that is not granted": ("note://secret", "no_allow"),
    "its scheme in capitals": ("NOTE://secret", "no_allow"),
    "an escape in its name": ("note://%73ecret", "no_allow"),
    "nothing at all": ("note://nothing", "no_such_name"),
    "a capital in the name": ("note://ALL", "no_such_name"),
    "a slash more": ("note://all/", "no_such_name"),
    "a path behind it": ("note://all/../secret", "no_such_name"),
    "a fragment": ("note://all#secret", "no_such_name"),
    "a template that is not granted": ("key://store/x", "no_allow"),
    "a slash in a value": ("doc://store/a/b", "no_such_name"),
    "no value": ("doc://store/", "no_such_name"),
    "another authority": ("doc://other/x", "no_such_name"),
    "an authority in capitals": ("doc://STORE/x", "no_such_name"),
    "a user before the authority": ("doc://store@evil/x", "no_such_name"),
    "a query": ("doc://store/x?admin=1", "no_such_name"),
    "dots behind an encoded slash": ("doc://store/..%2Fx", "unsafe_uri"),
    "encoded dots and slash": ("doc://store/%2e%2e%2fx", "unsafe_uri"),
    "encoded backslashes": ("doc://store/a%5C..%5Cx", "unsafe_uri"),
    "a backslash": ("doc://store/..\\x", "unsafe_uri"),
    "a blank": ("doc://store/a b", "unsafe_uri"),
    "a NUL": ("doc://store/a\x00", "unsafe_uri"),
    "an encoded NUL": ("doc://store/a%00", "unsafe_uri"),
    "a line end": ("doc://store/a\r\nx", "unsafe_uri"),
    "a broken percent sign": ("doc://store/%zz", "unsafe_uri"),
    "the template itself": ("doc://store/{name}/x", "no_such_name"),
    "a URI without end": (f"doc://store/{'x' * 9000}", "unsafe_uri"),
    "no URI": ("note", "unsafe_uri"),
    "a live resource that is not granted": ("pipe+file:///etc/passwd", "no_allow"),
    "dots in a live resource": ("pipe+file:///pub/../etc/passwd", "no_allow"),
    "encoded dots in a live resource": ("pipe+file:///pub/%2e%2e/etc/passwd", "no_allow"),
    "an encoded slash in a live resource": ("pipe+file:///pub/..%2Fetc/passwd", "unsafe_uri"),
    "a harmless encoded slash in a live resource": ("pipe+file:///pub/a%2Fb", "unsafe_uri"),
    "twice encoded dots in a live resource": ("pipe+file:///pub/%252e%252e/etc/passwd", "unsafe_uri"),
    "a backslash in a live resource": ("pipe+file:///pub/..\\etc", "unsafe_uri"),
    "the server's own name of a live resource": ("file:///pub/a", "no_such_name"),
    "another server's live resource": ("web+file:///pub/a", "no_such_name"),
    "nobody's live resource": ("none+file:///pub/a", "no_such_name"),
    "a live resource behind two names": ("pipe+pipe+file:///pub/a", "no_allow"),
    "a path in capitals": ("pipe+file:///PUB/a", "no_allow"),
    "a host in front of it": ("pipe+file://pub/a", "no_allow"),
    "another scheme": ("pipe+http:///pub/a", "no_allow"),
    "a declared resource as a live one": ("pipe+note://secret", "no_allow"),
    "a template's resource as a live one": ("pipe+key://store/x", "no_allow"),
}


def _resources():
    reads = ({"uri": "note://all"}, {"uri": "doc://store/x"}, {"uri": "pipe+file:///pub/a"})
    for number, (what, (uri, reason)) in enumerate(URIS.items()):
        yield Row(f"read by {what}", "resources/read", {"uri": uri}, reads[number % 3], reason)
    for what, uri in TYPES.items():
        yield from _mistyped(f"URI is {what}", "resources/read", {"uri": uri}, reads[0])
    for number, what in enumerate(
        ("a resource that is not granted", "a template that is not granted", "dots behind an encoded slash",
         "a live resource that is not granted", "dots in a live resource", "another server's live resource",
         "the server's own name of a live resource", "nothing at all")
    ):  # fmt: skip
        uri, reason = URIS[what]
        twin = {"uri": f"doc://store/{number}"}
        yield Row(f"subscribe to {what}", "resources/subscribe", {"uri": uri}, twin, reason, paths=SESSIONS)


def _prompts():
    good = {"name": "brief"}
    for what, name, reason in (
        ("not granted", "private", "no_allow"),
        ("unknown", "nothing", "no_such_name"),
        ("in capitals", "BRIEF", "no_such_name"),
        ("with a blank", "brief ", "no_such_name"),
        ("by its key", "web/prompt/brief", "no_such_name"),
        ("that is a tool", "get_note", "no_such_name"),
        ("with a look-alike", "br\u0456ef", "no_such_name"),
    ):
        yield Row(f"prompt {what}", "prompts/get", {"name": name}, good, reason)
        ref = {"ref": {"type": "ref/prompt", "name": name}, "argument": {"name": "topic", "value": ""}}
        yield Row(f"completion of a prompt {what}", "completion/complete", ref, _completed(), reason)
    for what, uri, reason in (
        ("a template that is not granted", "key://store/{name}", "no_allow"),
        ("an unknown template", "x://{name}", "no_such_name"),
        ("a template filled in", "doc://store/x", "no_such_name"),
        ("a template in capitals", "DOC://store/{name}", "no_such_name"),
        ("a template with another name", "doc://store/{other}", "no_such_name"),
        ("a resource", "note://secret", "no_such_name"),
    ):
        ref = {"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": "name", "value": ""}}
        yield Row(f"completion of {what}", "completion/complete", ref, _completed(), reason)
    for what, ref in (
        ("no reference", {}),
        ("a tool", {"type": "ref/tool", "name": "get_note"}),
        ("a prompt by a URI", {"type": "ref/prompt", "uri": "brief"}),
        ("a prompt as a list", {"type": "ref/prompt", "name": ["private"]}),
    ):
        attack = {"ref": ref, "argument": {"name": "topic", "value": ""}}
        yield Row(f"completion of {what}", "completion/complete", attack, _completed(), "invalid_params", "invalid")


def _completed():
    return {"ref": {"type": "ref/prompt", "name": "brief"}, "argument": {"name": "topic", "value": ""}}


ROWS = [*_tools(), *_conditions(), *_texts(), *_headers(), *_resources(), *_prompts()]
