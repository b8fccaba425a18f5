"""An MCP server over streamable HTTP that keeps support tickets, and asks its user before it closes one."""

from collections.abc import Callable
from typing import Annotated, Literal

from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, Resolve
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)
from pydantic import BaseModel, Field
from store import ADD, DESTROY_ONCE, READ, ExampleServer, Refused, Store, Value, now, offer, options, serve_http

SCHEMA = """
CREATE TABLE tickets (
    id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, body TEXT NOT NULL, reporter TEXT NOT NULL,
    priority TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'open', resolution TEXT NOT NULL DEFAULT '', opened TEXT NOT NULL
);
CREATE TABLE comments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, ticket INTEGER NOT NULL REFERENCES tickets (id), author TEXT NOT NULL,
    body TEXT NOT NULL, written TEXT NOT NULL
)
"""
NEW_TICKET = "INSERT INTO tickets (title, body, reporter, priority, opened) VALUES (?, ?, ?, ?, ?)"
NEW_COMMENT = "INSERT INTO comments (ticket, author, body, written) VALUES (?, ?, ?, ?)"
TICKETS: list[tuple[Value, ...]] = [
    (
        "Invoices show the old address",
        "We moved in March, but invoice PDFs still print the Leeds office.",
        "dana@northwind.example",
        "normal",
        "2026-05-06T10:12:00+00:00",
    ),
    (
        "Cannot sign in with SSO",
        "Since this morning every sign-in ends in a blank page. The whole office is locked out.",
        "sam@contoso.example",
        "urgent",
        "2026-05-11T07:55:00+00:00",
    ),
    (
        "Export as CSV drops umlauts",
        "Names such as Müller arrive as M?ller when the export is opened in a spreadsheet.",
        "jonas@fabrikam.example",
        "low",
        "2026-05-12T13:20:00+00:00",
    ),
]
COMMENTS: list[tuple[Value, ...]] = [
    (2, "support", "Their certificate expired at 07:30. Asked them for the new one.", "2026-05-11T08:10:00+00:00"),
    (2, "sam@contoso.example", "Our admin is back at noon and will send it.", "2026-05-11T08:31:00+00:00"),
]

Priority = Literal["low", "normal", "urgent"]
Status = Literal["open", "closed"]
TicketId = Annotated[int, Field(description="Number of the ticket, as the search gives it", ge=1, lt=2**53)]


class Heading(BaseModel):
    """A ticket in a list."""

    id: int = Field(description="Number of the ticket")
    title: str = Field(description="One line that says what is wrong")
    priority: Priority = Field(description="How soon somebody must look")
    status: Status = Field(description="Whether anybody still works on it")


class Comment(BaseModel):
    """One remark on a ticket."""

    author: str = Field(description="Who wrote it")
    body: str = Field(description="What they wrote")
    written: str = Field(description="When, ISO 8601")


class Ticket(Heading):
    """A whole ticket."""

    body: str = Field(description="What the reporter told us")
    reporter: str = Field(description="Who told us")
    opened: str = Field(description="When, ISO 8601")
    resolution: str = Field(description="How it ended; empty while it is open")
    comments: list[Comment] = Field(description="The remarks, the oldest first")


class Headings(BaseModel):
    """A list of tickets, the newest first."""

    tickets: list[Heading] = Field(description="The tickets, the newest first")


class Confirmation(BaseModel):
    """What the user is asked before a ticket is closed."""

    close: bool = Field(description="Close the ticket; it cannot be opened again")


