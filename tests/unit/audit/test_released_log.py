"""Logs of earlier versions keep verifying: literal hashes, and a whole log that a released version wrote."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from service.audit.act import Act
from service.audit.chain import Start, act_hash, event_hash, first_position, ledger_start
from service.audit.file.database import open_for_writing
from service.audit.file.entry import make_entry
from service.audit.file.tail import ChainHead, Tail
from service.audit.prove.verify import verify
from service.audit.query.acts import logged_acts
from service.audit.query.reader import AuditReader
from service.audit.write.record import pack
from tests.support.audit.log_files import empty_log
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
START_2 = START._replace(format=2, ledger_seq=4, ledger_hash=bytes(range(32, 64)))
ACT = Act(
    act_id="a" * 32,
    recorded_utc="2026-07-04T10:00:00.000000Z",
    kind="redaction",
    actor="Ada",
    actor_kind="shell",
    system_user="operator",
    reason="größe",
    request=3,
    subject="ab12",
    detail_json='{"content_sha256":"00"}',
)
FIRST_HASHES = (
    "71a7658fcd67cc962c64a53533f2ad93273f1ac52c66d6b83c0b625505582ac6",
    "fe7ba307aa39f356401af6efbfbbd874f366d75a0fc1b28255c9a4dff63ef2a0",
)
"""Of a chain of format 1, and of one of format 2."""
REQUEST_HASHES = [
    "1b7d1bdaf0be1cedd947efe4e9f0d9a1d093bec18a4ce7086a39c3a2e41a891d",
    "4b3e06eee2be0a00726f9f4b173890083c1902bf97c0ec52cb864ccf12b78dc6",
    "208bcc1a224ea54f1d42223f7572d8984aa73cd14385099cb6e4db4a62725e92",
]
EVENT_HASH = "aaab5fe7c63f4588c3753689ec1fd9e64bc55d7399289dffe264dc94b5343ef2"
ACT_HASH = "9fc9f3a438394f7fec43bcff0a6fbbaa5be23fbf62eb2b0763296e357208ce08"


def value_from(item: Any) -> Any:
    return bytes.fromhex(item["hex"]) if isinstance(item, dict) else item


@pytest.fixture
def released_log(tmp_path: Path) -> Path:
    db = tmp_path / "audit.db"
    with closing(empty_log(db, 2)) as connection, connection:
        connection.execute("DELETE FROM log")
        for table, content in json.loads(RELEASED_LOG.read_text()).items():
            columns = content["columns"]
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
            for row in content["rows"]:
                connection.execute(statement, [*map(value_from, row)])
    open_for_writing(db).close()
    return db


def test_a_log_that_a_released_version_wrote_verifies(released_log: Path) -> None:
    report = verify(released_log)

    assert report.problems == []
    assert (report.chains, report.records, report.redacted, report.events, report.pruned) == (3, 7, 1, 3, 2)


def test_the_upgrade_states_how_many_records_name_no_model(released_log: Path) -> None:
    (act,) = logged_acts(released_log)

    assert (act.kind, act.actor, act.detail) == ("upgrade", "service", {"records_of_unknown_model": 7})
    assert {request.model_id for request in AuditReader(released_log).records()} == {""}
    assert released_log.with_name("audit.db.v2.bak").exists()


def test_a_log_that_a_released_version_wrote_is_continued(released_log: Path) -> None:
    write(released_log, ANSWERED, REFUSED)

    report = verify(released_log)
    assert (report.problems, report.chains, report.records) == ([], 4, 9)
    assert [request.id for request in AuditReader(released_log).last_records(2)] == [14, 15]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((column, "'other'") for column in ("request_id", "received_utc", "transport", "route", "client")),
        *((column, "'other'") for column in ("model_name", "model_version", "key_name")),
        *((column, "'other'") for column in ("request_json", "response_json")),
        ("model_id", "'0123456789abcdef'"),
        ("subject", "'ab12'"),
        *((column, "77") for column in ("status", "duration_ms", "rows", "request_cut_bytes", "flags")),
    ],
)
def test_every_column_of_a_record_is_covered_by_its_hash(released_log: Path, column: str, value: str) -> None:
    with closing(apsw.Connection(str(released_log))) as connection:
        connection.execute(f"UPDATE request SET {column} = {value} WHERE id = 5")

    assert any(problem.id == 5 for problem in verify(released_log).problems)


def test_records_acts_and_events_get_the_hashes_of_the_released_format(tmp_path: Path) -> None:
    first = first_position(START_2)
    with closing(open_for_writing(tmp_path / "audit.db")) as connection:
        tail = Tail(connection, ChainHead(START_2.chain, START_2.writer, first), {})
        tail.add_records(
            [make_entry(pack(record), bytes([n]) * 16) for n, record in enumerate((ANSWERED, REFUSED, HARD))]
        )
        found = [hash_ for (hash_,) in connection.execute("SELECT lower(hex(hash)) FROM request ORDER BY id")]
    assert tail.head is not None
    event = event_hash(tail.head.position, 4, "gap", "2026-07-04T10:00:00.000000Z", None, '{"records":3}')
    act = act_hash(ledger_start(START.log_id), 5, ACT)

    assert (first_position(START).hash.hex(), first.hash.hex()) == FIRST_HASHES
    assert found == REQUEST_HASHES
    assert event.hash.hex() == EVENT_HASH
    assert act.hash.hex() == ACT_HASH
