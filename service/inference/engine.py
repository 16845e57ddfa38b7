"""The engine: validated rows in, predictions out, for every transport."""

from collections.abc import Callable, Sequence
from itertools import chain, cycle, islice, repeat
from math import isfinite
from time import monotonic
from typing import NamedTuple

import numpy as np

from service.errors import RowsFailed
from service.inference.batcher import SHARE_ROWS, Batcher, never_gone
from service.inference.call_time import CallTimeEstimator
from service.model.contract import Values
from service.model.label import Label
from service.model.published import PublishedModel
from service.model.reference_profile import NO_FLAGS, Codes, Flags, ReferenceProfile
from service.model.release.release import Role
from service.telemetry.metrics import Metrics
from service.telemetry.model_metrics import RoleCounts

_Result = tuple[Label, list[float], float, Codes | None]
"""The result of a row: label, probabilities, confidence, codes of flags."""


class Predictions(NamedTuple):
    """The model's output for the rows of a request, in order."""

    labels: Sequence[Label]
    probabilities: Sequence[list[float]]
    """A list per row, in the contract's class order."""
    confidences: Sequence[float]
    """The probability of each row's label."""
    flags: Flags


class Engine:
    """A model, its batcher and its metrics. It belongs to one event loop."""

    def __init__(
        self,
        model: PublishedModel,
        metrics: Metrics,
        *,
        max_call_rows: int,
        workers: int = 1,
    ) -> None:
        self.model = model
        self._metrics = metrics.models
        self._counts = self._metrics.of("champion")
        self._classes = model.contract.target.classes
        self._profile = ReferenceProfile(model.contract)
        self._batcher: Batcher[Values, _Result] = Batcher(
            self._results,
            max_call_rows=max_call_rows,
            on_call=self._count_call,
            call_time=self._measure(),
            share_rows=SHARE_ROWS * workers,
        )

    async def predict(
        self,
        rows: Sequence[Values],
        deadline: float = float("inf"),
        client_is_gone: Callable[[], bool] = never_gone,
    ) -> Predictions:
        """Predict the values of validated rows before the deadline, of the clock ``time.monotonic``.

        Raises RowsFailed if the model fails on rows, DeadlineExceeded, or ClientGone once ``client_is_gone``
        returns true.
        """
        counts = self._counts
        try:
            results = await self._batcher.predict(rows, deadline, client_is_gone)
        except RowsFailed as error:
            counts.failed_rows += len(error.rows)
            raise
        return self._predictions(results, counts)

    async def predict_all(
        self, requests: Sequence[Sequence[Values]], deadline: float = float("inf")
    ) -> Sequence[Predictions]:
        """Predict the rows of many requests together, with the errors of ``predict``."""
        counts = self._counts
        try:
            results = iter(await self._batcher.predict([*chain.from_iterable(requests)], deadline))
        except RowsFailed as error:
            if len(requests) == 1:  # Else each is predicted again alone, and counted then.
                counts.failed_rows += len(error.rows)
            raise
        return [self._predictions([*islice(results, len(rows))], counts) for rows in requests]

    def _predictions(self, results: Sequence[_Result], counts: RoleCounts) -> Predictions:
        if len(results) == 1:  # As in most requests.
            ((label, of_classes, confidence, codes),) = results
            flags = NO_FLAGS if codes is None else self._profile.flags((codes,))
            counts.count_prediction(label, confidence, flags)
            return Predictions((label,), (of_classes,), (confidence,), flags)
        labels, probabilities, confidences, flagged = zip(*results, strict=True)
        flags = self._profile.flags(flagged)
        counts.count_predictions(labels, confidences, flags)
        return Predictions(labels, probabilities, confidences, flags)

    def serve_as(self, role: Role) -> None:
        """Count what begins from now on under this role; until the first call it is the champion's."""
        self._counts = self._metrics.of(role)

    def expected_s(self, rows: int) -> float:
        """The expected seconds of a call of the model for this many rows."""
        return self._batcher.expected_s(rows)

    @property
    def useful_requests(self) -> float:
        """Requests in progress that keep the model and the log busy; more do not raise the throughput."""
        return self._batcher.useful_requests

    async def close(self) -> None:
        """Finish the queued requests, stop, and release the model."""
        await self._batcher.close()

    def _count_call(self, rows: int, seconds: float) -> None:
        self._counts.count_call(rows, seconds)

    def _results(self, rows: Sequence[Values]) -> list[_Result | None]:
        contract, classes = self.model.contract, self._classes
        matrix = contract.matrix_of(rows)
        # The reshape fails if the model returns too few rows: one client would get another's probabilities.
        probabilities = self.model.predict_proba(matrix).reshape(len(rows), len(classes))
        labels = [classes[best] for best in probabilities.argmax(axis=1).tolist()]
        confidences = probabilities.max(axis=1)
        flagged = self._profile.codes(matrix)
        codes = map(flagged.get, range(len(rows))) if flagged else repeat(None)
        results: list[_Result | None] = list(
            zip(labels, probabilities.tolist(), confidences.tolist(), codes, strict=False)
        )
        # The sum is finite only if every value is.
        if not isfinite(probabilities.sum()):
            for row in np.flatnonzero(~np.isfinite(probabilities).all(axis=1)).tolist():
                results[row] = None
        return results

    def _measure(self) -> CallTimeEstimator:
        """The model's call time, from calls at start without the first, which is the slowest."""
        call_time = CallTimeEstimator()
        sample = [tuple(row) for row in self.model.sample.tolist()]
        self._results(sample)
        for size in (1, 32, 256) * 3:
            rows = list(islice(cycle(sample), size))
            started = monotonic()
            self._results(rows)
            call_time.observe(size, monotonic() - started)
        return call_time
