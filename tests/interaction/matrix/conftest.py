"""Makes the servers and clients beside it importable, and the plans of the runtime's tests."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "runtime")]
