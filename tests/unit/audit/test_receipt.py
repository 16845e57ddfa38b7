"""Receipts: what they prove, and that a change of any of their fields is refused."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.audit.act import model_act
from service.audit.keep.redaction import redact
from service.audit.keep.retention import Limits, prune_step
from service.audit.receipt.bundle import Selection, write_bundle
from service.audit.receipt.making import ReceiptQuery, make_receipt
from service.audit.witness.checkpoint import take_checkpoint
from service.audit.witness.signed_note import NoteInvalid, check_note, public_key_of
from service.audit.witness.signing_key import is_signature
from service.audit.write.logfile import LogFile
from service.errors import PredictionPruned, PredictionUnknown, ReceiptPending, ReceiptTooLarge
from tests.support.audit.documented_check import check as check_by_the_documents
from tests.support.audit.logs import BY_ADA, HARD, numbered, packed, write

VERIFIER = Path(__file__).parents[3] / "service" / "audit" / "receipt" / "verifier.py"
MODEL = model_act("0123456789abcdef", {"tag": "iris:1"})


def checkpoint(db: Path) -> None:
    assert take_checkpoint(db, db.with_name("key.pem"), []) is not None


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    db = tmp_path_factory.mktemp("log") / "audit.db"
    with closing(LogFile(db)) as file:
        file.declare(MODEL)
        file.write(packed(numbered(3)))
        hard = replace(HARD, request_id="hard", model_id="0123456789abcdef", subject="ab12")
        file.write(packed([hard, *numbered(300, first=10)]))
        assert redact(file, "r-10", *BY_ADA) == 1
    checkpoint(db)
    return db


def receipt_of(db: Path, request_id: str, **query: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(make_receipt(db, request_id, ReceiptQuery(**query)).text)
    return made


def verify(folder: Path, receipt: object, *options: str) -> subprocess.CompletedProcess[str]:
    file = folder / "receipt.json"
    file.write_text(json.dumps(receipt, indent=1))
    return run_verifier(file, *options)


def run_verifier(file: Path, *options: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *python, str(VERIFIER), *options, str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def test_the_verifier_is_short_and_needs_the_standard_library_alone() -> None:
    lines = VERIFIER.read_text().splitlines()
    assert len(lines) <= 200
    imported = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
    assert imported <= {*sys.stdlib_module_names, "collections.abc"}


@pytest.mark.parametrize("request_id", ["hard", "r-2", "r-10", "r-309"])
@pytest.mark.parametrize("content", [True, False])
def test_a_receipt_is_proven(log: Path, tmp_path: Path, request_id: str, content: bool) -> None:
    receipt = receipt_of(log, request_id, content=content)
    assert check_by_the_documents(receipt) == len(receipt["entries"])
    done = verify(tmp_path, receipt)
    assert done.returncode == 0, done.stdout
    assert f"request '{request_id}'" in done.stdout
    held = request_id != "r-10" and content
    assert ("with its content" in done.stdout) == held
    assert verify(tmp_path, receipt, "--key", receipt["verifier_key"]).returncode == 0
    assert verify(tmp_path, receipt, "--key", "tabento/another+00000000+AAAA").returncode == 1


def test_without_the_optional_package_the_hashes_are_checked_and_it_says_so(
    log: Path, tmp_path: Path
) -> None:
    receipt = receipt_of(log, "r-2")
    (tmp_path / "receipt.json").write_text(json.dumps(receipt, indent=1))
    done = run_verifier(tmp_path / "receipt.json", python=("-I", "-S"))
    assert done.returncode == 2
    assert "install `cryptography`" in done.stdout
    receipt["entries"][0]["record"]["rows"] += 1
    (tmp_path / "receipt.json").write_text(json.dumps(receipt, indent=1))
    assert run_verifier(tmp_path / "receipt.json", python=("-I", "-S")).returncode == 1


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, below in value.items():
            yield from places(below, (*path, key))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from places(below, (*path, number))


def changes_of(value: Any) -> Iterator[Any]:
    """Other values for one; a text also with each of its lines changed."""
    yield None if value is not None else "x"
    if isinstance(value, bool | int):
        yield from (value + 1, str(value), float(value))
    elif isinstance(value, float):
        yield from (value + 0.5, -value - 1, 7)
    elif isinstance(value, str):
        yield from (value + "x", value[:-1], value.upper(), value + "\n")
        for place in range(0, len(value), max(1, len(value) // 60)):
            yield value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]
    elif isinstance(value, list):
        yield from ([*value, *value[:1], 0], value[:-1])
    elif isinstance(value, dict):
        yield from ({**value, "more": 1}, {})


def is_proven(receipt: Any, capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether the verifier accepts it; in this process, because there are thousands."""
    from service.audit.receipt import verifier

    try:
        text = json.loads(json.dumps(receipt))
        return verifier.check(text, text.pop("entries"), None) == 0
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return False
    finally:
        capsys.readouterr()


