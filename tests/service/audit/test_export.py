"""The export in a process of its own: its memory, and Parquet without pyarrow."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.support.audit.logs import (
    ANSWERED,
    PROJECT,
    numbered,
    write,
)


def test_the_export_of_a_longer_log_takes_no_more_memory(tmp_path: Path) -> None:
    program = """
import resource, sys
from service.audit.__main__ import main
main(["--db", sys.argv[1], "export", "--format", sys.argv[2], "--output", sys.argv[3]])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    body = b'"' + b"x" * 2_000 + b'"'

    def peak_kib(count: int) -> int:
        path = tmp_path / f"{count}.db"
        # In groups that a busy machine commits within the 5 s after which a silent writer is killed.
        for first in range(1, count + 1, 4_000):
            records = numbered(min(count, 4_000), first=first)
            write(path, *(replace(record, response=body) for record in records))
        command = [sys.executable, "-c", program, str(path), "csv", str(tmp_path / "out")]
        return int(subprocess.check_output(command, cwd=PROJECT, text=True))

    assert peak_kib(20_000) < peak_kib(200) + 15_000


def test_parquet_without_pyarrow_is_refused_with_what_to_do(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["pyarrow"] = None  # As where it is not installed.
from service.audit.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
    db = tmp_path / "audit.db"
    write(db, ANSWERED)
    arguments = ["--db", str(db), "export", "--format", "parquet", "--output", str(tmp_path / "log.parquet")]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=PROJECT, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert done.stderr.startswith("Parquet needs pyarrow, which serving does not install")
    assert not (tmp_path / "log.parquet").exists()
