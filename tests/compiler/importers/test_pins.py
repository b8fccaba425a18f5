"""Whether a command says exactly what it runs."""

from __future__ import annotations

import pytest

from meshplan.compiler.importers.pins import unpinned


@pytest.mark.parametrize(
    "command",
    [
        "npx -y pkg",
        "npx -y @scope/pkg",
        "npx pkg@latest",
        "npx pkg@^1.2.3",
        "npx -p pkg@1 run",
        "npx --package=pkg cmd",
        "pnpm dlx pkg",
        "bunx pkg",
        "npm exec pkg",
        "npx github:a/b",
        "uvx pkg",
        "uvx --from pkg cmd",
        "uvx pkg@latest",
        "uvx pkg>=1.0",
        "uv tool run pkg",
        "uv run --with pkg server.py",
        "pipx run pkg",
        "uvx git+https://github.com/a/b",
        "docker run -i --rm image",
        "docker run -i -e A=1 --name x image:latest arg",
        "podman run registry:5000/a/b",
        "C:\\x\\npx.cmd pkg",
    ],
)
def test_what_can_change_is_unpinned(command: str) -> None:
    assert unpinned(command.split(" ")) is not None


@pytest.mark.parametrize(
    "command",
    [
        "npx -y pkg@1.2.3",
        "npx -y @scope/pkg@2026.8.31",
        "npx --package=pkg@1.0.0 cmd",
        "npx ./local",
        "npx github:a/b#0123456789abcdef0123456789abcdef01234567",
        "uvx pkg==1.2.3",
        "uvx pkg@1.2.3",
        "uvx --from pkg[extra]==1.2 cmd",
        "uvx --python 3.12 pkg==1.0",
        "uvx --from git+https://github.com/a/b@0123456789abcdef0123456789abcdef01234567 cmd",
        "docker run -i image@sha256:68eb20db6109f5c312a695fc5ec3386ad15d93ffb765a0b4eb1baf4328dec14f",
        "docker run image:1.2",
        "docker compose up",
        "docker run",
        "uv run server.py",
        "pnpm start",
        "node server.js",
        "npx",
    ],
)
def test_what_cannot_change_or_is_local_is_fine(command: str) -> None:
    assert unpinned(command.split(" ")) is None
