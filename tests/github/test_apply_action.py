"""The apply action, run from its own YAML against a store in a folder."""

import json

import pytest
from meshes import BASE
from small_runner import Runner


@pytest.fixture
def pushed(repository, tmp_path):
    """A clone of a branch's newest commit, as the push workflow checks it out."""
    repository.git("clone", "--quiet", ".", str(tmp_path / "clone"))
    runner = Runner(tmp_path / "temp", tmp_path / "clone", {})
    runner.environment = {"GITHUB_REF": "refs/heads/main"}
    return runner


def pointer(tmp_path, channel="main"):
    return json.loads((tmp_path / f"store/channels/{channel}.json").read_text())


def test_a_push_is_published_once(pushed, tmp_path):
    done = pushed.run("apply", store=str(tmp_path / "store"))
    assert done.code == 0, done.said
    found = pointer(tmp_path)
    assert done.outputs == {"seq": "1", "plan": found["plan"]}
    assert done.summary == f"`main` #1 is `{found['plan']}`\n"
    assert "published: main #1" in done.said["Apply"]
    again = pushed.run("apply", store=str(tmp_path / "store"), expect_seq="1")
    assert "already current: main #1" in again.said["Apply"]
    assert again.outputs == done.outputs


def test_options_reach_mesh_word_by_word(pushed, tmp_path):
    pushed.mesh = str(tmp_path / "mesh")
    (tmp_path / "mesh").write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" >"$RUNNER_TEMP/argv"\necho "published: blue #4 sha256:ab"\n'
    )
    (tmp_path / "mesh").chmod(0o755)
    done = pushed.run(
        "apply",
        store="a store",
        channel="blue",
        expect_seq="3",
        directory="infra",
        environment="prod",
        parameters="region=eu $(touch x)\n\nname='b'\n",
        newest_only="false",
    )
    assert done.outputs == {"seq": "4", "plan": "sha256:ab"}
    assert (tmp_path / "temp/argv").read_text().splitlines() == [
        *("-C", "infra", "-f", "mesh.yaml", "--env", "prod"),
        *("--param", "region=eu $(touch x)", "--param", "name='b'"),
        *("apply", "--store", "a store", "--channel", "blue", "--expect-seq", "3"),
    ]


def test_a_channel_that_moved_is_stale(pushed, tmp_path):
    done = pushed.run("apply", store=str(tmp_path / "store"), expect_seq="3")
    assert done.code == 5
    assert "::error title=mesh::nothing was published: mesh apply ended with exit code 5" in done.said["Apply"]
    assert done.outputs == {"seq": "", "plan": ""}


def test_an_older_commit_does_not_take_the_place_of_a_newer_one(repository, pushed, tmp_path):
    repository.commit(BASE.replace("acme", "newer"))
    done = pushed.run("apply", store=str(tmp_path / "store"))
    assert done.code == 5
    assert "not the newest commit" in done.said["Apply"]
    assert not (tmp_path / "store").exists()
    assert pushed.run("apply", store=str(tmp_path / "store"), newest_only="false").code == 0


def test_a_branch_that_cannot_be_asked_for_publishes_nothing(pushed, tmp_path):
    pushed.environment = {"GITHUB_REF": "refs/heads/gone"}
    assert pushed.run("apply", store=str(tmp_path / "store")).code == 7
    assert pushed.run("apply", store=str(tmp_path / "store"), newest_only="maybe").code == 64
    assert not (tmp_path / "store").exists()


def test_what_does_not_compile_is_not_published(pushed, tmp_path):
    (pushed.workspace / "mesh.yaml").write_text(BASE.replace("role: reader", "role: raeder"))
    done = pushed.run("apply", store=str(tmp_path / "store"))
    assert done.code == 1
    assert "`raeder`" in done.said["Apply"]
    assert not (tmp_path / "store").exists()
