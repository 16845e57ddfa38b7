"""A histogram that observes many values at once, and the buckets of the service's histograms."""

from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Sequence

from prometheus_client import Histogram

SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8, 16)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 10_000)
CONFIDENCE = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


class BulkHistogram(Histogram):
    """A histogram that observes many values at once."""

    def observe_all(self, values: Sequence[float]) -> None:
        """Observe each of the values.

        ``observe`` writes two numbers to the shared file for every value; this method two for every bucket.
        """
        counts = Counts(bisect_left(self._upper_bounds, value) for value in values)
        self._sum.inc(sum(values))
        for bucket, count in counts.items():
            self._buckets[bucket].inc(count)
