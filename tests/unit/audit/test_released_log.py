"""Logs of earlier versions keep verifying: literal hashes, and a whole log that a released version wrote."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from service.audit.chain import Start, event_hash, first_position
from service.audit.file.database import open_for_writing
from service.audit.file.entry import make_entry
from service.audit.file.tail import ChainHead, Tail
from service.audit.prove.verify import verify
from service.audit.query.reader import AuditReader
from service.audit.write.record import pack
from tests.support.audit.logs import ANSWERED, HARD, REFUSED, write

RELEASED_LOG = Path(__file__).with_name("released_log.json")
"""Every table of a log with answers, a refusal, batches, a redaction, a prune event and a gap."""

START = Start(
    log_id="0123456789abcdef" * 2,
    chain=3,
    writer="fedcba9876543210" * 2,
    started_utc="2026-07-04T08:00:00.000000Z",
    follows_seq=9,
    follows_hash=bytes(range(32)),
)
FIRST_HASH = "71a7658fcd67cc962c64a53533f2ad93273f1ac52c66d6b83c0b625505582ac6"
REQUEST_HASHES = [
    "53c97063886bfe0daec7759880ceab10b931fa009d2efae139b6fd7205f6b07a",
    "83013c8ca0df7458a8d37fc418c3b9a85ae4a712c4811ab2e7a94d85e2f6dc52",
    "c467036dc454a24b63bb177319810ea1e2c0d5936ef8829087bcadf9a5782d3e",
]
EVENT_HASH = "d14f193389fe9f5fdd7f05c862a25deea0ff30d5d54af4534119f269d024b2c1"


def value_from(item: Any) -> Any:
    return bytes.fromhex(item["hex"]) if isinstance(item, dict) else item


@pytest.fixture
def released_log(tmp_path: Path) -> Path:
    db = tmp_path / "audit.db"
    with closing(open_for_writing(db)) as connection, connection:
        connection.execute("DELETE FROM log")
        for table, content in json.loads(RELEASED_LOG.read_text()).items():
            columns = content["columns"]
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
            for row in content["rows"]:
                connection.execute(statement, [*map(value_from, row)])
    return db


def test_a_log_that_a_released_version_wrote_verifies(released_log: Path) -> None:
    report = verify(released_log)

    assert report.problems == []
    assert (report.chains, report.records, report.redacted, report.events, report.pruned) == (3, 7, 1, 3, 2)


def test_a_log_that_a_released_version_wrote_is_continued(released_log: Path) -> None:
    write(released_log, ANSWERED, REFUSED)

    report = verify(released_log)
    assert (report.problems, report.chains, report.records) == ([], 4, 9)
    assert [request.id for request in AuditReader(released_log).last_records(2)] == [13, 14]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((column, "'other'") for column in ("request_id", "received_utc", "transport", "route", "client")),
        *((column, "'other'") for column in ("model_name", "model_version", "key_name")),
        *((column, "'other'") for column in ("request_json", "response_json")),
        *((column, "77") for column in ("status", "duration_ms", "rows", "request_cut_bytes", "flags")),
    ],
)
def test_every_column_of_a_record_is_covered_by_its_hash(released_log: Path, column: str, value: str) -> None:
    with closing(apsw.Connection(str(released_log))) as connection:
        connection.execute(f"UPDATE request SET {column} = {value} WHERE id = 5")

    assert any(problem.id == 5 for problem in verify(released_log).problems)


def test_records_and_events_get_the_hashes_that_released_versions_gave_them(tmp_path: Path) -> None:
    first = first_position(START)
    with closing(open_for_writing(tmp_path / "audit.db")) as connection:
        tail = Tail(connection, ChainHead(START.chain, START.writer, first), {})
        tail.add_records(
            [make_entry(pack(record), bytes([n]) * 16) for n, record in enumerate((ANSWERED, REFUSED, HARD))]
        )
        found = [hash_ for (hash_,) in connection.execute("SELECT lower(hex(hash)) FROM request ORDER BY id")]
    assert tail.head is not None
    event = event_hash(tail.head.position, 4, "gap", "2026-07-04T10:00:00.000000Z", None, '{"records":3}')

    assert first.hash.hex() == FIRST_HASH
    assert found == REQUEST_HASHES
    assert event.hash.hex() == EVENT_HASH
