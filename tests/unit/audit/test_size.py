"""A log over its limit of size is pruned to it, and no further."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.audit.keep.retention import STEP_BYTES, Limits, prune_step
from service.audit.prove.verify import verify
from service.audit.write.logfile import LogFile
from tests.support.audit.log_files import used
from tests.support.audit.logs import ADA, command, numbered, packed, read, write

PAGE_BYTES = 4_096


def test_the_prune_command_removes_no_more_than_its_limit(tmp_path: Path) -> None:
    db, limit = tmp_path / "audit.db", 3 * 1024**2
    write(db, *(replace(record, response=b"x" * 200_000) for record in numbered(20)))

    done = command("--db", db, "prune", "--max-bytes", limit, *ADA)

    assert (done.returncode, done.stderr) == (0, "")
    assert limit - 250_000 < used(db) <= limit


def test_a_step_ends_by_bytes_unless_more_came(tmp_path: Path) -> None:
    db, now = tmp_path / "audit.db", datetime.now(UTC)
    write(db, *(replace(record, response=b"x" * 200_000) for record in numbered(60)))
    with closing(LogFile(db)) as file:
        with file.transaction() as (connection, tail):
            few = prune_step(connection, tail, Limits(max_bytes=1), now)
        with file.transaction() as (connection, tail):
            more = prune_step(connection, tail, Limits(max_bytes=1), now, at_least=20)
        with file.transaction() as (connection, tail):
            old = prune_step(connection, tail, Limits(keep_days=1), now)

    assert few == old == STEP_BYTES // 200_000 + 1
    assert more == 20


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lengths=st.lists(st.sampled_from([10, 900, 5_000, 60_000, 400_000]), min_size=1, max_size=40),
    share=st.floats(0.05, 1.1),
)
def test_never_more_is_removed_than_the_limit_asks(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], share: float
) -> None:
    db = tmp_path_factory.mktemp("size") / "audit.db"
    with closing(LogFile(db)) as file:
        empty = used(db)
        records = numbered(len(lengths))
        file.write(
            packed(replace(one, response=b"x" * size) for one, size in zip(records, lengths, strict=True))
        )
        limit = empty + int((used(db) - empty) * share)
        file.limits = Limits(max_bytes=limit)
        while file.prune_step(0):
            pass
    kept = len(read(db))

    assert used(db) <= limit or kept == 0
    if kept < len(lengths):
        last_removed = lengths[len(lengths) - kept - 1]
        # With it the log would be over the limit, up to the pages that its neighbours share with it.
        assert used(db) + last_removed + 8 * PAGE_BYTES > limit
    assert verify(db).ok
