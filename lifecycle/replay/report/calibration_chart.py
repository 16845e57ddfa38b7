"""The candidate's accuracy by its confidence, as an inline drawing."""

from lifecycle.replay.replay_result import Calibration, CalibrationBin
from service.monitoring.report import wording
from service.monitoring.report.html_markup import Markup, section, tag

_WIDTH, _HEIGHT = 1_000, 150


def calibration_section(calibration: Calibration | None) -> Markup | None:
    """The card; None without labels."""
    if calibration is None:
        return None
    chart = _chart(calibration) if calibration.bins else None
    return section(
        3,
        "Accuracy by confidence with its interval; dashed: as confident as right",
        chart,
        tag(
            "p",
            f"Calibration error {wording.figure(calibration.error)} "
            f"{wording.interval(calibration.low, calibration.high)}.",
            class_="why",
        ),
    )


def _chart(calibration: Calibration) -> Markup:
    known = ", ".join(
        f"{wording.figure(each.accuracy)} at {wording.figure(each.confidence)}" for each in calibration.bins
    )
    intervals = "".join(
        f"M{_x(each):.0f} {_y(each.low):.1f}V{_y(each.high):.1f}" for each in calibration.bins
    )
    dots = "".join(f"M{_x(each):.0f} {_y(each.accuracy):.1f}h0" for each in calibration.bins)
    chart = tag(
        "svg",
        tag("path", d=f"M0 {_HEIGHT}L{_WIDTH} 0", class_="ref"),
        tag("path", d=intervals, class_="mark"),
        tag("path", d=dots, class_="dot"),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"Accuracy by confidence: {known}",
        class_="stretched",
    )
    scale = tag("div", tag("span", "1"), tag("span", "0"), class_="scale")
    ends = tag("div", tag("span", "confidence 0"), tag("span", "1"), class_="dates")
    return tag("div", tag("div", chart, scale, class_="plot"), ends)


def _x(each: CalibrationBin) -> float:
    return _WIDTH * each.confidence


def _y(share: float) -> float:
    return _HEIGHT * (1 - share)
