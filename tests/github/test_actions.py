"""The actions and the example workflows as files: they parse, they are pinned, and no value becomes code."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

GITHUB = Path(__file__).parents[2] / ".github"
ACTIONS = sorted(GITHUB.glob("actions/*/action.yml"))
WORKFLOWS = sorted([*GITHUB.glob("examples/*.yml"), *GITHUB.glob("workflows/*.yml")])
PINNED = re.compile(r"[\w.-]+(/[\w.-]+)+@[0-9a-f]{40} # v\d+(\.\d+)*")


def named(path):
    return f"{path.parent.name}/{path.stem}"


def steps(path):
    document = yaml.safe_load(path.read_text())
    if "runs" in document:
        return document["runs"]["steps"]
    return [step for job in document["jobs"].values() for step in job["steps"]]


def test_there_are_the_actions_and_the_examples():
    assert [path.parent.name for path in ACTIONS] == ["apply", "comment", "plan"]
    assert [path.stem for path in WORKFLOWS] == ["mesh-apply", "mesh-comment", "mesh-plan", "ci"]


@pytest.mark.parametrize("path", ACTIONS + WORKFLOWS, ids=named)
def test_what_is_used_is_pinned_by_commit_and_says_its_version(path):
    used = re.findall(r"^\s*(?:- )?uses: (.+)$", path.read_text(), re.MULTILINE)
    assert len(used) == sum("uses" in step for step in steps(path))
    assert [text for text in used if not PINNED.fullmatch(text)] == []


@pytest.mark.parametrize("path", ACTIONS + WORKFLOWS, ids=named)
def test_no_expression_stands_in_a_command(path):
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("path", ACTIONS, ids=named)
def test_every_input_is_said_and_used(path):
    action = yaml.safe_load(path.read_text())
    used = set(re.findall(r"\$\{\{ inputs\.([\w-]+) \}\}", path.read_text()))
    assert used == set(action["inputs"])
    assert all(entry["description"] for entry in (*action["inputs"].values(), *action.get("outputs", {}).values()))


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_workflows_have_no_right_but_what_a_job_names(path):
    workflow = yaml.safe_load(path.read_text())
    triggers = workflow[True]
    assert workflow["permissions"] == {}
    assert "pull_request_target" not in triggers
    assert all(job["permissions"] and job["timeout-minutes"] for job in workflow["jobs"].values())
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert "workflow_run" not in triggers
            assert step["with"]["persist-credentials"] is False


def test_examples_give_only_inputs_that_there_are():
    for path in GITHUB.glob("examples/*.yml"):
        for step in steps(path):
            own = re.match(r"OWNER/meshplan/(\.github/actions/\w+)@", step.get("uses", ""))
            if own:
                action = yaml.safe_load((GITHUB.parent / own[1] / "action.yml").read_text())
                required = {name for name, entry in action["inputs"].items() if entry.get("required")}
                assert required <= set(step.get("with", {})) <= set(action["inputs"])


def test_the_plan_job_can_write_nothing_and_its_apply_waits_for_its_turn():
    plan = yaml.safe_load((GITHUB / "examples/mesh-plan.yml").read_text())
    assert plan["jobs"]["plan"]["permissions"] == {"contents": "read"}
    apply = yaml.safe_load((GITHUB / "examples/mesh-apply.yml").read_text())
    assert apply["concurrency"] == {"group": "mesh-apply-prod", "cancel-in-progress": False}
    assert apply["jobs"]["apply"]["environment"]


@pytest.mark.parametrize("path", sorted(GITHUB.glob("actions/**/*.sh")), ids=lambda path: path.stem)
def test_shell_scripts_parse(path):
    subprocess.run(["sh", "-n", str(path)], check=True, timeout=10)
