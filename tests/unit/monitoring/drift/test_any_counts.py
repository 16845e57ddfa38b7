import json
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from load_tests.monitoring.made_columns import number_profile
from load_tests.monitoring.made_streams import MIXED, made_predictions, made_stream
from service.model.training_profile import CategoryProfile, NumberProfile, TrainingProfile
from service.monitoring.drift import assess_drift
from service.monitoring.layout import Layout
from service.monitoring.spans import Window

RNG = np.random.default_rng(5)
MADE = made_stream(RNG, MIXED, len(MIXED), 200).layout


def odd_profile() -> TrainingProfile:
    rows = 40
    columns: tuple[NumberProfile | CategoryProfile, ...] = (
        number_profile("constant", np.full(rows, 7.0), 0),
        number_profile("huge", np.linspace(1e150, 1.2e150, rows), 0),
        number_profile("tiny", np.linspace(0, 1e-300, rows), 0),
        number_profile("heavy", np.exp(np.linspace(0, 300, rows)), 0),
        number_profile("two", np.array([1.0, 2.0]), rows - 2),
        CategoryProfile(name="nothing", categories=(), counts=(), missing=rows),
        CategoryProfile(name="one", categories=("a",), counts=(rows,)),
        CategoryProfile(name="each", categories=tuple(map(str, range(rows))), counts=(1,) * rows),
        CategoryProfile(name="withheld", categories=(), counts=(), is_withheld=True, withheld_rows=rows),
    )
    predictions = made_predictions(RNG, 0)
    return TrainingProfile(rows=rows, columns=columns, predictions=predictions, test_rows=1, quality={})


ODD = Layout(odd_profile())
NUMBERS = st.one_of(st.integers(0, 3), st.integers(0, 2_000), st.sampled_from([10**7, 2**40]))


@settings(max_examples=60)
@given(st.sampled_from([MADE, ODD]), st.integers(1, 8), st.data())
def test_any_counts_give_finite_figures(layout: Layout, n_windows: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    largest = data.draw(NUMBERS)
    # Also counts that do not fit together, and sums of values that are in another bin.
    counts = rng.integers(0, largest + 1, (n_windows, layout.size))
    counts *= rng.random(counts.shape) < data.draw(st.floats(0, 1))
    if data.draw(st.booleans()):
        counts[:, layout.rows] = largest * 10
    windows = [Window(place * 3_600, (place + 1) * 3_600, True, each) for place, each in enumerate(counts)]
    with np.errstate(all="raise", under="ignore"):
        drift = assess_drift(layout, ("a", "b", "c"), windows)
    for column in drift:
        json.loads(column.model_dump_json())
        figures = [column.effect, column.p_value, *column.effects.values()]
        figures += [figure for window in column.windows for figure in (window.effect, window.p_value)]
        assert all(figure is None or math.isfinite(figure) for figure in figures), column
        assert all(figure is None or figure >= 0 for figure in figures), column
