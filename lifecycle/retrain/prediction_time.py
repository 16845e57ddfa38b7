"""What a row costs: two models in turns, so that whatever else the machine does concerns both."""

import time

import numpy as np

from service.model.published import PublishedModel

_CALL_ROWS = 16
_CALLS = 9
"""Of each model; the quickest counts, which nothing else has disturbed."""
_LEAST_CALL_S = 1e-7


def microseconds_a_row(first: PublishedModel, second: PublishedModel) -> tuple[float, float]:
    """The microseconds a row of each, in calls of a few of its golden rows."""
    models = (first, second)
    matrices = [model.sample[np.arange(_CALL_ROWS) % len(model.sample)] for model in models]
    best = [np.inf, np.inf]
    for _ in range(_CALLS):
        for place, (model, matrix) in enumerate(zip(models, matrices, strict=True)):
            began = time.perf_counter()
            model.predict_proba(matrix)
            best[place] = min(best[place], max(time.perf_counter() - began, _LEAST_CALL_S))
    quickest = [seconds * 1e6 / _CALL_ROWS for seconds in best]
    return quickest[0], quickest[1]
