from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from load_tests.monitoring.made_columns import Categories, Change, FewValues, MadeColumn, Normal
from load_tests.monitoring.made_streams import Stream, made_stream, made_windows
from service.model.training_profile import CategoryProfile, NumberProfile
from service.monitoring.assessment import Aspect, ColumnDrift
from service.monitoring.drift import assess_drift
from service.monitoring.layout import CategorySection, Counts, Layout, NumberSection
from service.monitoring.spans import Window

HOUR_S = 3_600
CLASSES = ("setosa", "versicolor", "virginica")
KINDS: tuple[MadeColumn, ...] = (
    Normal(),
    Normal(missing=0.03),
    Categories.of(8),
    FewValues((0.7, 0.3)),
)


def windows_of(counts: Sequence[Counts] | Counts) -> list[Window]:
    return [Window(place * HOUR_S, (place + 1) * HOUR_S, True, each) for place, each in enumerate(counts)]


def stream(seed: int = 1, rows: int = 10_000) -> tuple[np.random.Generator, Stream]:
    rng = np.random.default_rng(seed)
    return rng, made_stream(rng, KINDS, len(KINDS), rows)


def of(drift: Sequence[ColumnDrift], column: str, aspect: Aspect = "values") -> ColumnDrift:
    (found,) = (each for each in drift if (each.column, each.aspect) == (column, aspect))
    return found


def assessed(changes: Mapping[int, Change], n_windows: int = 5, rows: int = 1_000) -> tuple[ColumnDrift, ...]:
    rng, made = stream()
    return assess_drift(made.layout, CLASSES, windows_of(made_windows(rng, made, n_windows, rows, changes)))


def test_every_aspect_of_every_column_has_a_verdict_in_contract_order() -> None:
    drift = assessed({})
    assert [(each.column, each.aspect, each.is_output) for each in drift] == [
        ("c0", "values", False),
        ("c0", "missing", False),
        ("c1", "values", False),
        ("c1", "missing", False),
        ("c2", "values", False),
        ("c2", "unknown_categories", False),
        ("c2", "missing", False),
        ("c3", "values", False),
        ("c3", "missing", False),
        ("prediction", "values", True),
        ("confidence", "values", True),
    ]
    assert {each.verdict for each in drift} == {"stable"}
    assert {each.text for each in drift} == {""}


@pytest.mark.parametrize(
    ("place", "change", "column", "aspect"),
    [
        (0, Change(shift=0.3), "c0", "values"),
        (0, Change(factor=1 / 2.54), "c0", "values"),
        (1, Change(missing=0.12), "c1", "missing"),
        (2, Change(renamed=1), "c2", "unknown_categories"),
        (2, Change(renamed=1), "c2", "values"),
    ],
)
def test_a_change_is_an_alarm_of_its_column_alone(
    place: int, change: Change, column: str, aspect: Aspect
) -> None:
    drift = assessed({place: change})
    found = of(drift, column, aspect)
    assert found.verdict == "drifting"
    assert found.effect is not None
    assert found.effect > 1
    assert found.p_value is not None
    assert found.p_value < 1e-3
    assert {each.column for each in drift if each.verdict == "drifting"} == {column}


def test_one_window_that_deviates_is_no_alarm() -> None:
    rng, made = stream()
    calm = made_windows(rng, made, 6, 1_000)
    changed = made_windows(rng, made, 2, 1_000, {0: Change(shift=1.0)})
    drift = of(assess_drift(made.layout, CLASSES, windows_of([*calm, changed[0]])), "c0")
    assert drift.windows[-1].deviates
    assert drift.verdict == "stable"
    # Two of five with the newest are.
    drift = of(
        assess_drift(made.layout, CLASSES, windows_of([*calm, changed[0], *calm[:3], changed[1]])), "c0"
    )
    assert drift.verdict == "drifting"
    # An older one does not count.
    drift = of(
        assess_drift(made.layout, CLASSES, windows_of([*calm, changed[0], *calm[:4], changed[1]])), "c0"
    )
    assert drift.verdict == "stable"


def test_an_alarm_ends_with_the_first_window_that_does_not_deviate() -> None:
    rng, made = stream()
    calm = made_windows(rng, made, 1, 1_000)
    changed = made_windows(rng, made, 4, 1_000, {0: Change(shift=1.0)})
    drift = of(assess_drift(made.layout, CLASSES, windows_of([*changed, *calm])), "c0")
    assert drift.verdict == "stable"
    assert [window.deviates for window in drift.windows] == [True] * 4 + [False]


def test_an_incomplete_window_is_left_out() -> None:
    rng, made = stream()
    changed = made_windows(rng, made, 3, 1_000, {0: Change(shift=1.0)})
    windows = windows_of(changed)
    windows[1:] = [window._replace(is_complete=False) for window in windows[1:]]
    drift = of(assess_drift(made.layout, CLASSES, windows), "c0")
    assert len(drift.windows) == 1
    assert drift.verdict == "stable"


