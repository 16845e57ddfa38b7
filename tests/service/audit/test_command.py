"""Commands of the log that others read from, as processes of their own."""

import json
import select
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.support.audit.logs import ANSWERED, PROJECT, command, numbered, write


def test_an_export_that_is_read_no_further_ends_quietly(tmp_path: Path) -> None:
    write(
        tmp_path / "audit.db",
        *(replace(record, request=b'"%s"' % (b"x" * 10_000)) for record in numbered(200)),
    )

    with subprocess.Popen(
        [sys.executable, "-m", "service.audit", "--db", str(tmp_path / "audit.db"), "export"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["id"] == 1
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_follow_after_no_lines_writes_only_new_requests(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))
    following = [sys.executable, "-m", "service.audit", "--db", str(db), "tail", "--follow", "-n", "0"]
    with subprocess.Popen(following, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        assert process.stdout is not None
        ready, later = select.select([process.stdout], [], [], 0)[0], 0
        while not ready and later < 600:
            later += 1
            write(db, replace(ANSWERED, request_id=f"later-{later}"))
            ready = select.select([process.stdout], [], [], 0.2)[0]
        assert json.loads(process.stdout.readline())["request_id"].startswith("later-")
        process.kill()


def test_tail_writes_the_last_requests_and_then_new_ones(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))
    last = command("--db", db, "tail", "-n", 2)
    assert [json.loads(line)["request_id"] for line in last.stdout.splitlines()] == ["r-2", "r-3"]

    following = [sys.executable, "-m", "service.audit", "--db", str(db), "tail", "--follow", "-n", "1"]
    with subprocess.Popen(
        following,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=PROJECT,
        # Tests that run in the background of a shell inherit from it that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["request_id"] == "r-3"
        write(db, replace(ANSWERED, request_id="later"))
        assert json.loads(process.stdout.readline())["request_id"] == "later"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
    assert process.returncode == 0
