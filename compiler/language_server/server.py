"""The protocol: pygls and its types on one side, a `Session` on the other; nothing else imports either library."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, cast

from lsprotocol import types as lsp
from pygls import uris
from pygls.lsp.server import LanguageServer

from meshplan.compiler.language_server.session import Finding, Session
from meshplan.compiler.language_server.texts import Change, Position, Range, Units

SOURCE = "mesh"
QUIET_S = 0.05
"""How long nobody must have typed before a mesh is looked at again."""

_UNITS: dict[str, Units] = {"utf-8": "utf-8", "utf-16": "utf-16", "utf-32": "utf-32"}
_SEVERITY = {
    "error": lsp.DiagnosticSeverity.Error,
    "warning": lsp.DiagnosticSeverity.Warning,
    "advice": lsp.DiagnosticSeverity.Information,
}
_KINDS = {
    "key": lsp.CompletionItemKind.Property,
    "name": lsp.CompletionItemKind.Reference,
    "word": lsp.CompletionItemKind.Value,
    "field": lsp.CompletionItemKind.Field,
    "function": lsp.CompletionItemKind.Function,
    "variable": lsp.CompletionItemKind.Variable,
}


class MeshServer(LanguageServer):
    """One connection: holds the session, and the looks at meshes that are under way."""

    def __init__(self, entry: str) -> None:
        starting = cast("Callable[[str, str], None]", super().__init__)
        starting("mesh", version("meshplan"))
        self.session = Session(PurePosixPath(entry).name, lambda: datetime.now(UTC).date())
        self._pending: dict[Path, asyncio.Task[None]] = {}

    def began(self) -> None:
        """Take over what was negotiated."""
        encoding = self.workspace.position_encoding
        name = encoding.value if isinstance(encoding, lsp.PositionEncodingKind) else encoding
        self.session.units = _UNITS.get(name or "", "utf-16")

    def look(self, path: Path) -> None:
        """Look at the mesh of a file, once nobody has typed for a moment."""
        root = self.session.mesh_of(path)
        if root is None:
            return
        pending = self._pending.get(root)
        if pending is not None:
            pending.cancel()
        self._pending[root] = asyncio.get_running_loop().create_task(self._look(root))
        self._pending[root].add_done_callback(self._looked)

    def _looked(self, task: asyncio.Task[None]) -> None:
        """Say that a look failed: the editor would otherwise show old findings as if they were new."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            text = f"internal error: {type(error).__name__}: {error}; this is a bug in mesh"
            self.window_log_message(lsp.LogMessageParams(type=lsp.MessageType.Error, message=text))

    async def _look(self, root: Path) -> None:
        await asyncio.sleep(QUIET_S)
        job = self.session.job(root)
        found = await asyncio.to_thread(job.run)
        for path, findings in self.session.accept(job, found).items():
            self.text_document_publish_diagnostics(
                lsp.PublishDiagnosticsParams(
                    uri=_uri(path),
                    version=job.versions.get(path),
                    diagnostics=[_diagnostic(finding) for finding in findings],
                )
            )


def serve(entry: str) -> None:
    """Serve one editor over standard input and output until it is done; ``entry`` is how a mesh's file is called."""
    made(entry).start_io()


_OURS = (lsp.TEXT_DOCUMENT_DID_OPEN, lsp.TEXT_DOCUMENT_DID_CHANGE, lsp.TEXT_DOCUMENT_DID_CLOSE)


def made(entry: str) -> MeshServer:
    """A server with its features.

    pygls would keep texts of its own, whose lines also end at U+2028 and the like, and moves the positions that it is
    told to fit them; so documents are only the session's.
    """
    server = MeshServer(entry)
    features: Any = server.protocol.fm
    for method in _OURS:
        features.builtin_features.pop(method, None)
    _documents(server)
    _questions(server)
    return server


def _documents(server: MeshServer) -> None:
    session = server.session

    @server.feature(lsp.INITIALIZED)
    def initialized(params: lsp.InitializedParams) -> None:
        del params
        server.began()
        _watch(server)

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        if (path := _path(document.uri)) is not None:
            server.began()
            session.open(path, document.text, document.version)
            server.look(path)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        if (path := _path(params.text_document.uri)) is not None:
            session.change(path, map(_change, params.content_changes), params.text_document.version)
            server.look(path)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        if (path := _path(params.text_document.uri)) is not None:
            session.close(path)
            server.look(path)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def changed_on_disk(params: lsp.DidChangeWatchedFilesParams) -> None:
        for change in params.changes:
            if (path := _path(change.uri)) is not None:
                server.look(path)

    _ = (initialized, opened, changed, closed, changed_on_disk)


