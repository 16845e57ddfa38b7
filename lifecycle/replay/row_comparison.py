"""Compares the candidate's probabilities of rows with the answers of the other side."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lifecycle.replay.differing_rows import DifferingRows
from lifecycle.replay.part_tally import PartTally
from lifecycle.replay.reading.answered_records import Truths
from lifecycle.replay.reading.candidate_model import ClassPlaces
from lifecycle.replay.reading.compared_answers import Answers
from service.model.published import PublishedModel
from service.monitoring.counting.column_codes import codes_of
from service.monitoring.evidence.evidence_state import ModelRows, PairedRows
from service.monitoring.layout import Layout

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

BINS = 256
"""Bins of a feature, with SEGMENT_OTHER."""
_NO_CLASS = -1


class SegmentCount(IntEnum):
    """What is counted in each bin of a feature."""

    ROWS = 0
    DIFFERING = 1
    LABELLED = 2
    COMPARED_RIGHT = 3
    CANDIDATE_RIGHT = 4


class _Truth(NamedTuple):
    """True labels of rows: the place of each row, and its label's place among the candidate's classes."""

    rows: Places
    labels: Places


class RowComparison:
    """Compares rows of one candidate."""

    def __init__(self, candidate: PublishedModel, examples: int) -> None:
        self._classes = ClassPlaces.of(candidate.contract)
        self._features = candidate.contract.features
        self._differing = DifferingRows(candidate.contract, examples)
        profile = candidate.profile
        self._codes = None if profile is None else codes_of(candidate.contract, Layout(profile))

    def add(self, tally: PartTally, probabilities: Floats, answers: Answers, truths: Truths) -> None:
        """Count rows: the candidate's probabilities, the answers, and the truth as far as it is known."""
        get = self._classes.places.get
        compared = np.array([get(label, _NO_CLASS) for label in answers.labels], dtype=np.intp)
        candidate = probabilities.argmax(axis=1)
        differs = compared != candidate
        tally.records["replayed"] += len(answers.records)
        tally.rows += len(candidate)
        tally.differing += int(differs.sum())
        self._add_confidence(tally, probabilities, answers)
        truth = self._truth(tally, answers, truths)
        rights = compared[truth.rows] == truth.labels, candidate[truth.rows] == truth.labels
        if len(truth.rows):
            tally.labelled.append(self._paired(probabilities, answers, truth, *rights))
        self._add_segments(tally, answers, differs, truth, *rights)
        truth_of = dict(zip(truth.rows.tolist(), truth.labels.tolist(), strict=True))
        self._differing.add(tally, np.flatnonzero(differs), probabilities, answers, truth_of)

    def _add_confidence(self, tally: PartTally, probabilities: Floats, answers: Answers) -> None:
        gaps = probabilities.max(axis=1) - answers.confidence
        gaps = gaps[np.isfinite(gaps)]
        tally.sure_rows += len(gaps)
        tally.confidence_difference += float(gaps.sum())
        tally.confidence_squares += float(gaps @ gaps)

    def _truth(self, tally: PartTally, answers: Answers, truths: Truths) -> _Truth:
        rows: list[int] = []
        labels: list[int] = []
        start = 0
        for each in answers.records:
            for row, label in truths.by_request.get(each.record.request_id, {}).items():
                place = self._classes.places.get(label, _NO_CLASS)
                if row >= len(each.rows):
                    tally.outcomes["out_of_range"] += 1
                elif place == _NO_CLASS:
                    tally.outcomes["not_a_class"] += 1
                else:
                    rows.append(start + row)
                    labels.append(place)
            start += len(each.rows)
        tally.outcomes["labelled"] += len(rows)
        return _Truth(np.array(rows, dtype=np.intp), np.array(labels, dtype=np.intp))

    def _paired(
        self, probabilities: Floats, answers: Answers, truth: _Truth, was_right: NDArray[np.bool_],
        is_right: NDArray[np.bool_],
    ) -> PairedRows:  # fmt: skip
        counts = [len(each.rows) for each in answers.records]
        request = np.repeat([each.record.id for each in answers.records], counts)[truth.rows]
        received = np.repeat([each.record.received_s for each in answers.records], counts)[truth.rows]
        # The other side may have its classes in another order, and may lack some.
        get = answers.classes.places.get
        places = np.array([get(text, _NO_CLASS) for text in self._classes.texts])[truth.labels]
        answered = answers.probabilities[truth.rows]
        found = np.where(places == _NO_CLASS, np.nan, answered[np.arange(len(places)), places])
        mine = probabilities[truth.rows]
        return PairedRows(
            ModelRows(
                request, received, was_right, answers.confidence[truth.rows], found, _squares(answered)
            ),
            ModelRows(
                request, received, is_right, mine.max(axis=1), mine[np.arange(len(mine)), truth.labels],
                _squares(mine),
            ),
        )  # fmt: skip

    def _add_segments(
        self, tally: PartTally, answers: Answers, differs: NDArray[np.bool_], truth: _Truth,
        was_right: NDArray[np.bool_], is_right: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        if self._codes is None:
            return
        columns = [*zip(*(row for each in answers.records for row in each.rows), strict=True)]
        bins = np.stack(
            [codes.segments(values) for codes, values in zip(self._codes, columns, strict=True)], axis=1
        )
        places = bins.astype(np.intp) + BINS * np.arange(len(self._features))
        labelled = places[truth.rows]
        counted = (places, places[differs], labelled, labelled[was_right], labelled[is_right])
        size = BINS * len(self._features)
        counts = np.stack([np.bincount(each.ravel(), minlength=size) for each in counted])
        counts = counts.reshape(len(SegmentCount), len(self._features), BINS)
        tally.segments = counts if tally.segments is None else tally.segments + counts


def _squares(probabilities: Floats) -> Floats:
    squares: Floats = np.square(probabilities).sum(axis=1)
    return squares
