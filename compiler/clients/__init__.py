"""What a client needs to know of one endpoint: text to paste, or an existing file with only our entry changed."""

from __future__ import annotations

from collections.abc import Sequence

from meshplan.compiler.clients.entries import CLIENTS as CLIENTS
from meshplan.compiler.clients.entries import Client as Client
from meshplan.compiler.clients.entries import Endpoint, entry, password_input, toml_table
from meshplan.compiler.clients.jsonedit import append, put
from meshplan.compiler.clients.model import Snippet as Snippet
from meshplan.compiler.clients.tomledit import put_table

__all__ = ["CLIENTS", "Client", "Snippet", "merge", "snippet"]


def snippet(
    client: str,
    endpoint_name: str,
    url: str,
    *,
    token_env: str | None = None,
    stdio_command: Sequence[str] | None = None,
    token: str | None = None,
) -> Snippet:
    """Return a whole small file for one client, and where that client keeps it.

    A secret is named by `token_env`; only a `token` that the caller passes is written out. With a `stdio_command`
    the client starts that instead of connecting to the URL; Claude Desktop always starts `mesh stdio NAME`.
    Raises KeyError for a client that `CLIENTS` does not list.
    """
    text = merge(client, None, endpoint_name, url, token_env=token_env, stdio_command=stdio_command, token=token)
    known = CLIENTS[client]
    return Snippet(text, known.language, known.paths)


def merge(
    client: str,
    existing: str | None,
    endpoint_name: str,
    url: str,
    *,
    token_env: str | None = None,
    stdio_command: Sequence[str] | None = None,
    token: str | None = None,
) -> str:
    """Return the text of a client's file with our entry added or replaced, and every other character kept.

    Raises ImportProblem where the existing text cannot be read or edited without touching something else.
    """
    known = CLIENTS[client]
    endpoint = Endpoint(endpoint_name, url, token_env, tuple(stdio_command or ()), token)
    if known.language == "toml":
        return put_table(existing or "", "mcp_servers", endpoint_name, toml_table(endpoint))
    text = existing if existing and existing.strip("\ufeff \t\r\n") else "{}\n"
    asked = password_input(known, endpoint)
    if asked is not None:
        text = append(text, "inputs", asked, same="id")
    return put(text, (known.section, endpoint_name), entry(known, endpoint))
