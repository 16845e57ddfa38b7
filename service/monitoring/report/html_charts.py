"""The charts of the page: inline SVG, without axes. What a chart says is in its label too.

Charts of the page's width are stretched, so they have no text, and dots are lines without a length.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, pairwise
from typing import NamedTuple

from service.monitoring.assessment import AssessedWindow, ColumnDrift, QualityWindow, WindowDrift
from service.monitoring.report import wording
from service.monitoring.report.html_markup import Child, Markup, tag

_SPARK_POINTS = 40
_SPARK_WIDTH, _SPARK_HEIGHT = 160, 32
_WIDTH, _HEIGHT = 1_000, 150
_MOST_POINTS = 120
"""Windows that a chart of the page's width has: the last ones."""
_BAR_WIDTH, _BAR_EFFECT = 80, 4.0
"""The length of a bar of an effect, and the effect that fills it."""

Point = tuple[float, float]


class _Scale(NamedTuple):
    """Places windows from left to right, and values from the bottom to the top."""

    windows: int
    low: float
    high: float
    width: int
    height: int

    def points(self, values: Sequence[float | None]) -> list[Point | None]:
        """A point for each window that has a value."""
        step = self.width / max(1, self.windows - 1)
        return [
            None if value is None else (place * step, self._y(value)) for place, value in enumerate(values)
        ]

    def level(self, value: float) -> Markup:
        """A reference line."""
        return tag("path", d=f"M0 {self._y(value):.1f}H{self.width}", class_="ref")

    def _y(self, value: float) -> float:
        inside = min(self.high, max(self.low, value))
        return self.height * ((self.high - inside) / (self.high - self.low))


def sparkline(column: ColumnDrift) -> Markup:
    """The effect over the windows; dashed: as large as counts."""
    groups = [*_groups(column.windows, _SPARK_POINTS)]
    effects = [_largest(group) for group in groups]
    known = [effect for effect in effects if effect is not None]
    if not known:
        return tag("span", "no figure yet", class_="why")
    scale = _Scale(len(groups), 0.0, max(2.0, *known), _SPARK_WIDTH, _SPARK_HEIGHT)
    line = scale.points(effects)
    deviates = [any(each.deviates for each in group) for group in groups]
    label = (
        f"Effect in {wording.count(len(column.windows), 'window')}: newest {wording.effect(column.effect)}, "
        f"largest {wording.effect(max(known))}; {sum(each.deviates for each in column.windows):,} deviate"
    )
    shapes = (scale.level(1.0), tag("path", d=_line(line), class_="now"), _dots(compress(line, deviates)))
    return _svg(_SPARK_WIDTH, _SPARK_HEIGHT, label, *shapes, class_="spark")


def effect_bar(effect: float | None, verdict: str) -> Markup:
    """The effect as a length, with a mark where it counts."""
    filled = _BAR_WIDTH * min(1.0, max(0.0, effect or 0.0) / _BAR_EFFECT)
    mark = _BAR_WIDTH / _BAR_EFFECT
    return tag(
        "svg",
        tag("rect", width=f"{_BAR_WIDTH}", height="6", y="3", rx="3", class_="rail"),
        tag("rect", width=f"{filled:.0f}", height="6", y="3", rx="3", class_=f"fill {verdict}"),
        tag("path", d=f"M{mark:.0f} 0V12", class_="mark"),
        viewBox=f"0 0 {_BAR_WIDTH} 12",
        class_="bar",
        aria_hidden="true",
    )


def accuracy_chart(windows: Sequence[QualityWindow], held_out: float | None) -> Markup:
    """Live accuracy with its interval; dashed: held out; dotted: estimated."""
    last = windows[-_MOST_POINTS:]
    lows, highs = [each.low for each in last], [each.high for each in last]
    live, estimated = [each.accuracy for each in last], [each.estimated_accuracy for each in last]
    drawn = [value for value in (*lows, *highs, *live, *estimated, held_out) if value is not None]
    scale = _Scale(len(last), *_padded(drawn), _WIDTH, _HEIGHT)
    line = scale.points(live)
    shapes = (
        tag("path", d=_band(scale.points(highs), scale.points(lows)), class_="band"),
        None if held_out is None else scale.level(held_out),
        tag("path", d=_line(scale.points(estimated)), class_="guess"),
        tag("path", d=_line(line), class_="now"),
        _dots(compress(line, [each.is_degraded for each in last])),
    )
    chart = _svg(_WIDTH, _HEIGHT, _accuracy_label(last), *shapes, class_="stretched")
    ends = (tag("span", wording.figure(end)) for end in (scale.high, scale.low))
    return _with_dates(tag("div", chart, tag("div", *ends, class_="scale"), class_="plot"), last)


