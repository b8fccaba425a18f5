"""What every test shares; where `.ci/run` has installed everything, a loud skip is a failure."""

import os

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and "LOUD SKIP" in str(report.longrepr) and os.environ.get("MESH_ALL_INSTALLED"):
        report.outcome = "failed"
    return report
