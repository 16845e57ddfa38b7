"""The figures of a replay beside those of the evidence: disagreements, segments, calibration."""

from collections.abc import Iterator

import numpy as np

from lifecycle.replay.part_tally import PartTally
from lifecycle.replay.replay_result import (
    BrokenRule,
    Calibration,
    CalibrationBin,
    ClassPair,
    Disagreements,
    ReplayedSegment,
)
from lifecycle.replay.row_comparison import SegmentCount
from service.model.training_profile import CONFIDENCE_EDGES, ColumnProfile, TrainingProfile
from service.monitoring.evidence.evidence import Disagreement
from service.monitoring.evidence.evidence_state import ModelRows
from service.monitoring.quality.calibration_gap import calibration_gap
from service.monitoring.quality.live_segments import segments_of, values_of
from service.monitoring.quality.share_sequence import share_interval

SHOWN_PAIRS = 20
SHOWN_RULES = 20
_SHOWN_SEGMENTS = 12
"""Of each of the two orders: the worst, and those that differ most."""
_LEAST_ROWS = 30
"""Rows of a segment, or labels of a bin, below which it is not shown."""


def broken_rules(tally: PartTally) -> tuple[BrokenRule, ...]:
    """What broken records break, the most frequent first."""
    return tuple(
        BrokenRule(
            feature=rule[0],
            message=rule[1],
            records=records,
            request_ids=tuple(tally.broken_examples.get(rule, ())),
        )
        for rule, records in tally.broken.most_common(SHOWN_RULES)
    )


def disagreements(tally: PartTally, found: Disagreement | None) -> Disagreements:
    """How often the labels differ, with the interval of the evidence."""
    pairs = sorted(tally.pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:SHOWN_PAIRS]
    return Disagreements(
        rows=tally.rows,
        differing=tally.differing,
        rate=found.rate if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        pairs=tuple(ClassPair(compared=was, candidate=now, rows=rows) for (was, now), rows in pairs),
        examples=tuple(example.row for example in tally.examples),
    )


def calibration_of(rows: ModelRows, alpha: float) -> Calibration | None:
    """The candidate's calibration; None without labels."""
    gap = calibration_gap(rows.confidence, rows.is_right, alpha)
    if gap is None:
        return None
    places = np.searchsorted(CONFIDENCE_EDGES, rows.confidence, side="left")
    size = len(CONFIDENCE_EDGES) + 1
    counts = np.bincount(places, minlength=size)
    right = np.bincount(places, weights=rows.is_right, minlength=size)
    sums = np.bincount(places, weights=rows.confidence, minlength=size)
    low, high = share_interval(right, counts, alpha / size)
    bins = [
        CalibrationBin(
            rows=int(counts[place]),
            confidence=float(sums[place] / counts[place]),
            accuracy=float(right[place] / counts[place]),
            low=float(low[place]),
            high=float(high[place]),
        )
        for place in np.flatnonzero(counts >= _LEAST_ROWS).tolist()
    ]
    return Calibration(error=gap.value, low=gap.low, high=gap.high, bins=tuple(bins))


def segments(tally: PartTally, profile: TrainingProfile | None, alpha: float) -> tuple[ReplayedSegment, ...]:
    """The segments in which the candidate is worst, then those with the most other labels."""
    if profile is None or tally.segments is None:
        return ()
    number = sum(map(segments_of, profile.columns))
    if not number:
        return ()
    found = [
        segment
        for place, column in enumerate(profile.columns)
        for segment in _of_column(column, tally.segments[:, place, :], alpha / number)
    ]
    judged = [each for each in found if each.candidate_accuracy is not None]
    judged.sort(key=lambda each: (each.candidate_accuracy or 0.0, -each.labelled, each.feature, each.values))
    found.sort(key=lambda each: (-each.differing / each.rows, -each.rows, each.feature, each.values))
    chosen = [*judged[:_SHOWN_SEGMENTS], *(each for each in found if each.differing)]
    return tuple(dict.fromkeys(chosen))[: 2 * _SHOWN_SEGMENTS]


def _of_column(column: ColumnProfile, counts: np.ndarray, alpha: float) -> Iterator[ReplayedSegment]:
    labelled = counts[SegmentCount.LABELLED]
    low, high = share_interval(counts[SegmentCount.CANDIDATE_RIGHT], labelled, alpha)
    for place in range(segments_of(column)):
        rows, differing, of, compared, candidate = counts[:, place].tolist()
        if rows < _LEAST_ROWS:
            continue
        is_judged = of >= _LEAST_ROWS
        yield ReplayedSegment(
            feature=column.name,
            values=values_of(column, place),
            rows=rows,
            differing=differing,
            labelled=of,
            compared_accuracy=compared / of if is_judged else None,
            candidate_accuracy=candidate / of if is_judged else None,
            low=float(low[place]) if is_judged else None,
            high=float(high[place]) if is_judged else None,
        )
