"""The conventions for MCP as OpenTelemetry publishes them, and whether what was made keeps to them."""

import json
from pathlib import Path

CONVENTION = json.loads((Path(__file__).parent / "convention.json").read_text())


def check_names(spans):
    """Every attribute is one of the convention or ours, those that must be there are, and errors are marked as such."""
    for span in spans:
        said = CONVENTION["spans"]["client" if span.kind == "client" else "server"]
        own = {name for name in span.attributes if not name.startswith("mesh.")}
        assert own >= set(said["required"]), span
        assert own <= {*said["required"], *said["others"]}, span
        assert (span.failed is not None) == ("error.type" in span.attributes), span


def check_metrics(metrics):
    """Every metric is one of the convention, with its unit, attributes and buckets."""
    for name, metric in metrics.items():
        said = CONVENTION["metrics"][name]
        assert metric.unit == said["unit"]
        for point in metric.histogram.data_points:
            own = {pair.key for pair in point.attributes}
            assert set(said["required"]) <= own <= {*said["required"], *said["others"]}
            assert list(point.explicit_bounds) == CONVENTION["boundaries"]
