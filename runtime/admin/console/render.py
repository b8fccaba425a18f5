"""From what a page shows to its HTML: everything is escaped, and nothing in it runs or is fetched from elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined

from meshplan.runtime.admin.console import plots, words
from meshplan.runtime.admin.console.console import PAGES, REFRESH
from meshplan.schemas.budgets import money

_SHARED: Final[dict[str, Any]] = {
    "pages": PAGES,
    "refresh_seconds": REFRESH,
    "width": plots.WIDTH,
    "height": plots.HEIGHT,
}
TEMPLATES: Final = ("overview", "calls", "latency", "spend", "surfaces", "servers", "trace")
_FOLDER: Final = "meshplan.runtime.admin.console"


def _source(name: str) -> str:
    return files(_FOLDER).joinpath("templates", name).read_text(encoding="utf-8")


@lru_cache(1)
def _environment() -> Environment:
    found = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_source),
        auto_reload=False,
    )
    found.filters.update({"seen": words.seen, "took": words.took, "number": words.number, "short": words.short})
    found.filters["money"] = money
    return found


_ONE_AT_A_TIME: Final = threading.Lock()


def load() -> None:
    """Compile all templates, once, whoever comes first."""
    with _ONE_AT_A_TIME:
        for name in TEMPLATES:
            _environment().get_template(f"{name}.html.jinja")


def page(name: str, view: dict[str, Any]) -> bytes:
    """One page in UTF-8."""
    load()
    return _environment().get_template(f"{name}.html.jinja").render({**_SHARED, "here": name, **view}).encode()


def alone(title: str, text: str, links: Mapping[str, str]) -> bytes:
    """A page with some words, and links by name, for somebody who may see nothing yet."""
    return _environment().get_template("alone.html.jinja").render(title=title, text=text, links=links).encode()


@lru_cache(1)
def style() -> bytes:
    """The style sheet of all pages."""
    return files(_FOLDER).joinpath("style.css").read_bytes()
