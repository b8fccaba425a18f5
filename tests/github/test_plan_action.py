"""The plan action, run from its own YAML with the payload of an event."""

import json
import re

import pytest
from meshes import BASE
from small_runner import Repository, Runner

WIDER = BASE.replace(
    "{server: notes, tools: {effect: read}}]", "{server: notes, tools: {effect: [read, write]}}]"
).replace("{server: notes, tools: {effect: read}}\n", "{server: notes, tools: all}\n")
BROKEN = BASE.replace("role: reader", "role: raeder")
ENVIRONMENTS = "environments: {stage: {}, prod: {}}\n"


def pull_request(base, head, number=7):
    return {"number": number, "pull_request": {"number": number, "base": {"sha": base}, "head": {"sha": head}}}


@pytest.fixture
def opened(repository, tmp_path):
    """Commits a head on top of the base, and gives a runner for its pull request."""

    def make(text, before=None):
        base = repository.commit(before) if before else repository.git("rev-parse", "HEAD")
        return Runner(tmp_path / "temp", repository.folder, pull_request(base, repository.commit(text)))

    return make


@pytest.fixture
def echo(tmp_path):
    """A mesh that prints its arguments and ends with the exit code that it is told."""
    path = tmp_path / "echo"
    path.write_text('#!/bin/sh\necho "$@"\nexit "${CODE:-0}"\n')
    path.chmod(0o755)
    return str(path)


def reports(runner, name="mesh-plan"):
    return sorted(path.name for path in (runner.folder / name).iterdir())


def test_a_change_is_reported_everywhere(opened):
    runner = opened(WIDER)
    done = runner.run("plan")
    assert done.code == 0, done.said
    assert reports(runner) == ["plan.json", "plan.md", "plan.sarif", "pull-request", "validate.sarif"]
    folder = runner.folder / "mesh-plan"
    assert done.outputs == {"code": "3", "changed": "true", "report": str(folder)}
    assert (folder / "pull-request").read_text() == "7\n"
    marker, _, body = (folder / "plan.md").read_text().partition("\n")
    assert marker == "<!-- meshplan:diff:* -->"
    assert "`team:writers` gains `notes.create_note`" in body
    assert body.strip() == done.summary.strip()
    assert json.loads((folder / "plan.json").read_text())["summary"]["widening"] == 1
    for name in ("plan.sarif", "validate.sarif"):
        assert json.loads((folder / name).read_text())["version"] == "2.1.0"
    assert "::warning title=mesh::a BREAKING or WIDENING change is not acknowledged" in done.said["Judge"]


def test_the_gate_fails_after_the_reports_are_there(opened):
    runner = opened(WIDER)
    done = runner.run("plan", gate="true")
    assert done.code == 3
    assert "plan.md" in reports(runner)
    assert done.outputs["code"] == "3"
    assert "::error title=mesh::a BREAKING or WIDENING change is not acknowledged" in done.said["Judge"]


@pytest.mark.parametrize(
    ("code", "gate", "verdict"),
    [
        *((0, "true", 0), (2, "true", 0), (3, "false", 0), (3, "true", 3), (3, "yes", 64), (0, "", 64)),
        *((1, "false", 1), (6, "false", 6), (7, "false", 7), (70, "false", 70), (99, "false", 99)),
    ],
)
def test_the_verdict_follows_from_the_worst_code(opened, echo, code, gate, verdict):
    runner = opened(BASE)
    runner.mesh, runner.environment = echo, {"CODE": str(code)}
    done = runner.run("plan", gate=gate)
    assert (done.outputs["code"], done.code) == (str(code), verdict)
    assert ("plan.json" in reports(runner)) is (code in (0, 2, 3))
    assert "plan.md" in reports(runner)


def test_no_change_passes_the_gate(opened):
    done = opened(f"# only a comment\n{BASE}").run("plan", gate="true")
    assert (done.code, done.outputs["code"], done.outputs["changed"]) == (0, "0", "false"), done.said
    assert "no change" in done.summary


def test_each_environment_has_its_own_report(opened):
    runner = opened(WIDER + ENVIRONMENTS, before=BASE + ENVIRONMENTS)
    done = runner.run("plan", environments="stage prod", name="desk")
    assert done.code == 0, done.said
    markdown = [name for name in reports(runner, "desk") if name.endswith(".md")]
    assert markdown == ["plan-prod.md", "plan-stage.md"]
    text = (runner.folder / "desk/plan-prod.md").read_text()
    assert text.startswith("<!-- meshplan:diff:prod -->\n")
    assert text.count("<!--") == 1
    assert done.summary.count("gains `notes.create_note`") == 2


def test_mistakes_are_annotated_and_stand_in_the_report(opened):
    runner = opened(BROKEN)
    done = runner.run("plan")
    assert done.code == 1
    assert re.search(r"^::error file=mesh\.yaml,line=15,.*`raeder`", done.said["Report"], re.MULTILINE)
    assert reports(runner) == ["plan.md", "pull-request", "validate.sarif"]
    assert "mesh validate: 1 error" in (runner.folder / "mesh-plan/plan.md").read_text()
    assert len(json.loads((runner.folder / "mesh-plan/validate.sarif").read_text())["runs"][0]["results"]) == 1


