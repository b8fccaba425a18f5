"""One message of a server without sessions, read no deeper than needed: its result stays the bytes that were sent."""

from __future__ import annotations

from typing import Any

import msgspec

from meshplan.runtime.shapes import members
from meshplan.runtime.upstream.failures import ProtocolMismatch
from meshplan.runtime.upstream.port import UpstreamRefusal

_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")


class _Envelope(msgspec.Struct):
    """A JSON-RPC 2.0 message; members that are absent are unset."""

    id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    method: str | msgspec.UnsetType = msgspec.UNSET
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_envelope = msgspec.json.Decoder(_Envelope)
_any = msgspec.json.Decoder()


class Answer(msgspec.Struct):
    """What one message says: the result or the refusal where ``settled``, else a notification."""

    settled: bool
    result: bytes = b""
    refusal: UpstreamRefusal | None = None
    method: str = ""
    params: dict[str, Any] = {}


def read_answer(text: bytes, number: int) -> Answer:
    """Read a message that came with request ``number``; raises ``ProtocolMismatch``."""
    try:
        found = _envelope.decode(text)
        if not text.isascii():
            text.decode()
        if isinstance(found.result, msgspec.Raw) and _is(found.id, number):
            return Answer(settled=True, result=_object_line(found.result))
        if isinstance(found.error, msgspec.Raw) and (_is(found.id, number) or _nobody(found.id)):
            return Answer(settled=True, refusal=_refusal(found.error))
        if isinstance(found.method, str):
            params = members(_any.decode(found.params)) if isinstance(found.params, msgspec.Raw) else None
            return Answer(settled=False, method=found.method, params=params or {})
    except (ValueError, RecursionError):
        pass
    raise ProtocolMismatch("the answer is not a JSON-RPC message", sent=True)


def _is(sent: msgspec.Raw | msgspec.UnsetType, number: int) -> bool:
    return isinstance(sent, msgspec.Raw) and bytes(sent) == b"%d" % number


def _nobody(sent: msgspec.Raw | msgspec.UnsetType) -> bool:
    """Whether an error names no request: the server could not read which it was."""
    return not isinstance(sent, msgspec.Raw) or bytes(sent) == b"null"


def _object_line(raw: msgspec.Raw) -> bytes:
    """An object's text on one line: outside of strings, where no control character may stand, a line end is a blank."""
    text = bytes(raw)
    if not text.startswith(b"{"):
        raise msgspec.ValidationError("a result is an object")
    return text.translate(_LINE_ENDS) if b"\n" in text or b"\r" in text else text


def _refusal(raw: msgspec.Raw) -> UpstreamRefusal:
    error = members(_any.decode(raw)) or {}
    code, message = error.get("code"), error.get("message")
    if not isinstance(code, int) or not isinstance(message, str):
        raise msgspec.ValidationError("an error has a code and a message")
    return UpstreamRefusal(code, message, error.get("data"))


def error_in(text: bytes) -> UpstreamRefusal | None:
    """The JSON-RPC error that an HTTP error's body holds, if it does."""
    try:
        found = _envelope.decode(text)
        return _refusal(found.error) if isinstance(found.error, msgspec.Raw) else None
    except (ValueError, RecursionError):
        return None
