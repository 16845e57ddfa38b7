"""The distribution of each column of the table, counted over all of its rows.

A column is sorted once, and everything is read off the sorted values, so a table of millions of rows needs
the memory of a few of its columns beside it.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from service.model.contract import Contract, Feature
from service.model.training_profile import CategoryProfile, ColumnProfile, NumberProfile
from training.table.dataset import Split
from training.table.portion import Rows

MOST_BINS = 40
"""Of the values of the table; two more have what is beyond them."""
MOST_CATEGORIES = 100

Numbers = NDArray[np.float64]
Values = Numbers | NDArray[np.object_]

_BOOLEAN_EDGES = np.array([0.5])
_SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)


def profile_columns(contract: Contract, split: Split) -> tuple[ColumnProfile, ...]:
    """The profile of every feature, in contract order, over the rows of both portions."""
    return tuple(
        profile_column(feature, values)
        for feature, values in zip(contract.features, _columns(split), strict=True)
    )


def profile_column(feature: Feature, values: Values) -> ColumnProfile:
    """The profile of a column with at least one value: floats with NaN, or objects with None."""
    if feature.withheld:
        missing = int(pd.isna(values).sum())
        return CategoryProfile(
            name=feature.name,
            categories=(),
            counts=(),
            missing=missing,
            is_withheld=True,
            withheld_rows=len(values) - missing,
        )
    if feature.type == "category":
        return _profile_categories(feature, values)
    return _profile_numbers(feature, values.astype(np.float64, copy=False))


def _columns(split: Split) -> Iterator[Values]:
    portions = (split.train.matrix, split.test.matrix)
    for place in range(portions[0].shape[1]):
        yield np.concatenate([_column(portion, place) for portion in portions])


def _column(rows: Rows, place: int) -> Values:
    column: Values = rows.iloc[:, place].to_numpy() if isinstance(rows, pd.DataFrame) else rows[:, place]
    return column


def _profile_categories(feature: Feature, values: Values) -> CategoryProfile:
    found = pd.Series(values, dtype=object).value_counts(sort=False)
    rows = dict(zip(found.index.tolist(), found.tolist(), strict=True))
    # Of equally frequent ones the first by name, so that the same table gives the same profile.
    frequent = sorted(rows, key=lambda name: (-rows[name], name))[:MOST_CATEGORIES]
    categories = tuple(sorted(frequent))
    counts = tuple(rows[name] for name in categories)
    with_value = sum(rows.values())
    return CategoryProfile(
        name=feature.name,
        categories=categories,
        counts=counts,
        rest=with_value - sum(counts),
        missing=len(values) - with_value,
        seen_once=sum(number == 1 for number in rows.values()),
    )


def _profile_numbers(feature: Feature, values: Numbers) -> NumberProfile:
    ordered = np.sort(values)  # NaN comes last.
    ordered = ordered[: len(values) - int(np.isnan(values).sum())]
    edges = _BOOLEAN_EDGES if feature.type == "boolean" else edges_of(ordered)
    ends = np.searchsorted(ordered, edges, side="right")
    bounds = [0, *ends.tolist(), len(ordered)]
    bins = [ordered[begin:end] for begin, end in pairwise(bounds)]
    edge_of_bin = [*edges.tolist(), float(edges[-1])]
    return NumberProfile(
        name=feature.name,
        edges=tuple(edges.tolist()),
        counts=tuple(map(len, bins)),
        means=tuple(_mean(each) if len(each) else edge for each, edge in zip(bins, edge_of_bin, strict=True)),
        missing=len(values) - len(ordered),
        mean=_mean(ordered),
        standard_deviation=0.0 if ordered[0] == ordered[-1] else float(ordered.std()),
        quantiles=tuple(_quantiles(ordered).tolist()),
        is_time=feature.date_type is not None,
    )


def edges_of(ordered: Numbers) -> Numbers:
    """The edges of ascending numbers: one below all, one at the maximum, and up to 39 between.

    A few different values have a bin each. More have the bins between 39 quantiles, and a value that is
    several of these has a bin of its own.
    """
    is_first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    if is_first.sum() <= MOST_BINS:
        distinct = ordered[is_first]
        inner = _middles(distinct[:-1], distinct[1:])
    else:
        inner = _quantile_edges(ordered)
    return np.unique([_just_below(float(ordered[0])), *inner.tolist(), ordered[-1]])


def _middles(low: Numbers, high: Numbers) -> Numbers:
    middles = low + (high - low) / 2
    # Between neighbouring floats there is none, and the edge belongs to the lower bin.
    edges: Numbers = np.where(middles < high, middles, low)
    return edges


def _quantile_edges(ordered: Numbers) -> Numbers:
    # The least value that at least k/40 of the rows do not exceed.
    places = (np.arange(1, MOST_BINS) * len(ordered) + MOST_BINS - 1) // MOST_BINS - 1
    edges, times = np.unique(ordered[places], return_counts=True)
    begins = np.searchsorted(ordered, edges[times > 1], side="left")
    return np.asarray(np.union1d(edges, ordered[begins[begins > 0] - 1]))


def _just_below(value: float) -> float:
    below = float(np.nextafter(value, -np.inf))
    if abs(below) >= _SMALLEST_NORMAL:
        return below
    # Libraries that are compiled for speed can take a subnormal number for zero.
    return 0.0 if value >= _SMALLEST_NORMAL else -_SMALLEST_NORMAL


def _mean(ordered: Numbers) -> float:
    # The mean of equal numbers can be rounded to a number beside them.
    return float(np.clip(ordered.mean(), ordered[0], ordered[-1]))


def _quantiles(ordered: Numbers) -> Numbers:
    """At each percent, interpolated as numpy does by default."""
    below, rest = np.divmod(np.arange(101) * (len(ordered) - 1), 100)
    low, high = ordered[below], ordered[np.minimum(below + 1, len(ordered) - 1)]
    quantiles: Numbers = np.minimum(low + (high - low) * (rest / 100), high)
    return quantiles
