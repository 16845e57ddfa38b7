"""The engine: rows in, predictions out. The one door that every transport goes through."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.batcher import Batcher
from service.contract import Flag, Label, Row
from service.metrics import Metrics
from service.model import PublishedModel


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the model says of the rows of one request, in their order."""

    labels: list[Label]
    probabilities: list[list[float]]
    """A list per row, in the contract's class order."""
    confidences: list[float]
    """The probability of each row's label."""
    flags: list[Flag]


class Engine:
    """A model, its batcher and its metrics. It belongs to one event loop."""

    def __init__(self, model: PublishedModel, metrics: Metrics, *, max_call_rows: int) -> None:
        self.model = model
        self._metrics = metrics
        self._classes = model.contract.target.classes
        self._batcher = Batcher(
            model.predict_proba,
            n_classes=len(self._classes),
            max_call_rows=max_call_rows,
            on_call=metrics.count_call,
        )
        metrics.name_model(model)

    async def predict(self, rows: Sequence[Row]) -> Predictions:
        """Predict validated rows; raises RowsFailed for those that the model fails on."""
        matrix = self.model.contract.matrix(rows)
        probabilities = await self._batcher.predict(matrix)
        best = probabilities.argmax(axis=1)
        confidences: list[float] = probabilities.max(axis=1).tolist()
        labels = [self._classes[index] for index in best.tolist()]
        flags = self.model.contract.flags(matrix)
        self._metrics.count_predictions(labels, confidences, flags)
        return Predictions(labels, probabilities.tolist(), confidences, flags)

    async def close(self) -> None:
        """Answer what is queued and stop."""
        await self._batcher.close()
