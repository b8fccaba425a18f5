"""The access diff: exactly the pairs that change, each with causes that undo it when undone."""

import sys
from pathlib import Path

from hypothesis import given, settings
from meshes import BASE, compile_text

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "schemas"))

from test_decide import CAPABILITIES, DIGEST, ENDPOINTS, worlds
from test_terms import PRINCIPALS, atoms_of, decided, normal_of

from meshplan.compiler.diff.access import access_changes
from meshplan.compiler.diff.causes import gain_causes, loss_causes
from meshplan.compiler.diff.provenance import Side
from meshplan.compiler.diff.terms import NOTHING
from meshplan.schemas.bundle import Bundle


def side(plan):
    return Side(Bundle(plan, DIGEST, {}, {}))


def allowed_when_reverted(before, after, cell, reverted, principal):
    """Decide with every after-fact in ``reverted`` undone and every before-fact in it back."""

    def holds(fact):
        return (after.holds(fact) and fact not in reverted) or (fact in reverted and before.holds(fact))

    def there(kind):
        terms = [(s, t) for s in (before, after) for t in getattr(s.terms.get(cell, NOTHING), kind)]
        return [t for s, t in terms if t.atoms <= atoms_of(principal) and all(map(holds, s.behind(*cell, t)))]

    if there("denies"):
        return False
    sides = 0
    for term in there("allows"):
        sides |= term.sides
    return sides == 3 if principal.delegated else sides > 0


def hitting(sets):
    """One fact from every set."""
    return {min(facts, key=repr) for facts in sets}


@settings(max_examples=60, deadline=None)
@given(worlds(), worlds())
def test_the_diff_equals_brute_force_and_causes_undo_it(one, other):
    before, after = side(one[0]), side(other[0])
    was, now = decided(one[0]), decided(other[0])
    changed = {(c.endpoint, c.capability): c for c in access_changes(before, after)}
    for endpoint in ENDPOINTS:
        for capability in CAPABILITIES:
            cell = (endpoint, capability)
            differs = {p for p in PRINCIPALS if was[(*cell, p)] != now[(*cell, p)]}
            assert (cell in changed) or not differs
            for principal in differs:
                gained = now[(*cell, principal)]
                change = changed[cell]
                assert change.widening if gained else change.breaking
                assert change.causes
                find = gain_causes if gained else loss_causes
                sets = find(before, after, cell, atoms_of(principal), delegated=principal.delegated)
                assert sets
                assert allowed_when_reverted(before, after, cell, hitting(sets), principal) != gained
                assert normal_of(after.terms.get(cell, NOTHING), principal).allowed(atoms_of(principal)) == gained


def changes(old, new):
    return access_changes(Side(compile_text(old).bundle), Side(compile_text(new).bundle))


def said(change):
    return [(cause.kind, cause.place.file, cause.place.line) for causes in change.causes for cause in causes]


def test_nothing_that_does_not_matter_is_a_change():
    assert changes(BASE, "# moved\n" + BASE.replace("roles:", "\n# here\nroles:")) == ()


def test_an_edited_rule_is_a_policy_edit_at_its_line():
    old = BASE.replace("      - {server: notes, tools: {effect: read}}", "      - {server: notes, tools: all}")
    assert old != BASE
    (create,) = changes(
        old,
        old.replace(
            "allow: [{server: notes, tools: {effect: read}}]",
            "allow: [{server: notes, tools: {effect: [read, write]}}]",
        ),
    )
    assert create.capability == "notes/tool/create_note"
    assert [who.atoms for who in create.gained] == [("team:writers",)]
    assert (create.widening, create.breaking) == (True, False)
    assert {(kind, line) for kind, _, line in said(create)} == {("policy edit", 13), ("policy edit", 12)}


def test_a_removed_deny_widens_and_names_who_was_denied():
    roles = "  ext:\n    deny: [{server: notes, tools: [search]}]\n"
    both = BASE.replace("writers: {}", "writers: {}, ext: {}").replace("grants:", roles + "grants:")
    old = both + "  - {role: ext, to: [{team: ext}]}\n"
    (search,) = changes(old, old.replace("tools: [search]", "tools: [delete_note]"))
    assert search.capability == "notes/tool/search"
    assert [(who.atoms, who.unless) for who in search.gained] == [(("team:ext", "team:writers"), ())]
    assert {kind for kind, _, _ in said(search)} == {"policy edit"}


def test_a_new_grant_is_a_grant():
    new = BASE.replace("writers: {}", "writers: {}, ops: {}") + "  - {role: reader, to: [{team: ops}]}\n"
    found = changes(BASE, new)
    assert {c.capability for c in found} == {f"notes/tool/{t}" for t in ("list_notes", "get_note", "search")}
    assert {tuple(said(c)) for c in found} == {(("grant", "mesh.yaml", 16),)}


def test_an_effect_flip_is_seen_through_the_rules_that_select_by_effect():
    new = BASE.replace("notes.py]}", "notes.py], effects: {destructive: [search]}}")
    (search,) = changes(BASE, new)
    assert search.lost
    assert {cause.kind for causes in search.causes for cause in causes} == {"effect flip"}
    assert search.effect == "destructive"
