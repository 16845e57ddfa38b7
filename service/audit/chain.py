r"""The hash chain: how each entry of the log is bound to all entries that its writer wrote before it.

A writer is one open log of one process, with a random name. Its entries are rows of ``request`` and
``event``. They are numbered from 1 by ``seq``. The ``hash`` of an entry covers the entry and the hash before
it, so the last hash shows whether any entry was changed, removed, inserted or moved. To compute the hashes
with another tool:

    text      UTF-8 of a JSON array, written as in RFC 8785: no spaces, nothing escaped but ``"``, ``\`` and
              control characters
    bits(x)   a float as the 16 lower-case hexadecimal digits of its IEEE 754 binary64, most significant
              byte first
    hex(x)    bytes as lower-case hexadecimal digits

    first  =  SHA-256(text(["tabento audit chain 2", log_id, chain.id, writer, started_utc, follows_seq,
                            hex(follows_hash), ledger_seq, hex(ledger_hash)]))
              takes the place of the hash before seq 1. ``follows`` is the head that the chain before this one
              (by chain.id) had when this one began; 0 and no bytes for the first chain. ``ledger`` is the
              head of the ledger at that time.

    a request's hash  =  SHA-256(hash before || text(["request", id, seq, request_id, received_utc,
                            transport, route, status, bits(duration_ms), model_name, model_version, rows,
                            request_cut_bytes, flags, key_name, model_id]) || content)

    content  =  SHA-256(salt || text([client, labels, length of request_json, length of response_json,
                            subject]) || request_json || response_json)
              with the bytes of the bodies (UTF-8 if the column holds text). Labels are [label, label_type,
              rows, bits(min_confidence), bits(max_confidence), [step, ...]] for each row of
              ``request_label``, sorted by label and type, with the confidence steps of its facets ascending.

    an event's hash  =  SHA-256(hash before || text(["event", id, seq, kind, recorded_utc, request,
                            detail_json]))

    an act's hash  =  SHA-256(hash before || text(["act", id, seq, kind, recorded_utc, act_id, actor,
                            actor_kind, system_user, reason, request, subject, detail_json]))
              The acts of all writers are one chain, the table ``ledger``. SHA-256(text(["tabento audit
              ledger 1", log_id])) takes the place of the hash before seq 1.

A chain of format 1 (``chain.format``) was begun by an earlier version: its first hash says "chain 1" and ends
with follows_hash, its requests end with key_name, and their content with the two lengths.

Hashes are joined as their 32 bytes. The content has a hash of its own, with 16 random bytes of salt, so that
a redaction can remove it: ``content_sha256`` stays, and without the salt nobody can find the content by
trying. The tables of migrations and ``sqlite_sequence`` are not covered. ``columns.py`` states which hash
covers which column of a request.
"""

from collections.abc import Sequence
from hashlib import sha256
from operator import itemgetter
from struct import Struct
from typing import Any, NamedTuple

from pydantic_core import to_json

from service.audit.act import Act
from service.audit.columns import covered_by, place_of

FORMAT = 2
"""The format of the chains that this code begins."""
SALT_BYTES = 16
NO_HASH = b""

_DOUBLE = Struct(">d")

_covered = covered_by("entry", FORMAT)
_covered_values = itemgetter(*(place_of(column.name) for column in _covered))
_covered_values_1 = itemgetter(*(place_of(column.name) for column in covered_by("entry", 1)))
(_DURATION,) = (place for place, column in enumerate(_covered) if column.affinity == "REAL")

LabelEntry = tuple[str, str, int, str, str, Sequence[int]]
"""Label, type, rows, bits of the least and of the greatest confidence, steps."""


class Start(NamedTuple):
    """The facts that the first hash of a chain covers."""

    log_id: str
    chain: int
    writer: str
    started_utc: str
    follows_seq: int
    follows_hash: bytes
    format: int = 1
    ledger_seq: int = 0
    ledger_hash: bytes = NO_HASH


class Position(NamedTuple):
    """A place in a chain: the number and the hash of the entry there."""

    seq: int
    hash: bytes


def first_position(start: Start) -> Position:
    """The place before the first entry."""
    *plain, follows_hash, format_, ledger_seq, ledger_hash = start
    facts = [f"tabento audit chain {format_}", *plain, follows_hash.hex()]
    if format_ != 1:
        facts += [ledger_seq, ledger_hash.hex()]
    return Position(0, sha256(to_json(facts)).digest())


def ledger_start(log_id: str) -> Position:
    """The place before the first act of a log."""
    return Position(0, sha256(to_json(["tabento audit ledger 1", log_id])).digest())


def bits(number: float) -> str:
    """A float as 16 hexadecimal digits; -0.0 counts as 0.0, because SQLite stores no negative zero."""
    return _DOUBLE.pack(number + 0.0).hex()


def content_hash(
    salt: bytes,
    request: bytes,
    response: bytes,
    client: str | None,
    labels: Sequence[LabelEntry],
    subject: str | None,
    format_: int = FORMAT,
) -> bytes:
    """The hash of the part of a record that a redaction removes."""
    facts = client, labels, len(request), len(response)
    text = to_json(facts if format_ == 1 else (*facts, subject))
    return sha256(b"%b%b%b%b" % (salt, text, request, response)).digest()


def request_text(values: Sequence[Any], format_: int = FORMAT) -> bytes:
    """The end of a request's text, from ``request_id`` on; ``request_hash`` adds its beginning.

    ``values`` are those of RECORD_COLUMNS.
    """
    covered = [*(_covered_values_1(values) if format_ == 1 else _covered_values(values))]
    covered[_DURATION] = bits(covered[_DURATION])
    return to_json(covered)[1:]


def request_hash(before: Position, id_: int, text: bytes, content: bytes) -> Position:
    """The place of a request that follows another entry."""
    seq = before.seq + 1
    return Position(seq, sha256(b'%b["request",%d,%d,%b%b' % (before.hash, id_, seq, text, content)).digest())


def event_hash(
    before: Position, id_: int, kind: str, recorded_utc: str, request: int | None, detail_json: str
) -> Position:
    """The place of an event that follows another entry."""
    seq = before.seq + 1
    text = to_json(["event", id_, seq, kind, recorded_utc, request, detail_json])
    return Position(seq, sha256(before.hash + text).digest())


def act_hash(before: Position, id_: int, act: Act) -> Position:
    """The place of an act that follows another in the ledger."""
    seq = before.seq + 1
    act_id, recorded_utc, kind, *rest = act
    text = to_json(["act", id_, seq, kind, recorded_utc, act_id, *rest])
    return Position(seq, sha256(before.hash + text).digest())
