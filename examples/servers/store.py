"""What the example servers share: a SQLite store, refusals as tool results, and the command line."""

import argparse
import json
import signal
import sqlite3
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, Completion, InputRequiredResult, TextContent, ToolAnnotations
from starlette.types import ASGIApp

READ = ToolAnnotations(read_only_hint=True, open_world_hint=False)
"""Changes nothing."""
ADD = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
"""Adds something, and adds it again when called again."""
SET = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
"""Changes something, loses nothing, and changes nothing more when called again."""
DESTROY = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)
"""Loses something for good; a second call is refused."""
DESTROY_ONCE = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)
"""Loses something for good; a second call changes nothing more."""

Value = str | int | None
Record = dict[str, Value]


class Refused(ToolError):
    """The server understood a call and will not do it: `code` for programs, `message` for people."""

    def __init__(self, code: str, message: str, **details: Value) -> None:
        """Keep what the caller needs to correct its call."""
        super().__init__(message)
        self.error: Record = {"code": code, "message": message, **details}

    def result(self) -> CallToolResult:
        """Return the refusal as an `isError` result, structured and as text."""
        content = {"error": self.error}
        text = TextContent(type="text", text=json.dumps(content))
        return CallToolResult(content=[text], structured_content=content, is_error=True)


class ExampleServer(MCPServer[dict[str, object]]):
    """An SDK server whose tools may raise `Refused`."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[dict[str, object], Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; a refusal becomes its structured result."""
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if isinstance(error.__cause__, Refused):
                return error.__cause__.result()
            raise


class Store:
    """One SQLite database, in memory or in a file, that the worker threads of one server share."""

    def __init__(self, path: Path | None, schema: str, seed: list[tuple[str, list[tuple[Value, ...]]]]) -> None:
        """Open the database; a new one gets the schema and the seed rows."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        with self.transaction():
            if self.one("PRAGMA user_version") != {"user_version": 0}:
                return
            for statement in filter(str.strip, schema.split(";")):
                self._db.execute(statement)
            for statement, rows in seed:
                self._db.executemany(statement, rows)
            self._db.execute("PRAGMA user_version = 1")

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Make the statements of one block happen together, or not at all."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield

    def all(self, sql: str, *values: Value) -> list[Record]:
        """Run a query and return its rows."""
        with self._lock:
            return [dict(row) for row in self._db.execute(sql, values)]

    def one(self, sql: str, *values: Value) -> Record | None:
        """Run a query and return its first row."""
        return next(iter(self.all(sql, *values)), None)

    def run(self, sql: str, *values: Value) -> int:
        """Run one change and return the id of the row it added, if it added one."""
        with self._lock:
            return self._db.execute(sql, values).lastrowid or 0

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    data: Path | None
    host: str
    port: int

    def database(self, name: str) -> Path | None:
        """Return the file of a server's database, or nothing where it lives in memory."""
        return self.data / f"{name}.db" if self.data else None


def options(description: str, *, port: int | None = None) -> Options:
    """Read the command line; a server with a default `port` serves HTTP."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the data below DIR (default: in memory)")
    parser.set_defaults(host="127.0.0.1", port=0)
    if port is not None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=port, help="port to listen on (default: %(default)s)")
    found = parser.parse_args()
    return Options(found.data, found.host, found.port)


def serve_http(app: ASGIApp, where: Options) -> None:
    """Serve an application until SIGTERM or SIGINT, then leave with status 0."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    # uvicorn raises the signal again once it has shut down.
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    config = uvicorn.Config(
        app, host=where.host, port=where.port, access_log=False, timeout_graceful_shutdown=1, ws="none"
    )
    uvicorn.Server(config).run()


def now() -> str:
    """Return the current time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def as_json(value: object) -> str:
    """Return a resource's text."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def offer(values: list[str], typed: str) -> Completion:
    """Return the values that begin with what was typed, as a completion."""
    found = [value for value in values if value.startswith(typed)]
    return Completion(values=found[:100], total=len(found), has_more=len(found) > 100)