def test_a_base_that_does_not_compile_is_not_taken_for_no_change(opened):
    done = opened(BASE, before=BROKEN).run("plan")
    assert done.outputs["code"] == "3"
    assert "the side before does not compile" in done.summary


def test_the_mesh_may_lie_in_a_folder(repository, tmp_path):
    place = Repository(repository.folder / "infra")
    place.folder.mkdir()
    base = place.commit(BASE)
    runner = Runner(tmp_path / "temp", repository.folder, pull_request(base, place.commit(BROKEN)))
    done = runner.run("plan", directory="infra")
    assert "::error file=infra/mesh.yaml,line=15," in done.said["Report"]


def merged(repository):
    """Main moves on after the pull request was opened, and GitHub merges both: base in the event, main, head, merge."""
    base = repository.git("rev-parse", "HEAD")
    repository.git("checkout", "--quiet", "-b", "topic")
    head = repository.commit(f"# the pull request\n{BASE}")
    repository.git("checkout", "--quiet", "main")
    main = repository.commit(BASE.replace("name: acme", "name: acme\n\n") + ENVIRONMENTS)
    text = f"# the pull request\n{BASE}{ENVIRONMENTS}"
    tree = repository.commit(text)
    tree = repository.git("rev-parse", f"{tree}^{{tree}}")
    merge = repository.git("commit-tree", tree, "-p", main, "-p", head, "-m", "merge")
    repository.git("update-ref", "refs/pull/7/merge", merge)
    return base, main, head, merge


def clone(repository, folder, commit, *, depth=1):
    folder.mkdir()
    made = Repository(folder)
    made.git("init", "--quiet")
    made.git("remote", "add", "origin", repository.folder.as_uri())
    made.git("fetch", "--quiet", f"--depth={depth}", "origin", commit)
    made.git("checkout", "--quiet", "FETCH_HEAD")
    return made


def test_the_merge_is_compared_with_what_it_was_merged_into_in_a_shallow_clone(repository, tmp_path):
    base, main, head, merge = merged(repository)
    made = clone(repository, tmp_path / "clone", merge)
    done = Runner(tmp_path / "temp", made.folder, pull_request(base, head)).run("plan", gate="true")
    assert done.code == 0, done.said
    assert f"git:{main}" in done.summary
    assert "no change" in done.summary


def test_the_base_of_the_event_is_fetched_exactly(repository, tmp_path, echo):
    base = repository.git("rev-parse", "HEAD")
    repository.commit(BASE.replace("acme", "between"))
    head = repository.commit(WIDER)
    made = clone(repository, tmp_path / "clone", head)
    done = Runner(tmp_path / "temp", made.folder, pull_request(base, head), mesh=echo).run("plan")
    assert f"git:{base}" in done.summary, done.said
    assert made.git("cat-file", "-t", base) == "commit"


def test_a_base_that_is_not_to_be_had_is_refused_loudly(repository, tmp_path):
    head = repository.commit(WIDER)
    made = clone(repository, tmp_path / "clone", head)
    made.git("remote", "set-url", "origin", (tmp_path / "nowhere").as_uri())
    base = repository.git("rev-parse", "HEAD^")
    runner = Runner(tmp_path / "temp", made.folder, pull_request(base, head))
    done = runner.run("plan")
    assert done.code == 7
    assert (
        f"::error title=mesh::this clone is shallow and does not have the base commit `{base}`" in done.said["Report"]
    )
    assert "fetch-depth: 0" in done.said["Report"]
    assert not (runner.folder / "mesh-plan").exists()


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({"environments": "prod --help"}, "is not the name of an environment"),
        ({"name": "../x"}, "is not a name for an artifact"),
        ({"base": "main"}, "there is no base to compare with"),
        ({"base": "0" * 40}, "there is no base to compare with"),
    ],
)
def test_inputs_that_cannot_be_meant_are_refused(opened, inputs, complaint):
    done = opened(BASE).run("plan", **inputs)
    assert done.code == 64
    assert complaint in done.said["Report"]


def test_other_events_have_a_base_too(repository, tmp_path, echo):
    base = repository.git("rev-parse", "HEAD")
    repository.commit(WIDER)
    for event in ({"merge_group": {"base_sha": base}}, {"before": base}):
        runner = Runner(tmp_path / "temp", repository.folder, event, mesh=echo)
        done = runner.run("plan")
        assert f"plan --against git:{base} --exit-code" in done.summary
        assert "pull-request" not in reports(runner)


def test_what_mesh_says_is_no_command_to_the_runner_and_it_never_sees_the_token(opened, tmp_path):
    runner = opened(BASE)
    runner.mesh = str(tmp_path / "mesh")
    (tmp_path / "mesh").write_text("#!/bin/sh\nenv >&2\necho ::add-mask::x >&2\necho '### report' | grep -v github\n")
    (tmp_path / "mesh").chmod(0o755)
    done = runner.run("plan")
    assert done.code == 0, done.said
    said = done.said["Report"]
    assert "t0ken-of-this-run" not in said
    stopped = re.split(r"^::(?:stop-commands::)?[0-9a-f]{32}(?:::)?$", said, flags=re.MULTILINE)
    assert "::add-mask::" in "".join(stopped[1::2])
    assert "::add-mask::" not in "".join(stopped[::2])
