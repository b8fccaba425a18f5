"""Packages of stdio servers: which argv names which, and what the ordinary clients say of it."""

import json
import os
import shutil
import time

import pytest

from meshplan.compiler import packages
from meshplan.compiler.package_spec import same_but_for_version, spec_of
from meshplan.compiler.packages import Packages, integrity
from meshplan.compiler.syntax.servers import HttpServer, StdioServer


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("npx -y @a/server@1.2.3 ./data", ("npm", "@a/server", "1.2.3")),
        ("npx server@1.2.3-rc.1", ("npm", "server", "1.2.3-rc.1")),
        ("npx -y gitlab-mcp", ("npm", "gitlab-mcp", None)),
        ("npx -y server@latest", ("npm", "server", None)),
        ("npx -y server@^1.2.0", ("npm", "server", None)),
        ("npm exec --package=server@1.2.3 -- run", ("npm", "server", "1.2.3")),
        ("/usr/bin/npx -p server@1.2.3 cmd", ("npm", "server", "1.2.3")),
        ("uvx mcp-server@2026.1.2", ("pypi", "mcp-server", "2026.1.2")),
        ("uvx --from Mcp_Server[cli]==1.0 cmd", ("pypi", "Mcp_Server", "1.0")),
        ("uv tool run server==1.2.3", ("pypi", "server", "1.2.3")),
        ("pipx run server==1.2.3", ("pypi", "server", "1.2.3")),
        ("pipx run server>=1.2.3", None),
        ("npx ./local", None),
        ("npx github:a/b", None),
        ("npx git+https://127.0.0.1/a.git", None),
        ("uvx git+https://127.0.0.1/a.git@1.0", None),
        ("npx --registry=x", None),
        ("npx ;rm@1.2.3", None),
        ("python server.py", None),
        ("docker run image@1.2.3", None),
    ],
)
def test_which_package_an_argv_starts(argv, expected):
    found = spec_of(argv.split())
    assert (found and (found.ecosystem, found.name, found.version)) == expected


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("npx -y a@1.0.0 x", "npx -y a@2.0.0 x", True),
        ("npx -y a x", "npx -y a@2.0.0 x", True),
        ("npx -y a@1.0.0 x", "npx -y b@1.0.0 x", False),
        ("npx -y a@1.0.0 x", "npx -y a@1.0.0 y", False),
        ("npx -y a@1.0.0", "uvx a@1.0.0", False),
        ("python a", "python a", False),
    ],
)
def test_same_but_for_version(before, after, same):
    assert same_but_for_version(before.split(), after.split()) is same


SRI = "sha512-" + "A" * 86 + "=="
HASH = "0123456789abcdef" * 4


@pytest.fixture
def client(tmp_path, monkeypatch):
    """Put a program of our own before all others: a shell script that notes its words and runs a body."""

    def make(name, body):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> "{tmp_path}/said"\n{body}\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")

    return make


def said(tmp_path):
    return (tmp_path / "said").read_text().splitlines()


def report(url, hashes):
    return json.dumps({"install": [{"download_info": {"url": url, "archive_info": {"hashes": hashes}}}]})


def test_npm_says_the_integrity(client, tmp_path):
    client("npm", f"echo '\"{SRI}\"'")
    found = integrity(StdioServer(stdio=["npx", "-y", "@a/b@1.2.3"]), tmp_path)
    assert found.package == packages.Package("npm", "@a/b", "1.2.3", SRI)
    assert found.reason is None
    assert said(tmp_path) == ["view", "@a/b@1.2.3", "dist.integrity", "--json"]


def test_pip_says_the_hash_and_runs_no_code_of_the_package(client, tmp_path):
    url = "https://files.example/a/b/srv-1.0-py3-none-any.whl#x"
    client("pip", f"echo '{report(url, {'sha256': HASH})}'")
    found = integrity(StdioServer(stdio=["uvx", "srv@1.0"]), tmp_path)
    assert found.package == packages.Package("pypi", "srv", "1.0", f"sha256:{HASH}", "srv-1.0-py3-none-any.whl")
    words = said(tmp_path)
    assert words[0] == "install"
    assert words[-1] == "srv==1.0"
    assert {"--dry-run", "--no-deps", "--only-binary", "--ignore-installed", "--report"} <= set(words)


