"""The rows that both models predicted in shadow, counted whether their truth is known or not."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from service.audit.file.logged_record import LoggedRecord
from service.collector.releases_in_force import ReleasesInForce
from service.collector.shadow_answers import ShadowAnswer, read_answers
from service.model.label import label_text
from service.monitoring.evidence.evidence_state import RoleCounts, ShadowCounts
from service.monitoring.store.release_tables import in_units, log_ms
from service.monitoring.store.release_writer import ReleaseWriter


class ShadowCounting:
    """Counts the records in shadow of one log."""

    def __init__(self, store: ReleaseWriter, releases: ReleasesInForce) -> None:
        self._store, self._releases = store, releases

    def count(self, records: Sequence[LoggedRecord]) -> None:
        """Count records in shadow, within a transaction of the store."""
        by_release: dict[str, list[ShadowAnswer]] = {}
        for answer in read_answers(records):
            if self._releases.shadow(answer.release_id, answer.record.id) is not None:
                by_release.setdefault(answer.release_id, []).append(answer)
        for release_id, answers in by_release.items():
            predicted = [answer for answer in answers if not answer.has_failed]
            self._store.add_role(release_id, "challenger", _challenger(answers, predicted))
            self._store.add_shadow(release_id, _shadow(predicted))


def _challenger(answers: Sequence[ShadowAnswer], predicted: Sequence[ShadowAnswer]) -> RoleCounts:
    confidences = _joined([answer.probabilities.max(axis=1) for answer in predicted])
    logarithms = log_ms([answer.record.duration_ms for answer in predicted])
    return RoleCounts(
        requests=len(predicted),
        failed_requests=len(answers) - len(predicted),
        rows=len(confidences),
        flagged_rows=sum(answer.record.flags for answer in predicted),
        log_ms_sum=in_units(logarithms),
        log_ms_squares=in_units(np.square(logarithms)),
        confidence_sum=in_units(confidences),
        confidence_squares=in_units(np.square(confidences)),
    )


def _shadow(predicted: Sequence[ShadowAnswer]) -> ShadowCounts:
    differences = _joined(
        [
            answer.probabilities.max(axis=1) - np.array(answer.champion.confidences, dtype=np.float64)
            for answer in predicted
        ]
    )
    labels = Counter(
        (label_text(one), label_text(other))
        for answer in predicted
        for one, other in zip(answer.champion.predictions, answer.predictions, strict=True)
        if one != other
    )
    return ShadowCounts(
        requests=len(predicted),
        rows=len(differences),
        differing_rows=labels.total(),
        confidence_difference_sum=in_units(differences),
        confidence_difference_squares=in_units(np.square(differences)),
        by_classes=tuple((*pair, rows) for pair, rows in labels.items()),
    )


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0)
