"""An OpenAPI document as data: read from the mesh's own folder, its references followed inside it and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import yaml

MAX_BYTES = 16 * 1024 * 1024
_VERSIONS = ("3.0.", "3.1.", "3.2.")
_HOPS = 32
"""References that may lead from one to the next."""


class DocumentError(ValueError):
    """A document that cannot be used; the text says why and where."""


class _Loader(yaml.CSafeLoader):
    """YAML without dates: OpenAPI has none, and JSON could not hold them."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Document:
    """A document of OpenAPI 3."""

    root: Mapping[str, Any]

    @property
    def nullable(self) -> bool:
        """Whether schemas are spelled as in 3.0, which is not JSON Schema."""
        return str(self.root["openapi"]).startswith("3.0.")

    def resolve(self, value: Any, where: str) -> dict[str, Any]:
        """An object, behind its reference if it is one; raises ``DocumentError``."""
        for _ in range(_HOPS):
            if not isinstance(value, dict):
                raise DocumentError(f"{where} is not an object")
            found = cast("dict[str, Any]", value)
            reference = found.get("$ref")
            if not isinstance(reference, str):
                return found
            value = self.at(reference, where)
        raise DocumentError(f"the references of {where} lead in a circle")

    def at(self, reference: str, where: str) -> Any:
        """What a reference names; raises ``DocumentError`` for another document: nothing is fetched."""
        if not reference.startswith("#/"):
            raise DocumentError(f"{where} refers to `{reference}`; only references inside the document are followed")
        found: Any = self.root
        for part in pointer(reference):
            if isinstance(found, dict) and part in found:
                found = cast("dict[str, Any]", found)[part]
            elif isinstance(found, list) and part.isdigit() and int(part) < len(cast("list[Any]", found)):
                found = cast("list[Any]", found)[int(part)]
            else:
                raise DocumentError(f"{where} refers to `{reference}`, which is not in the document")
        return found


def _yaml(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def pointer(reference: str) -> list[str]:
    """The parts of a JSON pointer in a fragment (RFC 6901)."""
    return [part.replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/")]


def parse(text: str) -> Document:
    """A document from JSON or YAML; raises ``DocumentError``."""
    if len(text) > MAX_BYTES:
        raise DocumentError(f"it is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        root: Any = json.loads(text) if text.lstrip().startswith("{") else _yaml(text)  # safe: a SafeLoader
        json.dumps(root, allow_nan=False)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        first = (str(error).splitlines() or ["?"])[0]
        raise DocumentError(f"it is neither JSON nor YAML that JSON can hold: {first}") from None
    if not isinstance(root, dict):
        raise DocumentError("it is not an object")
    found = cast("dict[str, Any]", root)
    if "swagger" in found:
        raise DocumentError("it is Swagger 2; convert it to OpenAPI 3 first")
    version = found.get("openapi")
    if not isinstance(version, str) or not version.startswith(_VERSIONS):
        raise DocumentError("its `openapi` is none of 3.0, 3.1 and 3.2")
    if not isinstance(found.get("paths"), dict):
        raise DocumentError("it has no `paths`")
    return Document(found)
