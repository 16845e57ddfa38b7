"""The parts of the migrations that SQL cannot do; they run when the tables are those of the latest schema."""

import os
from collections.abc import Iterator

import apsw

from service.audit.act import SERVICE, make_act
from service.audit.chain import SALT_BYTES, bits, content_hash, request_text
from service.audit.columns import LABEL_COLUMNS, RequestRow, select_list
from service.audit.file.entry import Entry
from service.audit.file.facet import Facet, confidence_step
from service.audit.file.kept_body import body_bytes
from service.audit.file.tail import Tail

_REQUESTS = f"SELECT {select_list('request')} FROM request ORDER BY id"  # noqa: S608 - no text from outside
_LABELS = f"""
    SELECT {LABEL_COLUMNS} FROM request_label WHERE request = ? ORDER BY label, label_type
"""  # noqa: S608 - no text from outside


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


def state_upgrade(connection: apsw.Connection) -> None:
    """State in the ledger how many records are from before records named their model."""
    records = connection.execute("SELECT count(*) FROM request").get
    if records:
        Tail(connection, None, {}).add_act(
            make_act("upgrade", SERVICE, {"records_of_unknown_model": records})
        )


def _entries(connection: apsw.Connection) -> Iterator[tuple[int, Entry]]:
    for id_, *values in connection.execute(_REQUESTS):
        row = RequestRow(id_, *values)
        hashed, facets = [], []
        for label, type_, count, least, most in connection.execute(_LABELS, (id_,)):
            steps = sorted({confidence_step(least), confidence_step(most)})
            hashed.append((label, type_, count, bits(least), bits(most), steps))
            facets += [Facet(label, type_, row.model_name, row.flags > 0, step) for step in steps]
        salt = os.urandom(SALT_BYTES)
        bodies = body_bytes(row.request_json), body_bytes(row.response_json)
        content = content_hash(salt, *bodies, row.client, hashed, row.subject)
        # Its label rows exist already.
        yield id_, Entry(values, (), facets, salt, request_text(values), content)
