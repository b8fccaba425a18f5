"""The compiler's lock and the runtime's comparison with it agree on what a definition's version is."""

import json

from hypothesis import given
from hypothesis import strategies as st

from meshplan.compiler.locking import to_lock
from meshplan.compiler.syntax.servers import StdioServer
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.definition import definition_digest

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abü\u2028", max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text("xyzü", min_size=1, max_size=4), VALUES, max_size=5))
def test_the_digest_of_a_live_definition_is_the_one_that_was_locked(more):
    sent = json.loads(json.dumps({**more, "name": "t"}))
    lock = to_lock("s", StdioServer(stdio=["x"]), {"protocol_version": "2025-11-25", "tools": [sent]})
    assert lock.definitions[CapabilityKey("s", "tool", "t")].digest == definition_digest(sent)


def test_what_cannot_be_recorded_equals_nothing_that_was():
    assert definition_digest({"name": "t", "n": float("inf")}) == ""
