"""The gate: whether a challenger may be released in shadow.

Both models answer the newest labelled rows, which neither has seen. It must not be worse than the champion by
more than the margin: the low end of the interval of their paired difference decides, so few rows do not pass.
The interval is that of releases (service/monitoring/evidence), which is valid however often it is looked.
"""

from collections.abc import Sequence
from pathlib import Path

from lifecycle.retrain.gate_result import Check, GateLimits, GateResult, Verdict
from lifecycle.retrain.held_out_pairs import pairs_of
from lifecycle.retrain.labelled_log import LabelledRow
from lifecycle.retrain.prediction_time import microseconds_a_row
from lifecycle.retrain.segment_check import check_segments
from service.model.published import PublishedModel, stored_model
from service.model.release.release import Release
from service.model.release.widening import differences
from service.monitoring.evidence.evidence import Difference
from service.monitoring.evidence.evidence_state import ModelRows, PairedRows
from service.monitoring.evidence.gains import paired_gain

QUICK_US = 50.0
"""Microseconds a row up to which a challenger is quick enough, whatever the champion takes: the service
itself takes longer for a request."""
_MB = 1e6


def judge(
    champion: PublishedModel,
    challenger: PublishedModel,
    rows: Sequence[LabelledRow],
    limits: GateLimits,
    in_force: Release | None,
) -> GateResult:
    """Check a challenger; ``rows`` were held out, and ``in_force`` is the present release."""
    checks = [_check_contract(champion, challenger), _check_release(in_force), _check_rows(rows, limits)]
    if rows and checks[0].verdict == "passed":
        checks += _checks_by_rows(champion, challenger, rows, limits)
    checks += [_check_latency(champion, challenger, limits), _check_size(challenger.tag, limits)]
    return GateResult(
        champion=champion.tag, challenger=challenger.tag, rows=len(rows), limits=limits, checks=tuple(checks)
    )


def _checks_by_rows(
    champion: PublishedModel, challenger: PublishedModel, rows: Sequence[LabelledRow], limits: GateLimits
) -> list[Check]:
    try:
        paired = pairs_of(champion, challenger, rows)
    except Exception as error:
        # A model is foreign code, and may raise anything; the gate cannot pass what it cannot compare.
        text = f"The rows could not be answered: {type(error).__name__}: {error}."
        return [Check(name="quality", verdict="failed", text=text)]
    return [
        _check_quality(paired_gain(paired, limits.metric, limits.alpha), limits),
        _check_calibration(paired, limits),
        check_segments(challenger.contract, rows, paired, limits),
    ]


def _check_rows(rows: Sequence[LabelledRow], limits: GateLimits) -> Check:
    is_enough = len(rows) >= limits.min_rows
    text = f"{len(rows):,} rows were held out; the gate needs {limits.min_rows:,} to tell."
    verdict: Verdict = "passed" if is_enough else "cannot tell"
    return Check(name="rows", verdict=verdict, value=len(rows), limit=limits.min_rows, text=text)


def _check_quality(gain: Difference, limits: GateLimits) -> Check:
    low, high = gain.low, gain.high
    verdict: Verdict = "cannot tell"
    if low is not None and low > -limits.margin:
        verdict = "passed"
    elif high is not None and high < -limits.margin:
        verdict = "failed"
    if gain.difference is None or low is None or high is None:
        text = f"There is no difference in {limits.metric}."
    else:
        text = (
            f"The gain in {limits.metric} is {gain.difference:+.4f} ({low:+.4f} to {high:+.4f}); its low end "
            f"must be above {-limits.margin:g}."
        )
    return Check(
        name="quality",
        verdict=verdict,
        value=gain.difference,
        low=low,
        high=high,
        limit=-limits.margin,
        text=text,
    )


def _check_calibration(paired: PairedRows, limits: GateLimits) -> Check:
    gap, before = _gap(paired.challenger), _gap(paired.champion)
    limit = limits.max_calibration_gap
    text = (
        f"The mean confidence differs from the accuracy by {gap:.3f}; the champion's by {before:.3f}; at "
        f"most {limit:g}."
    )
    verdict: Verdict = "passed" if gap <= limit else "failed"
    return Check(name="calibration", verdict=verdict, value=gap, limit=limit, text=text)


def _gap(rows: ModelRows) -> float:
    return abs(float(rows.confidence.mean() - rows.is_right.mean()))


def _check_latency(champion: PublishedModel, challenger: PublishedModel, limits: GateLimits) -> Check:
    before, now = microseconds_a_row(champion, challenger)
    ratio = now / before
    is_quick = ratio <= limits.max_latency_ratio or now <= QUICK_US
    text = (
        f"It takes {now:.1f} microseconds for a row, {ratio:.2f} times as long as the champion; at most "
        f"{limits.max_latency_ratio:g} times, or {QUICK_US:g} microseconds."
    )
    verdict: Verdict = "passed" if is_quick else "failed"
    return Check(name="latency", verdict=verdict, value=ratio, limit=limits.max_latency_ratio, text=text)


def _check_size(tag: str, limits: GateLimits) -> Check:
    folder = Path(stored_model(tag).path)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / _MB
    text = f"Its files have {size:.2f} MB; at most {limits.max_size_mb:g}."
    verdict: Verdict = "passed" if size <= limits.max_size_mb else "failed"
    return Check(name="size", verdict=verdict, value=size, limit=limits.max_size_mb, text=text)


def _check_contract(champion: PublishedModel, challenger: PublishedModel) -> Check:
    found = differences(champion.contract, challenger.contract)
    text = " ".join(found) or "It accepts every row that the champion accepts."
    return Check(
        name="contract", verdict="failed" if found else "passed", value=len(found), limit=0, text=text
    )


def _check_release(in_force: Release | None) -> Check:
    is_taken = in_force is not None and in_force.challenger is not None and not in_force.is_fallback
    text = "No other challenger is being compared."
    if is_taken and in_force is not None:
        text = f"{in_force.challenger} is being compared in mode {in_force.mode}: one challenger at a time."
    return Check(name="release", verdict="failed" if is_taken else "passed", text=text)
