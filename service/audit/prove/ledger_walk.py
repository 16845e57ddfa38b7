"""The ledger with each hash recomputed: what verification reads of the acts.

The ledger is one chain, and is never pruned. Its head is kept in table ``log``; every chain and every anchor
states the head that it found.
"""

from contextlib import suppress
from typing import Any

import apsw

from service.audit.act import ACT_COLUMNS, MODEL_PREFIX, Act, stored_bytes
from service.audit.chain import Position, act_hash, ledger_start
from service.audit.file.raw_value import as_bytes, as_integer, fetch_all, require_texts
from service.model.model_id import model_id_of

_ACTS = f"SELECT seq, id, hash, {ACT_COLUMNS} FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
_HEAD = "SELECT ledger_seq, ledger_hash, ledger_bytes, (SELECT coalesce(max(seq), 0) FROM ledger) FROM log"
_HAS_CONTENT = "SELECT salt IS NOT NULL FROM request WHERE id = ?"


class LedgerWalk:
    """The ledger up to the act that was walked last, and up to its head when the walk began."""

    def __init__(self, connection: apsw.Connection, log_id: str) -> None:
        self._connection = connection
        ((seq, hash_, self._head_bytes, last), *_) = fetch_all(connection, _HEAD) or [(0, b"", 0, 0)]
        self.place = ledger_start(log_id)
        self.head = Position(as_integer(seq), as_bytes(hash_)) if seq else self.place
        self.flaw = f"the ledger has {last} acts, and its head is act {seq}" if last != seq else ""
        """The first fault."""
        self.models: set[str] = set()
        """The models that entered the log, by model id."""
        self._expected: dict[int, list[tuple[bytes, str]]] = {}
        self._last_id = self._bytes = 0

    def expect(self, position: Position, source: str) -> None:
        """Let the act at this place have this hash, as the source says."""
        if position.seq:
            self._expected.setdefault(position.seq, []).append((position.hash, source))

    def step(self, rows: int) -> bool:
        """Walk the next acts; returns whether there may be more."""
        for seq, id_, hash_, *values in fetch_all(self._connection, _ACTS, (self.place.seq, rows)):
            if not self.flaw and self.place.seq < self.head.seq:
                self.flaw = self._flaw_of(seq, id_, hash_, Act._make(values))
        is_at_end = self.place.seq >= self.head.seq
        if is_at_end:
            self._check_end()
        return not (is_at_end or self.flaw)

    def _flaw_of(self, seq: Any, id_: int, hash_: Any, act: Act) -> str:
        name, expected = f"act {id_} ({act.kind})", self.place.seq + 1
        if seq != expected:
            return f"act {expected} of the ledger was removed"
        if id_ <= self._last_id:
            return f"{name} was reordered"
        with suppress(TypeError, ValueError):
            require_texts(*(value for value in act if value is not None and type(value) is not int))
            place = act_hash(self.place, id_, act)
            if place.hash == hash_:
                self.place, self._last_id = place, id_
                self._bytes += stored_bytes(act)
                return (
                    self._unexpected() or self._flaw_of_model(name, act) or self._flaw_of_redaction(name, act)
                )
        return f"{name} was changed"

    def _unexpected(self) -> str:
        for hash_, source in self._expected.pop(self.place.seq, ()):
            if hash_ != self.place.hash:
                return f"{source} has another hash for act {self.place.seq}"
        return ""

    def _flaw_of_model(self, name: str, act: Act) -> str:
        if not act.act_id.startswith(MODEL_PREFIX):
            return ""
        model_id = act.act_id.removeprefix(MODEL_PREFIX)
        if model_id in self.models:
            return f"{name}: the model {model_id} entered the log before"
        self.models.add(model_id)
        expected = model_id_of(act.detail_json)
        return "" if model_id == expected else f"{name}: its card has the id {expected}, not {model_id}"

    def _flaw_of_redaction(self, name: str, act: Act) -> str:
        if act.kind == "redaction" and self._connection.execute(_HAS_CONTENT, (act.request,)).get:
            return f"{name}: record {act.request} has the content that it removed"
        return ""

    def _check_end(self) -> None:
        if self.place != self.head and not self.flaw:
            self.flaw = "the hash of the head of the ledger was changed"
        for seq in sorted(self._expected):
            if seq > self.place.seq and not self.flaw:
                self.flaw = f"{self._expected[seq][0][1]} has seen act {seq} of the ledger, and it is gone"
        if self._bytes != self._head_bytes and not self.flaw:
            self.flaw = f"the ledger takes {self._bytes} bytes, and its head says {self._head_bytes}"
