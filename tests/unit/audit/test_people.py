"""What the log has of a person is given out, removed or held by the commands, and the ledger states it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.audit.__main__ import main
from service.audit.file.subject_key import SubjectKey, key_path
from service.audit.keep.erasures import erasures_path, read_erasures
from service.audit.keep.retention import Limits
from service.audit.prove.verify import verify
from service.audit.query.acts import logged_acts
from service.audit.write.logfile import LogFile
from tests.support.audit.log_files import rows
from tests.support.audit.logs import ADA, numbered, read, request_ids, write

Run = Callable[..., tuple[int, str, str]]
PERSON, OTHER = b"customer-17", b"customer-18"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A log with two requests of a person, two of another, and one of nobody."""
    path = tmp_path / "audit.db"
    key = SubjectKey.read_or_create(key_path(None, path))
    subjects = [key.hashed((name,)) if name else None for name in (PERSON, OTHER, None, PERSON, OTHER)]
    body = b'{"petal_length": 8765.4321}'
    write(path, *(
        replace(record, subject=subject, request=body if subject == subjects[0] else record.request)
        for record, subject in zip(numbered(5), subjects, strict=True)
    ))  # fmt: skip
    return path


@pytest.fixture
def run(db: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = main(["--db", str(db), *map(str, arguments)])
        return code, *capfd.readouterr()

    return call


def kinds(db: Path) -> list[str]:
    return [act.kind for act in logged_acts(db)]


def test_the_export_gives_out_all_requests_of_a_person_and_is_an_act(run: Run, db: Path) -> None:
    code, out, err = run("subject", "export", PERSON.decode(), *ADA)

    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["request_id"] for line in lines] == ["r-1", "r-4"]
    assert lines[0]["request"] == {"petal_length": 8765.4321}
    (act,) = logged_acts(db)
    assert (act.kind, act.actor, act.subject) == ("export", "Ada", lines[0]["subject"])
    assert act.detail == {"requests": 2, "upto_id": 5}
    assert run("subject", "export", "--hash", lines[0]["subject"], *ADA)[1] == out
    assert run("subject", "export", "nobody", *ADA) == (0, "", "")


def test_the_redaction_removes_every_byte_of_a_person_and_nothing_else(run: Run, db: Path) -> None:
    assert b"8765.4321" in db.read_bytes()
    code, out, _ = run("subject", "redact", PERSON.decode(), *ADA)

    assert (code, out.split()[0]) == (0, "2")
    assert b"8765.4321" not in b"".join(path.read_bytes() for path in db.parent.iterdir())
    assert [request.subject is None for request in read(db)] == [True, False, True, True, False]
    assert [request.client for request in read(db)] == [None, "192.0.2.7", "192.0.2.7", None, "192.0.2.7"]
    assert run("subject", "export", PERSON.decode(), *ADA)[1] == ""
    subject = SubjectKey.read(key_path(None, db)).hashed((PERSON,))
    acts = list(logged_acts(db, kind="redaction"))
    assert [(act.request, act.subject) for act in acts] == [(1, subject), (4, subject), (None, subject)]
    assert acts[-1].detail["requests"] == 2
    assert verify(db).ok


def test_a_redaction_is_in_the_list_of_erasures_without_content(run: Run, db: Path) -> None:
    run("subject", "redact", PERSON.decode(), *ADA)
    run("redact", "--request-id", "r-3", *ADA)
    run("redact", "--request-id", "r-3", *ADA)

    erasures = read_erasures(db)
    assert [(one.request, one.request_id) for one in erasures] == [
        (1, "r-1"), (4, "r-4"), (None, None), (3, "r-3"),
    ]  # fmt: skip
    assert erasures_path(db).stat().st_mode & 0o777 == 0o600
    text = erasures_path(db).read_text()
    assert [word for word in ("customer", "petal", "asked for", "Ada") if word in text] == []


