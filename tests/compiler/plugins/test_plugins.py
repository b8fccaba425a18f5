"""Strategies of packages: recorded without running their code, and their settings judged by what was recorded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from meshes import compile_text, with_sections

from meshplan.compiler.lockfile import LockError
from meshplan.compiler.plugins.lock import installed, read_strategy_lock, strategy_lock_path
from meshplan.compiler.plugins.locking import lock_strategies
from meshplan.compiler.reader import FolderReader, MemoryReader

PACKAGE = Path(__file__).parents[2] / "runtime" / "strategies" / "acme_shelves"
MESH = """
virtual:
  desk:
    strategy: {plugin: {name: shelves, version: 1.2.0, settings: SETTINGS}}
    include:
      - {server: notes, tools: {effect: read}}
"""


def compiled(settings="{}", record=None):
    files = {} if record is None else {strategy_lock_path("shelves"): json.dumps(record)}
    return compile_text(with_sections(MESH.replace("SETTINGS", settings)), files=files)


def said(result):
    return [(finding.code, finding.message) for finding in result.diagnostics]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    target = tmp_path_factory.mktemp("site")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    subprocess.run([sys.executable, "-m", "pip", "install", *quiet, "--target", target, PACKAGE], check=True)
    return target


def test_what_a_package_says_is_recorded_and_its_code_is_not_run(site, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(site))
    mesh = compiled().draft.mesh

    def lock(**options):
        found = lock_strategies(tmp_path, FolderReader(tmp_path), mesh, **{"missing": False, "write": True} | options)
        return [(outcome.server, outcome.state, outcome.detail) for outcome in found]

    shown = ("strategy shelves", "new", "acme-shelves 1.2.0")
    assert lock(write=False) == [shown]
    assert not list(tmp_path.iterdir())
    assert lock() == [shown]
    assert lock() == [("strategy shelves", "unchanged", "acme-shelves 1.2.0")]
    assert lock(missing=True) == []
    record = read_strategy_lock(FolderReader(tmp_path), "shelves")
    assert record is not None
    assert record.settings["properties"]["prefix"]["pattern"] == "^[a-z_]+$"
    assert record == installed("shelves")
    assert "acme_shelves" not in sys.modules
    (tmp_path / strategy_lock_path("shelves")).write_text("{}")
    assert lock() == [("strategy shelves", "changed", "acme-shelves 1.2.0")]


def test_one_that_is_not_installed_cannot_be_recorded(tmp_path):
    [outcome] = lock_strategies(tmp_path, FolderReader(tmp_path), compiled().draft.mesh, missing=False, write=True)
    assert (outcome.state, outcome.detail) == ("failed", "no installed package brings it")


def test_settings_that_fit_make_a_plan():
    result = compiled("{prefix: x}")
    assert result.bundle is not None
    assert not result.diagnostics
    strategy = result.bundle.plan.endpoints["desk"].strategy
    assert (strategy.name, strategy.version, strategy.settings) == ("shelves", "1.2.0", '{"prefix":"x"}')


@pytest.mark.parametrize("damaged", [{}, {"format": "mesh.dev/strategy-lock/v1", "strategy": "other"}, []])
def test_a_damaged_record_is_told(damaged):
    [(code, message)] = said(compiled(record=damaged))
    assert code == "MESH309"
    assert "cannot be used" in message


def record(settings):
    return {
        "format": "mesh.dev/strategy-lock/v1",
        "strategy": "shelves",
        "package": "acme-shelves",
        "version": "1.2.0",
        "settings": settings,
    }


def test_a_package_that_says_nothing_takes_anything():
    assert not compiled("{x: 1}", record(None)).diagnostics


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "nothing"}, "its own schema is none"),
        ({"$ref": "https://example.com/schema.json"}, "refers to `https://example.com/schema.json`"),
        ({"properties": {"x": {"maximum": 0}}}, "1 is greater than the maximum of 0"),
    ],
)
def test_nothing_is_fetched_and_everything_is_told(schema, why):
    [(code, message)] = said(compiled("{x: 1}", record(schema)))
    assert code == "MESH310"
    assert why in message


def test_a_record_of_another_type_is_refused():
    reader = MemoryReader({strategy_lock_path("shelves"): json.dumps(record([]))})
    with pytest.raises(LockError, match="another type"):
        read_strategy_lock(reader, "shelves")
