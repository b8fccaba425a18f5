"""What a mesh enforces depends on what its files say, never on how they say it; in each of its environments."""

import json
import random
import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import TODAY, lock_texts

from meshplan.compiler.pipeline import compile_mesh
from meshplan.compiler.reader import MemoryReader
from meshplan.compiler.source import read_yaml

FULL = (Path(__file__).parent / "cases/ok/full-language.yaml").read_text()
ENVIRONMENTS = [None, "prod"]
SETS = frozenset({"allow", "deny", "to", "teams", "extends", "grants", "scopes"})
"""Lists whose order says nothing."""


def digest(files, environment=None):
    compiled = compile_mesh(MemoryReader({**locks(environment), **files}), today=TODAY, environment=environment)
    assert compiled.bundle is not None, [d.message for d in compiled.diagnostics if d.severity == "error"]
    return compiled.bundle.digest


@cache
def locks(environment):
    return lock_texts(FULL, environment=environment)


@cache
def expected(environment):
    return digest({"mesh.yaml": FULL}, environment)


def document():
    root, found = read_yaml("mesh.yaml", FULL)
    assert not found
    return json.loads(json.dumps(root))


def shuffled(node, rng, key=""):
    """Keys in another order at every level, and lists that are sets."""
    if isinstance(node, dict):
        return {name: shuffled(node[name], rng, name) for name in rng.sample(list(node), len(node))}
    if isinstance(node, list):
        items = [shuffled(item, rng) for item in node]
        return rng.sample(items, len(items)) if key in SETS else items
    return node


def chain(node, rng, number=0):
    """Some sections, some entries of sections and some grants in a file that this one includes, which does the same."""
    here, there = {}, {}
    if number == 4:
        return [node]
    for key, value in node.items():
        if key in ("mesh", "name") or rng.random() < 0.4:
            here[key] = value
        elif isinstance(value, dict) and key not in ("runtime", "policies") and len(value) > 1 and rng.random() < 0.5:
            names = set(rng.sample(list(value), rng.randint(1, len(value) - 1)))
            here[key] = {name: entry for name, entry in value.items() if name in names}
            there[key] = {name: entry for name, entry in value.items() if name not in names}
        elif key == "grants" and rng.random() < 0.5:
            here[key], there[key] = value[:1], value[1:]
        else:
            there[key] = value
    if not there:
        return [here]
    return [here | {"include": [f"{'' if number else 'parts/'}{number}.yaml"]}, *chain(there, rng, number + 1)]


def as_files(documents):
    names = ["mesh.yaml", *(f"parts/{number}.yaml" for number in range(len(documents) - 1))]
    return {name: json.dumps(data, ensure_ascii=False, indent=1) for name, data in zip(names, documents, strict=True)}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: "\ufeff" + text.replace("\n", "\r\n"),
        lambda text: re.sub(r"(?m)$", "  # a remark", text),
        lambda text: re.sub(r"(?m)^(?=\S)", "\n# a remark before a section\n\n", text),
        lambda text: "%YAML 1.2\n---\n" + text + "...\n",
        lambda text: json.dumps(document()),
        lambda text: json.dumps(document(), ensure_ascii=False, indent=4),
    ],
    ids=["CRLF", "CR", "BOM", "BOM and CRLF", "remarks", "blank lines", "markers", "JSON", "JSON, indented"],
)
def test_how_the_file_is_written_makes_no_difference(rewrite, environment):
    text = rewrite(FULL)
    assert text != FULL
    assert digest({"mesh.yaml": text}, environment) == expected(environment)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(ENVIRONMENTS))
def test_neither_order_nor_files_that_include_files_make_a_difference(seed, environment):
    rng = random.Random(seed)
    documents = chain(shuffled(document(), rng), rng)
    assert digest(as_files(documents), environment) == expected(environment)


def test_the_chains_are_long_enough():
    lengths = [len(chain(document(), random.Random(seed))) for seed in range(50)]
    assert max(lengths) == 5
    assert sum(length > 2 for length in lengths) > 20


def test_a_glob_includes_in_one_order_whatever_the_folder_gives():
    names = [f"parts/{number}.yaml" for number in range(5)]
    one, other = (MemoryReader(dict.fromkeys(order, "")) for order in (names, names[::-1]))
    assert one.names("parts/*.yaml") == other.names("parts/*.yaml") == names


def test_the_two_environments_are_not_the_same():
    assert expected(None) != expected("prod")
