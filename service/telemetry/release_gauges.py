"""The gauges of the release of a service."""

from prometheus_client import REGISTRY, CollectorRegistry, Gauge

from service.model.release.release_state import ReleaseState


class ReleaseGauges:
    """The gauges of one worker; the metrics page adds those of all workers."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        refused = "1 while a worker does not serve the wanted release, because it was refused or is invalid."
        self.refused = Gauge(
            "tabento_release_refused", refused, registry=registry, multiprocess_mode="livemax"
        )
        in_force = "Workers that serve the wanted release."
        self.workers = Gauge(
            "tabento_release_workers", in_force, registry=registry, multiprocess_mode="livesum"
        )
        self.set(ReleaseState("none"))

    def set(self, state: ReleaseState) -> None:
        """Set the gauges to the state of this worker."""
        self.refused.set(state.state == "refused")
        self.workers.set(state.state == "in force")
