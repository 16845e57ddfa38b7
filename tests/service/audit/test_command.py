"""Commands of the log that others read from, as processes of their own."""

import json
import select
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Thread

from tests.support.audit.logs import ANSWERED, PROJECT, numbered, write


def test_tail_of_no_lines_with_follow_writes_only_new_requests(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))
    following = [sys.executable, "-m", "service.audit", "--db", str(db), "tail", "-n", "0", "--follow"]
    with subprocess.Popen(following, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        told: list[str] = []
        reading = Thread(target=lambda: told.append(tail.stdout.readline() if tail.stdout else ""))
        reading.start()
        for number in count(4):
            write(db, *numbered(1, first=number))
            reading.join(1)
            if not reading.is_alive():
                break
        tail.kill()
    assert json.loads(told[0])["id"] > 3


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
