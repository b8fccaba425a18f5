"""A head that a connection repeats is read once; whatever a connection sends, nobody can tell."""

from hypothesis import given
from hypothesis import strategies as st
from plans import simple

from meshplan.runtime.front import guard, head
from meshplan.runtime.front.asgi import KEPT
from meshplan.runtime.front.guard import Binding, HeadError
from meshplan.runtime.snapshot import Snapshot

BINDING = Binding("127.0.0.1", 8700)
PLANS = [None, Snapshot(simple().bundle())]
LINES = [
    (b"host", b"127.0.0.1:8700"),
    (b"authorization", b"Bearer secret-ann"),
    (b"accept", b"*/*"),
    (b"mcp-name", b"echo"),
    (b"content-length", b"20"),
]
NAMES = st.sampled_from([name for name, _ in LINES] + [b"origin", b"mcp-method", b"x-forwarded-for"])
VALUES = st.sampled_from([b"127.0.0.1:8700", b"evil.example", b"Bearer secret-ann", b"Bearer other", b" 7 ", b"echo"])
CHANGES = st.lists(
    st.tuples(st.integers(0, len(LINES)), NAMES, VALUES, st.sampled_from(["set", "add", "drop"])), max_size=2
)


def changed(changes):
    lines = list(LINES)
    for at, name, value, how in changes:
        if how == "add":
            lines.insert(at, (name, value))
        elif at < len(lines):
            lines[at : at + 1] = [(name, value)] if how == "set" else []
    return lines


def scope(lines, kept=None):
    found = {"headers": lines, "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 8700)}
    return found if kept is None else {**found, "extensions": {KEPT: kept}}


def read(lines, plan, kept=None):
    """What there is to see of it: headers and address, or the refusal."""
    try:
        found = head.read(scope(lines, kept), plan, BINDING)
    except HeadError as error:
        return error.status, error.code, str(error)
    return found.headers, found.seen.peer


@given(st.lists(st.tuples(CHANGES, st.sampled_from(PLANS)), min_size=1, max_size=8))
def test_what_a_connection_remembers_changes_nothing(sent):
    kept = {}
    for changes, plan in sent:
        assert read(changed(changes), plan, kept) == read(changed(changes), plan)


def test_a_repeated_head_is_the_same_one_until_it_or_the_plan_changes():
    kept, plan = {}, PLANS[1]
    first = head.read(scope(list(LINES), kept), plan, BINDING)
    assert head.read(scope(list(LINES), kept), plan, BINDING) is first
    assert head.read(scope(list(LINES), kept), None, BINDING) is not first


def test_what_was_read_of_a_credential_goes_with_it():
    kept, plan = {}, PLANS[1]
    first = head.read(scope(list(LINES), kept), plan, BINDING)
    first.seen.presented = "secret-ann", "digest"
    longer = [*LINES[:-1], (b"content-length", b"21")]
    assert head.read(scope(longer, kept), plan, BINDING).seen.presented == ("secret-ann", "digest")
    other = [LINES[0], (b"authorization", b"Bearer other"), *LINES[2:]]
    assert head.read(scope(other, kept), plan, BINDING).seen.presented is None


def test_a_head_that_may_stand_before_a_message_is_asked_once(monkeypatch):
    asked = []
    monkeypatch.setattr(guard, "check_post", asked.append)
    kept = {}
    for length in (b"20", b"21", b"21"):
        lines = [*LINES[:-1], (b"content-length", length)]
        head.read(scope(lines, kept), PLANS[1], BINDING).check_post()
    assert len(asked) == 1
