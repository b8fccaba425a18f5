"""What counting costs a call, beside what a call costs: CPU microseconds, measured in turns in the same run.

python bench/telemetry.py
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "runtime"))

import anyio
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from plans import FakeUpstreams, simple

from meshplan.runtime.active import Active
from meshplan.runtime.call import Call
from meshplan.runtime.invoke import Invoker
from meshplan.runtime.principal import Caller
from meshplan.runtime.record import Attempt
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.targets import Trace
from meshplan.runtime.telemetry.spans import SdkTracer, instruments
from meshplan.runtime.telemetry.telemetry import Telemetry
from meshplan.schemas.decide import Principal

ROUNDS, CALLS = 7, 4000


def nobody(_attempt: Attempt) -> None:
    """Records nothing."""


async def with_spans(active: Active, call: Call) -> float:
    """Microseconds of CPU a call while spans are made, and thrown away in batches."""
    traces = TracerProvider(shutdown_on_exit=False)
    traces.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    metrics = MeterProvider(shutdown_on_exit=False)
    tracer = SdkTracer(traces.get_tracer("bench"), instruments(metrics.get_meter("bench")), "tcp")
    invoker = Invoker(active, FakeUpstreams(), nobody, telemetry=Telemetry(active, tracer=tracer))
    took = []
    for _ in range(3):
        began = time.process_time()
        for _ in range(CALLS):
            await invoker.invoke(call)
        took.append(time.process_time() - began)
    traces.shutdown()
    return 1e6 * min(took) / CALLS


async def main() -> None:
    active = Active()
    active.swap(Snapshot(simple().bundle()))
    digest = next(key.sha256 for key in active.snapshot.plan.identity.keys.values())
    caller = Caller(digest, Principal("key", "ann", frozenset({"user:ann"})))
    telemetry = Telemetry(active)
    invoker = Invoker(active, FakeUpstreams(), nobody, telemetry=telemetry)
    call = Call("dev", caller, "modern", "tools/call", {"name": "get_note", "arguments": {}})
    whole, counting = [], []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(CALLS):
            await invoker.invoke(call)
        whole.append(time.process_time() - began)
        trace, attempt = (
            Trace(capability="notes/tool/get", server="notes", upstream=0.002),
            Attempt("", "p", "dev", "k", "tools/call", "ok", 0.003, capability="notes/tool/get"),
        )
        attempt.decision = trace.decision
        began = time.process_time()
        for _ in range(CALLS):
            telemetry.began(call, trace)
            telemetry.ended(attempt, trace)
        counting.append(time.process_time() - began)
    spans = await with_spans(active, call)
    each = [1e6 * min(times) / CALLS for times in (whole, counting)]
    print(f"a call through the way in, upstream in memory: {each[0]:6.2f} us of CPU")
    print(f"the same with two spans a call (SDK, batched): {spans:6.2f} us")
    print(f"of which counting and remembering it:          {each[1]:6.2f} us  ({100 * each[1] / each[0]:.1f} %)")


anyio.run(main)
