"""A ledger as one Parquet file with typed columns; needs the extra `parquet`."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final

from meshplan.schemas.ledger.book import Row
from meshplan.schemas.ledger.entry import COLUMNS, Entry

_ROWS: Final = 50_000
"""Entries of one row group."""


class NoParquetError(Exception):
    """The library is not installed."""


def write_parquet(rows: Iterable[Row], path: Path) -> int:
    """Write all entries, or nothing; how many they are. Raises ``NoParquetError`` and ``OSError``."""
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise NoParquetError("Parquet needs a library; install `meshplan[parquet]`") from None
    schema, draft, count = _schema(arrow), path.with_name(f".{path.name}.{secrets.token_hex(4)}"), 0
    try:
        with parquet.ParquetWriter(draft, schema, compression="zstd") as writer:
            for batch in _batches(rows):
                writer.write_table(arrow.Table.from_pylist(batch, schema=schema))
                count += len(batch)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return count


def _schema(arrow: Any) -> Any:
    """Times in UTC, numbers as 64-bit integers (money in billionths), texts that repeat by dictionary in the file."""
    kinds = {"at": arrow.timestamp("ms", tz="UTC")}
    numbers = {name for name, kind in Entry.__annotations__.items() if "int" in str(kind)}
    typed = {name: kinds.get(name) or (arrow.int64() if name in numbers else arrow.string()) for name in COLUMNS}
    return arrow.schema([("writer", arrow.string()), *typed.items(), ("hash", arrow.string())])


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while batch := [{**row, "at": datetime.fromisoformat(row["at"])} for row in islice(left, _ROWS)]:
        yield batch
