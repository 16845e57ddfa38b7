"""The metrics, from what ``service/telemetry`` registers."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry

from docs.extension.markdown_table import markdown_table
from service.telemetry.gauges import Gauges
from service.telemetry.metrics import Metrics
from service.telemetry.monitoring_gauges import FAMILIES, MonitoringGauges
from service.telemetry.release_gauges import ReleaseGauges


def metric_table() -> str:
    """Write every metric."""
    return markdown_table(("metric", "kind", "labels", "meaning"), _rows())


def _rows() -> Iterator[tuple[str, str, str, str]]:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    labels = {
        # From inside the metric: a registry knows the labels of samples, of which there are none yet.
        metric._name: metric._labelnames
        for owner in (metrics, metrics.models, Gauges(registry), ReleaseGauges(registry))
        for metric in vars(owner).values()
        if hasattr(metric, "_labelnames")
    }
    labels |= {family.name: family.labels for family in FAMILIES}
    registry.register(MonitoringGauges())
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        by = ", ".join(f"`{label}`" for label in labels[family.name])
        yield f"`{name}`", family.type, by, family.documentation
