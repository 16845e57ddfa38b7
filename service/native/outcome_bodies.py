"""Reads outcomes from request bodies, JSON or CSV, in steps of a few milliseconds of the event loop."""

from io import StringIO

from service.audit.outcome.outcome_batch import MAX_OUTCOMES, OutcomeBatch
from service.audit.outcome.outcome_table import header_of, lines_of, members_of
from service.audit.outcome.sent_outcome import LabelRule
from service.errors import BodyMalformed, CsvMalformed, TooManyOutcomes
from service.inference.json_reader import JsonReader, PieceTooLong, refuse_byte_order_mark
from service.system.steps import Steps

_PIECE_BYTES = 32 * 1024
"""Length of the JSON that is parsed in a step, and of the longest outcome."""
_OUTCOMES_A_STEP = 300


def read_json(body: bytes, rule: LabelRule) -> Steps[OutcomeBatch]:
    """The outcomes of a JSON body: one object, or an array; raises BodyMalformed or TooManyOutcomes."""
    refuse_byte_order_mark(body)
    batch = OutcomeBatch(rule)
    reader = JsonReader(body, piece_bytes=_PIECE_BYTES)
    try:
        if not reader.take(b"["):
            batch.add(reader.value(), None)
            reader.end()
            return batch
        read, is_over = 0, reader.take(b"]")
        while not is_over:
            items = _next_items(reader)
            if read + len(items) > MAX_OUTCOMES:
                raise TooManyOutcomes(MAX_OUTCOMES)
            for item in items:
                batch.add(item, read)
                read += 1
            is_over = reader.take(b"]")
            if not is_over:
                reader.expect(b",")
            yield
        reader.end()
    except PieceTooLong:
        reason = f"it has a value of more than {_PIECE_BYTES} bytes, or an unterminated one"
        raise BodyMalformed(f"{reason}, near byte {reader.at}") from None
    return batch


def read_csv(body: bytes, rule: LabelRule) -> Steps[OutcomeBatch]:
    """The outcomes of a CSV body with a header; raises CsvMalformed or TooManyOutcomes."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CsvMalformed(f"it is not UTF-8 at byte {error.start}") from None
    lines = lines_of(StringIO(text, newline=""))
    places = header_of(lines)
    batch = OutcomeBatch(rule)
    for index, (_, cells) in enumerate(lines):
        if index == MAX_OUTCOMES:
            raise TooManyOutcomes(MAX_OUTCOMES)
        if len(cells) != len(places):
            batch.check.refuse(
                index, "label", f"the line has {len(cells)} cells, and the first {len(places)}"
            )
        else:
            batch.add(members_of(cells, places, rule), index)
        if index % _OUTCOMES_A_STEP == _OUTCOMES_A_STEP - 1:
            yield
    return batch


def _next_items(reader: JsonReader) -> list[object]:
    """The next outcomes of a step: up to the last brace of a piece, or one by one if that is no end."""
    end = reader.guess(b"}", _PIECE_BYTES)
    if end > reader.at and reader.count(b"{", end) <= _OUTCOMES_A_STEP:
        try:
            items = reader.parse_items(reader.items(end))
        except BodyMalformed:
            pass
        else:
            reader.at = end
            return items
    end = reader.end_of_items(_OUTCOMES_A_STEP)
    items = reader.parse_items(reader.items(end))
    reader.at = end
    return items
