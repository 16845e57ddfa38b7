"""The tally: requests are counted in memory and written to the shared metrics files in bulk.

Writing each request separately would cost more than counting it. A killed worker loses the counts that it has
not written, so the tally is written ``TALLY_INTERVAL_S`` after its first request.
"""

import asyncio
from collections.abc import Callable, Mapping

from service.model.release.release import Role
from service.telemetry.metrics import Metrics

TALLY_INTERVAL_S = 0.05
"""The longest time until a request is in the metrics."""


class Tally:
    """Counts of one worker. It belongs to one event loop."""

    def __init__(self, metrics: Metrics, records: Callable[[], Mapping[str, int]]) -> None:
        """Take a function that returns the audit records: ``queued``, and each outcome since the start."""
        self._metrics = metrics
        self._records = records
        self._is_due = False

    def count_request(
        self, route: str, method: str, status: int, seconds: float, role: Role | None = None
    ) -> None:
        """Count an answered request, with the role of the model that was chosen for it, if one was."""
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(TALLY_INTERVAL_S, self.write)
        self._metrics.count_request(route, method, status, seconds, role)

    def write(self) -> None:
        """Write all counts to the metrics."""
        self._is_due = False
        self._metrics.count_records(**self._records())
        self._metrics.flush()
