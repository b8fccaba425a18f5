"""An MCP server over stdio that keeps short notes, every earlier text included."""

from typing import Annotated

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
from store import ADD, DESTROY, READ, SET, ExampleServer, Refused, Store, Value, as_json, now, offer, options

SCHEMA = """
CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, body TEXT NOT NULL, tag TEXT NOT NULL,
    revision INTEGER NOT NULL DEFAULT 1, updated TEXT NOT NULL
);
CREATE TABLE revisions (
    note INTEGER NOT NULL REFERENCES notes (id), revision INTEGER NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL,
    tag TEXT NOT NULL, updated TEXT NOT NULL, PRIMARY KEY (note, revision)
)
"""
SEED: list[tuple[Value, ...]] = [
    (
        "Release checklist",
        "Tag the commit, wait for the build, publish the notes, then tell support.",
        "release",
        "2026-05-04T09:00:00+00:00",
    ),
    (
        "On-call handover",
        "Two pages this week, both from the search cluster. Disk on search-3 needs watching.",
        "ops",
        "2026-05-08T16:30:00+00:00",
    ),
    (
        "Interview: Priya",
        "Strong on distributed systems. Ask next round: how would you shard the ledger?",
        "hiring",
        "2026-05-11T11:15:00+00:00",
    ),
    (
        "Search latency",
        "p99 went from 180 ms to 95 ms after the cache change. Write it up for the team page.",
        "ops",
        "2026-05-12T08:45:00+00:00",
    ),
]

NoteId = Annotated[int, Field(description="Number of the note, as the lists give it", ge=1, lt=2**53)]
Limit = Annotated[int, Field(description="How many notes to return at most", ge=1, le=100)]
Title = Annotated[str, Field(description="One line that names the note", min_length=1, max_length=200)]
Body = Annotated[str, Field(description="The text of the note", max_length=20_000)]
Tag = Annotated[str, Field(description="One word to group notes by; empty for none", max_length=40)]


class Heading(BaseModel):
    """A note in a list."""

    id: int = Field(description="Number of the note")
    title: str = Field(description="One line that names the note")
    tag: str = Field(description="One word to group notes by")
    updated: str = Field(description="When the note last changed, ISO 8601")


class Note(Heading):
    """A whole note."""

    body: str = Field(description="The text of the note")
    revision: int = Field(description="How often the text was written, from 1")


class Headings(BaseModel):
    """A list of notes, the newest first."""

    notes: list[Heading] = Field(description="The notes, the newest first")


