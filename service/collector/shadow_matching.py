"""Rows whose truth is known get the answer that the challenger gave in shadow, whichever of them comes first.

A row depends only on the log up to the position: on the truth of the champion's row, and on the first record
in shadow of its request.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from service.audit.columns import SHADOWED
from service.collector.log_records import AuditRecords, Chunk
from service.collector.releases_in_force import ReleasesInForce
from service.collector.shadow_answers import ShadowAnswer, read_answers
from service.model.label import label_text
from service.monitoring.store.collector_store import CollectorStore
from service.monitoring.store.release_writer import ChallengerRow, TrueRow

_GROUP_REQUESTS = 200
"""Requests whose records are read together."""


class ShadowMatching:
    """Matches the records in shadow of one log with outcomes."""

    def __init__(self, store: CollectorStore, log: AuditRecords, releases: ReleasesInForce) -> None:
        self._store, self._log, self._releases = store, log, releases
        self._of_models: dict[str, Sequence[str]] = {}

    def apply(self, chunk: Chunk, touched: Iterable[str]) -> None:
        """Match what a chunk has, and requests whose outcomes or prediction it has.

        Call it after the outcomes were matched, within a transaction of the store.
        """
        if not self._releases.has_shadow:
            return
        shadowed = (record.request_id for record in chunk.records if record.status == SHADOWED)
        ids = [*dict.fromkeys([*touched, *chunk.redacted, *shadowed])]
        releases = self._store.releases
        releases.forget_unknown(ids)
        true_rows: dict[str, list[TrueRow]] = {}
        for row in releases.true_rows(ids):
            true_rows.setdefault(row.request_id, []).append(row)
        known = [*true_rows]
        for start in range(0, len(known), _GROUP_REQUESTS):
            group = known[start : start + _GROUP_REQUESTS]
            self._match(group, true_rows, chunk.upto_id)

    def _match(self, ids: Sequence[str], true_rows: dict[str, list[TrueRow]], upto_id: int) -> None:
        releases = self._store.releases
        records = self._log.shadows(ids, upto_id)
        releases.forget_rows([record.request_id for record in records if not record.has_content])
        rows: dict[tuple[str, int, int], ChallengerRow] = {}
        for answer in read_answers(records):
            if answer.has_failed or not self._is_of_release(answer):
                continue
            for row in self._rows(answer, true_rows[answer.record.request_id]):
                rows.setdefault(row[:3], row)
        releases.add_shadow_rows([*rows.values()])

    def _is_of_release(self, answer: ShadowAnswer) -> bool:
        return self._releases.shadow(answer.release_id, answer.record.id) is not None

    def _rows(self, answer: ShadowAnswer, true_rows: Iterable[TrueRow]) -> Iterator[ChallengerRow]:
        champion, received_s = answer.champion, answer.champion_received_s
        for true in true_rows:
            is_same = true.model_id == champion.model_id and true.received_s == received_s
            if not is_same or true.row >= len(answer.predictions):
                continue
            classes = self._classes(true.model_id)
            text = label_text(answer.predictions[true.row])
            probabilities = answer.probabilities[true.row]
            if len(probabilities) == len(classes) and text in classes:
                yield ChallengerRow(
                    answer.release_id,
                    true.prediction,
                    true.row,
                    true.request_id,
                    classes.index(text),
                    float(probabilities.max()),
                    float(np.square(probabilities).sum()),
                    true.truth,
                    float(probabilities[true.truth]),
                )

    def _classes(self, model_id: str) -> Sequence[str]:
        """The challenger has the same classes as the champion, in the same order."""
        if model_id not in self._of_models:
            self._of_models[model_id] = self._store.model(model_id).classes
        return self._of_models[model_id]
