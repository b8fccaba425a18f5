"""What stands first."""

from dataclasses import replace

from diffs import SMALL

from meshplan.compiler.diff.model import Cause, Change
from meshplan.compiler.render.diff.order import by_danger, resources


def test_what_a_patch_of_an_environment_does_stands_first():
    last = by_danger(SMALL.access)[-1]
    patched = replace(last, causes=((Cause("environment patch", "allow rule added", None),),))
    assert by_danger([*(c for c in SMALL.access if c is not last), patched])[0] is patched


def test_guards_stand_before_the_rest_and_those_of_a_patch_before_them():
    def change(subject, *, patched):
        return Change(subject, "changed", "", (), None, False, subject[0] != "p", subject, patched=patched)

    plain, guard, moved = (
        change("budget:b", patched=True),
        change("invariant:i", patched=False),
        change("policy:p", patched=True),
    )
    assert resources([plain, guard, moved]) == [moved, guard, plain]
