"""The access diff of meshes as people write them: who, why, and at which line."""

from meshes import BASE, TODAY, compile_text

from meshplan.compiler.diff.access import access_changes
from meshplan.compiler.diff.provenance import both_sides


def changes(old, new):
    return access_changes(*both_sides(compile_text(old).bundle, compile_text(new).bundle), today=TODAY)


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


MADE = """\
bindings:
  notes:
    contract: reader/v1
    as: note
    provider: notes
    map:
      GET: {tool: get_note, in: {id: args.id}}
contracts:
  reader/v1:
    operations:
      GET: {input: {type: object, properties: {id: {type: integer}}, required: [id]}}
workflows:
  tidy:
    run_as: workflow
    input: {type: object, properties: {id: {type: integer}}, required: [id]}
    steps: [{name: one, call: notes.get_note, with: {id: input.id}}]
    output: "1"
"""
OFFERED = (
    BASE.replace("virtual:", MADE + "virtual:")
    .replace("      - {server: notes, tools: {effect: read}}\n", "      - {binding: notes}\n      - {workflow: tidy}\n")
    .replace("allow: [{server: notes, tools: {effect: read}}]", "allow: [{binding: notes}, {workflow: tidy}]")
)


def test_a_deny_of_what_a_binding_calls_takes_the_binding_away():
    found = changes(OFFERED, OFFERED.replace("grants:", "    deny: [{server: notes, tools: [get_note]}]\ngrants:"))
    assert {(c.capability, c.via, c.breaking, c.widening) for c in found} == {
        ("binding:notes/tool/GET", "", True, False),
        ("notes/tool/get_note", "workflow:tidy/tool/tidy", True, False),
    }
    assert {cause.kind for c in found for causes in c.causes for cause in causes} == {"policy edit"}


def test_a_new_step_gives_everybody_who_may_start_the_workflow_what_it_calls():
    new = OFFERED.replace(
        "{id: input.id}}]", "{id: input.id}}, {name: two, call: notes.delete_note, with: {id: input.id}}]"
    )
    (found,) = changes(OFFERED, new)
    assert (found.capability, found.via, found.effect) == (
        "notes/tool/delete_note",
        "workflow:tidy/tool/tidy",
        "destructive",
    )
    assert [who.atoms for who in found.gained] == [("team:writers",)]
    assert [kind for kind, _, _ in said(found)] == ["workflow edit"]
    assert (
        changes(new.replace("run_as: workflow", "run_as: caller"), OFFERED.replace("_as: workflow", "_as: caller"))
        == ()
    )


def test_a_conjunct_that_comes_breaks_and_one_that_goes_widens():
    one = BASE.replace("{effect: read}}]", "[get_note], when: args.id > 0}]")
    both = one.replace("args.id > 0", "args.id < 9 && args.id > 0")
    (narrower,), (wider,) = changes(one, both), changes(both, one)
    assert (narrower.breaking, narrower.widening) == (True, False)
    assert (wider.breaking, wider.widening) == (False, True)
    (other,) = changes(one, one.replace("> 0", "> 1"))
    assert (other.breaking, other.widening) == (True, True)
    assert changes(both, both.replace("args.id < 9 && args.id > 0", "args.id > 0 && args.id < 9")) == ()


def test_a_grant_that_lasts_longer_is_no_loss_and_one_that_is_over_is_nothing():
    until = BASE.replace("writers}]}", "writers}], expires: 2027-01-01}")
    found = changes(until, until.replace("2027-01-01", "2027-06-01"))
    assert {(c.breaking, c.widening) for c in found} == {(False, True)}
    assert {who.atoms for c in found for who in c.gained} == {("team:writers", "before:2027-06-01")}
    over = until.replace("2027-01-01", "2026-11-22")
    assert changes(over, BASE.replace("writers}]}", "writers}], expires: 2026-01-01}")) == ()


def test_what_nobody_can_hold_is_nobodys_and_who_no_longer_excludes_gives_access():
    ext = "  ext:\n    deny: [{server: notes, tools: [search]}]\n"
    both = BASE.replace("writers: {}", "writers: {}, ext: {}").replace("grants:", ext + "grants:")
    both += "  - {role: ext, to: [{team: ext}]}\n"
    kept = both.replace("  teams:", "  exclusive: [[{team: ext}, {team: writers}]]\n  teams:")
    assert kept != both
    undenied = "tools: [search]", "tools: [delete_note]"
    assert len(changes(both, both.replace(*undenied))) == 1
    assert changes(kept, kept.replace(*undenied)) == ()
    found = changes(kept, both.replace(*undenied))
    assert {who.atoms for change in found for who in change.gained} == {("team:ext", "team:writers")}
    causes = {tuple(sorted(cause.text for cause in causes)) for change in found for causes in change.causes}
    lifted = "`team:ext` and `team:writers` no longer exclude each other"
    assert (lifted,) in causes
    assert all(lifted in together for together in causes)


def test_live_resources_are_access_too():
    live = BASE.replace("{effect: read}}\nid", "{effect: read}, resources: live}\nid")
    allowed = live.replace("{effect: read}}]", "{effect: read}, resources: ['note://*']}]")
    (found,) = [c for c in changes(live, allowed) if c.via]
    assert (found.capability, found.via, found.effect) == ("notes/resource/note://*", "live", "read")
    assert [who.atoms for who in found.gained] == [("team:writers",)]
    denied = allowed.replace("grants:", "    deny: [{server: notes, resources: ['note://private/*']}]\ngrants:")
    (found,) = [c for c in changes(allowed, denied) if c.via]
    assert (found.breaking, found.widening) == (True, False)
    assert [who.atoms for who in found.lost] == [("team:writers", "unless:the URI matches note://private/*")]