class Tickets:
    """The tickets of one store, and what a client may do with them."""

    def __init__(self, store: Store) -> None:
        """Work on a store that has the tables."""
        self._store = store

    def search_tickets(
        self,
        query: Annotated[str, Field(description="Words to look for in title and text; empty finds all")] = "",
        status: Annotated[Status | None, Field(description="Only tickets in this state")] = None,
        limit: Annotated[int, Field(description="How many tickets to return at most", ge=1, le=100)] = 20,
    ) -> Headings:
        """Find tickets, the newest first."""
        sql = (
            "SELECT id, title, priority, status FROM tickets WHERE instr(lower(title || char(10) || body), lower(?1)) > 0 "
            "AND coalesce(?2, status) = status ORDER BY id DESC LIMIT ?3"
        )
        return Headings.model_validate({"tickets": self._store.all(sql, query, status, limit)})

    def get_ticket(self, id: TicketId) -> Ticket:
        """Return one ticket with its comments."""
        ticket = self._find(id)
        if ticket is None:
            raise Refused("not_found", f"there is no ticket {id}", id=id)
        return ticket

    def create_ticket(
        self,
        title: Annotated[str, Field(description="One line that says what is wrong", min_length=1, max_length=200)],
        body: Annotated[str, Field(description="What happened, and what was expected", max_length=20_000)],
        reporter: Annotated[
            str, Field(description="Mail address of the person who reports it", pattern="^[^@ ]+@[^@ ]+$")
        ],
        priority: Annotated[Priority, Field(description="How soon somebody must look")] = "normal",
    ) -> Ticket:
        """Open a new ticket."""
        return self.get_ticket(self._store.run(NEW_TICKET, title, body, reporter, priority, now()))

    async def add_comment(
        self,
        id: TicketId,
        author: Annotated[str, Field(description="Who writes the comment", min_length=1, max_length=100)],
        body: Annotated[str, Field(description="The comment", min_length=1, max_length=20_000)],
        ctx: Context,
    ) -> Ticket:
        """Add a comment to an open ticket."""
        with self._store.transaction():
            if self.get_ticket(id).status == "closed":
                raise Refused("closed", f"ticket {id} is closed", id=id)
            self._store.run(NEW_COMMENT, id, author, body, now())
        await ctx.notify_resource_updated(f"ticket://{id}")
        return self.get_ticket(id)

    def close(self, id: int, resolution: str) -> Ticket:
        """Close a ticket, once."""
        sql = "UPDATE tickets SET status = 'closed', resolution = ? WHERE id = ? AND status = 'open'"
        self._store.run(sql, resolution, id)
        return self.get_ticket(id)

    def read_ticket(self, id: str) -> str:
        """Return one ticket with its comments as JSON."""
        ticket = self._find(id)
        if ticket is None:
            raise ResourceNotFoundError(f"there is no ticket {id}")
        return ticket.model_dump_json(indent=2)

    def draft_reply(
        self,
        id: Annotated[str, Field(description="Number of the ticket to answer")],
        tone: Annotated[str, Field(description="How to sound: friendly, formal or brief")] = "friendly",
    ) -> str:
        """Ask for a reply to the reporter of a ticket."""
        ticket = self._find(id)
        if ticket is None:
            raise MCPError(INVALID_PARAMS, f"there is no ticket {id}")
        return f"Draft a {tone} reply to the reporter of this ticket.\n\n{ticket.model_dump_json(indent=2)}"

    def triage(self) -> str:
        """Ask which open tickets to work on first."""
        found = self._store.all("SELECT id, title, priority, opened FROM tickets WHERE status = 'open' ORDER BY id")
        lines = "\n".join(f"{row['id']}: {row['title']} ({row['priority']}, since {row['opened']})" for row in found)
        return f"Say which of these open tickets to work on first, and why.\n\n{lines}"

    async def complete(
        self,
        _of: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        _others: CompletionContext | None,
    ) -> Completion | None:
        """Complete a ticket's number or a tone."""
        match argument.name:
            case "id":
                rows = self._store.all("SELECT id FROM tickets ORDER BY id")
                return offer([str(row["id"]) for row in rows], argument.value)
            case "tone":
                return offer(["brief", "formal", "friendly"], argument.value)
            case _:
                return None

    def _find(self, id: int | str) -> Ticket | None:
        row = self._store.one("SELECT * FROM tickets WHERE id = ?", id)
        if row is None:
            return None
        comments = self._store.all("SELECT author, body, written FROM comments WHERE ticket = ? ORDER BY id", id)
        return Ticket.model_validate({**row, "comments": comments})


def closing(tickets: Tickets) -> Callable[..., Ticket]:
    """Return the tool that closes a ticket: it asks its user first, in the way of the client's era."""

    def confirm(id: int) -> Elicit[Confirmation] | Confirmation:
        ticket = tickets.get_ticket(id)
        if ticket.status == "closed":
            return Confirmation(close=True)
        return Elicit(f"Close ticket {id}, `{ticket.title}`? It cannot be opened again.", Confirmation)

    def close_ticket(
        id: TicketId,
        resolution: Annotated[str, Field(description="How it ended", min_length=1, max_length=2000)],
        answer: Annotated[ElicitationResult[Confirmation], Resolve(confirm)],
    ) -> Ticket:
        """Close a ticket for good, once the user has confirmed it. A closed ticket stays as it is."""
        if not (isinstance(answer, AcceptedElicitation) and answer.data.close):
            raise Refused("not_confirmed", f"the user did not confirm; ticket {id} is as it was", id=id)
        return tickets.close(id, resolution)

    return close_ticket


def build(tickets: Tickets) -> ExampleServer:
    """Return the server that offers a set of tickets."""
    server = ExampleServer(
        "tickets", version="1.0.0", instructions="Support tickets with comments.", log_level="WARNING"
    )
    server.add_tool(tickets.search_tickets, annotations=READ)
    server.add_tool(tickets.get_ticket, annotations=READ)
    server.add_tool(tickets.create_ticket, annotations=ADD)
    server.add_tool(tickets.add_comment, annotations=ADD)
    server.add_tool(closing(tickets), annotations=DESTROY_ONCE)
    server.resource("ticket://{id}", name="ticket", mime_type="application/json")(tickets.read_ticket)
    server.prompt()(tickets.draft_reply)
    server.prompt()(tickets.triage)
    server.completion()(tickets.complete)
    return server


def main() -> None:
    """Serve the tickets over HTTP until told to stop."""
    where = options("A support ticket server over streamable HTTP.", port=8101)
    store = Store(where.database("tickets"), SCHEMA, [(NEW_TICKET, TICKETS), (NEW_COMMENT, COMMENTS)])
    try:
        serve_http(build(Tickets(store)).streamable_http_app(host=where.host), where)
    finally:
        store.close()


if __name__ == "__main__":
    main()
