"""The profile of a column has the figures that numpy and pandas compute from its rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from service.model.contract import Contract, Feature, FeatureType, Target
from service.model.training_profile import CategoryProfile, NumberProfile
from service.monitoring.layout import NumberSection, number_places
from training.publish.reference.profiled_columns import (
    MOST_BINS,
    MOST_CATEGORIES,
    profile_column,
    profile_columns,
)
from training.table.dataset import Split
from training.table.portion import Portion

Numbers = NDArray[np.float64]

few_numbers = st.integers(-3, 3).map(float)
any_number = st.floats(-1e30, 1e30, allow_nan=False)
columns: st.SearchStrategy[Numbers] = st.tuples(
    npst.arrays(np.float64, st.integers(1, 300), elements=st.one_of(few_numbers, any_number)),
    st.integers(0, 20),
).map(lambda drawn: np.concatenate([drawn[0], np.full(drawn[1], np.nan)]))


def profiled(values: Numbers, type_: FeatureType = "float") -> NumberProfile:
    profile = profile_column(Feature(name="x", type=type_, nullable=True), values)
    assert isinstance(profile, NumberProfile)
    return profile


def places_of(profile: NumberProfile, values: Numbers) -> NDArray[np.intp]:
    """The bins that monitoring puts values in."""
    section = NumberSection(profile, slice(0), slice(0), 0)
    return number_places(section, values)


class TestNumbers:
    @given(columns)
    def test_every_row_is_counted_in_the_bin_that_monitoring_puts_it_in(self, values: Numbers) -> None:
        profile = profiled(values)
        known = values[~np.isnan(values)]
        places = places_of(profile, known)
        assert profile.counts == tuple(np.bincount(places, minlength=len(profile.counts)).tolist())
        assert profile.missing == len(values) - len(known)
        assert profile.rows == len(values)
        assert len(profile.counts) <= MOST_BINS + 2
        for place, (mean, count) in enumerate(zip(profile.means, profile.counts, strict=True)):
            if count:
                of_bin = known[places == place]
                assert of_bin.min() <= mean <= of_bin.max()
                assert mean == pytest.approx(of_bin.mean(), rel=1e-9, abs=1e-300)

    @given(columns)
    def test_what_is_beyond_the_table_has_bins_of_its_own(self, values: Numbers) -> None:
        profile = profiled(values)
        low, high = np.nanmin(values), np.nanmax(values)
        beyond = np.array([-1e31, low - abs(low) / 1e6 - 1e-6, high + abs(high) / 1e6 + 1e-6, 1e31])
        last = len(profile.counts) - 1
        assert places_of(profile, beyond).tolist() == [0, 0, last, last]
        assert profile.counts[0] == profile.counts[-1] == 0
        assert profile.edges[-1] == high

    @given(columns)
    def test_the_figures_agree_with_those_of_pandas(self, values: Numbers) -> None:
        profile = profiled(values)
        column = pd.Series(values)
        scale = float(column.abs().max())
        assert profile.mean == pytest.approx(column.mean(), abs=scale * 1e-12)
        assert profile.standard_deviation == pytest.approx(column.std(ddof=0), abs=scale * 1e-9)
        expected = np.quantile(column.dropna(), np.arange(101) / 100)
        np.testing.assert_allclose(profile.quantiles, expected, rtol=1e-9, atol=scale * 1e-12)

    @given(st.integers(1, MOST_BINS), st.integers(0, 2**32 - 1))
    def test_few_values_have_a_bin_each(self, distinct: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        known = np.sort(random.choice(1_000, distinct, replace=False)) / 8
        rows = random.integers(1, 50, distinct)
        profile = profiled(random.permutation(np.repeat(known, rows)))
        assert profile.counts == (0, *rows.tolist(), 0)
        assert profile.means == (profile.edges[0], *known.tolist(), known[-1])

    def test_many_values_are_shared_out_evenly(self) -> None:
        profile = profiled(np.random.default_rng(1).normal(size=10_000))
        assert profile.counts == (0, *[250] * MOST_BINS, 0)

    @pytest.mark.parametrize("value", [0.0, -2.5, 1e-310, 1e30])
    def test_another_constant_is_seen_on_either_side_of_a_constant(self, value: float) -> None:
        profile = profiled(np.full(9, value))
        assert profile.counts == (0, 9, 0)
        assert (profile.mean, profile.standard_deviation) == (value, 0)
        assert places_of(profile, np.array([value - 1e-9 - abs(value) / 2, value])).tolist() == [0, 1]
        assert places_of(profile, np.array([value + 1e-9 + abs(value) / 2])).tolist() == [2]
        assert np.finfo(np.float64).tiny <= abs(profile.edges[0])

    def test_a_value_of_many_rows_has_a_bin_of_its_own(self) -> None:
        random = np.random.default_rng(2)
        values = np.concatenate([np.zeros(9_500), random.normal(size=500)])
        profile = profiled(values)
        (place,) = places_of(profile, np.zeros(1))
        assert profile.counts[place] == 9_500
        assert sum(profile.counts[:place]) == (values < 0).sum()

    def test_neighbouring_floats_are_kept_apart(self) -> None:
        low = 0.1
        high = float(np.nextafter(low, 1))
        assert profiled(np.array([low, high, high])).counts == (0, 1, 2, 0)

    def test_a_boolean_has_a_bin_for_false_and_one_for_true(self) -> None:
        profile = profiled(np.array([0.0, 1, 1, np.nan, 1]), "boolean")
        assert (profile.edges, profile.counts, profile.missing) == ((0.5,), (1, 3), 1)
        assert profiled(np.ones(4), "boolean").counts == (0, 4)

    @pytest.mark.parametrize("type_", ["date", "datetime"])
    def test_a_date_is_marked_as_time(self, type_: FeatureType) -> None:
        assert profiled(np.array([19_000.0, 19_001.5]), type_).is_time
        assert not profiled(np.array([19_000.0, 19_001.5])).is_time


class TestCategories:
    @given(
        st.lists(st.one_of(st.none(), st.sampled_from([f"c{n}" for n in range(130)])), min_size=1).filter(any)
    )
    def test_the_most_frequent_are_counted_and_the_rest_is_not_lost(self, values: list[str | None]) -> None:
        column = np.array([*values, *(f"c{n}" for n in range(90))], dtype=object)
        feature = Feature(name="c", type="category", nullable=True)
        profile = profile_column(feature, column)
        assert isinstance(profile, CategoryProfile)
        found = pd.Series(column).value_counts()
        assert profile.rows == len(column)
        assert profile.missing == pd.Series(column).isna().sum()
        assert list(profile.categories) == sorted(profile.categories)
        assert len(profile.categories) == min(len(found), MOST_CATEGORIES)
        assert dict(zip(profile.categories, profile.counts, strict=True)) == {
            name: found[name] for name in profile.categories
        }
        left = found.drop(list(profile.categories))
        assert profile.rest == left.sum()
        assert left.empty or left.max() <= min(profile.counts)
        assert profile.seen_once == (found == 1).sum()

    @pytest.mark.parametrize(
        ("type_", "values"),
        [
            ("category", np.array(["ann", None, "bob"], dtype=object)),
            ("integer", np.array([10_001.0, np.nan, 10_002.0])),
        ],
    )
    def test_of_a_withheld_column_only_gaps_are_counted(
        self, type_: FeatureType, values: NDArray[np.generic]
    ) -> None:
        feature = Feature(name="who", type=type_, nullable=True, withheld=True)
        profile = profile_column(feature, values)  # type: ignore[arg-type]
        assert profile == CategoryProfile(
            name="who", categories=(), counts=(), missing=1, is_withheld=True, withheld_rows=2
        )


def test_both_portions_are_counted_in_the_order_of_the_contract() -> None:
    contract = Contract(
        features=(Feature(name="b", type="float"), Feature(name="a", type="category")),
        target=Target(name="y", type="boolean", classes=(False, True)),
    )
    train = pd.DataFrame({0: [1.0, 2.0], 1: np.array(["x", "y"], dtype=object)})
    test = pd.DataFrame({0: [5.0], 1: np.array(["x"], dtype=object)})
    split = Split(Portion(train, np.array([False, True])), Portion(test, np.array([True])))
    numbers, categories = profile_columns(contract, split)
    assert isinstance(numbers, NumberProfile)
    assert isinstance(categories, CategoryProfile)
    assert (numbers.name, numbers.counts) == ("b", (0, 1, 1, 1, 0))
    assert (categories.name, categories.categories, categories.counts) == ("a", ("x", "y"), (2, 1))
