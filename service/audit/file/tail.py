"""The end of the log: appends entries within one transaction that holds the write lock.

All writers take their ids for requests, events and acts from one sequence, under the write lock. So ids give
the order of commit across processes, and the entries of a chain lie in the order of their ids.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any, NamedTuple
from uuid import uuid4

import apsw
from pydantic_core import to_json

from service.audit.act import ACT_COLUMNS, Act, stored_bytes
from service.audit.chain import (
    FORMAT,
    NO_HASH,
    Position,
    Start,
    act_hash,
    event_hash,
    first_position,
    ledger_start,
    request_hash,
)
from service.audit.columns import REQUEST_COLUMNS, place_of
from service.audit.file.entry import Entry
from service.audit.file.facet import FACET_COLUMNS, Facet
from service.audit.utc_text import utc_text

_LAST_ID = """
    SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'request'), 0),
               coalesce((SELECT max(id) FROM event), 0), coalesce((SELECT max(id) FROM ledger), 0))
"""

_LAST_CHAIN = "SELECT id, head_seq, head_hash FROM chain ORDER BY id DESC LIMIT 1"

_ROWS_PER_STATEMENT = (64, 16, 4, 1)
"""apsw releases the GIL for each step of a statement, and a busy event loop returns it only after the
interpreter's switch interval of 5 ms. Beside such a loop, 500 records took 1 s with one row to a statement
and 0.1 s with 64 rows. The smaller sizes take the remainder. Four statements a table are few enough to stay
cached."""

_RECEIVED = place_of("received_utc")

_ADD_FACET = f"INSERT OR IGNORE INTO facet ({FACET_COLUMNS}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608 - no text from outside
_FACET_ID = f"SELECT id FROM facet WHERE ({FACET_COLUMNS}) = (?, ?, ?, ?, ?)"  # noqa: S608 - as above

_LEDGER_HEAD = "SELECT log_id, ledger_seq, ledger_hash FROM log"
_ADVANCE_LEDGER = "UPDATE log SET ledger_seq = ?, ledger_hash = ?, ledger_bytes = ledger_bytes + ?"
_RECORDED_DETAIL = "SELECT detail_json FROM ledger WHERE act_id = ?"

_CHAIN_COLUMNS = """
    id, writer, started_utc, follows_seq, follows_hash, format, ledger_seq, ledger_hash, head_seq, head_hash,
    base_seq, base_hash
"""
_COLUMNS = {
    "request": f" ({', '.join(REQUEST_COLUMNS)})",
    "chain": f" ({_CHAIN_COLUMNS})",
    "ledger": f" (id, seq, hash, {ACT_COLUMNS})",
}
"""Named in the insert; the other tables take their values in the order of their columns."""

Row = tuple[Any, ...]


class ChainHead(NamedTuple):
    """The last entry of one writer's chain."""

    chain: int
    writer: str
    position: Position


class ActConflict(ValueError):
    """The ledger has another act under the same identifier."""


