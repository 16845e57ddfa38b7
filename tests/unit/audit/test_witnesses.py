"""Witnesses over the network, against real servers on the loopback; and a checkpoint that is killed."""

import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest

from service.audit.prove.verify import verify
from service.audit.receipt.making import ReceiptQuery, make_receipt
from service.audit.witness.bucket import Bucket
from service.audit.witness.checkpoint import take_checkpoint
from service.audit.witness.timestamp_server import TimestampServer, time_stamp_request
from service.audit.witness.witnesses import Witness, WitnessFailed, make_witness
from service.errors import SettingInvalid
from tests.support.audit.log_files import rows
from tests.support.audit.logs import PROJECT, command, numbered, write

OPENSSL = shutil.which("openssl")
ACCESS = {"AWS_ACCESS_KEY_ID": "AKEY", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-central-1"}

_TSA = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
certs = {folder}/tsa.pem
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
ess_cert_id_chain = no
"""


def openssl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(OPENSSL), *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def time_stamps(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The folder of a time-stamp authority, and the address at which it stamps."""
    folder = tmp_path / "tsa"
    folder.mkdir()
    (folder / "tsa.cnf").write_text(_TSA.format(folder=folder))
    (folder / "serial").write_text("01\n")
    (folder / "req.cnf").write_text("[req]\ndistinguished_name = dn\nx509_extensions = ext\n[dn]\n[ext]\n"
                                    "extendedKeyUsage = critical,timeStamping\n")  # fmt: skip
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.pem",
            "-subj", "/CN=tsa", "-days", "2", "-config", "req.cnf")  # fmt: skip

    class Stamping(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            (folder / "query.tsq").write_bytes(body)
            openssl(
                folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr"
            )
            answer = (folder / "reply.tsr").read_bytes()
            self.send_response(200)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Stamping) as url:
        yield folder, url


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
def test_a_time_stamp_is_of_the_checkpoint_and_goes_into_receipts(
    tmp_path: Path, time_stamps: tuple[Path, str]
) -> None:
    folder, url = time_stamps
    db, witness = tmp_path / "audit.db", TimestampServer(f"tsa:{url}", url)
    write(db, *numbered(5))
    taken = take_checkpoint(db, tmp_path / "key.pem", [witness])
    assert taken is not None
    assert taken.failures == []
    (found,) = rows(db, "SELECT note, token FROM checkpoint JOIN witnessed USING (size)")
    (folder / "note").write_text(found["note"])
    (folder / "token").write_bytes(found["token"])
    checked = openssl(
        folder, "ts", "-verify", "-data", "note", "-in", "token", "-token_in", "-CAfile", "tsa.pem"
    )
    assert "Verification: OK" in checked.stdout + checked.stderr
    assert "Nonce: unspecified" not in openssl(folder, "ts", "-query", "-in", "query.tsq", "-text").stdout
    assert verify(db, witnesses=[witness]).ok

    receipt = json.loads(make_receipt(db, "r-3", ReceiptQuery()).text)
    (tmp_path / "r.json").write_text(json.dumps(receipt, indent=1))
    program = [sys.executable, "service/audit/receipt/verifier.py", str(tmp_path / "r.json")]
    assert subprocess.run(program, check=False, cwd=PROJECT, capture_output=True).returncode == 0
    write(db, *numbered(5, first=9))
    take_checkpoint(db, tmp_path / "key.pem", [witness])
    later = json.loads(make_receipt(db, "r-3", ReceiptQuery()).text)
    receipt["timestamps"] = later["timestamps"]
    (tmp_path / "r.json").write_text(json.dumps(receipt, indent=1))
    assert subprocess.run(program, check=False, cwd=PROJECT, capture_output=True).returncode == 1


def test_a_request_for_a_time_stamp_is_what_the_standard_says() -> None:
    found = time_stamp_request(bytes(range(32)), b"\x80" + bytes(7)).hex()
    expected = "3044020101" + "3031300d060960864801650304020105000420" + bytes(range(32)).hex()
    assert found == expected + "0209008000000000000000" + "0101ff"


def test_a_server_that_does_not_stamp_is_a_failure() -> None:
    class Broken(BaseHTTPRequestHandler):
        answers: ClassVar[list[bytes]] = [b"", b"<html>", bytes.fromhex("30053003020102")]

        def do_POST(self) -> None:
            answer = self.answers.pop(0)
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Broken) as url:
        for reason in ("does not answer with", "does not answer with", "refuses with status 2"):
            with pytest.raises(WitnessFailed, match=reason):
                TimestampServer("tsa", url).take("0" * 32, 1, "note")
    with pytest.raises(WitnessFailed):
        TimestampServer("tsa", url).take("0" * 32, 1, "note")


