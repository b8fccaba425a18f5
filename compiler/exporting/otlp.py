"""A ledger as OpenTelemetry logs: OTLP in JSON, one export request a line (opentelemetry-proto, `logs/v1`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Final

from meshplan.compiler.render.attempts import GOOD
from meshplan.schemas.ledger.book import Row

_RECORDS: Final = 500
"""Entries of one request."""
_INFO: Final = (9, "INFO")
_WARN: Final = (13, "WARN")
_SCOPE: Final = {"name": "meshplan.ledger"}


def requests(rows: Iterable[Row]) -> Iterator[str]:
    """``ExportLogsServiceRequest`` as JSON; each entry is one log record, its columns are attributes."""
    resource = {"attributes": [_attribute("service.name", "meshplan")]}
    left = iter(rows)
    while records := [_record(row) for row in islice(left, _RECORDS)]:
        scoped = {"scope": _SCOPE, "logRecords": records}
        yield json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [scoped]}]}, separators=(",", ":"))


def _record(row: Row) -> dict[str, Any]:
    number, text = _WARN if row["outcome"] is not None and row["outcome"] not in GOOD else _INFO
    moment = datetime.fromisoformat(row["at"])
    record = {
        "timeUnixNano": str(round(moment.timestamp() * 1000) * 1_000_000),
        "severityNumber": number,
        "severityText": text,
        "eventName": f"meshplan.ledger.{row['kind']}",
        "body": {"stringValue": " ".join(str(row[name]) for name in ("kind", "outcome", "capability") if row[name])},
        "attributes": [_attribute(f"meshplan.{name}", value) for name, value in row.items() if value is not None],
    }
    return record if row["trace"] is None else {**record, "traceId": row["trace"]}


def _attribute(name: str, value: str | int) -> dict[str, Any]:
    return {"key": name, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
