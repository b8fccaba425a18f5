"""The small words of the language: names, durations, sizes, dates, globs, and references to secrets."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal, Self, TypeVar, cast, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from meshplan.compiler.marks import POISON

_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)\Z")
_DURATION_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE = re.compile(r"([0-9]{1,9})(B|KiB|MiB|GiB)\Z")
_SIZE_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_NO_FIELD = re.compile(r"\[(?:[0-9]+|\*)?\]|\*|^\$(?=\.|$)|^/")
"""What other languages write into a path: an index, a wildcard, the root."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")


_T = TypeVar("_T")


class _Given:
    """The type without `None`: what may be left out must have a value where it is given."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        first, *others = (member for member in get_args(source) if member is not type(None))
        whole: Any = first
        for member in others:
            whole |= member
        return handler(whole)


Maybe = Annotated[_T | None, _Given()]
"""A key that may be left out. `when:` with nothing after it is a mistake, never the same as no `when`."""


def _readable(value: Any) -> Any:
    """A value that was refused when the file was read has no place in data that is taken as it is."""
    stack = [value]
    while stack:
        node = stack.pop()
        if node is POISON:
            raise PydanticCustomError("reported", "reported before")
        if isinstance(node, dict):
            stack.extend(cast("dict[str, Any]", node).values())
        elif isinstance(node, list):
            stack.extend(cast("list[Any]", node))
    return value


FreeJson = Annotated[Any, BeforeValidator(_readable)]
"""Any JSON value, such as an argument or a part of a schema."""


class Written(BaseModel):
    """A part of mesh.yaml as its author wrote it: strict, immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


Known = dict[tuple[type[Written], int], tuple[object, Written]]
"""What has been read well, by its model and the identity of the data, which is kept so that it stays its own."""


