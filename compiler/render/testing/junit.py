"""A test run as JUnit XML, as CI systems read it: a suite for each file and environment, a case for each check."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from meshplan.compiler.render.view import visible
from meshplan.compiler.testing.model import Listing, Result, Suite
from meshplan.compiler.testing.report import Report


def render_junit(report: Report) -> str:
    """No times: the same run gives the same file."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f'<testsuites name="mesh test" tests="{report.count}" failures="{len(report.failed)}">')
    for tests, found in report.results:
        lines += _suite(tests, found)
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def _suite(tests: Suite, found: tuple[Result, ...]) -> list[str]:
    failed = sum(result.got is not None for result in found)
    name = tests.file + (f" [{tests.environment}]" if tests.environment else "")
    lines = [f'  <testsuite name={_text(name)} tests="{len(found)}" failures="{failed}">']
    for result in found:
        check = result.check
        head = f"    <testcase classname={_text(name)} name={_text(f'{check.test}: {check.label}')} file={_text(check.file)}"
        head += f' line="{check.span.line}"'
        if result.got is None:
            lines.append(head + "/>")
            continue
        wanted = f"expected {check.asked.expected.text}, got " if not isinstance(check.asked, Listing) else ""
        lines += [head + ">", f"      <failure message={_text(wanted + result.got)}/>", "    </testcase>"]
    return [*lines, "  </testsuite>"]


def _text(text: str) -> str:
    return quoteattr(visible(text))
