"""Rows are counted by slots as a count of each value alone says, in any portions."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model.contract import Contract, Feature, Target
from service.model.training_profile import (
    CONFIDENCE_EDGES,
    CategoryProfile,
    Figure,
    NumberProfile,
    PredictionProfile,
    TrainingProfile,
)
from service.monitoring.counting.row_counter import UNKNOWN, CountedRows, RowCounter
from service.monitoring.layout import SUM_UNIT, CategorySection, NumberSection
from service.monitoring.spans import SEGMENT_OTHER, Slot

SLOT_S = 600
ROWS = 101


def number(name: str, edges: Sequence[float], *, is_time: bool = False) -> NumberProfile:
    return NumberProfile(
        name=name,
        edges=tuple(edges),
        counts=(0, ROWS, *[0] * (len(edges) - 1)),
        means=(*edges, edges[-1]),
        mean=2.0,
        standard_deviation=4.0,
        quantiles=tuple(float(step) for step in range(101)),
        is_time=is_time,
    )


CONTRACT = Contract(
    features=(
        Feature(name="size", type="float", nullable=True),
        Feature(name="tame", type="boolean"),
        Feature(name="colour", type="category", categories=("black", "grey", "white"), nullable=True),
        Feature(name="born", type="date", nullable=True),
        Feature(name="owner", type="category", withheld=True, nullable=True),
        Feature(name="number", type="integer", withheld=True),
    ),
    target=Target(name="dog", type="boolean", classes=(False, True)),
    reference_date=date(2026, 1, 1),
)
PROFILE = TrainingProfile(
    rows=ROWS,
    columns=(
        number("size", [1.0, 10.0, 50.0]),
        number("tame", [0.5]),
        CategoryProfile(name="colour", categories=("black", "white"), counts=(60, 40), rest=1),
        number("born", [0.0, 100.0], is_time=True),
        CategoryProfile(
            name="owner", categories=(), counts=(), is_withheld=True, withheld_rows=100, missing=1
        ),
        CategoryProfile(name="number", categories=(), counts=(), is_withheld=True, withheld_rows=ROWS),
    ),
    predictions=PredictionProfile(
        counts=(ROWS, 0),
        confidence_counts=(ROWS, *[0] * len(CONFIDENCE_EDGES)),
        confidence_means=(0.01, *CONFIDENCE_EDGES),
        calibration_edges=(0.5, 0.8),
        calibration=(0.4, 0.6, 0.9),
    ),
    test_rows=20,
    quality={"accuracy": Figure(value=0.9, low=0.8, high=1.0)},
)
COUNTER = RowCounter(CONTRACT, PROFILE, SLOT_S)
VALUES = st.tuples(
    st.none() | st.sampled_from([1.0, 10, 50.0]) | st.floats(-1e30, 1e30),
    st.booleans(),
    st.none() | st.sampled_from(["black", " white\t", "grey", "", "  ", "pink"]),
    st.none() | st.sampled_from(["1970-01-02", " 1970-01-01 ", ""]) | st.integers(-1000, 1000).map(float),
    st.none() | st.text("ab "),
    st.integers(0, 10**9),
)
PREDICTED = st.tuples(
    st.integers(0, 3 * SLOT_S), st.sampled_from([0, 1, UNKNOWN]), st.none() | st.floats(0, 1)
)
DRAWN = st.lists(st.tuples(VALUES, PREDICTED), min_size=1, max_size=20)
Drawn = list[tuple[tuple[Any, ...], tuple[int, int, float | None]]]


def counted(drawn: Drawn) -> dict[int, list[int]]:
    """The counts of each slot."""
    received, predicted, confidences = zip(*(of for _, of in drawn), strict=True)
    rows = CountedRows(
        np.array(received, dtype=np.float64),
        [*zip(*(values for values, _ in drawn), strict=True)],
        np.array(predicted, dtype=np.intp),
        np.array(confidences, dtype=np.float64),
    )
    slots: list[Slot] = COUNTER.count(rows)
    assert [slot.start_s for slot in slots] == sorted({slot.start_s for slot in slots})
    return {slot.start_s: slot.counts.tolist() for slot in slots}


def alone(values: tuple[Any, ...], predicted: int, confidence: float | None) -> list[int]:
    """The vector of one row, counted by hand."""
    layout = COUNTER.layout
    vector: list[int] = layout.zeros().tolist()
    vector[layout.rows] = 1
    for section, value in zip(layout.sections, values, strict=True):
        if isinstance(section, NumberSection):
            _add_number(vector, section, value)
        else:
            vector[_category_place(section, value)] += 1
    if predicted != UNKNOWN:
        vector[layout.labels.start + predicted] += 1
    if confidence is not None:
        vector[layout.confidences.start + bisect_left(CONFIDENCE_EDGES, confidence)] += 1
        vector[layout.calibration.start + bisect_left((0.5, 0.8), confidence)] += 1
    return vector


def _add_number(vector: list[int], section: NumberSection, value: Any) -> None:
    if isinstance(value, str):
        value = (date.fromisoformat(value.strip()) - date(1970, 1, 1)).days if value.strip() else None
    if value is None:
        vector[section.missing] += 1
        return
    place = bisect_left(section.profile.edges, float(value))
    vector[section.counts.start + place] += 1
    relative = min(max((float(value) - 2.0) / 4.0, -1e6), 1e6)
    vector[section.sums.start + place] += round(relative / SUM_UNIT)


def _category_place(section: CategorySection, value: Any) -> int:
    start, rest = section.counts.start, section.counts.stop - 1
    text = None if value is None else str(value).strip()
    if not text:
        return section.missing
    if section.profile.is_withheld:
        return int(rest)
    places: dict[str, int] = {"black": start, "white": start + 1, "grey": rest}
    return places.get(text, section.unknown)


@given(drawn=DRAWN)
def test_the_counts_of_slots_are_the_sums_of_those_of_each_row(drawn: Drawn) -> None:
    expected: dict[int, list[int]] = {}
    for values, (received_s, predicted, confidence) in drawn:
        start_s = received_s // SLOT_S * SLOT_S
        vector = alone(values, predicted, confidence)
        held = expected.setdefault(start_s, [0] * len(vector))
        expected[start_s] = [a + b for a, b in zip(held, vector, strict=True)]
    assert counted(drawn) == expected


@given(drawn=DRAWN, place=st.integers(0, 20))
def test_portions_add_up(drawn: Drawn, place: int) -> None:
    total: dict[int, list[int]] = {}
    for portion in filter(None, (drawn[:place], drawn[place:])):
        for start_s, counts in counted(portion).items():
            held = total.setdefault(start_s, [0] * len(counts))
            total[start_s] = [a + b for a, b in zip(held, counts, strict=True)]
    assert counted(drawn) == total


@pytest.mark.parametrize(
    ("row", "bins"),
    [
        ((0.0, True, "black", "2020-01-01", "Ada", 7), [0, 0, 0, 255, 255, 255]),
        ((10.0, False, " white", None, None, 7), [0, 0, 1, 255, 255, 255]),
        ((10.5, True, "grey", None, None, 7), [1, 0, 255, 255, 255, 255]),
        ((1e9, True, "pink", None, None, 7), [9, 0, 255, 255, 255, 255]),
        ((None, True, None, None, None, 7), [255, 0, 255, 255, 255, 255]),
    ],
)
def test_segments_are_tenths_of_training_and_frequent_categories(
    row: tuple[Any, ...], bins: list[int]
) -> None:
    assert SEGMENT_OTHER == 255
    assert COUNTER.segments([[value] for value in row]).tolist() == [bins]


def test_a_profile_of_other_columns_or_classes_is_refused() -> None:
    fewer = CONTRACT.model_copy(update={"features": CONTRACT.features[:-1]})
    with pytest.raises(ValueError, match="other columns"):
        RowCounter(fewer, PROFILE, SLOT_S)
    target = Target(name="dog", type="text", classes=("a", "b", "c"))
    with pytest.raises(ValueError, match="other classes"):
        RowCounter(CONTRACT.model_copy(update={"target": target}), PROFILE, SLOT_S)