class Entry(Written):
    """A part that stands under a name: where the document is read again after a mistake, only what changed is.

    The validation context is the ``Known`` parts, or ``None``.
    """

    @model_validator(mode="wrap")
    @classmethod
    def once(cls, value: Any, read: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """The part that was read before from the very same data."""
        known = cast("Known | None", info.context)
        if known is None:
            return read(value)
        _, found = known.get((cls, id(value)), (None, None))
        if isinstance(found, cls):
            return found
        made = read(value)
        known[cls, id(value)] = value, made
        return made


def bad_value(message: str, advice: str) -> PydanticCustomError:
    """An error whose headline and help are ours; shown as `bad-value`."""
    return PydanticCustomError("mesh_value", "{message}", {"message": message, "help": advice})


def secret_value(message: str, advice: str) -> PydanticCustomError:
    """An error about a value that may be a secret: shown as `secret-literal`, the value covered."""
    return PydanticCustomError("secret_literal", "{message} -- {help}", {"message": message, "help": advice})


def _name(value: Any) -> Any:
    if isinstance(value, str) and not _NAME.match(value):
        raise bad_value(
            f"`{value[:80]}` is not a name",
            "a name starts with a lower-case letter and has at most 63 lower-case letters, digits, `-` and `_`",
        )
    return value


_DURATION_ADVICE = "write a whole number and a unit, such as `500ms`, `30s` or `5m`"
_SIZE_ADVICE = "write a whole number and a unit (`B`, `KiB`, `MiB` or `GiB`), such as `4MiB`"


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        found = _DURATION.match(value)
        if found and int(found[1]):
            return int(found[1]) * _DURATION_MS[found[2]]
        raise bad_value(f"`{value[:80]}` is {'no time at all' if found else 'not a duration'}", _DURATION_ADVICE)
    if isinstance(value, int) and not isinstance(value, bool):
        raise bad_value(f"`{value}` is a number without a unit", f"write the unit, such as `{value}s` or `{value}ms`")
    raise bad_value("wants a duration", _DURATION_ADVICE)


def _size(value: Any) -> Any:
    if isinstance(value, str):
        found = _SIZE.match(value)
        if found and int(found[1]):
            return int(found[1]) * _SIZE_BYTES[found[2]]
        raise bad_value(f"`{value[:80]}` is not a size", _SIZE_ADVICE)
    if isinstance(value, int) and not isinstance(value, bool):
        raise bad_value(f"`{value}` is a number without a unit", f"write the unit, such as `{value}B`")
    raise bad_value("wants a size", _SIZE_ADVICE)


_FIELD_ADVICE = "names with dots between, no wildcards; of an array, a path means each element"


def _field(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    names = value.split(".")
    if all(name.strip() == name != "" for name in names) and not _NO_FIELD.search(value):
        return value
    meant = ".".join(filter(None, _NO_FIELD.sub(".", value).replace(" ", "").split(".")))
    apt = bool(meant) and not re.search(r"[^.\[]\*|\*[^.\]]", value)
    advice = f"write `{meant[:80]}`: {_FIELD_ADVICE}" if apt else f"write {_FIELD_ADVICE}, such as `repo.name`"
    shown = f"`{value[:80]}`" if value else "an empty text"
    raise bad_value(f"{shown} is not the path of a field", advice)


def _day(value: Any) -> Any:
    try:
        if isinstance(value, str) and _DAY.match(value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    shown = f"`{str(value)[:80]}` is not a date" if isinstance(value, str | int | float) else "wants a date"
    raise bad_value(shown, "write year, month and day, such as `2027-03-31`")


def between(least: int, most: int, least_written: str, most_written: str) -> AfterValidator:
    """Bounds of a duration or size, and how they are written."""

    def check(value: int) -> int:
        if least <= value <= most:
            return value
        raise bad_value(
            f"wants `{least_written}` to `{most_written}`", "the bounds are the runtime's own: no plan is above them"
        )

    return AfterValidator(check)


Name = Annotated[str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$"})]
Duration = Annotated[
    int,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}(ms|s|m|h|d)$", "examples": ["30s", "500ms"]}),
]
"""Milliseconds, written as `500ms`, `30s`, `5m`, `1h`, `7d`."""
Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}(B|KiB|MiB|GiB)$", "examples": ["4MiB"]}),
]
"""Bytes, written as `512KiB`, `4MiB`."""
FieldPath = Annotated[str, BeforeValidator(_field), Field(min_length=1)]
"""Where something stands in arguments or results, such as `repo.name`."""
Day = Annotated[
    str, BeforeValidator(_day), WithJsonSchema({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})
]
"""A date; what expires then ends when that day begins in UTC."""
Text = Annotated[str, Field(min_length=1)]
Glob = Annotated[str, Field(min_length=1, max_length=1000)]
"""`*` matches any run of characters, `?` exactly one; case counts."""


def _one_or_many(value: Any) -> str | None:
    if isinstance(value, str):
        return "one"
    return "many" if isinstance(value, list) else None


OneOrMany = Annotated[
    Annotated[_T, Tag("one")] | Annotated[list[_T], Tag("many")],
    Discriminator(
        _one_or_many,
        custom_error_type="mesh_form",
        custom_error_message="wants one or a list of several",
    ),
]
"""One, or a list of several."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}\Z")


def _variable(value: Any) -> Any:
    """What is no name of a variable may well be the secret itself, unless it is meant as one."""
    if not isinstance(value, str) or _VARIABLE.match(value):
        return value
    bare = value.strip("${}")
    if value.startswith("$") and _VARIABLE.match(bare):
        raise bad_value(f"`{value[:80]}` is not the name of an environment variable", f"write `{bare}`")
    raise secret_value("this is not the name of an environment variable", "write the name, never the value")


class EnvRef(Written):
    """A secret in an environment variable of the runtime."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$"), BeforeValidator(_variable)]


class FileRef(Written):
    """A secret in a file that the runtime reads; relative paths start beside mesh.yaml."""

    file: Text


class ExecRef(Written):
    """A secret printed by a command: a list of words, never a shell line."""

    exec: Annotated[list[Text], Field(min_length=1)]


def _reference_form(value: Any) -> str | None:
    if isinstance(value, str | EnvRef | FileRef | ExecRef):
        return "text" if isinstance(value, str) else type(value).__name__
    if isinstance(value, dict):
        for key, tag in (("env", "EnvRef"), ("file", "FileRef"), ("exec", "ExecRef")):
            if key in value:
                return tag
    return None


_BY_REFERENCE = "`{env: NAME}`, `{file: PATH}` or `{exec: [COMMAND, …]}`"

Secret = Annotated[
    Annotated[EnvRef, Tag("EnvRef")] | Annotated[FileRef, Tag("FileRef")] | Annotated[ExecRef, Tag("ExecRef")],
    Discriminator(
        lambda value: None if isinstance(value, str) else _reference_form(value),
        custom_error_type="secret_literal",
        custom_error_message=f"a secret is given by reference only -- write {_BY_REFERENCE}",
    ),
]
"""A secret, only ever by reference."""

TextOrSecret = Annotated[
    Annotated[str, Tag("text")]
    | Annotated[EnvRef, Tag("EnvRef")]
    | Annotated[FileRef, Tag("FileRef")]
    | Annotated[ExecRef, Tag("ExecRef")],
    Discriminator(
        _reference_form,
        custom_error_type="mesh_form",
        custom_error_message=f"wants text or a reference to a secret -- write the text in quotes, or {_BY_REFERENCE}",
    ),
]

EffectWord = Literal["read", "write", "destructive"]