def test_a_hold_refuses_a_redaction_with_its_actor_and_reason(run: Run, db: Path) -> None:
    hold = ("--by", "Grace", "--reason", "case 12")
    assert run("subject", "hold", PERSON.decode(), *hold)[:2][0] == 0
    for arguments in (["subject", "redact", PERSON.decode()], ["redact", "--request-id", "r-4"]):
        code, _, err = run(*arguments, *ADA)
        assert code == 2
        assert "Grace holds the person" in err
        assert "(case 12)" in err
    assert kinds(db) == ["hold"]
    assert run("redact", "--request-id", "r-2", *ADA)[0] == 0
    assert run("subject", "release", PERSON.decode(), *ADA)[1] == "1 hold released\n"
    assert run("subject", "redact", PERSON.decode(), *ADA)[0] == 0
    assert "Nothing is held" in run("subject", "release", PERSON.decode(), *ADA)[2]
    assert verify(db).ok


def test_a_hold_on_one_request_is_on_all_with_its_id(run: Run) -> None:
    assert run("hold", "--request-id", "r-3", "--by", "Grace", "--reason", "case 12")[1] == "1 request held\n"
    assert "Grace holds the request 'r-3'" in run("redact", "--request-id", "r-3", *ADA)[2]
    assert "no request 'absent'" in run("hold", "--request-id", "absent", *ADA)[2]
    assert run("hold-release", "--request-id", "r-3", *ADA)[1] == "1 hold released\n"
    assert run("redact", "--request-id", "r-3", *ADA)[0] == 0


def test_prune_stops_before_the_oldest_request_that_is_held(run: Run, db: Path) -> None:
    run("hold", "--request-id", "r-3", "--by", "Grace", "--reason", "case 12")
    code, out, err = run("prune", "--keep-days", 1, *ADA)

    assert (code, out) == (2, "2 requests pruned\n")
    assert "Grace holds the request 'r-3'" in err
    assert request_ids(read(db)) == ["r-3", "r-4", "r-5"]
    assert verify(db).ok
    run("hold-release", "--request-id", "r-3", *ADA)
    assert run("prune", "--keep-days", 1, *ADA)[:2] == (0, "3 requests pruned\n")


@pytest.mark.parametrize("limits", [Limits(keep_days=1), Limits(max_bytes=1)], ids=["age", "size"])
def test_retention_stops_before_the_oldest_request_that_is_held(run: Run, db: Path, limits: Limits) -> None:
    run("subject", "hold", OTHER.decode(), "--by", "Grace", "--reason", "case 12")
    write(db, *(replace(record, received_utc=datetime.now(UTC)) for record in numbered(1, first=6)))
    file = LogFile(db, limits=limits)
    while file.prune_step(0):
        pass
    file.close()

    assert request_ids(read(db)) == [f"r-{number}" for number in range(2, 7)]
    assert len(rows(db, "SELECT id FROM event WHERE kind = 'prune'")) == 1


@pytest.mark.parametrize(
    "sent", [(), (b"",), (b"a", b"a"), (b"a,b",), (b"a b",), (b"\xc3\xa4",), (b"a" * 257,)]
)
def test_an_identifier_that_is_not_valid_has_no_hash(tmp_path: Path, sent: tuple[bytes, ...]) -> None:
    assert SubjectKey.read_or_create(tmp_path / "key").hashed(sent) is None


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    first = SubjectKey.read_or_create(path).hashed((PERSON,))

    assert path.stat().st_mode & 0o777 == 0o600
    assert SubjectKey.read_or_create(path).hashed((PERSON,)) == first
    assert SubjectKey.read_or_create(tmp_path / "other").hashed((PERSON,)) != first
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["key", "other"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["subject", "export", *ADA], "Give either the ID of the person, or --hash"),
        (["subject", "export", "x", "--hash", "a" * 64, *ADA], "Give either"),
        (["subject", "redact", "--hash", "A" * 64, *ADA], "is not a hash of 64 lower-case"),
        (["subject", "hold", "größe", *ADA], "1 to 256 visible ASCII characters"),
    ],
)
def test_a_person_is_named_in_one_valid_way(run: Run, arguments: list[str], sentence: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert sentence in err


def test_an_absent_key_is_a_sentence_and_no_new_key(run: Run, db: Path) -> None:
    key_path(None, db).unlink()
    code, _, err = run("subject", "export", "x", *ADA)
    assert code == 2
    assert "Put the key back from its backup" in err
    assert not key_path(None, db).exists()
