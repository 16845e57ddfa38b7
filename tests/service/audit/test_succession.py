"""The process that writes stays awake for the next record only where that helps and costs nobody anything."""

import asyncio
from pathlib import Path

import pytest

from service.audit.write.succession import AWAKE_S, Succession, processors
from service.audit.writer import AuditLog
from tests.service.audit.logs import numbered, read, request_ids, writing

SOON = AWAKE_S / 2

with_two_processors = pytest.mark.skipif(processors() < 2, reason="it takes two processors")


@with_two_processors
@pytest.mark.parametrize(
    ("records", "waited_s", "quick"),
    [(1, SOON, True), (2, SOON, False), (0, SOON, False), (1, 2 * AWAKE_S, False)],
)
def test_the_next_is_expected_after_one_that_came_alone_and_soon(
    records: int, waited_s: float, *, quick: bool
) -> None:
    succession = Succession(is_awaited=True)
    assert not succession.is_quick
    succession.follow(records, waited_s)
    assert succession.is_quick == quick


@with_two_processors
def test_it_is_not_expected_any_more_once_it_did_not_come_or_where_nobody_waits_for_it() -> None:
    succession, relaxed = Succession(is_awaited=True), Succession(is_awaited=False)
    for one in (succession, relaxed):
        one.follow(1, SOON)
    succession.follow(1, 2 * AWAKE_S)
    assert not succession.is_quick
    assert not relaxed.is_quick


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
    ],
)
def test_a_quota_of_the_control_group_counts(tmp_path: Path, files: dict[str, str], most: float) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert processors(tmp_path) == most


@pytest.mark.parametrize(
    "files", [{}, {"cpu.max": "max 100000\n"}, {"cpu/cpu.cfs_quota_us": "-1\n"}, {"cpu.max": "10000000 1\n"}]
)
def test_without_a_quota_all_processors_count(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert processors(tmp_path) == processors(tmp_path / "nowhere") >= 1


def test_records_in_quick_succession_are_all_written_and_then_the_writer_sleeps(tmp_path: Path) -> None:
    async def one_by_one() -> None:
        for record in numbered(300):
            await log.append(record)
        await asyncio.sleep(1.5)
        before = sum(writer.cpu_times()[:2])
        await asyncio.sleep(1)
        assert sum(writer.cpu_times()[:2]) - before < 0.3

    log = AuditLog.open(tmp_path / "audit.db")
    writer = writing(log.path)
    asyncio.run(one_by_one())
    log.close()
    assert request_ids(read(log.path)) == request_ids(numbered(300))
