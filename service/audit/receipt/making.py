"""Makes receipts: every record of a request id, its model's card, and their proofs up to one checkpoint.

The outcomes of a prediction are records with its request id. A receipt holds them if it is asked for them,
because the last of them decides which checkpoint it needs. What a challenger said in shadow was no answer: no
receipt holds it. Bundles do (bundle.py).
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import apsw
from pydantic import AwareDatetime, BaseModel, ConfigDict

from service.audit.act import MODEL_PREFIX
from service.audit.columns import OUTCOME, SHADOWED
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.receipt.proof import RECORD_LIMIT, Checkpoint, Document, EntryProofs
from service.audit.tree.tile import TreeBroken
from service.audit.utc_text import utc_text
from service.errors import AuditUnusable, PredictionPruned, PredictionUnknown, ReceiptPending, ReceiptTooLarge

RECEIPT_LIMIT_BYTES = 8 * 1024**2
"""Length of the bodies that a receipt over HTTP may hold."""
FORMAT = "tabento receipt 1"

_LENGTHS = "id, received_utc, model_id, octet_length(request_json) + octet_length(response_json)"
_RECORDS = f"""
    SELECT {_LENGTHS} FROM request
    WHERE request_id = ?1 AND status < {OUTCOME:d} AND (?2 IS NULL OR received_utc = ?2)
    UNION ALL SELECT {_LENGTHS} FROM request
    WHERE request_id = ?1 AND status > {SHADOWED:d} AND (?2 IS NULL OR received_utc = ?2)
    ORDER BY 1 LIMIT ?3
"""  # noqa: S608 - no text from outside
"""Two ranges of an index, without the outcomes between them, of which a batch can have thousands, and without
what was said in shadow."""
_OUTCOMES = f"""
    SELECT {_LENGTHS} FROM request WHERE id IN (SELECT request FROM outcome WHERE request_id = ?1)
    ORDER BY id LIMIT ?2
"""  # noqa: S608 - no text from outside
_MODEL = "SELECT id FROM ledger WHERE act_id = ?"
_PRUNED = """
    SELECT json_extract(detail_json, '$.last_received_utc') FROM event
    WHERE kind = 'prune' ORDER BY id DESC LIMIT 1
"""
_CHECKPOINTS = "SELECT size, verifier_key, note FROM checkpoint ORDER BY size DESC LIMIT 1"
_STAMPED = """
    SELECT c.size, c.verifier_key, c.note FROM checkpoint AS c JOIN witnessed AS w ON w.size = c.size
    WHERE w.token IS NOT NULL ORDER BY c.size DESC LIMIT 1
"""
_TOKENS = "SELECT token FROM witnessed WHERE size = ? AND token IS NOT NULL ORDER BY witness"


class ReceiptQuery(BaseModel):
    """The record that a receipt is for."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    received_utc: AwareDatetime | None = None
    """Only the record of this time, if several have the request id."""
    content: bool = True
    """Whether the receipt holds the bodies, the labels and the client. Without them it proves the time, the
    model and the status."""
    outcomes: bool = False
    """Whether the receipt also holds the records of the prediction's outcomes."""


class ReceiptRequest(NamedTuple):
    """What the worker asks the history process for."""

    request_id: str
    query: ReceiptQuery
    interval_s: float
    """Seconds between two checkpoints."""


class Receipt(NamedTuple):
    """A receipt, and the ids of the records in it."""

    text: str
    ids: list[int]


def make_receipt(
    log: Path, request_id: str, query: ReceiptQuery, limit_bytes: int | None = RECEIPT_LIMIT_BYTES
) -> Receipt:
    """The receipt of a request.

    Raises AuditUnusable, PredictionUnknown, PredictionPruned, ReceiptPending or ReceiptTooLarge.
    """
    with closing(open_for_reading(log)) as connection:
        try:
            with errors_as_unusable(log), connection:  # One snapshot for all of a receipt.
                receipt = _make(connection, request_id, query, limit_bytes)
        except TreeBroken as error:
            raise AuditUnusable(log, f"{error}; see `verify`") from error
    return receipt


