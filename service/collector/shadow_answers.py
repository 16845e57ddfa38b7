"""Records in shadow as they are counted and matched."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.audit.file.logged_record import LoggedRecord
from service.audit.file.shadow_row import ChampionAnswer, read_shadow
from service.model.label import Label

_logger = logging.getLogger(__name__)


class ShadowAnswer(NamedTuple):
    """What a challenger said of a request that the champion answered."""

    record: LoggedRecord
    release_id: str
    champion: ChampionAnswer
    predictions: Sequence[Label]
    """None if it failed."""
    probabilities: NDArray[np.float64]
    """``(n_rows, n_classes)``"""

    @property
    def champion_received_s(self) -> float:
        """When the request was received, seconds since 1970."""
        return datetime.fromisoformat(self.champion.received_utc).timestamp()

    @property
    def has_failed(self) -> bool:
        """Whether the challenger has no predictions."""
        return not self.predictions


def read_answers(records: Iterable[LoggedRecord]) -> list[ShadowAnswer]:
    """The records in shadow that can be read; redacted ones cannot."""
    answers = []
    for record in records:
        if record.has_content:
            try:
                answers.append(_read(record))
            except (ValueError, TypeError):
                _logger.warning("record %d in shadow cannot be read for monitoring", record.id)
    return answers


def _read(record: LoggedRecord) -> ShadowAnswer:
    """Raise ValueError or TypeError if the record is not as the service writes it."""
    row = read_shadow(record.request, record.response)
    champion, predictions = row.champion, tuple(row.predictions)
    probabilities = np.array(row.probabilities, dtype=np.float64)
    lengths = {len(champion.predictions), len(champion.confidences)}
    if row.error is not None:
        return ShadowAnswer(record, row.release_id, champion, (), np.empty((0, 0)))
    if probabilities.ndim != 2 or not np.isfinite(probabilities).all() or not predictions:
        raise ValueError("it has no probabilities")
    if lengths | {len(predictions), len(probabilities)} != {record.rows}:
        raise ValueError("its parts have different numbers of rows")
    if not all(isinstance(label, str | int) for label in (*predictions, *champion.predictions)):
        raise ValueError("its labels are none")
    datetime.fromisoformat(champion.received_utc)
    np.array([champion.model_ms, *champion.confidences], dtype=np.float64)
    return ShadowAnswer(record, row.release_id, champion, predictions, probabilities)
