"""What a loss of power leaves of the log, at every step that the disk was asked to take.

The writing is the product's own, recorded below SQLite; ``power`` says how, and what the model of a disk
is. Each state that a cut can leave is opened by a plain SQLite, which recovers it as it would after a real
one, and must hold every record that was acknowledged before the cut.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Literal

import apsw
import pytest

from service.audit.prove.verify import verify
from service.audit.write.audit_log import AuditLog
from service.audit.write.record import AuditRecord
from tests.support.audit.logs import ANSWERED, REFUSED, read, request_ids, write
from tests.support.audit.power import (
    Acknowledgement,
    Disk,
    Step,
    anything,
    everything,
    nothing,
    recording,
)
from tests.support.audit.writer_thread import open_here

TRIES_A_CUT = int(os.environ.get("TABENTO_POWER_TRIES", "2"))
"""Chances that each cut has, beside losing all that was not synced, and losing none of it."""

State = dict[str, bytes]
Outcome = tuple[State, set[str]]
"""Files as they are found, and the ids of the records that must be in them."""


def records(count: int, name: str) -> list[AuditRecord]:
    """Small and large ones, of every kind, so that groups take one page or many."""
    return [
        replace(
            REFUSED if number % 5 == 4 else ANSWERED,
            request_id=f"{name}-{number}",
            request=b'{"note": "%s"}' % (b"x" * (9_000 if number % 7 == 3 else 20)),
        )
        for number in range(count)
    ]


async def append(log: AuditLog, steps: list[Step], group: list[AuditRecord]) -> None:
    async def append_one(record: AuditRecord) -> None:
        await log.append(record)
        steps.append(Acknowledgement(record.request_id))

    await asyncio.gather(*map(append_one, group))


async def work(db: Path, steps: list[Step], sync: Literal["full", "normal"]) -> None:
    """Two workers' life: groups of several sizes, checkpoints between them, the end, a start anew."""
    for life in range(2):
        logs = [open_here(db, sync) for _ in range(2)]
        for checkpoint in ("PASSIVE", "TRUNCATE", "PASSIVE", None):
            for worker, size in ((0, 1), (1, 5)):
                await append(logs[worker], steps, records(size, f"{life}-{checkpoint}-{len(steps)}"))
            if checkpoint is not None:
                with closing(apsw.Connection(str(db))) as other:
                    other.pragma("wal_checkpoint", checkpoint)
        for log in logs:
            log.close()


def recorded(folder: Path, sync: Literal["full", "normal"]) -> list[Step]:
    with recording() as steps:
        asyncio.run(work(folder / "audit.db", steps, sync))
    return steps


def after_every_step(steps: list[Step], left: Callable[[Disk, Random], list[State]]) -> list[Outcome]:
    """Every different state that was left, with the most that had been promised by then."""
    outcomes: dict[bytes, Outcome] = {}
    disk = Disk()
    promised: set[str] = set()
    for number, step in enumerate(steps):
        disk.take(step)
        if isinstance(step, Acknowledgement):
            promised.add(step.request_id)
        for state in left(disk, Random(number)):
            outcomes[digest(state)] = (state, set(promised))
    return list(outcomes.values())


def after_a_kill(disk: Disk, _: Random) -> list[State]:
    """The operating system lives on, and with it all that was written."""
    return [disk.after_power_loss(everything, entries=1)]


def after_losing_all_unsynced(disk: Disk, _: Random) -> list[State]:
    return [disk.after_power_loss(nothing, entries=0)]


def after_power_loss(disk: Disk, random: Random) -> list[State]:
    by_chance = [disk.after_power_loss(anything(random), entries=random.random()) for _ in range(TRIES_A_CUT)]
    return [*after_a_kill(disk, random), *after_losing_all_unsynced(disk, random), *by_chance]


def digest(state: State) -> bytes:
    summary = sha256()
    for file, content in sorted(state.items()):
        summary.update(b"%s %d " % (file.encode(), len(content)) + content)
    return summary.digest()


def found(state: State, folder: Path) -> set[str]:
    """The records in the log once SQLite has recovered it; all of them are whole, and so is the file."""
    for left in folder.glob("audit.db*"):
        left.unlink()
    for file, content in state.items():
        (folder / file).write_bytes(content)
    db = folder / "audit.db"
    with closing(apsw.Connection(str(db))) as connection:
        connection.pragma("synchronous", "OFF")
        assert connection.pragma("integrity_check") == "ok"
        if not connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'request'").get:
            return set()
    found = set()
    for request in read(db):
        assert isinstance(request.request, dict)
        assert [label.label for label in request.predictions] == ["setosa"] * (request.status == 200)
        found.add(request.request_id)
    assert verify(db).ok
    return found


def lost(outcomes: list[Outcome], folder: Path) -> Iterator[set[str]]:
    """The promised records that are missing, for each outcome that misses any."""
    for state, promised in outcomes:
        if missing := promised - found(state, folder):
            yield missing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "found"
    folder.mkdir()
    return folder


def test_no_cut_of_power_takes_a_record_that_was_acknowledged(tmp_path: Path, folder: Path) -> None:
    outcomes = after_every_step(recorded(tmp_path, "full"), after_power_loss)
    assert len(outcomes) > 500
    assert list(lost(outcomes, folder)) == []


def test_without_a_sync_a_commit_a_cut_of_power_takes_acknowledged_records(
    tmp_path: Path, folder: Path
) -> None:
    assert next(lost(after_every_step(recorded(tmp_path, "normal"), after_power_loss), folder))


def test_without_a_sync_a_commit_no_kill_takes_a_record_that_was_acknowledged(
    tmp_path: Path, folder: Path
) -> None:
    """With one, what a kill leaves is among what a cut of power may leave."""
    assert list(lost(after_every_step(recorded(tmp_path, "normal"), after_a_kill), folder)) == []


def test_the_log_is_written_again_whatever_a_cut_of_power_leaves(tmp_path: Path, folder: Path) -> None:
    for state, promised in after_every_step(recorded(tmp_path, "full"), after_losing_all_unsynced):
        assert found(state, folder) >= promised
        write(folder / "audit.db", replace(ANSWERED, request_id="next"))
        assert set(request_ids(read(folder / "audit.db"))) >= {"next", *promised}
        assert verify(folder / "audit.db").ok
