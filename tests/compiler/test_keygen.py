"""API keys as `mesh keygen` makes them: the mesh takes the line, and the runtime the key."""

import hashlib
import json

import pytest
import yaml

from meshplan.compiler.cli import run
from meshplan.compiler.syntax.identity import KeyEntry


@pytest.fixture
def keygen(capsys):
    def make(*words):
        code = run(["keygen", "api-key", *words])
        return code, *capsys.readouterr()

    return make


def test_a_key_and_its_line(keygen):
    code, out, said = keygen(
        "ci-bot", "--team", "platform", "--team", "desk", "--agent", "ci", "--expires", "2027-01-01"
    )
    assert code == 0
    key, line = out.splitlines()
    entry = yaml.safe_load(line.replace("2027-01-01", "'2027-01-01'"))["ci-bot"]
    assert entry == {
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
        "teams": ["platform", "desk"],
        "agent": "ci",
        "expires": "2027-01-01",
    }
    assert KeyEntry.model_validate(entry).teams == ["platform", "desk"]
    assert len(key) > 40
    assert "once" in said
    assert key not in said


def test_every_key_is_another_and_json_says_the_same(keygen):
    made = [json.loads(keygen("bot", "--format", "json")[1]) for _ in range(2)]
    assert made[0]["key"] != made[1]["key"]
    assert list(made[0]["entry"]) == ["sha256"]


def test_a_name_that_is_none_is_refused(keygen):
    for words in (["Bot"], ["bot", "--team", "a: b"], ["bot", "--expires", "tomorrow"]):
        assert keygen(*words)[0] == 64
