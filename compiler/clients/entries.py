"""The clients we know, with the shape of an entry in each of their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from meshplan.compiler.importers.model import Plain


@dataclass(frozen=True, slots=True)
class Client:
    """One client: the key that holds its servers, how it names a variable, and where its file is."""

    id: str
    title: str
    language: Literal["json", "toml"]
    section: str
    typed: bool
    variable: str
    paths: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one entry says."""

    name: str
    url: str
    token_env: str | None
    command: tuple[str, ...]
    token: str | None


_HOME: Final = "%USERPROFILE%\\"
_CURSOR: Final = Client(
    "cursor",
    "Cursor",
    "json",
    "mcpServers",
    typed=False,
    variable="${{env:{0}}}",
    paths={
        "project": ".cursor/mcp.json",
        "macos": "~/.cursor/mcp.json",
        "linux": "~/.cursor/mcp.json",
        "windows": _HOME + ".cursor\\mcp.json",
    },
)
_VSCODE: Final = Client(
    "vscode",
    "Visual Studio Code",
    "json",
    "servers",
    typed=True,
    variable="${{input:{0}}}",
    paths={
        "project": ".vscode/mcp.json",
        "macos": "~/Library/Application Support/Code/User/mcp.json",
        "linux": "~/.config/Code/User/mcp.json",
        "windows": "%APPDATA%\\Code\\User\\mcp.json",
    },
)
_CLAUDE_CODE: Final = Client(
    "claude-code",
    "Claude Code",
    "json",
    "mcpServers",
    typed=True,
    variable="${{{0}}}",
    paths={
        "project": ".mcp.json",
        "macos": "~/.claude.json",
        "linux": "~/.claude.json",
        "windows": _HOME + ".claude.json",
    },
)
_CLAUDE_DESKTOP: Final = Client(
    "claude-desktop",
    "Claude Desktop",
    "json",
    "mcpServers",
    typed=False,
    variable="",
    paths={
        "macos": "~/Library/Application Support/Claude/claude_desktop_config.json",
        "linux": "~/.config/Claude/claude_desktop_config.json",
        "windows": "%APPDATA%\\Claude\\claude_desktop_config.json",
    },
)
_CODEX: Final = Client(
    "codex",
    "Codex",
    "toml",
    "mcp_servers",
    typed=False,
    variable="",
    paths={
        "project": ".codex/config.toml",
        "macos": "~/.codex/config.toml",
        "linux": "~/.codex/config.toml",
        "windows": _HOME + ".codex\\config.toml",
    },
)

CLIENTS: Final[Mapping[str, Client]] = {
    client.id: client for client in (_CURSOR, _VSCODE, _CLAUDE_CODE, _CLAUDE_DESKTOP, _CODEX)
}
"""Every client by its id."""


def entry(client: Client, endpoint: Endpoint) -> dict[str, Plain]:
    """Return the entry of a JSON client."""
    command = endpoint.command
    if client is _CLAUDE_DESKTOP and not command:
        command = ("mesh", "stdio", endpoint.name)
    if command:
        started: dict[str, Plain] = {"command": command[0], "args": [*command[1:]]}
        return {"type": "stdio", **started} if client.typed else started
    found: dict[str, Plain] = {"type": "http"} if client.typed else {}
    found["url"] = endpoint.url
    if secret := _secret(client, endpoint):
        found["headers"] = {"Authorization": f"Bearer {secret}"}
    return found


def _secret(client: Client, endpoint: Endpoint) -> str:
    if endpoint.token is not None:
        return endpoint.token
    if not endpoint.token_env:
        return ""
    return client.variable.format(_input(endpoint.token_env) if client is _VSCODE else endpoint.token_env)


def _input(name: str) -> str:
    return name.lower().replace("_", "-")


def password_input(client: Client, endpoint: Endpoint) -> dict[str, Plain] | None:
    """Return the question that VS Code needs to ask for the token, which it keeps; others need none."""
    if client is not _VSCODE or endpoint.token is not None or not endpoint.token_env or endpoint.command:
        return None
    return {
        "type": "promptString",
        "id": _input(endpoint.token_env),
        "description": f"Token of the mesh ({endpoint.token_env})",
        "password": True,
    }


def toml_table(endpoint: Endpoint) -> dict[str, Plain]:
    """Return Codex' entry; it refuses a token of its own key in its file, so a literal one becomes a header."""
    if endpoint.command:
        return {"command": endpoint.command[0], "args": [*endpoint.command[1:]]}
    found: dict[str, Plain] = {"url": endpoint.url}
    if endpoint.token is not None:
        found["http_headers"] = {"Authorization": f"Bearer {endpoint.token}"}
    elif endpoint.token_env:
        found["bearer_token_env_var"] = endpoint.token_env
    return found