def _questions(server: MeshServer) -> None:
    session = server.session

    @server.feature(
        lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=[" ", "[", "{", ".", '"', "'"])
    )
    def complete(params: lsp.CompletionParams) -> lsp.CompletionList:
        path = _path(params.text_document.uri)
        found = session.complete(path, _position(params.position)) if path is not None else []
        items = [
            lsp.CompletionItem(
                label=item.label,
                kind=_KINDS[item.kind],
                detail=item.detail or None,
                documentation=_markdown(item.about) if item.about else None,
                filter_text=item.filter,
                sort_text=f"{index:04}",
                text_edit=lsp.TextEdit(range=_range(place), new_text=item.text),
            )
            for index, (item, place) in enumerate(found)
        ]
        return lsp.CompletionList(is_incomplete=False, items=items)

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        path = _path(params.text_document.uri)
        found = session.hover(path, _position(params.position)) if path is not None else None
        return None if found is None else lsp.Hover(contents=_markdown(found[0]), range=_range(found[1]))

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def define(params: lsp.DefinitionParams) -> list[lsp.Location]:
        path = _path(params.text_document.uri)
        found = session.definitions(path, _position(params.position)) if path is not None else []
        return [lsp.Location(uri=_uri(file), range=_range(place)) for file, place in found]

    @server.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix])
    )
    def act(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        path = _path(params.text_document.uri)
        touched = Range(_position(params.range.start), _position(params.range.end))
        found = session.fixes(path, touched) if path is not None else []
        return [
            lsp.CodeAction(
                title=f"Replace by `{fix.text}`" if fix.text else "Remove it",
                kind=lsp.CodeActionKind.QuickFix,
                is_preferred=True,
                diagnostics=[d for d in params.context.diagnostics if d.code == diagnostic.code],
                edit=lsp.WorkspaceEdit(changes={_uri(file): [lsp.TextEdit(range=_range(place), new_text=fix.text)]}),
            )
            for diagnostic, fix, file, place in found
        ]

    _ = (complete, hover, define, act)


def _watch(server: MeshServer) -> None:
    """Ask to hear of changes to files that are not open: locks, and parts of a mesh."""
    workspace = server.client_capabilities.workspace
    watching = workspace.did_change_watched_files if workspace is not None else None
    if watching is None or not watching.dynamic_registration:
        return
    globs = ("**/*.yaml", "**/mesh.lock/**/*.json")
    options = lsp.DidChangeWatchedFilesRegistrationOptions(
        watchers=[lsp.FileSystemWatcher(glob_pattern=glob) for glob in globs]
    )
    asked = lsp.Registration(id="files", method=lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, register_options=options)
    server.client_register_capability(lsp.RegistrationParams(registrations=[asked]))


def _path(uri: str) -> Path | None:
    """The file of a `file:` URI; other documents belong to no mesh."""
    found = uris.to_fs_path(uri) if uri.startswith("file:") else None
    return None if found is None else Path(found)


def _uri(path: Path) -> str:
    return uris.from_fs_path(str(path)) or path.as_uri()


def _position(position: lsp.Position) -> Position:
    return Position(position.line, position.character)


def _range(place: Range) -> lsp.Range:
    return lsp.Range(start=lsp.Position(*place.start), end=lsp.Position(*place.end))


def _change(change: lsp.TextDocumentContentChangeEvent) -> Change:
    if isinstance(change, lsp.TextDocumentContentChangePartial):
        return Change(Range(_position(change.range.start), _position(change.range.end)), change.text)
    return Change(None, change.text)


def _markdown(text: str) -> lsp.MarkupContent:
    return lsp.MarkupContent(kind=lsp.MarkupKind.Markdown, value=text)


def _diagnostic(finding: Finding) -> lsp.Diagnostic:
    said = finding.diagnostic
    related: Iterable[lsp.DiagnosticRelatedInformation] = (
        lsp.DiagnosticRelatedInformation(location=lsp.Location(uri=_uri(path), range=_range(place)), message=text)
        for path, place, text in finding.related
    )
    return lsp.Diagnostic(
        range=_range(finding.range),
        severity=_SEVERITY[said.severity],
        code=said.code,
        source=SOURCE,
        message=said.message + (f"\n{said.help}" if said.help else ""),
        related_information=list(related) or None,
    )