def rows_chart(windows: Sequence[AssessedWindow]) -> Markup:
    """The rows of each window; a window with a deviating column is marked, an incomplete one is outlined."""
    last = windows[-_MOST_POINTS:]
    most = max([1, *(each.rows for each in last)])
    step = _WIDTH / max(12, len(last))
    bars = [
        tag(
            "rect",
            x=f"{place * step:.1f}",
            y=f"{_HEIGHT / 2 * (1 - each.rows / most):.1f}",
            width=f"{step * 0.8:.1f}",
            height=f"{_HEIGHT / 2 * each.rows / most:.1f}",
            class_="fill drifting" if each.deviating else "train" if each.is_complete else "open",
        )
        for place, each in enumerate(last)
    ]
    deviating = sum(bool(each.deviating) for each in last)
    label = (
        f"Rows in {wording.count(len(last), 'window')}, at most {most:,}; in {deviating:,} a column deviates"
    )
    return _with_dates(_svg(_WIDTH, _HEIGHT // 2, label, *bars, class_="stretched low"), last)


def _accuracy_label(windows: Sequence[QualityWindow]) -> str:
    known = [each.accuracy for each in windows if each.accuracy is not None]
    if not known:
        return f"Accuracy in {wording.count(len(windows), 'window')}: no figure yet"
    return (
        f"Accuracy in {wording.count(len(windows), 'window')}: newest {wording.figure(known[-1])}, lowest "
        f"{wording.figure(min(known))}, highest {wording.figure(max(known))}"
    )


def _with_dates(chart: Markup, windows: Sequence[QualityWindow | AssessedWindow]) -> Markup:
    dates = (wording.moment(windows[0].start_utc), wording.moment(windows[-1].end_utc))
    return tag("div", chart, tag("div", *(tag("span", date) for date in dates), class_="dates"))


def _svg(width: int, height: int, label: str, *shapes: Child, class_: str) -> Markup:
    return tag(
        "svg",
        *shapes,
        viewBox=f"0 0 {width} {height}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
        class_=class_,
    )


def _groups(windows: Sequence[WindowDrift], most: int) -> Iterator[Sequence[WindowDrift]]:
    """At most so many groups of windows, in order; a group shows its largest effect, so no peak is lost."""
    size = max(1, -(-len(windows) // most))
    for start in range(0, len(windows), size):
        yield windows[start : start + size]


def _largest(windows: Sequence[WindowDrift]) -> float | None:
    return max((each.effect for each in windows if each.effect is not None), default=None)


def _line(points: Iterable[Point | None]) -> str:
    """A line with a gap where there is no point."""
    written, is_down = [], False
    for point in points:
        if point is not None:
            # Without a length, so that a point without neighbours is seen.
            written.append(("L{:.0f} {:.1f}" if is_down else "M{:.0f} {:.1f}h0").format(*point))
        is_down = point is not None
    return "".join(written)


def _band(highs: Sequence[Point | None], lows: Sequence[Point | None]) -> str:
    """The area between two lines, where both neighbours have bounds."""
    edges = [(high, low) for high, low in zip(highs, lows, strict=True)]
    written = []
    for (high, low), (next_high, next_low) in pairwise(edges):
        if high and low and next_high and next_low:
            corners = (high, next_high, next_low, low)
            written.append("M" + "L".join(f"{x:.0f} {y:.1f}" for x, y in corners) + "Z")
    return "".join(written)


def _dots(points: Iterable[Point | None]) -> Markup | None:
    written = "".join(f"M{point[0]:.0f} {point[1]:.1f}h0" for point in points if point is not None)
    return tag("path", d=written, class_="dot") if written else None


def _padded(values: Sequence[float]) -> tuple[float, float]:
    """Bounds of a scale of shares, which is not empty."""
    low, high = max(0.0, min(values, default=0.0)), min(1.0, max(values, default=1.0))
    pad = max(0.01, (high - low) * 0.08)
    return min(0.98, max(0.0, low - pad)), max(0.02, min(1.0, high + pad))