def test_without_a_complete_window_nothing_is_said() -> None:
    _, made = stream()
    drift = assess_drift(made.layout, CLASSES, [])
    assert {each.verdict for each in drift} == {"insufficient"}
    assert {each.effect for each in drift} == {None}


def test_a_column_without_values_is_insufficient_and_its_missing_values_drift() -> None:
    drift = assessed({1: Change(missing=1.0)})
    assert of(drift, "c1").verdict == "insufficient"
    assert of(drift, "c1").effect is None
    assert of(drift, "c1", "missing").verdict == "drifting"
    assert of(drift, "c1", "missing").text == "c1: 100 % missing, in training 2.9 %"


def test_a_small_difference_of_many_rows_is_significant_and_no_drift() -> None:
    drift = of(assessed({0: Change(shift=0.05)}, rows=100_000), "c0")
    assert drift.p_value is not None
    assert drift.p_value < 1e-3
    assert drift.verdict == "stable"


def test_a_large_difference_of_few_rows_is_no_drift() -> None:
    drift = of(assessed({0: Change(shift=0.2)}, rows=50), "c0")
    assert drift.verdict == "stable"


def layout_with(*columns: NumberProfile | CategoryProfile) -> Layout:
    _, made = stream()
    profile = made.layout.profile
    return Layout(profile.model_copy(update={"columns": columns, "rows": columns[0].rows}))


def constant(value: float, rows: int = 1_000) -> NumberProfile:
    return NumberProfile(
        name="constant",
        edges=(float(np.nextafter(value, -np.inf)), value),
        counts=(0, rows, 0),
        means=(value, value, value),
        mean=value,
        standard_deviation=0.0,
        quantiles=(value,) * 101,
    )


@pytest.mark.parametrize("value", [0.0, 5.0, -1e300, 1e15])
def test_a_constant_column_is_stable_until_it_has_another_value(value: float) -> None:
    layout = layout_with(constant(value))
    section = layout.sections[0]
    counts = layout.zeros()
    counts[layout.rows] = 600
    counts[section.counts] = [0, 600, 0]
    assert of(assess_drift(layout, CLASSES, windows_of([counts] * 3)), "constant").verdict == "stable"
    changed = counts.copy()
    changed[section.counts] = [0, 500, 100]
    drift = of(assess_drift(layout, CLASSES, windows_of([changed] * 3)), "constant")
    assert drift.verdict == "drifting"
    assert drift.text.endswith("17 % above all of training")


def test_one_absurd_value_is_no_drift() -> None:
    rng, made = stream()
    counts = made_windows(rng, made, 3, 1_000)
    section = made.layout.sections[0]
    assert isinstance(section, NumberSection)
    counts[:, section.counts.stop - 1] += 1
    counts[:, section.counts.start + 20] -= 1
    counts[:, section.sums.stop - 1] += 10**11
    assert of(assess_drift(made.layout, CLASSES, windows_of(counts)), "c0").verdict == "stable"


def test_of_dates_and_withheld_columns_only_missing_values_are_compared() -> None:
    rng, _ = stream()
    date = Normal(missing=0.03).profile(rng, "day", 10_000).model_copy(update={"is_time": True})
    withheld = CategoryProfile(
        name="id", categories=(), counts=(), missing=500, is_withheld=True, withheld_rows=9_500
    )
    layout = layout_with(date, withheld)
    counts = layout.zeros()
    counts[layout.rows] = 1_000
    counts[layout.sections[0].counts.start] = 900
    counts[layout.sections[0].missing] = 100
    counts[layout.sections[1].missing] = 50
    drift = [each for each in assess_drift(layout, CLASSES, windows_of([counts] * 3)) if not each.is_output]
    assert [(each.column, each.aspect, each.verdict) for each in drift] == [
        ("day", "missing", "drifting"),
        ("id", "missing", "stable"),
    ]


def test_unknown_categories_as_frequent_as_new_ones_among_training_rows_are_usual() -> None:
    # 300 of 10,000 training rows have a category of their own, so 3 % of new rows have an unknown one.
    many = CategoryProfile(
        name="city",
        categories=tuple(f"city {place}" for place in range(100)),
        counts=(90,) * 100,
        rest=1_000,
        seen_once=300,
    )
    layout = layout_with(many)
    section = layout.sections[0]
    assert isinstance(section, CategorySection)
    for unknown, verdict in ((31, "stable"), (120, "drifting")):
        counts = layout.zeros()
        counts[layout.rows] = 1_000
        counts[section.unknown] = unknown
        counts[section.counts] = [*(9,) * 100, 100 - unknown if unknown < 100 else 0]
        drift = of(assess_drift(layout, CLASSES, windows_of([counts] * 3)), "city", "unknown_categories")
        assert drift.verdict == verdict, unknown


def test_the_newest_windows_are_shown_oldest_first() -> None:
    windows = of(assessed({}, n_windows=30), "c0").windows
    starts = [window.start_utc for window in windows]
    assert len(windows) == 12
    assert starts == sorted(starts)
    assert windows[-1].end_utc.timestamp() == 30 * HOUR_S
