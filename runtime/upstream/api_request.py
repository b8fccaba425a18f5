"""From a tool's arguments to the HTTP request that they stand for, as OpenAPI 3 has parameters travel; sends nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote, urlencode

from meshplan.runtime.upstream.port import UpstreamRefusal
from meshplan.schemas import jsontext
from meshplan.schemas.plan import ApiArgument, ApiOperation

INVALID_PARAMS = -32602
_DELIMITERS = {"form": ",", "spaceDelimited": " ", "pipeDelimited": "|"}
_WRITTEN = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain; charset=utf-8",
}


@dataclass(slots=True)
class ApiRequest:
    """One request below the API's URL: ``path`` is percent-encoded, ``query`` pairs are not."""

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None

    def url(self, base: str) -> str:
        """The whole URL below a base."""
        found = base.rstrip("/") + self.path
        return f"{found}?{urlencode(self.query, quote_via=quote)}" if self.query else found


def api_request(operation: ApiOperation, arguments: Mapping[str, Any]) -> ApiRequest:
    """The request of an operation; raises ``UpstreamRefusal`` (-32602) for what it cannot carry."""
    path: dict[str, str] = {}
    members: dict[str, Any] = {}
    cookies: list[str] = []
    request = ApiRequest(
        operation.method, operation.path, headers={"accept": "application/json, text/*;q=0.9, */*;q=0.5"}
    )
    for name, value in arguments.items():
        goes = operation.arguments.get(name)
        if goes is None:
            raise _invalid(f"argument `{name}` is not one of this tool")
        match goes.place:
            case "path":
                path[goes.name] = _segment(name, goes, value)
            case "query":
                request.query += _query(name, goes, value)
            case "header":
                request.headers[goes.name] = _line(name, _joined(name, goes, value, ","))
            case "cookie":
                cookies.append(f"{goes.name}={quote(_line(name, _joined(name, goes, value, ',')), safe='')}")
            case "member":
                members[goes.name] = value
            case _:
                request.body = _whole(operation, value)
    request.path = _expanded(operation, path)
    if cookies:
        request.headers["cookie"] = "; ".join(cookies)
    if members:
        request.body = _members(operation, members)
    if request.body is not None and operation.body is not None:
        request.headers["content-type"] = _WRITTEN[operation.body]
    return request


def _expanded(operation: ApiOperation, values: Mapping[str, str]) -> str:
    needed = {goes.name: name for name, goes in operation.arguments.items() if goes.place == "path"}
    path = operation.path
    for wire, name in needed.items():
        if wire not in values:
            raise _invalid(f"argument `{name}` is missing")
        path = path.replace("{" + wire + "}", values[wire])
    return path if path.startswith("/") else f"/{path}"


def _segment(name: str, goes: ApiArgument, value: Any) -> str:
    """One segment of the path: it can neither be empty nor leave its place (RFC 3986, 3.3)."""
    text = _joined(name, goes, value, ",")
    if text in {"", ".", ".."}:
        raise _invalid(f"argument `{name}` cannot be empty, `.` or `..`")
    return quote(text, safe="")


def _query(name: str, goes: ApiArgument, value: Any) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        for key, part in found.items():
            yield (f"{goes.name}[{key}]" if goes.style == "deepObject" else key), _scalar(name, part)
    elif isinstance(value, list) and goes.explode:
        for part in cast("list[Any]", value):
            yield goes.name, _scalar(name, part)
    else:
        yield goes.name, _joined(name, goes, value, _DELIMITERS.get(goes.style or "form", ","))


def _joined(name: str, goes: ApiArgument, value: Any, delimiter: str) -> str:
    if isinstance(value, list):
        return delimiter.join(_scalar(name, part) for part in cast("list[Any]", value))
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        if goes.explode:
            return delimiter.join(f"{key}={_scalar(name, part)}" for key, part in pairs)
        return delimiter.join(text for key, part in pairs for text in (key, _scalar(name, part)))
    return _scalar(name, value)


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, list | dict):
        raise _invalid(f"argument `{name}` cannot be nested or null here")
    return jsontext.dump(value)


def _line(name: str, text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise _invalid(f"argument `{name}` holds characters that a header cannot carry")
    return text


def _whole(operation: ApiOperation, value: Any) -> bytes:
    if operation.body == "text":
        if not isinstance(value, str):
            raise _invalid("argument `body` is not a text")
        return value.encode()
    return jsontext.dump(value).encode()


def _members(operation: ApiOperation, members: Mapping[str, Any]) -> bytes:
    if operation.body == "form":
        pairs = [(name, _scalar(name, part)) for name, value in members.items() for part in _parts(value)]
        return urlencode(pairs, quote_via=quote).encode()
    return jsontext.dump(dict(members)).encode()


def _parts(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _invalid(message: str) -> UpstreamRefusal:
    return UpstreamRefusal(INVALID_PARAMS, message, {"reason": "invalid_arguments"})
