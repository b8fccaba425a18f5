"""The comment action against a `gh` that records what it is asked for; the artifact is what an attacker would leave."""

import io
import json
import os
import re
import sys
import zipfile
from contextlib import nullcontext
from pathlib import Path

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from small_runner import GITHUB, Runner

sys.path.insert(0, str(GITHUB / "actions/comment"))
from defang import BREAK, LIMIT, defang, fitting, length

HEAD = "a" * 40
PULL = {
    "number": 7,
    "state": "open",
    "head": {"sha": HEAD, "ref": "topic", "repo": {"full_name": "dev/mesh"}},
    "base": {"repo": {"full_name": "acme/mesh"}},
}
EVENT = {
    "workflow_run": {
        "id": 41,
        "event": "pull_request",
        "head_sha": HEAD,
        "head_branch": "topic",
        "head_repository": {"full_name": "dev/mesh"},
    }
}
ALL, PROD, STAGE = (f"<!-- meshplan:diff:{name} -->\n" for name in ("*", "prod", "stage"))


class GitHub:
    """The state of the fake, and a runner that has it on its path."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        fake = Path(__file__).with_name("fake_gh.py").read_text()
        (folder / "gh").write_text(f"#!{sys.executable}\n{fake}")
        (folder / "gh").chmod(0o755)
        self.state = {"calls": [], "comments": [], "artifacts": [], "pulls": {"7": PULL}}
        self.runner = Runner(folder / "temp", folder, EVENT)
        self.runner.environment = {
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "FAKE_GH": str(folder),
            "GITHUB_REPOSITORY": "acme/mesh",
        }

    def artifact(self, files, *, number=5, size=None):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files if isinstance(files, list) else files.items():
                archive.writestr(name, content)
        self.raw(packed.getvalue(), number=number, size=size)

    def raw(self, content, *, number=5, size=None):
        (self.folder / f"{number}.zip").write_bytes(content)
        entry = {"id": number, "name": "mesh-plan", "expired": False, "size_in_bytes": size or len(content)}
        self.state["artifacts"] = [one for one in self.state["artifacts"] if one["id"] != number] + [entry]

    def run(self, **inputs):
        self.state["calls"] = []
        (self.folder / "state.json").write_text(json.dumps(self.state))
        done = self.runner.run("comment", **inputs)
        self.state = json.loads((self.folder / "state.json").read_text())
        return done

    @property
    def written(self):
        return [call for call in self.state["calls"] if call[0] != "GET"]

    @property
    def bodies(self):
        return [comment["body"] for comment in self.state["comments"]]


@pytest.fixture
def github(tmp_path):
    return GitHub(tmp_path / "github")


def test_the_first_run_creates_and_the_second_updates_one_comment_for_each_environment(github):
    github.artifact(
        {"pull-request": "7\n", "plan-prod.md": PROD + "### first\n", "plan-stage.md": STAGE + "### first\n"}
    )
    assert github.run().code == 0
    assert github.written == [["POST", "repos/acme/mesh/issues/7/comments"]] * 2
    assert github.bodies[0].startswith(
        "<!-- meshplan:comment:mesh-plan:prod -->\n<sub>Reported for `prod` by [this run]("
    )
    github.artifact(
        {"pull-request": "7\n", "plan-prod.md": PROD + "### second\n", "plan-stage.md": STAGE + "### second\n"}
    )
    assert github.run().code == 0
    assert github.written == [["PATCH", f"repos/acme/mesh/issues/comments/{number}"] for number in (1000, 1001)]
    assert [body.partition("###")[2] for body in github.bodies] == [" second\n"] * 2


def test_an_environment_that_is_gone_is_said_to_be(github):
    github.artifact({"pull-request": "7\n", "plan-prod.md": PROD + "### first\n"})
    github.run()
    github.artifact({"pull-request": "7\n", "plan.md": ALL + "### first\n"})
    github.run()
    assert [call[0] for call in github.written] == ["POST", "PATCH"]
    assert "reports nothing under this name" in github.bodies[0]


def test_only_our_own_comments_are_updated(github):
    ours = {"id": 1, "issue": "7", "user": {"login": "github-actions[bot]"}, "body": None}
    theirs = {
        "id": 2,
        "issue": "7",
        "user": {"login": "mallory"},
        "body": "<!-- meshplan:comment:mesh-plan:* -->\nmine",
    }
    other = {"id": 3, "issue": "7", "user": ours["user"], "body": "<!-- meshplan:comment:other:* -->\nof another mesh"}
    quoted = {"id": 4, "issue": "7", "user": ours["user"], "body": "no\n<!-- meshplan:comment:mesh-plan:* -->\n"}
    github.state["comments"] = [ours, theirs, other, quoted, *({**theirs, "id": n} for n in range(5, 130))]
    github.artifact({"pull-request": "7\n", "plan.md": ALL + "text\n"})
    github.run()
    assert [call[0] for call in github.written] == ["POST"]
    github.run()
    assert [call[0] for call in github.written] == ["PATCH"]
    assert github.bodies[:4] == [None, theirs["body"], other["body"], quoted["body"]]


def test_the_newest_artifact_of_a_run_that_was_started_again_counts(github):
    github.artifact({"pull-request": "7\n", "plan.md": ALL + "old\n"}, number=5)
    github.artifact({"pull-request": "7\n", "plan.md": ALL + "new\n"}, number=6)
    github.run()
    assert github.bodies[0].endswith("\nnew\n")


@pytest.mark.parametrize(
    "number",
    ["", "0", "-7", "07", "7/../8", "7\n8", "7 ", "\u0667", "9" * 10, "../../../users/mallory", "7?x=1", "x" * 300_000],
)
def test_a_number_that_is_none_is_refused(github, number):
    github.artifact({"pull-request": number, "plan.md": ALL + "text\n"})
    assert github.run().code == 1
    assert github.written == []
    assert not any("/pulls/" in call[1] for call in github.state["calls"])


def test_another_pull_request_than_the_run_was_for_is_refused(github):
    for changed in (
        {"head": PULL["head"] | {"ref": "other"}},
        {"head": PULL["head"] | {"repo": {"full_name": "victim/mesh"}}},
        {"head": PULL["head"] | {"repo": None}},
        {"base": {"repo": {"full_name": "acme/other"}}},
    ):
        github.state["pulls"] = {"8": PULL | {"number": 8} | changed}
        github.artifact({"pull-request": "8\n", "plan.md": ALL + "text\n"})
        done = github.run()
        assert done.code == 1
        assert "is not the one that the run was for" in done.said["Comment"]
        assert github.written == []


@pytest.mark.parametrize(
    "changed", [{"head": PULL["head"] | {"sha": "b" * 40}}, {"state": "closed"}], ids=["newer", "closed"]
)
def test_a_report_that_is_late_is_left_alone(github, changed):
    github.state["pulls"] = {"7": PULL | changed}
    github.artifact({"pull-request": "7\n", "plan.md": ALL + "text\n"})
    done = github.run()
    assert (done.code, github.written) == (0, [])
    assert "::notice title=mesh::pull request 7" in done.said["Comment"]


def test_a_run_without_an_artifact_or_a_pull_request_is_no_mistake(github):
    assert github.run().code == 0
    github.runner.event = {"workflow_run": EVENT["workflow_run"] | {"event": "push"}}
    assert github.run().code == 0
    assert github.state["calls"] == []


@pytest.mark.parametrize(
    "text",
    [
        "no marker\n",
        "",
        "<!-- meshplan:diff:prod --><!-- more -->\n",
        "<!-- meshplan:diff:prod--> x -->\n",
        "<!-- meshplan:diff:PROD -->\n",
        "<!-- meshplan:diff:a\nb -->\n",
        " <!-- meshplan:diff:prod -->\n",
        f"<!-- meshplan:diff:{'a' * 64} -->\n",
    ],
)
def test_a_marker_that_the_plan_action_does_not_write_is_refused(github, text):
    github.artifact({"pull-request": "7\n", "plan.md": text})
    assert github.run().code == 1
    assert github.written == []


def test_archives_that_are_none_or_too_much_are_refused(github):
    number, report = ("pull-request", "7\n"), ALL + "text\n"
    for files in (
        [number],
        [number, number, ("plan.md", report)],
        [number, ("plan.md", report), ("plan-prod.md", report)],
        [number, ("plan.md", ALL.encode() + b"\xff")],
        [number, ("plan.md", ALL + "x" * 5_000_000)],
        [number, *((f"plan-e{n}.md", f"<!-- meshplan:diff:e{n} -->\n") for n in range(60))],
    ):
        with pytest.warns(UserWarning, match="Duplicate") if files.count(number) > 1 else nullcontext():
            github.artifact(files)
        done = github.run()
        assert (done.code, github.written) == ((1, []) if len(files) > 1 else (0, [])), done.said
    github.raw(b"PK\x03\x04 no archive")
    assert github.run().code == 1
    github.artifact([number, ("plan.md", report)], size=1 << 40)
    assert github.run().code == 1
    assert not any(call[1].endswith("/zip") for call in github.state["calls"])


def test_files_with_other_names_are_never_looked_at(github):
    github.artifact(
        {"pull-request": "7\n", "plan.md": ALL + "text\n", "../plan.md": "x", "/etc/plan.md": "x", "a/plan-b.md": "x"}
    )
    assert github.run().code == 0
    assert len(github.written) == 1


HOSTILE = [
    "@octocat and @acme/admins",
    "&#64;octocat &commat;octocat &#x40;octocat \\@octocat @&#111;ctocat",
    "#1 acme/other#1 GH-1 &#35;1 &num;1 #&#49; &#1 x",
    "![x](https://evil.example/x.png) [click](//evil.example) [a]: //evil.example\n\n[a]",
    "<img src=//evil.example/x> <a href='//evil.example'>x</a> <https://evil.example>",
    "https://evil.example www.evil.example WWW.evil.example mail@evil.example",
    "<!-- meshplan:comment:mesh-plan:prod -->",
    "<details open><summary onclick=x>x</summary><script>x</script>",
    "[x][y]\n\n[y]:\n//evil.example\n\n[^1]\n\n[^1]: x",
    "```\n</details>\n@octocat\n",
    "/approve\n  /merge\n",
    "a\u202eb\u2066c\u200bd\x07e\u2028f",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_report_acts(text):
    safe = defang(text)
    html = cmarkgfm.github_flavored_markdown_to_html(safe, Options.CMARK_OPT_UNSAFE)
    assert not re.search(r"<(a|img|script|!--|section|sup)\b", html)
    assert not re.search(r"<\w+ (?!class=)[^>]*(on\w+|open|href|src)", html)
    shown = re.sub(r"<[^>]*>", "", html).replace("&amp;", "&")
    assert not re.search(r"@\w|#\w|\bGH-\d", shown)
    assert not re.search(r"^\s*/", safe, re.MULTILINE)
    assert not re.search("[\u202e\u2066\x07\u2028]", safe)


def test_what_the_renderers_write_looks_the_same():
    text = (
        "### mesh diff: access &#43;1\n\n- **+** 🔴 `team:a` gains `x` ⚠️\n\n<details>\n<summary>Tokens (1)</summary>\n\n"
        "a<code>@</code>b<code>&#124;</code>\n</details>\n"
    )
    assert defang(text).replace(BREAK, "") == text
    assert "&#43;" in defang(text)


def test_a_comment_fits_with_what_we_say_first_and_whole(github):
    github.artifact({"pull-request": "7\n", "plan.md": ALL + "<details>\n```\n" + "- 🔴 @x gains\n" * 15_000})
    assert github.run().code == 0
    (body,) = github.bodies
    assert LIMIT - 200 < length(body) <= LIMIT
    assert f"/actions/runs/41) for {HEAD}" in body.splitlines()[1]
    assert "It is cut short here" in body.splitlines()[1]
    assert body.endswith("gains\n")


def test_whole_lines_are_kept():
    assert fitting("ab\ncd\nef\n", 7) == ("ab\ncd\n", False)
    assert fitting("🔴🔴\n", 4) == ("", False)
    assert fitting("🔴🔴\n", 5) == ("🔴🔴\n", True)


def test_a_failure_of_gh_is_one_line_and_no_command(github):
    github.state["pulls"] = {}
    github.artifact({"pull-request": "7\n", "plan.md": ALL + "text\n"})
    done = github.run()
    assert done.code == 1
    assert done.said["Comment"].startswith("::error title=mesh::`gh api` ended with exit code 1")
    assert done.said["Comment"].count("\n") == 1


def test_text_of_ours_with_a_brace_in_the_report_is_kept(github):
    github.artifact({"pull-request": "7\n", "plan.md": ALL + "{0} {} {x}\n"})
    github.run()
    assert github.bodies[0].endswith("{0} {} {x}\n")
