"""A strategy of somebody else's package, installed, serves an endpoint; what is absent, other or broken refuses the plan."""

import subprocess
import sys
from pathlib import Path

import pytest
from desks import Desk
from plans import Draft

from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.support import unsupported
from meshplan.schemas.bundle import PlanRefusedError
from meshplan.schemas.plan import Plugin

PACKAGE = Path(__file__).parent / "acme_shelves"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The package as pip installs it, in a folder of its own."""
    target = tmp_path_factory.mktemp("site")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    subprocess.run([sys.executable, "-m", "pip", "install", *quiet, "--target", target, PACKAGE], check=True)
    return target


@pytest.fixture
def installed(site, monkeypatch):
    monkeypatch.syspath_prepend(str(site))
    yield site
    sys.modules.pop("acme_shelves", None)


def draft(version="1.2.0", settings="{}", name="shelves"):
    made = Draft(strategies={"dev": Plugin(name=name, version=version, settings=settings)})
    made.key("ann", "user:ann")
    made.key("bob", "user:bob")
    made.grant("all", "user:ann")
    made.tool("dev", "notes", "get")
    made.deny("all", made.tool("dev", "notes", "drop"))
    made.tool("dev", "mail", "send")
    return made


def refusal(made):
    with pytest.raises(PlanRefusedError) as caught:
        Snapshot(made.bundle())
    assert caught.value.code == "strategy"
    return str(caught.value)


async def test_it_serves_an_endpoint(installed):
    made = draft()
    assert unsupported(made.bundle().plan) is None
    desk = Desk(made)
    assert await desk.listed() == ["shelf_mail", "shelf_notes"]
    assert await desk.listed(key="bob") == []
    assert (await desk.tool("shelf_notes"))["structuredContent"] == {"tools": ["get"]}
    assert (await desk.tool("shelf_mail", {"take": "send", "with": {"x": 1}}))["content"]
    assert desk.upstreams.get("mail").requests[-1].params == {"name": "send", "arguments": {"x": 1}}
    denied = await desk.tool("shelf_notes", {"take": "drop"})
    assert (denied["isError"], denied["content"][0]["text"]) == (True, "Unknown tool: drop")
    assert [(one.outcome, one.capability, one.parent is None) for one in desk.attempts[-4:]] == [
        ("ok", "mail/tool/send", False),
        ("ok", "strategy:shelves/tool/shelf_mail", True),
        ("denied", "notes/tool/drop", False),
        ("tool_error", "strategy:shelves/tool/shelf_notes", True),
    ]


async def test_a_tool_that_is_not_listed_for_a_caller_does_not_exist(installed):
    made = draft()
    made.allow("mails", "mail/tool/send")
    made.grant("mails", "user:bob")
    desk = Desk(made)
    assert await desk.listed(key="bob") == ["shelf_mail"]
    error, other = [await desk.error(name, key="bob") for name in ("shelf_notes", "shelf_other")]
    assert (error.message, error.data) == ("Unknown tool: shelf_notes", {"reason": "not_available"})
    assert (other.message, other.data) == ("Unknown tool: shelf_other", {"reason": "not_available"})


async def test_its_settings_are_its_own(installed):
    assert await Desk(draft(settings='{"prefix":"s"}')).listed() == ["s_mail", "s_notes"]
    text = refusal(draft(settings='{"prefx":"s-"}'))
    assert text == "the strategy `shelves` refuses `dev`: there is no setting `prefx`"


async def test_what_it_fails_with_ends_one_call(installed, caplog):
    desk = Desk(draft())
    error = await desk.error("shelf_notes", {"take": "break"})
    assert (error.code, error.data) == (-32603, {"reason": "strategy_failed"})
    assert "this one is broken" in caplog.text
    assert [one.reason for one in desk.attempts] == ["strategy_failed"]


def test_one_that_is_not_installed_refuses_the_plan():
    assert refusal(draft()) == "no package is installed that brings the strategy `shelves`"


def test_another_version_refuses_the_plan(installed):
    text = refusal(draft(version="1.3.0"))
    assert text == "the plan wants version 1.3.0 of the strategy `shelves`, and acme-shelves 1.2.0 is installed"


def test_one_that_cannot_be_made_refuses_the_plan(installed):
    assert "cannot be loaded: TypeError" in refusal(draft(settings='{"prefix":1}'))


def test_one_that_cannot_be_imported_refuses_the_plan(installed, monkeypatch):
    monkeypatch.setitem(sys.modules, "acme_shelves", None)
    assert "the strategy `shelves` cannot be loaded: ModuleNotFoundError" in refusal(draft())


def test_a_tool_that_is_named_like_one_of_its_own_refuses_the_plan(installed):
    made = draft()
    made.tool("dev", "mail", "shelf_notes")
    assert refusal(made) == "`dev` offers a tool `shelf_notes`, which its strategy brings itself"


async def test_what_it_lists_is_checked(installed, monkeypatch, caplog):
    desk = Desk(draft())
    guarded = desk.active.snapshot.endpoints["dev"].strategy
    for listed in ([b'{"name":"other"}'], [b"not json"], [b'{"name":"get"}'], None):
        monkeypatch.setattr(guarded._strategy, "listed", lambda _, listed=listed: listed)
        assert guarded._check(frozenset(desk.active.snapshot.plan.capabilities)) == {}
    assert caplog.text.count("cannot list its tools") == 4