class Store(BaseHTTPRequestHandler):
    """S3 as far as a bucket with default retention needs it; it checks each signature itself."""

    objects: ClassVar[dict[str, bytes]] = {}
    locks: ClassVar[bool] = True

    def is_signed(self, body: bytes) -> bool:
        facts = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=AKEY/(\d{8})/([\w-]+)/s3/aws4_request, "
            r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})", self.headers["authorization"] or "",
        )  # fmt: skip
        if not facts or self.headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
            return False
        day, region, names, signature = facts.groups()
        parts = urlsplit(self.path)
        query = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}"
            for name, value in sorted(parse_qsl(parts.query))
        )
        lines = "".join(f"{name}:{self.headers[name].strip()}\n" for name in names.split(";"))
        text = f"{self.command}\n{parts.path}\n{query}\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{day}/{region}/s3/aws4_request"
        digest = hashlib.sha256(text.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{self.headers['x-amz-date']}\n{scope}\n{digest}"
        key = b"AWS4secret"
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), "sha256").digest()
        return hmac.new(key, to_sign.encode(), "sha256").hexdigest() == signature

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        if self.locks and self.command == "GET":
            self.send_header("x-amz-object-lock-mode", "COMPLIANCE")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self.is_signed(body):
            return self.answer(403)
        key = unquote(self.path)
        if key in self.objects and self.headers["if-none-match"] == "*":
            return self.answer(412)
        self.objects[key] = body
        return self.answer(200)

    def do_GET(self) -> None:
        if not self.is_signed(b""):
            return self.answer(403)
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if "list-type" not in query:
            return self.answer(200, self.objects[unquote(parts.path)])
        keys = sorted(key.removeprefix("/bucket/") for key in self.objects)
        keys = [
            key
            for key in keys
            if key.startswith(query["prefix"]) and key > query.get("continuation-token", "")
        ]
        more = f"<NextContinuationToken>{keys[0]}</NextContinuationToken>" if len(keys) > 1 else ""
        listed = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys[:1])
        return self.answer(200, f"<ListBucketResult>{listed}{more}</ListBucketResult>".encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    Store.objects.clear()
    Store.locks = True
    with serving(Store) as url:
        for name, value in {**ACCESS, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        yield Bucket("s3://bucket/some/prefix")


def test_a_bucket_takes_checkpoints_and_finds_a_log_that_was_cut(tmp_path: Path, bucket: Witness) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))
    for first in (10, 20):
        taken = take_checkpoint(db, tmp_path / "key.pem", [bucket])
        assert taken is not None
        assert taken.failures == []
        shutil.copy(db, tmp_path / "earlier.db")
        write(db, *numbered(3, first=first))
    take_checkpoint(db, tmp_path / "key.pem", [bucket])
    assert len(Store.objects) == 3
    assert verify(db, witnesses=[bucket]).ok
    report = verify(tmp_path / "earlier.db", witnesses=[bucket])
    assert any("the log ends before number 7" in str(problem) for problem in report.problems)


def test_a_bucket_without_a_lock_or_without_access_is_a_failure(
    bucket: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.locks = False
    with pytest.raises(WitnessFailed, match="is not locked"):
        bucket.take("0" * 32, 5, "note")
    Store.locks = True
    bucket.take("0" * 32, 5, "note")
    with pytest.raises(WitnessFailed, match="another checkpoint of the same size"):
        bucket.take("0" * 32, 5, "another")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(WitnessFailed, match="403"):
        bucket.take("0" * 32, 6, "note")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(WitnessFailed, match="are not set"):
        bucket.kept("0" * 32)


def test_a_repository_with_hooks_and_signing_gets_plain_commits(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
    hook.chmod(0o755)
    for name in ("post-commit", "reference-transaction"):
        shutil.copy(hook, hook.with_name(name))
    for setting in (("commit.gpgSign", "true"), ("gpg.program", "false")):
        subprocess.run(["git", "-C", str(repository), "config", *setting], check=True)
    witness = make_witness(f"git:{repository}")
    for size in (5, 6, 6):
        witness.take("0" * 32, size, f"note {size}\n")
    with pytest.raises(WitnessFailed, match="another checkpoint of the same size"):
        witness.take("0" * 32, 6, "another\n")
    assert not (tmp_path / "ran").exists()
    log = subprocess.run(
        ["git", "-C", str(repository), "log", "--format=%an %s"], check=True, capture_output=True
    )
    assert log.stdout.decode().splitlines()[0] == f"tabento Checkpoint of 6 entries of log {'0' * 32}"
    kept = witness.kept("0" * 32)
    assert kept is not None
    assert [text for _, text in kept] == ["note 5\n", "note 6\n"]


@pytest.mark.parametrize("name", ["tsa:somewhere", "s3:bucket", "s3:///prefix"])
def test_a_witness_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(SettingInvalid, match="TABENTO_AUDIT_WITNESS"):
        make_witness(name)


def test_a_checkpoint_that_is_killed_at_any_point_is_taken_by_the_next_run(tmp_path: Path) -> None:
    db, folder = tmp_path / "audit.db", tmp_path / "witness"
    folder.mkdir()
    environment = {**os.environ, "TABENTO_AUDIT_WITNESS": str(folder)}
    for round_ in range(6):
        write(db, *numbered(9_000, first=round_ * 9_000))
        run = [sys.executable, "-m", "service.audit", "--db", str(db), "checkpoint"]
        with subprocess.Popen(run, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL) as process:
            time.sleep(0.35 + 0.05 * round_)
            process.send_signal(signal.SIGKILL)
    done = command("--db", db, "checkpoint", TABENTO_AUDIT_WITNESS=str(folder))
    assert done.returncode == 0, done.stdout
    report = verify(db, witnesses=[make_witness(str(folder))])
    assert report.problems == []
    assert (report.tree.uncovered, report.tree.unwitnessed) == (0, 0)
