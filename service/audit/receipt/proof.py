"""One entry of the log with its proof, as a receipt or a bundle holds it (docs/reference/receipts.md)."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple

import apsw

from service.audit.act import ACT_COLUMNS, Act
from service.audit.chain import Start, first_position, ledger_start
from service.audit.columns import RequestRow, covered_by, select_list
from service.audit.file.facet import confidence_step
from service.audit.file.kept_body import body_bytes
from service.audit.tree.log_tree import LogTree
from service.errors import AuditUnusable

Document = dict[str, Any]

PROOF = "c2sp.org/tlog-proof@v1"
RECORD_LIMIT = 100
"""Records that a receipt may have."""

_REQUEST = f"""
    SELECT r.chain, r.seq, r.salt, r.content_sha256, {select_list("r")} FROM request AS r WHERE r.id = ?
"""  # noqa: S608 - no text from outside
_ACT = f"SELECT id, seq, {ACT_COLUMNS} FROM ledger WHERE id = ?"  # noqa: S608
_ACT_BEFORE = "SELECT hash FROM ledger WHERE seq = ?"
_CHAIN = """
    SELECT writer, started_utc, follows_seq, follows_hash, format, ledger_seq, ledger_hash, base_seq,
           base_hash
    FROM chain WHERE id = ?
"""
_BEFORE = """
    WITH record AS (SELECT seq, hash FROM request WHERE id < ?1 AND chain = ?2 ORDER BY id DESC LIMIT 1),
         happening AS (SELECT seq, hash FROM event WHERE id < ?1 AND chain = ?2 ORDER BY id DESC LIMIT 1)
    SELECT hash FROM (SELECT * FROM record UNION ALL SELECT * FROM happening) WHERE seq = ?3
"""
_LABELS = """
    SELECT l.label, l.label_type, l.rows, l.min_confidence, l.max_confidence FROM request_label AS l
    WHERE l.request = ? ORDER BY l.label, l.label_type
"""
_STEPS = """
    SELECT f.confidence_step FROM facet AS f
    WHERE (f.label, f.label_type, f.model_name, f.flagged) = (?1, ?2, ?3, ?4)
    AND f.confidence_step BETWEEN ?5 AND ?6
    AND EXISTS (SELECT 1 FROM request_facet AS x
                WHERE (x.facet, x.received_utc, x.request) = (f.id, ?7, ?8))
    ORDER BY f.confidence_step
"""


class Checkpoint(NamedTuple):
    """A checkpoint that proofs lead to."""

    size: int
    verifier_key: str
    note: str


class EntryProofs:
    """The proofs of entries up to one checkpoint, as of one snapshot of the log."""

    def __init__(self, connection: apsw.Connection, log_id: str, checkpoint: Checkpoint) -> None:
        self._connection = connection
        self._log_id = log_id
        self._checkpoint = checkpoint
        self._tree = LogTree(connection)

    def covers(self, id_: int) -> bool:
        """Whether the checkpoint covers an entry."""
        place = self._tree.find(id_)
        return place is not None and place.leaf < self._checkpoint.size

    def last_id(self) -> int:
        """The id of the last entry that the checkpoint covers."""
        return self._tree.last_id_of(self._checkpoint.size)

    def record(self, id_: int, *, with_content: bool) -> Document:
        """A record with its proof."""
        (chain, seq, salt, content_sha256, *values), *_ = self._connection.execute(_REQUEST, (id_,))
        row = RequestRow(*values)
        start, base = self._chain(chain)
        names = [column.name for column in covered_by("entry", start.format)]
        entry: Document = {
            "entry": "request",
            "id": id_,
            "seq": seq,
            "chain_format": start.format,
            "hash_before": self._hash_before(id_, chain, seq, start, base).hex(),
            "record": {name: getattr(row, name) for name in names},
        }
        if with_content and salt is not None:
            entry["content"] = self._content(row, salt, start.format)
        else:
            entry["content_sha256"] = (content_sha256 or self._content_hash(id_)).hex()
        return entry | {"proof": self._proof(id_)}

    def act(self, id_: int) -> Document:
        """An act of the ledger with its proof."""
        (_, seq, *values), *_ = self._connection.execute(_ACT, (id_,))
        before = self._connection.execute(_ACT_BEFORE, (seq - 1,)).get
        if seq == 1:
            before = ledger_start(self._log_id).hash
        return {
            "entry": "act",
            "id": id_,
            "seq": seq,
            "hash_before": before.hex(),
            "act": Act._make(values)._asdict(),
            "proof": self._proof(id_),
        }

    def _proof(self, id_: int) -> str:
        place = self._tree.find(id_)
        if place is None or place.leaf >= self._checkpoint.size:
            raise AuditUnusable(self._connection.filename, f"entry {id_} is not in its tree; see `verify`")
        path = self._tree.path(place.leaf, self._checkpoint.size)
        lines = [PROOF, f"index {place.leaf}", *(b64encode(sibling).decode() for sibling in path)]
        return "\n".join(lines) + f"\n\n{self._checkpoint.note}"

    def _chain(self, number: int) -> tuple[Start, tuple[int, bytes]]:
        (*begun, base_seq, base_hash), *_ = self._connection.execute(_CHAIN, (number,))
        return Start(self._log_id, number, *begun), (base_seq, base_hash)

    def _hash_before(self, id_: int, chain: int, seq: int, start: Start, base: tuple[int, bytes]) -> bytes:
        if seq == 1:
            return first_position(start).hash
        if base[0] == seq - 1:
            return base[1]
        found: bytes | None = self._connection.execute(_BEFORE, (id_, chain, seq - 1)).get
        if found is None:
            raise AuditUnusable(self._connection.filename, f"the entry before {id_} is gone; see `verify`")
        return found

    def _content(self, row: RequestRow, salt: bytes, format_: int) -> Document:
        content = {
            "salt": salt.hex(),
            "client": row.client,
            "labels": [*self._labels(row)],
            "request": _body(row.request_json),
            "response": _body(row.response_json),
        }
        return content if format_ == 1 else content | {"subject": row.subject}

    def _labels(self, row: RequestRow) -> Iterator[list[object]]:
        found: list[Any] = self._connection.execute(_LABELS, (row.id,)).fetchall()
        for label, type_, rows, least, most in found:
            of = label, type_, row.model_name, row.flags > 0, confidence_step(least), confidence_step(most)
            steps = self._connection.execute(_STEPS, (*of, row.received_utc, row.id))
            yield [label, type_, rows, least, most, [step for (step,) in steps]]

    def _content_hash(self, id_: int) -> bytes:
        from service.audit.prove.verified_entry import read_chunk

        (entry,) = (one for one in read_chunk(self._connection, id_ - 1, id_, 2).entries if one.id == id_)
        return entry.content


def _body(value: str | bytes) -> Document:
    return {"text": value} if isinstance(value, str) else {"base64": b64encode(body_bytes(value)).decode()}