class Tail:
    """The end of the log. It is valid for one transaction that holds the write lock."""

    def __init__(
        self, connection: apsw.Connection, head: ChainHead | None, facet_ids: dict[Facet, int]
    ) -> None:
        self.head = head
        self._connection = connection
        self._facet_ids = facet_ids
        self._next_id: int = connection.execute(_LAST_ID).get + 1

    @property
    def last_id(self) -> int:
        """The id of the last entry."""
        return self._next_id - 1

    def add_records(self, entries: Sequence[Entry]) -> None:
        """Append records."""
        requests: list[Row] = []
        labels: list[Row] = []
        facets: list[Row] = []
        outcomes: list[Row] = []
        head = self._started_chain()
        number, before = head.chain, head.position
        for id_, (values, of_labels, of_facets, salt, text, content, outcome) in enumerate(
            entries, self._next_id
        ):
            before = request_hash(before, id_, text, content)
            requests.append((id_, *values, number, *before, salt, None))
            labels += [(id_, *row) for row in of_labels]
            facets += [(self._facet_id(facet), values[_RECEIVED], id_) for facet in of_facets]
            if outcome is not None:
                outcomes.append((id_, *outcome))
        insert(self._connection, "request", requests)
        insert(self._connection, "request_label", labels)
        # In the order of their keys, so that neighbours go to the same page.
        insert(self._connection, "request_facet", sorted(facets))
        insert(self._connection, "outcome", outcomes)
        self._next_id += len(entries)
        self.head = head._replace(position=before)

    def add_event(self, kind: str, detail: dict[str, object], request: int | None = None) -> None:
        """Append an event: something that happened to the log itself."""
        head = self._started_chain()
        id_, recorded_utc, text = self._next_id, utc_text(datetime.now(UTC)), to_json(detail).decode()
        place = event_hash(head.position, id_, kind, recorded_utc, request, text)
        row = id_, head.chain, place.seq, kind, recorded_utc, request, text, place.hash
        insert(self._connection, "event", [row])
        self._next_id += 1
        self.head = head._replace(position=place)

    def add_act(self, act: Act) -> None:
        """Append an act to the ledger, unless the ledger has it; raises ActConflict if it has another."""
        if (detail := self._connection.execute(_RECORDED_DETAIL, (act.act_id,)).get) is not None:
            if detail != act.detail_json:
                raise ActConflict(f"the ledger has another act {act.act_id}")
            return
        place = act_hash(self._ledger_head(), self._next_id, act)
        insert(self._connection, "ledger", [(self._next_id, *place, *act)])
        self._connection.execute(_ADVANCE_LEDGER, (*place, stored_bytes(act)))
        self._next_id += 1

    def rechain(self, entries: Iterable[tuple[int, Entry]]) -> None:
        """Put records from before there were chains into this chain, each under its own id."""
        head = self._started_chain()
        before = head.position
        for id_, entry in entries:
            before = request_hash(before, id_, entry.text, entry.content)
            self._connection.execute(
                "UPDATE request SET chain = ?, seq = ?, hash = ?, salt = ? WHERE id = ?",
                (head.chain, *before, entry.salt, id_),
            )
            facets = [(self._facet_id(facet), entry.values[_RECEIVED], id_) for facet in entry.facets]
            insert(self._connection, "request_facet", facets)
        self.head = head._replace(position=before)

    def write_head(self) -> None:
        """Write the new head of the chain; this comes last before the commit."""
        if self.head is not None:
            seq, hash_ = self.head.position
            statement = "UPDATE chain SET head_seq = ?, head_hash = ? WHERE id = ?"
            self._connection.execute(statement, (seq, hash_, self.head.chain))

    def _started_chain(self) -> ChainHead:
        if self.head is None:
            last = self._connection.execute(_LAST_CHAIN).get
            before, *follows = last or (0, 0, NO_HASH)
            log_id = self._connection.execute("SELECT log_id FROM log").get
            ledger = self._ledger_head()
            begun = uuid4().hex, utc_text(datetime.now(UTC)), *follows, FORMAT, *ledger
            start = Start(log_id, before + 1, *begun)
            first = first_position(start)
            insert(self._connection, "chain", [(*start[1:], *first, 0, first.hash)])
            self.head = ChainHead(start.chain, start.writer, first)
        return self.head

    def _ledger_head(self) -> Position:
        log_id, seq, hash_ = self._connection.execute(_LEDGER_HEAD).get
        return Position(seq, hash_) if seq else ledger_start(log_id)

    def _facet_id(self, facet: Facet) -> int:
        id_ = self._facet_ids.get(facet)
        if id_ is None:
            self._connection.execute(_ADD_FACET, facet)
            id_ = self._facet_ids[facet] = self._connection.execute(_FACET_ID, facet).get
        return id_


def insert(connection: apsw.Connection, table: str, rows: Sequence[Row]) -> None:
    """Insert rows, their values in the order of the table's columns."""
    if len(rows) == 1:  # The usual case under low load, where it shortens each request.
        connection.execute(_insert_statement(table, len(rows[0]), 1), rows[0])
        return
    start = 0
    for size in _ROWS_PER_STATEMENT:
        while len(rows) - start >= size:
            chunk = rows[start : start + size]
            statement = _insert_statement(table, len(chunk[0]), size)
            connection.execute(statement, tuple(chain.from_iterable(chunk)))
            start += size


@cache
def _insert_statement(table: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    names = _COLUMNS.get(table, "")
    return f"INSERT INTO {table}{names} VALUES {', '.join([row] * rows)}"  # noqa: S608 - no text from outside
