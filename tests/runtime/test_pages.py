"""Lists in pages: everything once, in order, within bounds, and no cursor of another list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import FakeUpstreams, simple
from sites import site

from meshplan.runtime import pages
from meshplan.runtime.pages import paginate

ITEMS = st.lists(st.binary(min_size=1, max_size=12).filter(lambda item: b"," not in item), max_size=30)


def walk(found):
    cursor, parts = None, []
    while True:
        page, cursor = found.page(cursor)
        parts.append(page)
        if cursor is None:
            return parts


@given(ITEMS, st.integers(1, 7), st.integers(1, 40))
def test_all_pages_together_are_the_list_and_each_is_bounded(items, most, size):
    parts = walk(paginate(items, ["x"], most=most, size=size))
    assert [item for part in parts if part for item in part.split(b",")] == items
    for part in parts:
        count = part.count(b",") + 1
        assert count <= most
        assert len(part) <= size or count == 1


def test_a_cursor_of_another_list_or_of_no_list_is_refused():
    one, other = paginate([b"1", b"2"], ["plan", "a"], most=1), paginate([b"1", b"2"], ["plan", "b"], most=1)
    _, cursor = one.page(None)
    assert one.page(cursor) == (b"2", None)
    for wrong in (other.page(None)[1], f"{one.mark}.0", f"{one.mark}.2", f"{one.mark}.01", "", 1, {}):
        with pytest.raises(LookupError):
            one.page(wrong)


async def test_clients_of_both_eras_page_through_a_long_list_and_lose_their_cursor_with_the_plan(monkeypatch):
    monkeypatch.setattr(pages.paginate, "__kwdefaults__", {"most": 2, "size": 10_000})
    draft = simple()
    for number in range(4):
        draft.tool("dev", "notes", f"t{number}")
    names = ["get_note", "t0", "t1", "t2", "t3"]
    async with site(draft.bundle(), FakeUpstreams()) as found:
        seen, cursor = [], None
        while True:
            result = (await found.modern("tools/list", {"cursor": cursor} if cursor else {})).json()["result"]
            seen += [tool["name"] for tool in result["tools"]]
            last, cursor = cursor, result.get("nextCursor")
            if cursor is None:
                break
        assert seen == names
        session = await found.session()
        request = {"jsonrpc": "2.0", "id": 9, "method": "tools/list", "params": {"cursor": last}}
        legacy = (await found.legacy(request, session=session)).json()["result"]
        assert [tool["name"] for tool in legacy["tools"]] == ["t3"]
        assert "nextCursor" not in legacy
        draft.tool("dev", "notes", "t9")
        found.active.swap(type(found.active.snapshot)(draft.bundle()))
        error = (await found.modern("tools/list", {"cursor": last})).json()["error"]
        assert (error["code"], error["data"]) == (-32602, {"reason": "invalid_cursor"})
