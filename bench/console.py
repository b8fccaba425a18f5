"""How long the console's first page takes a runtime that was just started on a ledger of many records, over 30 days.

python bench/console.py --records 1000000
"""

import argparse
import http.client
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "runtime"))

from ledger import fill
from plans import recorded, simple
from processes import serving

from meshplan.runtime.admin.console.summary import summarise
from meshplan.schemas.bundle import pack
from meshplan.schemas.ledger.book import open_chains


def milliseconds(address: str, path: str) -> float:
    """One page over a connection of its own, to its last byte."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body[:200]
    connection.close()
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    records = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder:
        place, now = Path(folder), datetime.now(UTC)
        fill(place / "ledger", records, now - timedelta(days=30))
        began = time.perf_counter()
        with open_chains(place / "ledger") as chains:
            summarise(chains, now - timedelta(hours=24), now)
        print(f"the last day of {records} records, added up beside the data path: {time.perf_counter() - began:.2f} s")
        draft = simple()
        draft.admin_listen = "127.0.0.1:0"
        (place / "plan").write_text(pack(recorded(draft, path=str(place / "ledger"))))
        with serving("--plan", place / "plan", "--root", place) as found:
            address = found.admin.removeprefix("http://")
            print(f"first page: {milliseconds(address, '/console'):.0f} ms")
            time.sleep(1.5)
            print(f"while the last day is added up: {milliseconds(address, '/console'):.0f} ms")
            time.sleep(8)
            for name in ("", "/spend", "/calls", "/latency"):
                took = [milliseconds(address, f"/console{name}") for _ in range(20)]
                print(f"/console{name}, later: median {statistics.median(took):.1f} ms, longest {max(took):.1f} ms")


if __name__ == "__main__":
    main()
