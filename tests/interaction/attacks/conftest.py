"""Makes the helpers of these and of the runtime's tests importable."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
RUNTIME = HERE.parents[1] / "runtime"
sys.path[:0] = [str(HERE), str(RUNTIME), str(RUNTIME / "identity"), str(HERE.parents[1] / "servers")]
