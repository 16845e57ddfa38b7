"""How long a model takes for rows of the log: in calls of many rows, and of one."""

from collections.abc import Sequence
from statistics import median
from time import perf_counter

from lifecycle.replay.replay_result import ModelSpeed
from service.model.contract import Values
from service.model.published import PublishedModel

SAMPLE_ROWS = 2_000
_SINGLE_CALLS = 200
_LEAST_S = 0.1
"""How long calls of many rows are repeated."""


def speed_of(model: PublishedModel, rows: Sequence[Values]) -> ModelSpeed:
    """The speed on rows that the model accepts, of which there is one at least."""
    contract = model.contract
    matrix = contract.matrix_of(rows)
    model.predict_proba(matrix)
    calls, started = 0, perf_counter()
    while calls == 0 or perf_counter() - started < _LEAST_S:
        model.predict_proba(matrix)
        calls += 1
    seconds_a_row = (perf_counter() - started) / (calls * len(rows))
    times = []
    for row in rows[:_SINGLE_CALLS]:
        single = contract.matrix_of([row])
        began = perf_counter()
        model.predict_proba(single)
        times.append(perf_counter() - began)
    return ModelSpeed(
        tag=model.tag,
        runtime=model.predictor.name,
        rows_per_second=1 / seconds_a_row,
        microseconds_a_row=1e6 * seconds_a_row,
        single_row_microseconds=1e6 * median(times),
    )