@pytest.mark.parametrize("request_id", ["hard", "r-10", "r-309"])
def test_a_change_of_any_field_is_refused(
    log: Path, request_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    original = receipt_of(log, request_id)
    assert is_proven(original, capsys)
    accepted, tried = [], 0
    for path in places(original):
        value: Any = original
        for key in path:
            value = value[key]
        for change in changes_of(value):
            changed = copy.deepcopy(original)
            inside: Any = changed
            for key in path[:-1]:
                inside = inside[key]
            if type(change) is type(value) and change == value:
                continue
            inside[path[-1]] = change
            tried += 1
            if is_proven(changed, capsys):
                accepted.append((path, change))
        changed = copy.deepcopy(original)
        inside = changed
        for key in path[:-1]:
            inside = inside[key]
        del inside[path[-1]]
        if is_proven(changed, capsys):
            accepted.append((path, "removed"))
    assert tried > 200
    assert accepted == []


def test_the_records_of_one_id_are_in_one_receipt_or_chosen_by_their_time(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    same = [replace(record, request_id="same") for record in numbered(3)]
    write(db, *same)
    checkpoint(db)
    assert len(receipt_of(db, "same")["entries"]) == 3
    (entry,) = receipt_of(db, "same", received_utc=same[1].received_utc)["entries"]
    assert entry["id"] == 2


def test_a_receipt_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(5), replace(numbered(1)[0], request_id="long", request=b" " * 9_000_000))
    with pytest.raises(PredictionUnknown, match="no record of the request 'r-77'"):
        receipt_of(db, "r-77")
    with pytest.raises(ReceiptPending):
        receipt_of(db, "r-2")
    checkpoint(db)
    with pytest.raises(ReceiptTooLarge):
        receipt_of(db, "long")
    assert receipt_of(db, "long", content=False)["entries"]
    write(db, *numbered(1, first=9))
    with pytest.raises(ReceiptPending):
        receipt_of(db, "r-9")
    with closing(LogFile(db)) as file, file.transaction() as (connection, tail):
        prune_step(connection, tail, Limits(keep_days=0.0), datetime(2030, 1, 1, tzinfo=UTC), 3)
    with pytest.raises(PredictionUnknown, match="were pruned"):
        receipt_of(db, "r-2")
    with pytest.raises(PredictionPruned):
        receipt_of(db, "r-2", received_utc=numbered(2)[1].received_utc)
    assert check_by_the_documents(receipt_of(db, "r-5")) == 1


def test_a_model_is_proven_when_all_its_neighbours_are_pruned(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    named = [replace(record, model_id="0123456789abcdef") for record in numbered(700)]
    with closing(LogFile(db)) as file:
        file.declare(MODEL)
        file.write(packed(named))
        checkpoint(db)
        with file.transaction() as (connection, tail):
            prune_step(connection, tail, Limits(keep_days=0.0), datetime(2030, 1, 1, tzinfo=UTC), 600)
    checkpoint(db)
    receipt = receipt_of(db, "r-650")
    assert [entry["entry"] for entry in receipt["entries"]] == ["act", "request"]
    assert verify(tmp_path, receipt).returncode == 0
    assert check_by_the_documents(receipt) == 2


@pytest.mark.parametrize("name", ["bundle.zip", "bundle.jsonl"])
def test_a_bundle_is_checked_by_the_same_program(log: Path, tmp_path: Path, name: str) -> None:
    file, seen = tmp_path / name, list[int]()
    counts = write_bundle(log, file, Selection(subject="ab12"), on_record=seen.append)
    assert (counts.acts, counts.records, len(seen)) == (2, 1, 1)
    assert run_verifier(file).returncode == 0
    assert write_bundle(log, file, Selection()).records == 304
    assert run_verifier(file).returncode == 0
    if name.endswith(".jsonl"):
        file.write_text(file.read_text().replace('"rows":1,', '"rows":2,', 1))
        done = run_verifier(file)
        assert done.returncode == 1
        assert "it was changed, or is not in the log" in done.stdout


def test_a_file_that_is_no_receipt_is_not_checked(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("nothing")
    assert run_verifier(tmp_path / "other").returncode == 2
    assert run_verifier(tmp_path / "gone").returncode == 2


def test_the_example_of_the_standard_is_read_with_its_key() -> None:
    """Of https://c2sp.org/signed-note, which gives the key and a note that it signed."""
    key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    signature = "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
    import base64

    blob = base64.b64decode(signature)
    assert blob[:4].hex() == "530d903a"
    assert is_signature(public_key_of(key), blob[4:], b"This is an example message.\n")
    assert not is_signature(public_key_of(key), blob[4:], b"This is an example message\n")
    with pytest.raises(NoteInvalid):
        check_note(
            "This is an example message.\n\n\u2014 example.com/foo " + signature + "\n", key, is_signature
        )


def test_signatures_are_those_of_the_standard() -> None:
    """The first two test vectors of RFC 8032, section 7.1."""
    vectors = [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b",
            "",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00",
            "72",
        ),
    ]
    for key, signature, message in vectors:
        facts = [bytes.fromhex(text) for text in (key, signature, message)]
        assert is_signature(*facts)
        assert not is_signature(facts[0], facts[1], facts[2] + b"\0")