class Notes:
    """The notes of one store, and what a client may do with them."""

    def __init__(self, store: Store) -> None:
        """Work on a store that has the tables."""
        self._store = store

    def list_notes(self, tag: Tag = "", limit: Limit = 20) -> Headings:
        """List notes, the newest first, all of them or those with one tag."""
        sql = "SELECT id, title, tag, updated FROM notes WHERE ?1 IN ('', tag) ORDER BY updated DESC, id DESC LIMIT ?2"
        return Headings.model_validate({"notes": self._store.all(sql, tag, limit)})

    def search_notes(
        self, query: Annotated[str, Field(description="Words to look for", min_length=1)], limit: Limit = 20
    ) -> Headings:
        """Find notes whose title or text contains the words as they are given, in any case."""
        sql = (
            "SELECT id, title, tag, updated FROM notes WHERE instr(lower(title || char(10) || body), lower(?)) > 0 "
            "ORDER BY updated DESC, id DESC LIMIT ?"
        )
        return Headings.model_validate({"notes": self._store.all(sql, query, limit)})

    def get_note(self, id: NoteId) -> Note:
        """Return one note with its text."""
        note = self._find(id)
        if note is None:
            raise Refused("not_found", f"there is no note {id}", id=id)
        return note

    def create_note(self, title: Title, body: Body, tag: Tag = "") -> Note:
        """Write a new note."""
        sql = "INSERT INTO notes (title, body, tag, updated) VALUES (?, ?, ?, ?)"
        return self.get_note(self._store.run(sql, title, body, tag, now()))

    def update_note(
        self,
        id: NoteId,
        title: Annotated[Title | None, Field(description="New title; left out, it stays")] = None,
        body: Annotated[Body | None, Field(description="New text; left out, it stays")] = None,
        tag: Annotated[Tag | None, Field(description="New tag; left out, it stays")] = None,
    ) -> Note:
        """Change a note; what is left out stays as it is, and the earlier text stays readable as a resource."""
        with self._store.transaction():
            old = self.get_note(id)
            given = {"title": title, "body": body, "tag": tag}
            new = old.model_copy(update={key: value for key, value in given.items() if value is not None})
            if new == old:
                return old
            keep = "INSERT INTO revisions SELECT id, revision, title, body, tag, updated FROM notes WHERE id = ?"
            self._store.run(keep, id)
            sql = "UPDATE notes SET title = ?, body = ?, tag = ?, updated = ?, revision = revision + 1 WHERE id = ?"
            self._store.run(sql, new.title, new.body, new.tag, now(), id)
        return self.get_note(id)

    def delete_note(self, id: NoteId) -> str:
        """Delete a note and all its earlier texts. This cannot be undone."""
        with self._store.transaction():
            note = self.get_note(id)
            self._store.run("DELETE FROM revisions WHERE note = ?", id)
            self._store.run("DELETE FROM notes WHERE id = ?", id)
        return f"deleted note {id}, `{note.title}`"

    def read_all(self) -> str:
        """Return the headings of all notes."""
        return as_json(self._store.all("SELECT id, title, tag, updated FROM notes ORDER BY id"))

    def read_note(self, id: str) -> str:
        """Return one note as Markdown."""
        note = self._find(id)
        if note is None:
            raise ResourceNotFoundError(f"there is no note {id}")
        return f"# {note.title}\n\n{note.body}\n"

    def read_revision(self, id: str, revision: str) -> str:
        """Return an earlier text of a note as Markdown."""
        sql = "SELECT title, body FROM revisions WHERE note = ? AND revision = ?"
        found = self._store.one(sql, id, revision)
        if found is None:
            raise ResourceNotFoundError(f"note {id} has no earlier revision {revision}")
        return f"# {found['title']}\n\n{found['body']}\n"

    def summarize_note(self, id: Annotated[str, Field(description="Number of the note to summarise")]) -> str:
        """Ask for a summary of one note."""
        note = self._find(id)
        if note is None:
            raise MCPError(INVALID_PARAMS, f"there is no note {id}")
        task = "Summarise this note in two sentences, and list what it asks somebody to do."
        return f"{task}\n\n{note.title}\n\n{note.body}"

    def write_digest(self, tag: Annotated[str, Field(description="Tag of the notes to cover")]) -> str:
        """Ask for a digest of the notes with one tag."""
        found = self._store.all("SELECT title, body FROM notes WHERE tag = ? ORDER BY updated", tag)
        texts = "\n\n".join(f"{note['title']}\n{note['body']}" for note in found)
        return f"Write a short digest of these notes, tagged `{tag}`, the most urgent first.\n\n{texts}"

    async def complete(
        self,
        _of: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        _others: CompletionContext | None,
    ) -> Completion | None:
        """Complete a note's number or a tag."""
        known = {
            "id": "SELECT id AS value FROM notes ORDER BY id",
            "tag": "SELECT DISTINCT tag AS value FROM notes WHERE tag <> '' ORDER BY tag",
        }
        if argument.name not in known:
            return None
        values = [str(row["value"]) for row in self._store.all(known[argument.name])]
        return offer(values, argument.value)

    def _find(self, id: int | str) -> Note | None:
        row = self._store.one("SELECT * FROM notes WHERE id = ?", id)
        return Note.model_validate(row) if row else None


def build(notes: Notes) -> ExampleServer:
    """Return the server that offers a set of notes."""
    server = ExampleServer(
        "notes", version="1.0.0", instructions="Short notes with a title, a text and a tag.", log_level="WARNING"
    )
    server.add_tool(notes.list_notes, annotations=READ)
    server.add_tool(notes.search_notes, annotations=READ)
    server.add_tool(notes.get_note, annotations=READ)
    server.add_tool(notes.create_note, annotations=ADD)
    server.add_tool(notes.update_note, annotations=SET)
    server.add_tool(notes.delete_note, annotations=DESTROY, structured_output=False)
    server.resource("note://all", name="all_notes", mime_type="application/json")(notes.read_all)
    server.resource("note://{id}", name="note", mime_type="text/markdown")(notes.read_note)
    server.resource("note://{id}/{revision}", name="earlier_note", mime_type="text/markdown")(notes.read_revision)
    server.prompt()(notes.summarize_note)
    server.prompt()(notes.write_digest)
    server.completion()(notes.complete)
    return server


def main() -> None:
    """Serve the notes over standard input and output until the client leaves."""
    where = options("A notes server over stdio.")
    insert = "INSERT INTO notes (title, body, tag, updated) VALUES (?, ?, ?, ?)"
    store = Store(where.database("notes"), SCHEMA, [(insert, SEED)])
    try:
        build(Notes(store)).run("stdio")
    finally:
        store.close()


if __name__ == "__main__":
    main()
