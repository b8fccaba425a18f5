"""JSON of the data path, as bytes: read strictly, written compactly."""

from __future__ import annotations

import msgspec

from meshplan.schemas import jsontext

parse = jsontext.quick
encode = msgspec.json.Encoder().encode
"""Compact JSON of a tree that was read strictly: integers exact, no NaN in it."""
