"""Plans are read from one place, and refused for anything that is not exactly as sealed."""

import json
from dataclasses import replace

import pytest
from plans import publish, simple

from meshplan.runtime import planfile
from meshplan.schemas.bundle import PlanRefusedError, pack
from meshplan.schemas.plan import TunnelTransport
from meshplan.schemas.store import object_path, pointer_path


def refusal(work, *args):
    with pytest.raises(PlanRefusedError) as caught:
        work(*args)
    return caught.value.code


def load(store):
    return planfile.from_store(store, "main", planfile.pointer_text(store, "main"))


def test_a_plan_file_is_read_back(tmp_path):
    path, bundle = tmp_path / "plan", simple().bundle()
    path.write_text(pack(bundle))
    assert planfile.from_file(path) == bundle


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda text: text[:-40], "malformed"),
        (lambda text: text.replace("get_note", "got_note", 1), "digest"),
        (lambda text: text.replace("plan/v1", "plan/v2"), "format"),
        (lambda text: json.dumps({**json.loads(text), "extra": 1}), "malformed"),
        (lambda text: json.dumps({**json.loads(text), "definitions": {}}), "incomplete"),
        (lambda _: "", "malformed"),
    ],
    ids=["cut", "edited", "later", "extra", "without-definitions", "empty"],
)
def test_a_changed_plan_file_is_refused(tmp_path, change, code):
    path = tmp_path / "plan"
    path.write_text(change(pack(simple().bundle())))
    assert refusal(planfile.from_file, path) == code


def test_a_missing_plan_file_is_refused(tmp_path):
    assert refusal(planfile.from_file, tmp_path / "none") == "missing"
    assert refusal(planfile.from_file, tmp_path) == "unreadable"


CHANGES = {
    "transport": lambda draft: {"servers": with_server(draft, transport=TunnelTransport())},
}


def with_server(draft, **changes):
    return {"notes": draft.servers["notes"].model_copy(update=changes)}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_this_runtime_would_not_enforce_is_refused(tmp_path, change):
    draft, path = simple(), tmp_path / "plan"
    path.write_text(pack(replace(draft, **change(draft)).bundle()))
    assert refusal(planfile.from_file, path) == "unsupported"


def test_a_store_is_read_back(tmp_path):
    bundle = simple().bundle()
    publish(tmp_path, bundle, 3)
    published = load(tmp_path)
    assert (published.bundle, published.pointer.seq) == (bundle, 3)


def test_a_store_without_a_pointer_has_nothing(tmp_path):
    assert planfile.pointer_text(tmp_path, "main") is None


@pytest.mark.parametrize("which", ["plan", "source_map", "definition"])
@pytest.mark.parametrize(("damage", "code"), [("cut", "digest"), ("gone", "missing"), ("binary", "digest")])
def test_a_damaged_object_is_refused(tmp_path, which, damage, code):
    bundle = simple().bundle()
    publish(tmp_path, bundle, 1)
    pointer = json.loads((tmp_path / pointer_path("main")).read_text())
    digest = next(iter(bundle.definitions)) if which == "definition" else pointer[which]
    path = tmp_path / object_path(digest)
    match damage:
        case "cut":
            path.write_bytes(path.read_bytes()[:-1])
        case "gone":
            path.unlink()
        case "binary":
            path.write_bytes(b"\xff\xfe")
    assert refusal(load, tmp_path) == code


@pytest.mark.parametrize("text", ["", "{}", '{"v":1,"v":1}', "null"])
def test_a_damaged_pointer_is_refused(tmp_path, text):
    publish(tmp_path, simple().bundle(), 1)
    (tmp_path / pointer_path("main")).write_text(text)
    assert refusal(load, tmp_path) == "pointer"


def test_a_pointer_of_another_channel_is_refused(tmp_path):
    publish(tmp_path, simple().bundle(), 1)
    text = planfile.pointer_text(tmp_path, "main")
    assert refusal(planfile.from_store, tmp_path, "prod", text) == "pointer"
