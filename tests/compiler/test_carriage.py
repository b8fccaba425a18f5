"""What a lock tells of the features that not every client can get."""

from dataclasses import replace

from meshes import DEFINITIONS, lock_text

from meshplan.compiler.carriage import UNTOLD, declared
from meshplan.compiler.lockread import believed
from meshplan.compiler.syntax.servers import HttpServer
from meshplan.schemas.carriage import APPS, FRONTS, IMPOSSIBLE, TASKS, era_of


def test_a_lock_tells_of_every_feature_with_a_gap_or_it_is_said_that_none_can():
    locks = [believed(name, lock_text(name, HttpServer(http="http://127.0.0.1:1/mcp"))) for name in DEFINITIONS]
    told = {gap.feature for gap in IMPOSSIBLE if any(declared(gap.feature, lock) for lock in locks)}
    assert told | UNTOLD == {gap.feature for gap in IMPOSSIBLE}
    assert not told & UNTOLD


def test_extensions_whose_messages_are_carried_are_no_gap():
    lock = believed("jobs", lock_text("jobs", HttpServer(http="http://127.0.0.1:1/mcp")))
    carried = replace(lock, capabilities={"extensions": {TASKS: {}, APPS: {}}})
    assert declared("extensions", carried) is None
    assert (
        declared("extensions", replace(lock, capabilities={"experimental": {"b": {}, "a": {}}}))
        == "extensions `a`, `b`"
    )


def test_the_last_revision_alone_is_of_the_new_era():
    assert [era_of(revision) for revision in FRONTS] == ["legacy", "legacy", "legacy", "modern"]