@pytest.mark.parametrize(
    ("name", "argv", "body"),
    [
        ("npm", ["npx", "a@1.2.3"], "exit 1"),
        ("npm", ["npx", "a@1.2.3"], "echo '{\"error\": 1}'"),
        ("npm", ["npx", "a@1.2.3"], "echo not json"),
        ("npm", ["npx", "a@1.2.3"], "echo '\"sha1-short\"'"),
        ("npm", ["npx", "a@1.2.3"], "true"),
        ("pip", ["uvx", "a@1.2.3"], "exit 1"),
        ("pip", ["uvx", "a@1.2.3"], "echo '{}'"),
        ("pip", ["uvx", "a@1.2.3"], "echo '[]'"),
        ("pip", ["uvx", "a@1.2.3"], f"echo '{report('x', {'md5': 'x'})}'"),
        ("pip", ["uvx", "a@1.2.3"], f"echo '{report('x', {'sha256': 'nonsense'})}'"),
    ],
)
def test_a_client_that_does_not_know_is_a_reason_and_no_error(client, tmp_path, name, argv, body):
    client(name, body)
    found = integrity(StdioServer(stdio=argv), tmp_path)
    assert found.package is None
    assert "a" in found.reason
    assert "1.2.3" in found.reason


def test_a_client_that_hangs_is_ended_with_its_children(client, tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "SECONDS", 0.2)
    client("npm", "sleep 100 & sleep 100")
    start = time.monotonic()
    found = integrity(StdioServer(stdio=["npx", "a@1.2.3"]), tmp_path)
    assert found.package is None
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (StdioServer(stdio=["npx", "a"]), "`a` is not pinned to one version"),
        (StdioServer(stdio=["npx", "--registry", "x", "a@1.2.3"]), "`a` comes from a registry of its own"),
        (StdioServer(stdio=["uvx", "--index-url=x", "a@1.2.3"]), "`a` comes from a registry of its own"),
        (
            StdioServer(stdio=["npx", "a@1.2.3"], env={"npm_config_registry": "x"}),
            "`a` comes from a registry of its own",
        ),
    ],
)
def test_what_is_not_asked(client, tmp_path, server, reason):
    client("npm", "exit 9")
    client("pip", "exit 9")
    assert integrity(server, tmp_path).reason == reason
    assert not (tmp_path / "said").exists()


def test_many_are_asked_at_once_and_others_not_at_all(client, tmp_path):
    client("npm", f"echo '\"{SRI}\"'")
    servers = {f"s{n}": StdioServer(stdio=["npx", f"p{n}@1.0.0"]) for n in range(12)}
    servers |= {"web": HttpServer(http="http://127.0.0.1:1/mcp"), "own": StdioServer(stdio=["python", "s.py"])}
    with Packages(servers, tmp_path) as asked:
        assert all(asked.answer(f"s{n}").package.name == f"p{n}" for n in range(12))
        assert asked.answer("web") == asked.answer("own") == packages.Answer(None)


@pytest.mark.parametrize(
    ("argv", "ecosystem", "start"),
    [(["npx", "-y", "is-odd@3.0.1"], "npm", "sha512-"), (["uvx", "iniconfig==2.0.0"], "pypi", "sha256:b6a85871")],
)
def test_the_real_clients(argv, ecosystem, start, tmp_path):
    program = "npm" if ecosystem == "npm" else "pip"
    if shutil.which(program) is None:
        pytest.skip(f"LOUD SKIP: {program} is not installed")
    found = integrity(StdioServer(stdio=argv), tmp_path)
    if found.package is None:
        pytest.skip(f"LOUD SKIP: the registry does not answer: {found.reason}")
    assert found.package.ecosystem == ecosystem
    assert found.package.integrity.startswith(start)
    assert integrity(StdioServer(stdio=argv), tmp_path) == found
