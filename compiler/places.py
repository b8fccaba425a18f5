"""Where clients keep their configurations: in a project's folder and in a person's home."""

from __future__ import annotations

from pathlib import Path

PROJECT_FILES = (
    ".mcp.json",
    ".cursor/mcp.json",
    ".vscode/mcp.json",
    ".zed/settings.json",
    ".codex/config.toml",
    "claude_desktop_config.json",
)
HOME_FILES = (
    ".claude.json",
    ".cursor/mcp.json",
    ".codex/config.toml",
    ".config/Claude/claude_desktop_config.json",
    "Library/Application Support/Claude/claude_desktop_config.json",
    ".config/Code/User/mcp.json",
    ".config/zed/settings.json",
)


def found_configurations(project: Path, home: Path | None) -> list[Path]:
    """The configurations that exist, the project's own first; nothing of them is read."""
    files = [project / name for name in PROJECT_FILES]
    if home is not None and home.resolve() != project.resolve():
        files += [home / name for name in HOME_FILES]
    return [path for path in files if path.is_file()]
