"""A backup takes the place of the log, complete and without what was erased since; or nothing happens."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from service.audit.__main__ import main
from service.audit.file.side_files import wal_path
from service.audit.keep.erasures import erasures_path
from service.audit.keep.holds import active_holds
from service.audit.keep.redaction import redact, redact_subject
from service.audit.keep.restore import restore
from service.audit.prove.verify import verify
from service.audit.query.acts import logged_acts
from service.audit.write.logfile import LogFile
from service.errors import AuditHeld
from tests.support.audit.killed_step import finishes_before
from tests.support.audit.log_files import anchor, older_log, overwrite
from tests.support.audit.logs import ADA, BY_ADA, numbered, read, request_ids, write

Run = Callable[..., tuple[int, str, str]]
PERSON = "ab" * 32
SECRET = b"8765.4321"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A log of four requests, of which two are about a person, and their backup; a fifth came later."""
    folder = tmp_path / "log"
    folder.mkdir()
    path = folder / "audit.db"
    subjects = [PERSON, None, PERSON, None]
    write(path, *(
        replace(record, subject=subject, request=b"{}" + SECRET if subject else record.request)
        for record, subject in zip(numbered(4), subjects, strict=True)
    ))  # fmt: skip
    assert main(["--db", str(path), "backup", str(tmp_path / "backup.db")]) == 0
    write(path, *numbered(1, first=5))
    return path


@pytest.fixture
def backup(db: Path) -> Path:
    return db.parent.parent / "backup.db"


