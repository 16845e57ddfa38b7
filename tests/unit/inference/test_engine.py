"""The engine makes of the model's probabilities what every transport answers."""

import asyncio
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from service.errors import RowsFailed
from service.inference.engine import Engine, Predictions
from service.model.contract import Contract, Feature, Matrix, Target, Values
from service.model.published import PublishedModel
from service.model.reference_profile import NO_FLAGS, Flag
from service.telemetry.metrics import Metrics
from tests.support.small_models import lineage_of

CONTRACT = Contract(
    features=(
        Feature(name="x", type="float", observed_minimum=0, observed_maximum=10),
        Feature(name="y", type="float", observed_minimum=0, observed_maximum=10),
    ),
    target=Target(name="larger", type="text", classes=("x", "y")),
)


class Estimator:
    """Prefers the larger feature, and has no idea of sevens."""

    name = "none"
    classes = ("x", "y")

    def predict_proba(self, rows: Matrix, /) -> NDArray[np.float64]:
        numbers = rows.astype(np.float64)
        shares: NDArray[np.float64] = numbers / numbers.sum(axis=1, keepdims=True)
        shares[(numbers == 7).any(axis=1)] = np.nan
        return shares


def row(x: float, y: float) -> Values:
    return CONTRACT.row_type.model_validate({"x": x, "y": y}).features


def with_engine(use: Callable[[Engine], object]) -> CollectorRegistry:
    async def run() -> None:
        engine = Engine(model, metrics, max_call_rows=50)
        result = use(engine)
        if asyncio.iscoroutine(result):
            await result
        await engine.close()

    model = PublishedModel("t:1", CONTRACT, lineage_of("t"), Estimator(), np.array([[1.0, 3.0], [3.0, 1.0]]))
    metrics = Metrics(CollectorRegistry())
    metrics.models.set_models({"champion": model})
    asyncio.run(run())
    metrics.flush()
    return metrics.registry


def test_each_row_gets_its_label_and_confidence_and_its_flags_by_its_place_in_the_request() -> None:
    got: list[Predictions] = []

    async def use(engine: Engine) -> None:
        rows = [[row(1, 3)], [row(3, 1), row(12, -4), row(4, 4)], [row(30, 10)]]
        got.extend(await asyncio.gather(*map(engine.predict, rows)))

    registry = with_engine(use)
    first, second, third = got
    assert (list(first.labels), list(first.confidences), first.flags) == (["y"], [0.75], NO_FLAGS)
    assert list(second.labels) == ["x", "x", "x"]
    assert list(second.probabilities) == [[0.75, 0.25], [1.5, -0.5], [0.5, 0.5]]
    assert second.flags.listed == (
        Flag(1, "x", "above_observed_maximum"),
        Flag(1, "y", "below_observed_minimum"),
    )
    assert third.flags.listed == (Flag(0, "x", "above_observed_maximum"),)
    assert registry.get_sample_value("tabento_predictions_total", {"label": "x", "role": "champion"}) == 4
    assert registry.get_sample_value("tabento_predictions_total", {"label": "y", "role": "champion"}) == 1


def test_a_probability_that_is_no_number_is_a_failure_of_its_row_alone() -> None:
    async def use(engine: Engine) -> None:
        good, bad = await asyncio.gather(
            engine.predict([row(1, 3)]), engine.predict([row(1, 1), row(7, 1)]), return_exceptions=True
        )
        assert isinstance(good, Predictions)
        assert isinstance(bad, RowsFailed)
        assert bad.rows == [1]

    registry = with_engine(use)
    assert registry.get_sample_value("tabento_model_failed_rows_total", {"role": "champion"}) == 1


def test_trying_the_model_out_is_not_counted_as_predictions() -> None:
    registry = with_engine(lambda _: None)
    assert registry.get_sample_value("tabento_predictions_total", {"label": "x", "role": "champion"}) == 0
    assert registry.get_sample_value("tabento_batch_rows_count", {"role": "champion"}) == 0
