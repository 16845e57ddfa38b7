"""Reads rows from the bodies of the native API, in steps of a few milliseconds of the event loop.

pydantic reads a short valid body at once. A long or an invalid body is read piece by piece, which bounds the
steps and the number of findings.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

from annotated_types import Len
from pydantic import ConfigDict, FailFast, ValidationError, create_model

from service.errors import BodyMalformed, Location, RowsInvalid, TooManyRows
from service.inference.json_reader import (
    PIECE_BYTES,
    JsonReader,
    PieceTooLong,
    refuse_byte_order_mark,
    strict_json,
)
from service.inference.packed_rows import PackedRows
from service.inference.row_check import MAX_FINDINGS, Findings, RowCheck
from service.model.contract import Contract, Values
from service.system.steps import Steps

ROWS = "instances"
"""The member of a batch with the rows."""

_ROWS_A_STEP = 2_000
"""Rows whose ends are searched one by one in a step."""
_VALUES_A_STEP = 64 * 1024
"""Values of the rows of a step, including missing ones."""
_MEMBERS_A_STEP = 64
"""Members of a long row that are read in a step; each may be as long as the longest text."""
_PIECES_OF_A_ROW = 4
"""How many pieces long a row may be to be read at once."""
_GUESSES = 512
"""How many times shorter than a piece a guessed run of rows may be."""


class NativeReader:
    """Reads the bodies of one contract."""

    def __init__(self, contract: Contract, max_batch_rows: int, *, piece_bytes: int = PIECE_BYTES) -> None:
        self._check = RowCheck(contract)
        self._contract = contract
        self._max_rows = max_batch_rows
        self._piece_bytes = piece_bytes
        self._rows_a_step = max(1, min(_ROWS_A_STEP, _VALUES_A_STEP // self._check.width))
        self._longest_value = min(piece_bytes, 6 * max(f.max_text_length for f in contract.features) + 1_024)
        rows = Annotated[list[contract.row_type], FailFast(), Len(1, max_batch_rows)]  # type: ignore[name-defined]
        batch = create_model("Batch", __config__=ConfigDict(extra="forbid"), instances=(rows, ...))
        self._batch_of_json = batch.__pydantic_validator__.validate_json

    def row_at_once(self, body: bytes) -> Values | None:
        """The row of a short valid body; None for any other."""
        return self._check.row_of_json(body) if len(body) <= self._piece_bytes else None

    def row(self, body: bytes) -> Steps[Sequence[Values]]:
        """The row of any body; raises BodyMalformed or RowsInvalid."""
        refuse_byte_order_mark(body)
        if len(body) <= self._piece_bytes:
            value = strict_json(body)
        else:
            reader = JsonReader(body, piece_bytes=self._piece_bytes)
            value = yield from self._long_row(reader, ())
            reader.end()
        found = Findings()
        row = self._check.row(value, (), found)
        if row is None:
            raise found.refusal()
        return (row,)

    def batch_at_once(self, body: bytes) -> Sequence[Values] | None:
        """The rows of a short valid body; None for any other."""
        if len(body) > self._piece_bytes or self._check.width * body.count(b"{") > _VALUES_A_STEP:
            return None
        if not self._check.may_read(body):
            return None
        try:
            batch = self._batch_of_json(body)
        except ValidationError:
            return None
        return [row.features for row in batch.instances]

    def batch(self, body: bytes) -> Steps[Sequence[Values]]:
        """The rows of any body; raises BodyMalformed, RowsInvalid or TooManyRows."""
        refuse_byte_order_mark(body)
        if len(body) <= self._piece_bytes:
            strict_json(body)  # Its error has the position in the whole body.
        reader = JsonReader(body, piece_bytes=self._piece_bytes)
        try:
            return (yield from self._batch(reader))
        except PieceTooLong:
            raise _refused(
                (), f"Contains a value of more than {self._piece_bytes} bytes, or an unterminated one"
            ) from None

    def _batch(self, reader: JsonReader) -> Steps[Sequence[Values]]:
        if reader.peek() != b"{":
            raise _not_an_object(reader, ())
        rows: PackedRows | None = None
        found = Findings()
        unknown: list[str] = []
        for members, name in enumerate(reader.members(), start=1):
            if name == ROWS:
                # Of members with the same name the last is used.
                rows, found = PackedRows(self._contract), Findings()
                yield from self._rows(reader, rows, found)
            else:
                unknown.append(name)
                _skip(reader, found)
            if members > MAX_FINDINGS or not found.are_all:
                found.stop()
                break
        else:
            reader.end()
        if rows is None:
            found.add((ROWS,), "Field required")
        for name in unknown:
            found.add((name,), "Extra inputs are not permitted")
        if rows is None or found or not found.are_all:
            raise found.refusal()
        return rows

    def _rows(self, reader: JsonReader, rows: PackedRows, found: Findings) -> Steps[None]:
        if not reader.take(b"["):
            found.add(
                (ROWS,), "May not be missing" if reader.peek() == b"n" else "Input should be a valid array"
            )
            _skip(reader, found)
            return
        if reader.take(b"]"):
            found.add((ROWS,), "List should have at least 1 item after validation, not 0")
            return
        while True:
            if reader.peek() and not (yield from self._next_rows(reader, rows, found)):
                return
            if len(rows) > self._max_rows:
                raise TooManyRows(self._max_rows)
            if reader.take(b"]"):
                return
            reader.expect(b",")
            yield

    def _next_rows(self, reader: JsonReader, rows: PackedRows, found: Findings) -> Steps[bool]:
        """Read the rows of a step; False if the rest need not be read."""
        values: list[object] | None = None
        end = self._guess(reader)
        if end > reader.at:
            text = reader.items(end)
            read = self._check.rows_of_json(text)
            if read is not None:
                rows.add(read)
                reader.at = end
                return True
            with suppress(BodyMalformed):
                values = reader.parse_items(text)
        if values is None:
            try:
                end = reader.end_of_items(self._rows_a_step)
                values = reader.parse_items(reader.items(end))
            except PieceTooLong:
                values = [(yield from self._long_row(reader, (ROWS, len(rows))))]
                end = reader.at
        reader.at = end
        rows.add(self._check.rows(values, (ROWS,), len(rows), found))
        return found.are_all

    def _guess(self, reader: JsonReader) -> int:
        most_bytes = self._piece_bytes
        while most_bytes > self._piece_bytes // _GUESSES:
            end = reader.guess(b"}", most_bytes)
            rows = reader.count(b"{", end)
            if rows <= self._rows_a_step:
                return end if rows else reader.end_of(b"}", _PIECES_OF_A_ROW * self._piece_bytes)
            most_bytes //= 2
        return reader.at

    def _long_row(self, reader: JsonReader, at: Location) -> Steps[object]:
        """Read a row that is longer than a piece, member by member."""
        if reader.peek() != b"{":
            raise _not_an_object(reader, at)
        row: dict[str, object] = {}
        name = ""
        try:
            for read, name in enumerate(reader.members(), start=1):
                if read > 2 * self._check.width + MAX_FINDINGS:
                    raise _refused(at, "Has more members than the contract has features")
                row[name] = reader.value(self._longest_value)
                if read % _MEMBERS_A_STEP == 0:
                    yield
        except PieceTooLong:
            reason = f"Is longer than {self._longest_value} bytes, or the value after it is"
            raise _refused((*at, name) if name else at, reason) from None
        return row


def _skip(reader: JsonReader, found: Findings) -> None:
    """Skip a value of an unknown member; stop the search for findings if it is long."""
    try:
        reader.value()
    except PieceTooLong:
        found.stop()


def _not_an_object(reader: JsonReader, at: Location) -> RowsInvalid:
    try:
        reader.value()
        if not at:
            reader.end()
    except PieceTooLong:
        pass
    return _refused(at, "Input should be an object")


def _refused(at: Location, msg: str) -> RowsInvalid:
    found = Findings()
    found.add(at, msg)
    return found.refusal()
