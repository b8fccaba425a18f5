"""Results as text: what is shown equals what the tree of the same result would be shown as."""

import json

from hypothesis import example, given
from hypothesis import strategies as st
from plans import Draft

from meshplan.runtime import passed, results
from meshplan.runtime.snapshot import Snapshot


def index():
    draft = Draft()
    key = draft.define("notes", "resource", {"uri": "notes://a", "name": "a"})
    draft.offer("dev", key, "shown://a")
    draft.tool("dev", "notes", "get")
    return Snapshot(draft.bundle()).endpoints["dev"]


INDEX = index()
TEXT = st.text('aé\u2028\\"\U0001f600', max_size=4)
URIS = st.sampled_from(["notes://a", "notes://b", 5, None])
LINK = st.fixed_dictionaries({"type": st.sampled_from(["resource_link", "resource", "text", 1])}, optional={
    "uri": URIS, "text": TEXT, "resource": st.fixed_dictionaries({}, optional={"uri": URIS, "x": st.integers()}),
})  # fmt: skip
MESSAGE = st.fixed_dictionaries({"role": st.just("user")}, optional={"content": LINK | st.lists(LINK, max_size=2)})
RESULTS = st.fixed_dictionaries({}, optional={
    "content": st.lists(LINK, max_size=3) | st.none(),
    "messages": st.lists(MESSAGE, max_size=2),
    "contents": st.lists(st.fixed_dictionaries({"uri": URIS}, optional={"blob": TEXT}) | st.none(), max_size=2),
    "resultType": st.sampled_from(["complete", "task", "novel"]),
    "isError": st.booleans(),
    "structuredContent": st.none() | st.integers() | st.lists(st.integers() | TEXT, max_size=2) | st.just({"a": [1]}),
    "ttlMs": st.integers(0, 5),
    "_meta": st.none(),
    "novel": st.integers() | TEXT,
})  # fmt: skip
METHODS = st.sampled_from(["tools/call", "prompts/get", "resources/read"])


def parsed(result):
    """With structured content that was made a text as a value again: its spaces are of no account."""
    match result.get("content"):
        case [{"type": "text", "text": written}] if "structuredContent" not in result and written[:1] in {
            "[",
            "n",
            "-",
        }:
            return {**result, "content": json.loads(written)}
        case _:
            return result


@given(RESULTS, METHODS, st.booleans(), st.booleans())
@example({"structuredContent": ["\u2028", 12345678901234567890]}, "tools/call", True, True)
@example({"structuredContent": 0, "content": None}, "tools/call", True, True)
@example({"structuredContent": [1], "content": [{"type": "text", "text": "one"}]}, "tools/call", True, True)
@example({"contents": [{"uri": "notes://a"}]}, "resources/read", False, True)
@example(
    {"content": [{"type": "resource_link", "uri": "notes://a"}], "resultType": "complete"}, "tools/call", True, True
)
def test_text_and_tree_are_shown_alike(result, method, legacy, ascii_only):
    text = json.dumps(result, ensure_ascii=ascii_only).encode(errors="replace")
    result = json.loads(text)
    shown, outcome = passed.shown(INDEX, "notes", method, text, legacy=legacy)
    expected = results.for_era(method, results.outward_uris(INDEX, "notes", method, result), legacy=legacy)
    assert parsed(json.loads(shown)) == parsed(expected)
    assert outcome == ("tool_error" if result.get("isError") is True else "ok")


@given(st.sampled_from(["input_required", "complete", "task"]), st.booleans())
def test_what_must_be_looked_into_is_found_however_it_is_escaped(kind, escaped):
    word = "".join(f"\\u{ord(c):04x}" for c in kind) if escaped else kind
    text = b'{"resultType":"%b"}' % word.encode()
    assert passed.asks(text) == (kind == "input_required")
    assert passed.makes_task(text) == (kind == "task")
