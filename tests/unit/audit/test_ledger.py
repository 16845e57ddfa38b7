"""The ledger: acts with an actor, in one chain over all writers, which nothing shortens unseen."""

import hashlib
import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.audit.act import SERVICE, Actor, make_act, model_act
from service.audit.file.tail import ActConflict
from service.audit.keep.redaction import redact
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove.verify import verify
from service.audit.query.acts import logged_acts, refuse_other_act
from service.audit.write.logfile import LogFile
from service.audit.write.record import pack
from service.errors import LedgerContradicts
from service.model.model_id import canonical_json, model_id_of
from tests.support.audit.log_files import anchor, rows, statements
from tests.support.audit.logs import ADA, ANSWERED, BY_ADA, command, numbered, write

CARD: dict[str, object] = {"größe": 1, "tag": "iris_classifier:abc"}
MODEL_ID = model_id_of(canonical_json(CARD))
OF_MODEL = pack(replace(ANSWERED, model_id=MODEL_ID))


def problems(db: Path) -> list[str]:
    return [str(problem) for problem in verify(db).problems]


def test_the_hash_of_an_act_is_that_which_the_module_describes(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))
    command("--db", db, "redact", "--request-id", "r-2", *ADA)
    command("--db", db, "prune", "--keep-days", 1, *ADA)
    (log,) = rows(db, "SELECT * FROM log")

    place = hashlib.sha256(f'["tabento audit ledger 1","{log["log_id"]}"]'.encode()).digest()
    acts = rows(db, "SELECT * FROM ledger ORDER BY seq")
    names = "id seq kind recorded_utc act_id actor actor_kind system_user reason request subject detail_json"
    for act in acts:
        text = json.dumps(["act", *(act[name] for name in names.split())], separators=(",", ":"))
        place = hashlib.sha256(place + text.encode()).digest()
        assert act["hash"] == place
    assert [act["kind"] for act in acts] == ["redaction", "prune"]
    assert (log["ledger_seq"], log["ledger_hash"]) == (2, place)


def test_a_redaction_stays_proven_after_its_record_is_pruned(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))
    with closing(LogFile(db)) as file:
        redact(file, "r-2", *BY_ADA)
        with file.transaction() as (connection, tail):
            prune_step(connection, tail, Limits(keep_days=1.0), datetime(2030, 1, 1, tzinfo=UTC), 3)

    assert problems(db) == []
    (act,) = logged_acts(db, kind="redaction")
    assert (act.actor, act.reason, act.detail["request_id"]) == ("Ada", BY_ADA[1], "r-2")
    statements(db, "DELETE FROM ledger")
    assert problems(db) == ["the ledger has 0 acts, and its head is act 1"]


def test_the_last_act_removed_with_its_head_is_found_by_an_anchor_and_by_the_next_chain(
    tmp_path: Path,
) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))
    for request_id in ("r-1", "r-2"):
        command("--db", db, "redact", "--request-id", request_id, *ADA)
    kept = anchor(db)
    shortened = (
        "DELETE FROM ledger WHERE seq = 2",
        "UPDATE log SET ledger_bytes = ledger_bytes / 2",
        "UPDATE log SET (ledger_seq, ledger_hash) = (SELECT seq, hash FROM ledger)",
        "DELETE FROM request WHERE id = 2",
        "UPDATE chain SET head_seq = 1, head_hash = (SELECT hash FROM request WHERE id = 1)",
        "DELETE FROM request WHERE id = 3",
        "DELETE FROM request_label WHERE request > 1",
        "DELETE FROM request_facet WHERE request > 1",
    )
    statements(db, *shortened)

    assert problems(db) == []
    assert "the anchor has seen act 2 of the ledger, and it is gone" in [
        str(problem) for problem in verify(db, kept).problems
    ]
    write(db, *numbered(1, first=9))
    statements(db, "DELETE FROM ledger", "UPDATE log SET ledger_seq = 0, ledger_hash = x''")
    (writer,) = [row["writer"] for row in rows(db, "SELECT writer FROM chain WHERE id = 2")]
    assert f"chain {writer} has seen act 1 of the ledger, and it is gone" in problems(db)


