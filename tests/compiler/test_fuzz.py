"""Broken input in any form ends in a plan or in diagnostics, soon and small; `make fuzz` runs thousands more."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import Input, make, outcome

FUZZ = Path(__file__).parent.parent.parent / "bench" / "fuzz.py"


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_a_mutated_file_gives_a_plan_or_diagnostics(first):
    for seed in range(first, first + 50):
        outcome(make(seed))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=200))
def test_any_text_gives_a_plan_or_diagnostics(text):
    assert outcome(Input(text, {}, None))[1]


def test_the_same_seed_gives_the_same_input():
    assert make(4711) == make(4711)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit of memory is Linux's")
def test_a_run_in_processes_of_their_own_is_bounded():
    run = subprocess.run([sys.executable, FUZZ, "40", "9"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "failures    0" in run.stdout


def test_a_failure_is_reported(capsys):
    spec = importlib.util.spec_from_file_location("fuzz", FUZZ)
    fuzz = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz)
    assert fuzz.summary(1, [{"failures": ["seed 1: a traceback"]}], 1.0) == 1
    assert "seed 1" in capsys.readouterr().out
