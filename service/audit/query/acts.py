"""The acts of the ledger, as they are shown."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic_core import from_json

from service.audit.act import ACT_COLUMNS, Act
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.utc_text import utc_text
from service.errors import LedgerContradicts

_CHUNK_ROWS = 1_000
_ACTS = f"""
    SELECT id, seq, {ACT_COLUMNS} FROM ledger WHERE seq > :seen AND (:kind IS NULL OR kind = :kind)
    AND (:since IS NULL OR recorded_utc >= :since) AND (:until IS NULL OR recorded_utc < :until)
    ORDER BY seq LIMIT :rows
"""  # noqa: S608 - no text from outside
_DETAIL = "SELECT detail_json FROM ledger WHERE act_id = ?"


class LoggedAct(BaseModel):
    """One act of the ledger."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    id: int
    """Its number in the log, in the order of commit."""
    seq: int
    """Its place in the ledger, from 1."""
    recorded_utc: datetime
    kind: str
    actor: str
    """Name of the API key, the name that a person at a shell claimed, `service`, or `anonymous`."""
    actor_kind: str
    """`key`, `shell`, `service`, or `anonymous` for a request where no key is required."""
    system_user: str | None
    """Account of the process at a shell."""
    reason: str | None
    request: int | None
    """The id of the request that it is about."""
    subject: str | None
    """Keyed hash of the person that it is about."""
    detail: dict[str, JsonValue]
    """The facts of this kind of act."""


def logged_acts(
    path: Path,
    *,
    kind: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[LoggedAct]:
    """The acts of a log, oldest first; raises AuditUnusable. ``since`` is inclusive, ``until`` exclusive."""
    bindings = {
        "kind": kind,
        "since": None if since is None else utc_text(since),
        "until": None if until is None else utc_text(until),
        "rows": _CHUNK_ROWS,
    }
    seen = 0
    with closing(open_for_reading(path)) as connection, errors_as_unusable(path):
        while rows := connection.execute(_ACTS, {**bindings, "seen": seen}).fetchall():
            for act in map(_logged_act, rows):
                seen = act.seq
                yield act


def refuse_other_act(path: Path, act: Act) -> None:
    """Raise LedgerContradicts if the ledger has another act under this act's identifier."""
    with closing(open_for_reading(path)) as connection, errors_as_unusable(path):
        detail = connection.execute(_DETAIL, (act.act_id,)).get
    if detail is not None and detail != act.detail_json:
        raise LedgerContradicts(path, f"its ledger has another act {act.act_id} than the one of this service")


def _logged_act(row: Sequence[Any]) -> LoggedAct:
    id_, seq, *values = row
    act = Act._make(values)
    return LoggedAct.model_validate(
        {**act._asdict(), "id": id_, "seq": seq, "detail": from_json(act.detail_json)}
    )
