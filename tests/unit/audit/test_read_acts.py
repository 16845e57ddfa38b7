"""Who reads records states this in the ledger, and can read a log that cannot be written."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

import service.audit
from service.audit.act import Actor, shell_actor
from service.audit.file.database import open_for_reading
from service.audit.prove.verify import verify
from service.audit.query.acts import LoggedAct, logged_acts
from service.audit.query.read_acts import MAX_IDS, ReadIds, read_act
from service.errors import AuditMisuse
from tests.support.audit.logs import PROJECT, command, numbered, write
from tests.support.waiting import PATIENCE_S

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "audit.db"
    write(path, *numbered(5))
    return path


def acts(db: Path) -> list[LoggedAct]:
    return [*logged_acts(db)]


def test_tail_states_what_it_shows_and_who_reads(db: Path) -> None:
    shown = command("--db", db, "tail", "-n", 2, "--by", "ada").stdout.splitlines()
    ids = [json.loads(line)["id"] for line in shown]
    (act,) = acts(db)
    account = shell_actor().name
    assert (act.kind, act.actor, act.actor_kind, act.system_user) == ("read", "ada", "shell", account)
    assert act.detail == {
        "of": "tail",
        "filters": {"lines": 2, "follow": False},
        "records": 2,
        "lowest_id": ids[0],
        "highest_id": ids[1],
        "ids": ids,
    }
    command("--db", db, "tail")
    assert acts(db)[-1].actor == account
    assert verify(db).ok


def test_an_export_states_its_filter_before_its_first_row_and_its_ids_after_the_last(
    db: Path, tmp_path: Path
) -> None:
    output = tmp_path / "log.csv"
    command("--db", db, "export", "--label", "setosa", "--format", "csv", "--output", output, "--by", "ada")
    begun, ended = acts(db)
    filters = {"format": "csv", "since": None, "until": None, "label": "setosa", "output": str(output)}
    assert (begun.kind, begun.detail) == ("export", {"of": "export", "filters": filters, "stage": "begun"})
    assert (ended.kind, ended.detail["stage"], ended.detail["records"]) == ("export", "ended", 5)
    assert ended.detail["filters"] == filters


def test_a_backup_states_that_it_was_made_and_holds_the_act_of_its_begin(db: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert command("--db", db, "backup", copy, "--by", "ada").returncode == 0
    assert [(act.kind, act.actor, act.detail["stage"]) for act in acts(db)] == [
        ("backup", "ada", "begun"),
        ("backup", "ada", "ended"),
    ]
    assert [act.detail["stage"] for act in acts(copy)] == ["begun"]
    assert verify(copy).ok


def test_a_backup_that_fails_is_stated_as_interrupted(db: Path, tmp_path: Path) -> None:
    assert command("--db", db, "backup", tmp_path / "no" / "copy.db").returncode == 2
    assert [act.detail["stage"] for act in acts(db)] == ["begun", "interrupted"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_following_the_log_states_its_begin_and_at_its_end_what_was_shown(db: Path, number: int) -> None:
    arguments = ["-m", "service.audit", "--db", str(db), "tail", "--follow", "-n", "1"]
    with subprocess.Popen([sys.executable, *arguments], cwd=PROJECT, stdout=subprocess.PIPE) as following:
        assert following.stdout is not None
        assert b'"r-5"' in following.stdout.readline()
        (begun,) = acts(db)
        write(db, *numbered(2, first=6))
        shown = [json.loads(following.stdout.readline())["id"] for _ in range(2)]
        following.send_signal(number)
        assert following.wait(PATIENCE_S) == 0
    assert begun.detail["stage"] == "begun"
    ended = acts(db)[-1]
    assert ended.detail["stage"] == "interrupted"
    assert (ended.detail["records"], ended.detail["highest_id"]) == (3, shown[-1])


def test_a_read_by_sql_states_the_digest_of_the_statement_before_its_first_row(db: Path) -> None:
    statement = "SELECT request_id FROM request WHERE id > ?"
    rows = service.audit.read(statement, (2,), db, by="ada")
    assert acts(db) == []
    next(rows)
    (act,) = acts(db)
    assert (act.kind, act.actor, act.actor_kind) == ("read", "ada", "shell")
    digest = sha256(statement.encode()).hexdigest()
    assert act.detail == {"of": "service.audit.read", "filters": {"statement_sha256": digest}}
    assert len([*rows]) == 2
    with pytest.raises(AuditMisuse):
        [*service.audit.read("DELETE FROM request", db=db)]
    assert len(acts(db)) == 1


@pytest.mark.parametrize("name", ["status", "head", "path", "ledger", "verify"])
def test_commands_that_show_no_records_write_nothing(db: Path, name: str) -> None:
    before = db.read_bytes()
    assert command("--db", db, name).returncode == 0
    assert db.read_bytes() == before
    assert acts(db) == []


@pytest.mark.parametrize("name", ["tail", "export"])
def test_a_log_that_does_not_exist_is_one_sentence_and_is_not_created(tmp_path: Path, name: str) -> None:
    done = command("--db", tmp_path / "none.db", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert not [*tmp_path.iterdir()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make the log another's")
@pytest.mark.parametrize("name", ["tail", "export"])
def test_who_may_only_read_the_log_gets_the_records_and_a_warning(db: Path, name: str) -> None:
    code = "import os, sys; from service.audit.__main__ import main; os.setuid(65534); sys.exit(main())"
    with TemporaryDirectory() as folder:  # Unlike the fixture's, its parents are open to others.
        copy = Path(folder, "copy.db")
        assert command("--db", db, "backup", copy).returncode == 0
        Path(folder).chmod(0o755)
        copy.chmod(0o444)
        arguments = [sys.executable, "-c", code, "--db", str(copy), name]
        done = subprocess.run(arguments, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5
    warnings = done.stderr.splitlines()
    assert len(warnings) == {"tail": 1, "export": 2}[name]
    assert all(f"The ledger of the audit log {copy} does not state this" in line for line in warnings)


@given(st.lists(st.integers(1, 2**62), max_size=3 * MAX_IDS, unique=True))
def test_the_ids_of_an_act_are_bounded_and_can_be_compared(ids: list[int]) -> None:
    detail = json.loads(read_act(Actor("a", "key"), of="/x", filters={}, ids=ids, request_id="r").detail_json)
    assert detail["records"] == len(ids)
    assert len(json.dumps(detail)) < 4_000
    if ids:
        assert (detail["lowest_id"], detail["highest_id"]) == (min(ids), max(ids))
    if len(ids) > MAX_IDS:
        assert "ids" not in detail
        assert detail["ids_sha256"] == sha256("".join(f"{id_}\n" for id_ in ids).encode()).hexdigest()
    elif ids:
        assert detail["ids"] == ids
    one_by_one = ReadIds()
    for id_ in ids:
        one_by_one.add(id_)
    assert one_by_one.detail() == ReadIds(ids).detail()


def test_a_log_is_not_migrated_by_a_read(db: Path) -> None:
    with closing(open_for_reading(db)) as connection:
        number = connection.pragma("user_version")
    command("--db", db, "tail")
    with closing(open_for_reading(db)) as connection:
        assert connection.pragma("user_version") == number
