"""The page of ``/metrics``: Prometheus' text format 0.0.4, with labels that are bounded in number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from meshplan.runtime.budget.gauges import Gauge
from meshplan.runtime.telemetry.meter import BOUNDS, Labels, Meter, Series

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class _Text:
    """Writes families of samples."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def family(self, name: str, kind: str, about: str) -> None:
        self.lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]

    def sample(self, name: str, labels: Mapping[str, str], value: float) -> None:
        inner = ",".join(f'{label}="{text.translate(_ESCAPED)}"' for label, text in labels.items())
        self.lines.append(f"{name}{{{inner}}} {value:.17g}" if inner else f"{name} {value:.17g}")

    def gauge(self, name: str, about: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> None:
        found = list(samples)
        if found:
            self.family(name, "gauge", about)
        for labels, value in found:
            self.sample(name, labels, value)

    def histogram(self, name: str, labels: Mapping[str, str], series: Series) -> None:
        seen = 0
        for bound, number in zip((*(f"{bound:g}" for bound in BOUNDS), "+Inf"), series.buckets, strict=True):
            seen += number
            self.sample(f"{name}_bucket", {**labels, "le": bound}, seen)
        self.sample(f"{name}_sum", labels, series.seconds)
        self.sample(f"{name}_count", labels, series.count)


def render(meter: Meter, gauges: Mapping[str, int], report: Mapping[str, Any], budgets: Sequence[Gauge] = ()) -> str:
    """The whole page; ``gauges`` are numbers of this runtime by name, ``report`` the document of ``/status``."""
    text = _Text()
    text.family("mesh_calls_total", "counter", "Attempts that have ended, allowed or not.")
    for labels, series in sorted(meter.calls.items()):
        text.sample("mesh_calls_total", labels._asdict(), series.count)
    by = Labels._fields[:3]
    text.family("mesh_call_duration_seconds", "histogram", "From the request to its answer.")
    for key, series in sorted(meter.by(*by).items()):
        text.histogram("mesh_call_duration_seconds", dict(zip(by, key, strict=True)), series)
    text.family("mesh_upstream_duration_seconds", "histogram", "From the request to a server to its answer.")
    for name, series in sorted(meter.upstreams.items()):
        text.histogram("mesh_upstream_duration_seconds", {"server": name}, series)
    for name, value in gauges.items():
        text.gauge(f"mesh_{name}", _ABOUT[name], [({}, value)])
    _report(text, report)
    _budgets(text, budgets)
    return "\n".join(text.lines) + "\n"


def _budgets(text: _Text, budgets: Sequence[Gauge]) -> None:
    named = [({"budget": one.budget, "unit": one.unit, "window": one.window}, one) for one in budgets]
    limits = [(labels, one.limit) for labels, one in named]
    text.gauge("mesh_budget_limit", "What may be used of a budget in a window.", limits)
    usage = [({**labels, "scope": scope}, used) for labels, one in named for scope, used in one.usage.items()]
    text.gauge("mesh_budget_usage", "What is used of it in the window that runs now.", usage)
    full = [(labels, one.utilization) for labels, one in named]
    text.gauge("mesh_budget_utilization_ratio", "How much of its limit the fullest counter of a budget has used.", full)


_ABOUT: Final = {
    "calls_running": "Calls under way.",
    "sessions": "Open sessions of clients.",
    "ledger_waiting": "Entries that wait to be written to the ledger.",
    "ledger_failing": "1 while the ledger cannot be written.",
}
"""The gauges that are plain numbers."""

_UP: Final = frozenset({"connected", "ready", "per caller"})


def _report(text: _Text, report: Mapping[str, Any]) -> None:
    active: dict[str, Any] | None = report.get("active")
    plan = [] if active is None else [({"mesh": str(report["mesh"]), "plan": str(active["plan"])}, 1.0)]
    text.gauge("mesh_plan_info", "The plan that is served.", plan)
    if active is not None and active["seq"] is not None:
        text.gauge("mesh_plan_seq", "Its number in the channel.", [({}, float(active["seq"]))])
    text.gauge("mesh_plan_refused", "1 while the newest plan is refused.", [({}, float(bool(report.get("refused"))))])
    upstreams: dict[str, dict[str, Any]] = report.get("upstreams", {})
    ready = [({"server": name}, float(found["state"] in _UP)) for name, found in upstreams.items()]
    text.gauge("mesh_upstream_ready", "1 while a server can be called.", ready)
    breakers = [
        ({"server": name}, float(found["breaker"] != "closed"))
        for name, found in upstreams.items()
        if found["breaker"] is not None
    ]
    text.gauge("mesh_upstream_breaker_open", "1 while a server is left alone.", breakers)
    drifted = [({"server": name}, float(len(seen["drifted"]))) for name, seen in report.get("drift", {}).items()]
    text.gauge("mesh_drifted_capabilities", "Capabilities that differ from their lock.", drifted)
    if "workers" in report:
        text.gauge("mesh_workers", "Workers that serve.", [({}, float(len(report["workers"])))])
