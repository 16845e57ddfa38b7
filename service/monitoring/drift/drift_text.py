"""A deviation in words: its direction, and the values that changed most."""

from collections.abc import Sequence

import numpy as np

from service.model.training_profile import NumberProfile
from service.monitoring.layout import Counts
from service.monitoring.statistics.bin_merging import Numbers
from service.monitoring.statistics.effect_sizes import tenths

_NOTABLE_SHARE = 0.01
_MOST_CATEGORIES = 2
_MOST_LETTERS = 40


def number_text(profile: NumberProfile, reference: Counts, window: Counts, means: Numbers) -> str:
    """The difference of a column of numbers; ``means`` are those of the window's bins."""
    if profile.edges == (0.5,):
        # A boolean: no other column has this one edge.
        return f"true {share_text(_share(reference, 1))} -> {share_text(_share(window, 1))}"
    parts = []
    before, now = number(profile.quantiles[50]), number(_median(window, means))
    if before != now:
        parts.append(f"median {before} -> {now}")
    beyond = _beyond(profile, reference, window)
    parts += beyond or [_range_text(profile.edges, reference, window)]
    return ", ".join(parts)


def _beyond(profile: NumberProfile, reference: Counts, window: Counts) -> list[str]:
    """The shares above and below all values of the training table."""
    above = _share(window, -1) if reference[-1] == 0 and profile.edges[-1] >= profile.quantiles[100] else 0.0
    below = _share(window, 0) if reference[0] == 0 and profile.edges[0] < profile.quantiles[0] else 0.0
    return [
        f"{share_text(share)} {where} all of training"
        for share, where in ((above, "above"), (below, "below"))
        if share >= _NOTABLE_SHARE
    ]


def confidence_text(means: Sequence[float], edges: Sequence[float], reference: Counts, window: Counts) -> str:
    """The difference of the confidences."""
    first, second = (float(counts @ np.array(means)) / max(counts.sum(), 1) for counts in (reference, window))
    return f"mean {first:.2f} -> {second:.2f}, {_range_text(edges, reference, window)}"


def _range_text(edges: Sequence[float], reference: Counts, window: Counts) -> str:
    """The tenth of the reference whose share changed most."""
    places = tenths(reference)
    first, second = (
        np.bincount(places, weights=counts, minlength=10) / max(counts.sum(), 1)
        for counts in (reference, window)
    )
    place = int(np.argmax(np.abs(second - first)))
    bins = np.flatnonzero(places == place)
    low, high = int(bins[0]), int(bins[-1])
    if low == 0:
        where = f" up to {number(edges[high])}" if high < len(edges) else ""
    elif high == len(edges):
        where = f" above {number(edges[low - 1])}"
    else:
        where = f" between {number(edges[low - 1])} and {number(edges[high])}"
    return f"{share_text(second[place])}{where}, in training {share_text(first[place])}"


def category_text(names: Sequence[str], reference: Counts, window: Counts) -> str:
    """The categories whose shares changed most."""
    first, second = (counts / max(counts.sum(), 1) for counts in (reference, window))
    changes = second - first
    order = np.argsort(-np.abs(changes), kind="stable")[:_MOST_CATEGORIES]
    return ", ".join(
        f"{_shortened(names[place])} {share_text(first[place])} -> {share_text(second[place])}"
        for place in order
        if changes[place]
    )


def missing_text(first: float, second: float) -> str:
    """The share of missing values."""
    return f"{share_text(second)} missing, in training {share_text(first)}"


def unknown_text(expected: float, share: float) -> str:
    """The share of unknown categories."""
    usual = f", {share_text(expected)} is usual for new rows" if expected else ""
    return f"{share_text(share)} unknown categories{usual}"


def share_text(share: float) -> str:
    """A share in percent, as it is read."""
    percent = 100 * float(share)
    if percent == 0 or percent >= 10:
        return f"{_rounded(percent)} %"
    return f"{percent:.1f}".removesuffix(".0") + " %" if percent >= 0.1 else "under 0.1 %"


def _rounded(percent: float) -> str:
    # 99.7 % is not all.
    return "over 99" if 99 < percent < 100 else f"{percent:.0f}"


def number(value: float) -> str:
    """A number with the digits that matter."""
    size = abs(value)
    if size >= 1e9 or 0 < size < 1e-4:
        return f"{value:.3g}"
    if size >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _share(counts: Counts, place: int) -> float:
    return float(counts[place]) / max(int(counts.sum()), 1)


def _median(counts: Counts, means: Numbers) -> float:
    """The mean of the bin that has the median."""
    return float(means[np.searchsorted(np.cumsum(counts), counts.sum() / 2)])


def _shortened(name: str) -> str:
    return name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
