"""The chain as its module's docstring has it, worked out by other means; and logs that were tampered with."""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from service.audit.prove.verify import verify
from service.errors import AnchorUnusable
from tests.support.audit.log_files import rows, statements
from tests.support.audit.logs import HARD, REFUSED, command, numbered, write


def log_of_all_kinds(db: Path) -> None:
    """Three writers; answers, batches, refusals, one event of redaction and one of a prune each."""
    write(db, *numbered(4), REFUSED)
    write(db, HARD, *numbered(6, first=10))
    write(db, *numbered(3, first=20))


def text(array: list[Any]) -> bytes:
    return json.dumps(array, ensure_ascii=False, separators=(",", ":")).encode()


def bits(number: float) -> str:
    return struct.pack(">d", number).hex()


def test_the_hashes_are_those_that_the_module_describes(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    log_of_all_kinds(db)
    (log,) = rows(db, "SELECT log_id FROM log")
    for chain in rows(db, "SELECT * FROM chain ORDER BY id"):
        start = [log["log_id"], chain["id"], chain["writer"], chain["started_utc"], chain["follows_seq"]]
        start += [chain["follows_hash"].hex(), chain["ledger_seq"], chain["ledger_hash"].hex()]
        place = hashlib.sha256(text(["tabento audit chain 2", *start])).digest()
        of_chain = f"chain = {chain['id']} ORDER BY seq"
        for seq, row in enumerate(rows(db, f"SELECT * FROM request WHERE {of_chain}"), 1):
            labels = [
                [
                    *(label[name] for name in ("label", "label_type", "rows")),
                    *(bits(label[name]) for name in ("min_confidence", "max_confidence")),
                    json.loads(label["steps"]),
                ]
                for label in rows(
                    db,
                    f"""SELECT l.*, (SELECT json_group_array(f.confidence_step ORDER BY f.confidence_step)
                        FROM request_facet AS x JOIN facet AS f ON f.id = x.facet
                        WHERE x.request = {row["id"]}
                        AND (f.label, f.label_type) = (l.label, l.label_type)) AS steps
                    FROM request_label AS l WHERE request = {row["id"]} ORDER BY label, label_type""",
                )
            ]
            bodies = [
                body if isinstance(body, bytes) else body.encode()
                for body in (row["request_json"], row["response_json"])
            ]
            lengths = [len(body) for body in bodies]
            covered = text([row["client"], labels, *lengths, row["subject"]])
            content = hashlib.sha256(row["salt"] + covered + b"".join(bodies))
            about = [row[name] for name in ("request_id", "received_utc", "transport", "route", "status")]
            model = [row[name] for name in ("model_name", "model_version", "rows")]
            entry = ["request", row["id"], seq, *about, bits(row["duration_ms"]), *model]
            entry += [row["request_cut_bytes"], row["flags"], row["key_name"], row["model_id"]]
            place = hashlib.sha256(place + text(entry) + content.digest()).digest()
            assert (row["seq"], row["hash"]) == (seq, place)
        assert (chain["head_seq"], chain["head_hash"]) == (seq, place)


def test_each_chain_holds_the_head_of_the_one_before(tmp_path: Path) -> None:
    write(tmp_path / "audit.db", *numbered(3))
    write(tmp_path / "audit.db", *numbered(2))

    first, second = rows(tmp_path / "audit.db", "SELECT * FROM chain")
    assert (second["follows_seq"], second["follows_hash"]) == (3, first["head_hash"])


def test_a_log_without_entries_is_in_order(tmp_path: Path) -> None:
    write(tmp_path / "audit.db")

    report = verify(tmp_path / "audit.db")
    assert (report.ok, report.records, report.chains) == (True, 0, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        ("head", "it is not what `head` prints"),
        ('{"log_id": "0", "taken_utc": "2026-07-04T09:00:00Z", "heads": []}', "it is of another log, 0,"),
    ],
)
def test_a_file_that_is_no_anchor_of_the_log_is_refused(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    write(tmp_path / "audit.db")
    if content is not None:
        (tmp_path / "anchor").write_text(content)

    with pytest.raises(AnchorUnusable, match=reason):
        verify(tmp_path / "audit.db", tmp_path / "anchor")


def test_the_commands_take_an_anchor_and_hold_the_log_against_it(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))
    taken = command("--db", db, "head")
    (tmp_path / "anchor").write_text(taken.stdout)

    in_order = command("--db", db, "verify", "--anchor", tmp_path / "anchor")
    statements(db, "UPDATE request SET status = 200, route = '/predict/batch' WHERE id = 2")
    changed = command("--db", db, "verify")
    statements(db, "UPDATE log SET log_id = 'another'")
    other = command("--db", db, "verify", "--anchor", tmp_path / "anchor")

    assert (in_order.returncode, in_order.stdout) == (0, "ok: 3 records and 0 events in 1 chain\n")
    writer = json.loads(taken.stdout)["heads"][0]["writer"]
    assert changed.returncode == 1
    named, summary = changed.stdout.splitlines()
    assert named == f"changed: chain {writer}, entry 2: record 2 was changed"
    assert summary == "broken: 3 records and 0 events in 1 chain"
    assert (other.returncode, other.stdout) == (2, "")
    assert other.stderr.startswith(f"The anchor {tmp_path / 'anchor'} cannot be used: it is of another log")