def test_a_model_enters_the_log_once_before_its_first_record(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    for _ in range(2):
        with closing(LogFile(db)) as file:
            file.declare(model_act(MODEL_ID, CARD))
            file.write([OF_MODEL])
            file.write([OF_MODEL])

    (act,) = logged_acts(db)
    assert (act.kind, act.actor, act.detail, act.id) == ("model", "service", CARD, 1)
    assert rows(db, "SELECT model_id, json_extract(card_json, '$.tag') AS tag FROM model") == [
        {"model_id": MODEL_ID, "tag": "iris_classifier:abc"}
    ]
    assert problems(db) == []


def test_a_log_that_replaces_another_gets_the_model_too(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    with closing(LogFile(db)) as file:
        file.declare(model_act(MODEL_ID, CARD))
        file.write([OF_MODEL])
        db.rename(tmp_path / "moved.db")
        file.write([OF_MODEL])

    assert [act.kind for act in logged_acts(db)] == ["model"]
    assert problems(db) == problems(tmp_path / "moved.db") == []


def test_two_cards_under_one_id_are_refused(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    with closing(LogFile(db)) as file:
        file.declare(model_act(MODEL_ID, CARD))
        file.write([OF_MODEL])
    with closing(LogFile(db)) as file:
        file.declare(model_act(MODEL_ID, {"tag": "another"}))
        with pytest.raises(ActConflict, match=f"model:{MODEL_ID}"):
            file.write([OF_MODEL])
    assert verify(db).records == 1


def test_a_card_of_another_id_is_refused_before_it_is_declared_and_found_afterwards(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    with closing(LogFile(db)) as file, file.transaction() as (_, tail):
        tail.add_act(model_act(MODEL_ID, {"tag": "another"}))
    refuse_other_act(db, model_act("f" * 16, CARD))
    with pytest.raises(LedgerContradicts, match=f"ledger has another act model:{MODEL_ID}"):
        refuse_other_act(db, model_act(MODEL_ID, CARD))
    other = model_id_of(canonical_json({"tag": "another"}))
    (problem,) = problems(db)
    assert f"its card has the id {other}, not {MODEL_ID}" in problem


def test_a_record_of_a_model_that_the_ledger_lacks_is_found(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    with closing(LogFile(db)) as file:
        file.write([OF_MODEL, OF_MODEL])

    assert problems(db) == [f"record 1 names model {MODEL_ID}, which the ledger does not have"]


def test_an_act_is_written_once_however_often_it_is_sent(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    act = make_act("read", Actor("robot", "key"), {"rows": 3})
    with closing(LogFile(db)) as file:
        file.write([tuple(act), *map(pack, numbered(2))])
        file.write([tuple(act)])
        assert file.find_records([act[:2], ("r-1", "2026-07-04T09:00:01.000000Z"), ("r-1", "")]) == (
            [True, True, False],
            False,
        )

    (found,) = logged_acts(db)
    assert (found.id, found.seq, found.actor, found.actor_kind) == (1, 1, "robot", "key")


def test_the_ledger_is_shown_by_kind_and_time(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    with closing(LogFile(db)) as file:
        for number in range(2_500):
            act = make_act("read" if number % 2 else "start", SERVICE, {})
            day = 1 if number % 2 else 2
            file.write([tuple(act._replace(recorded_utc=f"2026-07-0{day}T00:00:00.000000Z"))])

    def shown(*options: str) -> list[int]:
        lines = command("--db", db, "ledger", *options).stdout.splitlines()
        return [json.loads(line)["seq"] for line in lines]

    assert shown() == [*range(1, 2_501)]
    assert shown("--kind", "read") == shown("--until", "2026-07-02T00:00:00Z") == [*range(2, 2_501, 2)]
    assert shown("--since", "2026-07-02T00:00:00Z") == [*range(1, 2_501, 2)]