@pytest.fixture
def run(db: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(["--db", str(db), *map(str, arguments)])
        return code, *capfd.readouterr()

    return call


def replaced(db: Path) -> Path:
    (found,) = db.parent.glob("audit.db.replaced-*Z")
    return found


def test_the_backup_is_the_log_and_the_replaced_one_is_kept(run: Run, db: Path, backup: Path) -> None:
    before = anchor(db)
    code, out, err = run("restore", backup, *ADA)

    assert (code, err) == (0, "")
    assert out.splitlines()[1] == f"the replaced log is {replaced(db)}"
    assert request_ids(read(db)) == ["r-1", "r-2", "r-3", "r-4"]
    assert request_ids(read(replaced(db))) == ["r-1", "r-2", "r-3", "r-4", "r-5"]
    assert verify(db).ok
    assert verify(replaced(db)).ok
    act = list(logged_acts(db))[-1]
    assert (act.kind, act.actor, act.detail["redacted_again"]) == ("restore", "Ada", 0)
    problems = " ".join(str(problem) for problem in verify(db, before).problems)
    assert "entry 1: the anchor has this chain, and the log does not" in problems
    assert run("verify", "--anchor", before)[0] == 1
    write(db, *numbered(1, first=6))
    assert verify(db).ok


@pytest.mark.parametrize("known_by", ["ledger", "list", "both"])
def test_what_was_erased_since_is_erased_again(run: Run, db: Path, backup: Path, known_by: str) -> None:
    with closing(LogFile(db)) as file:
        redact(file, "r-2", *BY_ADA)
        redact_subject(file, PERSON, *BY_ADA)
    if known_by == "ledger":
        erasures_path(db).unlink()
    if known_by == "list":
        wal_path(db).unlink(missing_ok=True)
        overwrite(db)
    code, out, _ = run("restore", backup, *ADA)

    assert (code, out.splitlines()[0].rpartition(", ")[2]) == (0, "3 requests redacted again")
    assert ("cannot be read" in out) == (known_by == "list")
    assert [request.request == "" for request in read(db)] == [True, True, True, False]
    assert SECRET not in b"".join(path.read_bytes() for path in db.parent.glob("*"))
    assert {json.dumps(act.detail)[:1] for act in logged_acts(db, kind="redaction")} == {"{"}
    assert verify(db).ok
    assert len(erasures_path(db).read_bytes().splitlines()) == 4


def test_requests_of_a_person_that_the_log_had_pruned_are_erased_in_the_backup(
    run: Run, db: Path, backup: Path
) -> None:
    assert run("prune", "--keep-days", 1, *ADA)[0] == 0
    with closing(LogFile(db)) as file:
        assert redact_subject(file, PERSON, *BY_ADA) == 0
    assert run("restore", backup, *ADA)[0] == 0

    assert [request.request == "" for request in read(db)] == [True, False, True, False]
    assert verify(db).ok


def test_holds_since_the_backup_stay_in_force_and_released_ones_do_not(
    run: Run, db: Path, backup: Path
) -> None:
    run("hold", "--request-id", "r-2", "--by", "Grace", "--reason", "case 12")
    run("subject", "hold", "--hash", PERSON, "--by", "Grace", "--reason", "case 13")
    run("subject", "release", "--hash", PERSON, *ADA)
    assert run("restore", backup, *ADA)[0] == 0

    with closing(LogFile(db)) as file:
        with file.transaction() as (connection, _):
            assert [*active_holds(connection).by_request_id] == ["r-2"]
            assert not active_holds(connection).by_subject
        with pytest.raises(AuditHeld, match="case 12"):
            redact(file, "r-2", *BY_ADA)
    assert verify(db).ok


def test_a_log_that_is_absent_or_damaged_is_replaced(run: Run, db: Path, backup: Path) -> None:
    overwrite(db)
    wal_path(db).write_bytes(b"x" * 4_096)
    assert run("restore", backup, *ADA)[0] == 0
    assert verify(db).ok
    db.unlink()
    assert run("restore", backup, *ADA)[0] == 0
    assert request_ids(read(db)) == ["r-1", "r-2", "r-3", "r-4"]


def test_a_log_that_a_process_has_open_is_not_replaced(run: Run, db: Path, backup: Path) -> None:
    with closing(LogFile(db)) as file:
        code, _, err = run("restore", backup, *ADA)
        file.write([])
    assert (code, "stop the service first" in err) == (2, True)
    assert request_ids(read(db))[-1] == "r-5"
    assert [*db.parent.glob("*restor*")] == []


def test_a_broken_or_foreign_backup_replaces_nothing(
    run: Run, db: Path, backup: Path, tmp_path: Path
) -> None:
    content = backup.read_bytes()
    broken, other, text = tmp_path / "broken.db", tmp_path / "other.db", tmp_path / "text"
    broken.write_bytes(content.replace(SECRET, b"8765.4322"))
    write(other, *numbered(1))
    text.write_text("no backup")
    for file, sentence in (
        (broken, "is broken"),
        (other, "is a backup of another log"),
        (text, "not a SQLite database"),
        (tmp_path / "absent", "There is no file"),
    ):
        code, _, err = run("restore", file, *ADA)
        assert (code, sentence in err) == (2, True), err
        assert request_ids(read(db))[-1] == "r-5"
    assert sorted(path.name for path in db.parent.iterdir() if path.suffix not in (".db-wal", ".db-shm")) == [
        "audit.db"
    ]


def test_a_backup_of_an_earlier_version_is_migrated(tmp_path: Path) -> None:
    older_log(tmp_path / "older.db")
    folder = tmp_path / "log"
    folder.mkdir()
    restore(tmp_path / "older.db", folder / "audit.db", *BY_ADA)

    assert len(read(folder / "audit.db")) == 4
    assert verify(folder / "audit.db").ok
    assert not [*folder.glob("*.bak")]


def test_killed_at_any_step_a_restore_leaves_the_old_log_or_the_new_one(db: Path, backup: Path) -> None:
    with closing(LogFile(db)) as file:
        redact_subject(file, PERSON, *BY_ADA)
    step, seen = 1, set()
    while not finishes_before(step, lambda: restore(backup, db, *BY_ADA)):
        assert verify(db).ok
        ids = request_ids(read(db))
        assert ids in (["r-1", "r-2", "r-3", "r-4"], ["r-1", "r-2", "r-3", "r-4", "r-5"])
        assert [request.request == "" for request in read(db)][:4] == [True, False, True, False]
        seen.add(len(ids))
        step += 1
    assert step > 10
    assert request_ids(read(db)) == ["r-1", "r-2", "r-3", "r-4"]
    assert SECRET not in b"".join(path.read_bytes() for path in db.parent.glob("*"))
    assert verify(db).ok


def test_killed_at_any_step_a_redaction_can_be_run_again_and_is_listed(db: Path) -> None:
    def work() -> None:
        with closing(LogFile(db)) as file:
            redact_subject(file, PERSON, *BY_ADA)

    step = 1
    while not finishes_before(step, work):
        assert verify(db).ok
        step += 1
    assert step > 3
    assert SECRET not in b"".join(path.read_bytes() for path in db.parent.glob("*"))
    assert {1, 3} <= {json.loads(line).get("request") for line in erasures_path(db).read_bytes().split()}
