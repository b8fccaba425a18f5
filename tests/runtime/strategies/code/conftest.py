"""Makes the helpers of the runtime's tests importable."""

import sys
from pathlib import Path

sys.path[:0] = [str(folder) for folder in Path(__file__).parents[:3]]
