"""The JSON-RPC 2.0 envelope as MCP narrows it: read strictly, written as bytes; knows no method."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from meshplan.runtime import jsonbytes
from meshplan.runtime.errors import INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, RpcError
from meshplan.runtime.shapes import members
from meshplan.schemas import jsontext

RequestId = int | str
MAX_ID = 512
"""Characters of a request id that we are ready to repeat."""
_INTEGERS = 10**MAX_ID


class Request(msgspec.Struct):
    """Somebody wants an answer."""

    id: RequestId
    method: str
    params: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Notification:
    """Somebody wants no answer."""

    method: str
    params: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Response:
    """An answer to a request of ours: ``error`` is ``None`` when it went well."""

    id: RequestId
    result: dict[str, Any]
    error: dict[str, Any] | None


Message = Request | Notification | Response


class EnvelopeError(RpcError):
    """Text that is no message; ``id`` is the request's, where that much could be read."""

    def __init__(self, code: int, message: str, request_id: RequestId | None = None, data: Any = None) -> None:
        super().__init__(code, message, data)
        self.id = request_id


def parse(body: bytes, depth: int = jsontext.MAX_DEPTH) -> Any:
    """Read JSON strictly (duplicate keys, nesting beyond ``depth`` and the like are refused); raises ``EnvelopeError``."""
    try:
        return jsonbytes.parse(body, depth)
    except jsontext.TooDeepError as error:
        data = {"reason": "too_deep", "limit": depth}
        raise EnvelopeError(PARSE_ERROR, f"not JSON as it is accepted here: {error}", data=data) from None
    except jsontext.JsonTextError as error:
        raise EnvelopeError(PARSE_ERROR, f"not JSON as it is accepted here: {error}") from None


def message(value: Any) -> Message:
    """Read one message; raises ``EnvelopeError``."""
    found = members(value)
    if found is None:
        raise EnvelopeError(INVALID_REQUEST, "the body is not one JSON-RPC message")
    number = _id(found)
    if found.get("jsonrpc") != "2.0":
        raise EnvelopeError(INVALID_REQUEST, "member `jsonrpc` is not `2.0`", number)
    if "method" not in found:
        return _response(found, number)
    method, params = found["method"], members(found.get("params", {}))
    if not isinstance(method, str) or "result" in found or "error" in found:
        raise EnvelopeError(INVALID_REQUEST, "the message is neither a request nor a response", number)
    if params is None:
        raise EnvelopeError(INVALID_REQUEST, "member `params` is not an object", number)
    if number is None:
        return Notification(method, params)
    return Request(number, method, params)


def _id(found: dict[str, Any]) -> RequestId | None:
    if "id" not in found:
        return None
    number = found["id"]
    short = len(number) <= MAX_ID if isinstance(number, str) else type(number) is int and abs(number) < _INTEGERS
    if not short:
        raise EnvelopeError(INVALID_REQUEST, "member `id` is not a string or an integer of reasonable length")
    return number


def _response(found: dict[str, Any], number: RequestId | None) -> Response:
    result, error = members(found.get("result")), members(found.get("error"))
    if number is None or (result is None) == (error is None):
        raise EnvelopeError(INVALID_REQUEST, "the message is neither a request nor a response", number)
    return Response(number, result or {}, error)


def result_text(number: RequestId, result: dict[str, Any] | bytes) -> bytes:
    """A success response; a result that JSON cannot say (NaN, a lone surrogate) becomes an error response."""
    try:
        body = result if isinstance(result, bytes) else jsontext.dump(result).encode()
    except ValueError:
        return error_text(number, RpcError(INTERNAL_ERROR, "the upstream's result is not JSON"))
    return b'{"jsonrpc":"2.0","id":' + jsonbytes.encode(number) + b',"result":' + body + b"}"


def error_text(number: RequestId | None, error: RpcError) -> bytes:
    """An error response."""
    return _text({"jsonrpc": "2.0", "id": number, "error": error.body()})


def notification_text(method: str, params: dict[str, Any] | None = None) -> bytes:
    """A notification."""
    return _text({"jsonrpc": "2.0", "method": method} | ({"params": params} if params else {}))


def request_text(number: RequestId, method: str, params: dict[str, Any]) -> bytes:
    """A request of ours."""
    return _text({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def _text(value: dict[str, Any]) -> bytes:
    try:
        return jsontext.dump(value).encode()
    except ValueError:
        error = {"code": INTERNAL_ERROR, "message": "the upstream's message is not JSON"}
        return jsontext.dump({"jsonrpc": "2.0", "id": value.get("id"), "error": error}).encode()
