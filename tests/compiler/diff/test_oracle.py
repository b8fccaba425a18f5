"""The access diff of random edits of random meshes equals brute force; `make oracle` tries more of them."""

import os
import sys
from collections import Counter
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from oracle import judge
from random_meshes import EDITS, World

EXAMPLES = int(os.environ.get("MESH_ORACLE", "200"))


def compiled(make):
    """The first of a few that compile: what a random mesh gets wrong is not the matter here."""
    for _ in range(20):
        world, names = make()
        bundle = world.compiled().bundle
        if bundle is not None:
            return world, bundle, names
    raise AssertionError("no random mesh compiles")


def test_the_diff_equals_brute_force_and_causes_undo_it():
    seen, changed = Counter(), Counter()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**62))
    def judged(seed):
        random = Random(seed)
        world, before, _ = compiled(lambda: (World(random), []))
        _, after, edits = compiled(lambda: world.edited(random))
        seen.update(edits)
        changed[min(judge(before, after), 4)] += 1

    judged()
    print(f"{changed.total()} edits of random meshes, by cells that changed: {dict(changed)}; {dict(seen)}")
    assert changed.total() >= EXAMPLES
    assert changed[0] < 0.6 * EXAMPLES
    assert len(seen) >= len(EDITS) - 2