def receipt_schema() -> Document:
    """The JSON Schema of a receipt, as far as OpenAPI needs it; docs/reference/receipts.md has the rest."""
    text: Document = {"type": "string"}
    entry: Document = {"type": "object", "required": ["entry", "proof"]}
    properties: Document = {
        "format": {"const": FORMAT, **text},
        "log_id": text,
        "verifier_key": text,
        "timestamps": {"type": "array", "items": text},
        "entries": {"type": "array", "minItems": 1, "items": entry},
    }
    return {"type": "object", "required": [*properties], "properties": properties}


def receipt_of(log: Path, request: ReceiptRequest) -> Receipt:
    """The receipt for an answer over HTTP, with the same errors; ReceiptPending says when it is due."""
    try:
        return make_receipt(log, request.request_id, request.query)
    except ReceiptPending:
        due = datetime.now(UTC) + timedelta(seconds=request.interval_s)
        raise ReceiptPending(request.request_id, utc_text(due)) from None


def _make(connection: apsw.Connection, request_id: str, query: ReceiptQuery, limit: int | None) -> Receipt:
    received = None if query.received_utc is None else utc_text(query.received_utc.astimezone(UTC))
    found: list[Any] = connection.execute(_RECORDS, (request_id, received, RECORD_LIMIT + 1)).fetchall()
    if not found:
        raise _unknown(connection, request_id, received)
    if query.outcomes:
        outcomes: list[Any] = connection.execute(_OUTCOMES, (request_id, RECORD_LIMIT + 1)).fetchall()
        found = sorted(found + outcomes)
    length = sum(bytes_ for *_, bytes_ in found) if query.content else 0
    if len(found) > RECORD_LIMIT or (limit is not None and length > limit):
        raise ReceiptTooLarge(RECEIPT_LIMIT_BYTES, RECORD_LIMIT)
    ids = [id_ for id_, *_ in found]
    log_id: str = connection.execute("SELECT log_id FROM log").get
    checkpoint, proofs = covering(connection, log_id, ids[-1], request_id)
    models = {model_id: None for _, _, model_id, _ in found if model_id}
    entries = [proofs.act(id_) for id_ in model_acts(connection, models)]
    entries += [proofs.record(id_, with_content=query.content) for id_ in ids]
    document = header(connection, FORMAT, log_id, checkpoint) | {"entries": entries}
    return Receipt(json.dumps(document, ensure_ascii=False, indent=1) + "\n", ids)


def model_acts(connection: apsw.Connection, models: Iterable[str]) -> Iterator[int]:
    """The id of the act of each model that the ledger has."""
    for model_id in models:
        id_: int | None = connection.execute(_MODEL, (MODEL_PREFIX + model_id,)).get
        if id_ is not None:
            yield id_


def header(connection: apsw.Connection, format_: str, log_id: str, checkpoint: Checkpoint) -> Document:
    """What a receipt or a bundle begins with."""
    tokens = connection.execute(_TOKENS, (checkpoint.size,))
    return {
        "format": format_,
        "log_id": log_id,
        "verifier_key": checkpoint.verifier_key,
        "timestamps": [b64encode(token).decode() for (token,) in tokens],
    }


def covering(
    connection: apsw.Connection, log_id: str, id_: int, request_id: str
) -> tuple[Checkpoint, EntryProofs]:
    """The last checkpoint, with a time-stamp if one covers the entry; raises ReceiptPending."""
    for statement in (_STAMPED, _CHECKPOINTS):
        rows: list[Any] = connection.execute(statement).fetchall()
        for row in rows:
            checkpoint = Checkpoint(*row)
            proofs = EntryProofs(connection, log_id, checkpoint)
            if proofs.covers(id_):
                return checkpoint, proofs
    raise ReceiptPending(request_id)


def _unknown(connection: apsw.Connection, request_id: str, received: str | None) -> Exception:
    pruned: str | None = connection.execute(_PRUNED).get
    if pruned is not None and received is not None and received <= pruned:
        return PredictionPruned(request_id, pruned)
    return PredictionUnknown(request_id, pruned)
