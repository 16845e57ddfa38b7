"""The bases of the chains: the entries up to which each was pruned, and one hash over all of them.

The last prune event states this hash. The event lies in a chain itself, so it proves how far the log was
pruned.
"""

from hashlib import sha256
from typing import Any

import apsw
from pydantic_core import to_json

from service.audit.file.raw_value import as_integer, as_text, fetch_all, fetch_one

_PRUNED_CHAINS = """
    SELECT id, writer, started_utc, follows_seq, lower(hex(follows_hash)), base_seq, lower(hex(base_hash)),
           format, ledger_seq, lower(hex(ledger_hash))
    FROM chain WHERE base_seq > 0 ORDER BY id
"""
_STATED = """
    SELECT iif(json_valid(detail_json), json_extract(detail_json, '$.bases_sha256'), 'none')
    FROM event WHERE kind = 'prune' ORDER BY id DESC LIMIT 1
"""


def stated_bases_sha256(connection: apsw.Connection) -> str:
    """The hash that the last prune event states; without such an event, that of no bases."""
    stated = fetch_one(connection, _STATED)
    return _digest([]) if stated is None else as_text(stated)


def actual_bases_sha256(connection: apsw.Connection) -> str:
    """The hash over the bases of all chains, as they are in the file.

    It is the SHA-256 of the JSON text (chain.py) of ``[id, writer, started_utc, follows_seq, follows_hash,
    base_seq, base_hash, format, ledger_seq, ledger_hash]`` of each chain that was pruned, in the order of the
    ids, with hashes in hexadecimal. Of a chain of format 1, the last three are left out.
    """
    return _digest([_facts(*row) for row in fetch_all(connection, _PRUNED_CHAINS)])


def _facts(
    id_: Any, writer: Any, started_utc: Any, follows_seq: Any, follows: Any, *rest: Any
) -> list[object]:
    seq, base, format_, ledger_seq, ledger = rest
    facts = [
        id_,
        as_text(writer),
        as_text(started_utc),
        as_integer(follows_seq),
        follows,
        as_integer(seq),
        base,
    ]
    return facts if format_ == 1 else [*facts, as_integer(format_), as_integer(ledger_seq), ledger]


def _digest(bases: list[list[object]]) -> str:
    return sha256(to_json(bases)).hexdigest()
