"""Records of what a challenger in shadow says beside the records that the tests of the audit log write."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from service.audit.columns import SHADOWED
from service.audit.file.shadow_row import SHADOW_ROUTE, ChampionAnswer, ShadowRow, shadow_bodies
from service.audit.utc_text import utc_text
from service.audit.write.record import AuditRecord
from service.model.label import Label

CHALLENGER_ID = "b1d27583f0c4e6a9"
RELEASE_ID = "5" * 32


def shadow_of(
    record: AuditRecord, *labels: Label, error: str | None = None, padding: str = ""
) -> AuditRecord:
    """The record of the challenger's labels for the rows of a record."""
    champion = ChampionAnswer(
        utc_text(record.received_utc),
        record.model_id,
        [label for label, _ in record.predictions],
        [confidence for _, confidence in record.predictions],
        0.5,
    )
    probabilities: Sequence[Sequence[float]] = [[0.25, 0.75] for _ in labels]
    row = ShadowRow(RELEASE_ID + padding, champion, CHALLENGER_ID, labels, probabilities, error)
    request, response = shadow_bodies(row)
    return replace(
        record,
        received_utc=record.received_utc + timedelta(milliseconds=3),
        route=SHADOW_ROUTE,
        status=int(SHADOWED),
        client=None,
        model_version="4",
        model_id=CHALLENGER_ID,
        request=request,
        response=response,
        predictions=(),
    )
