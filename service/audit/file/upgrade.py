"""The part of a migration that SQL cannot do.

The columns are named here, and not derived from ``columns.py``: they are those of the schema that the
released migration makes.
"""

import os
from collections.abc import Iterator

import apsw

from service.audit.chain import SALT_BYTES, bits, content_hash, request_text
from service.audit.file.entry import Entry
from service.audit.file.facet import Facet, confidence_step
from service.audit.file.kept_body import body_bytes
from service.audit.file.tail import Tail

_REQUESTS = """
    SELECT id, request_id, received_utc, transport, route, status, duration_ms, client, model_name,
           model_version, rows, request_json, request_cut_bytes, response_json, flags, key_name
    FROM request ORDER BY id
"""
_LABELS = """
    SELECT label, label_type, rows, min_confidence, max_confidence FROM request_label
    WHERE request = ? ORDER BY label, label_type
"""


def chain_older_records(connection: apsw.Connection) -> None:
    """Put the records of a log from before there were chains into one chain, and state this as an event.

    The chain proves that they were not changed since the upgrade, not what happened to them earlier. Such a
    log holds only the least and the greatest confidence of a batch, so a filter by confidence finds a batch
    by these two.
    """
    records = connection.execute("SELECT count(*) FROM request").get
    if not records:
        return
    tail = Tail(connection, None, {})
    tail.rechain(_entries(connection))
    tail.add_event("upgrade", {"records_before_the_chain": records})
    tail.write_head()


def _entries(connection: apsw.Connection) -> Iterator[tuple[int, Entry]]:
    for id_, *values in connection.execute(_REQUESTS):
        *_, client, name, _, _, request, _, response, flags, _ = values
        hashed, facets = [], []
        for label, type_, count, least, most in connection.execute(_LABELS, (id_,)):
            steps = sorted({confidence_step(least), confidence_step(most)})
            hashed.append((label, type_, count, bits(least), bits(most), steps))
            facets += [Facet(label, type_, name, flags > 0, step) for step in steps]
        salt = os.urandom(SALT_BYTES)
        content = content_hash(salt, body_bytes(request), body_bytes(response), client, hashed)
        # Its label rows exist already.
        yield id_, Entry(values, (), facets, salt, request_text(values), content)
