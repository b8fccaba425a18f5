"""What one program of the strategy `code` may cost at most, whatever a plan says."""

from __future__ import annotations

from typing import Final

MAX_WALL_MS: Final = 300_000
MAX_MEMORY_BYTES: Final = 512 * 1024 * 1024
MAX_CALLS: Final = 1_000
MAX_OUTPUT_BYTES: Final = 1024 * 1024
MAX_LOGS_BYTES: Final = 256 * 1024
