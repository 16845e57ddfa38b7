"""Rows that got one label and would get another: by pair of classes, and the examples that are shown."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from heapq import nlargest

import numpy as np
from numpy.typing import NDArray

from lifecycle.replay.part_tally import Example, PartTally
from lifecycle.replay.reading.candidate_model import ClassPlaces
from lifecycle.replay.reading.compared_answers import Answers
from lifecycle.replay.replay_result import DifferingRow
from service.model.contract import Contract

Floats = NDArray[np.float64]


class DifferingRows:
    """Counts and keeps differing rows of one candidate."""

    def __init__(self, candidate: Contract, examples: int) -> None:
        self._texts = ClassPlaces.of(candidate).texts
        self._features = candidate.features
        self._examples = examples

    def add(
        self,
        tally: PartTally,
        places: NDArray[np.intp],
        probabilities: Floats,
        answers: Answers,
        truth_of: Mapping[int, int],
    ) -> None:
        """Count the rows at these places; ``truth_of`` has the true class of some places."""
        best = probabilities[places].argmax(axis=1).tolist()
        listed = places.tolist()
        pairs = [(answers.labels[place], self._texts[mine]) for place, mine in zip(listed, best, strict=True)]
        tally.pairs.update(Counter(pairs))
        sure = probabilities[places].max(axis=1) + np.nan_to_num(answers.confidence[places])
        weighed = [
            ((place in truth_of, weight), place, pair)
            for place, weight, pair in zip(listed, sure.tolist(), pairs, strict=True)
        ]
        ends = np.cumsum([len(each.rows) for each in answers.records])
        for weight, place, pair in nlargest(self._examples, weighed):
            at = int(np.searchsorted(ends, place, side="right"))
            row = place - int(ends[at - 1]) if at else place
            truth = self._texts[truth_of[place]] if place in truth_of else None
            mine = float(probabilities[place].max())
            tally.examples.append(Example(weight, self._shown(answers, at, row, place, pair, mine, truth)))

    def _shown(
        self,
        answers: Answers,
        at: int,
        row: int,
        place: int,
        pair: tuple[str, str],
        confidence: float,
        truth: str | None,
    ) -> DifferingRow:
        record, rows = answers.records[at]
        answered = float(answers.confidence[place])
        values = zip(self._features, rows[row], strict=True)
        return DifferingRow(
            request_id=record.request_id,
            row=row,
            received_utc=datetime.fromisoformat(record.received_utc),
            features={feature.name: value for feature, value in values if not feature.withheld},
            compared=pair[0],
            candidate=pair[1],
            compared_confidence=None if np.isnan(answered) else answered,
            candidate_confidence=confidence,
            truth=truth,
        )
