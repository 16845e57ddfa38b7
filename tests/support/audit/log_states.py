"""What a log has to hold after a generated history, and what it holds."""

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from service.audit.columns import PackedRecord
from service.audit.write.record import pack
from service.model.model_id import canonical_json, model_id_of
from tests.support.audit.logs import ANSWERED, NINE, REFUSED

CARDS: list[dict[str, object]] = [{"tag": "iris:a"}, {"tag": "iris:b"}]
MODELS = (*(model_id_of(canonical_json(card)) for card in CARDS), "")
TABLES = ("request", "request_label", "request_facet", "facet", "event", "chain", "ledger", "log", "outcome")

_NEVER = datetime.min.replace(tzinfo=UTC)

Content = dict[str, list[tuple[Any, ...]]]


@dataclass
class Recorded:
    """What the log has to hold of one record."""

    number: int
    model_id: str
    subject: str | None
    received: datetime
    redacted: bool = False
    covered: bool = False
    """Whether a checkpoint covers it."""
    about: int | None = None
    """Of an outcome: the number of a request that has its id."""

    @property
    def request_id(self) -> str:
        """Two requests share an id, and all outcomes of them."""
        return f"r-{(self.number if self.about is None else self.about) // 2}"


@dataclass
class State:
    """What a log has to hold."""

    records: list[Recorded]
    acts: list[str]
    models: set[str]
    holds: dict[str, str]
    """The act of each hold, by the request id or the subject that is held."""
    hold_acts: list[str]
    anchors: list[Path]
    last_removed: datetime = _NEVER
    """The latest date of a record that retention removed."""


def content_of(path: Path) -> Content:
    """Every row of the log."""
    with closing(apsw.Connection(str(path))) as connection:
        return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


def subject_of(number: int) -> str | None:
    return "ab12" if number % 3 else None


def recorded(number: int, model_id: str, later: timedelta) -> Recorded:
    """What the log has to hold of ``packed`` with these arguments."""
    return Recorded(number, model_id, subject_of(number), received_at(number, later))


def received_at(number: int, later: timedelta) -> datetime:
    """The date of the record of this number, by a clock that is wrong by ``later``."""
    return NINE + later + timedelta(seconds=number)


def packed(number: int, rows: int, model_id: str, later: timedelta) -> PackedRecord:
    """The record of this number as the log's file takes it: an answer of so many rows, or a refusal."""
    labels = [("setosa", 0.5 + index / 100) for index in range(rows)]
    record = replace(ANSWERED if rows else REFUSED, request_id=f"r-{number // 2}", model_id=model_id)
    received = received_at(number, later)
    return pack(replace(record, predictions=labels, received_utc=received, subject=subject_of(number)))
