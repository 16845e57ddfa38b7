"""A page of the history comes from another process, however that one fares, and only so many wait for one."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from time import monotonic

import psutil
import pytest

from service.audit.query.history_pages import (
    MAX_CONCURRENT_QUERIES,
    READ_BURST,
    READS_PER_S,
    REJECTIONS_PER_S,
    HistoryPages,
)
from service.audit.query.history_process import (
    NICENESS,
    HistoryProcess,
    PageContent,
    PageFailed,
    ProcessEnded,
)
from service.audit.query.reader import AuditReader, HistoryFilters
from service.errors import DeadlineExceeded, Overloaded
from tests.support.audit.logs import PROJECT, numbered, write
from tests.support.servers import children
from tests.support.waiting import PATIENCE_S, until_true

FILTERS = [
    HistoryFilters(),
    HistoryFilters(limit=2, label="setosa", min_confidence=0.95, flagged=False),
    HistoryFilters.model_validate({"limit": "3", "since": "2026-07-04T09:00:03+02:00", "model": "none"}),
]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "audit.db"
    write(path, *numbered(5))
    return path


@pytest.fixture(autouse=True)
def no_process_stays(db: Path) -> Iterator[None]:
    yield
    assert psutil.wait_procs(children(psutil.Process(), str(db)), timeout=PATIENCE_S)[1] == []


def with_pages(
    db: Path, what: Callable[[HistoryPages], Awaitable[object]], deadline_s: float = 60, idle_s: float = 60
) -> None:
    """Do something with the pages of a log, and close them."""

    async def run() -> None:
        pages = HistoryPages(db, deadline_s=deadline_s, idle_s=idle_s)
        try:
            await what(pages)
        finally:
            pages.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


async def process_of(pages: HistoryPages) -> psutil.Process:
    await pages.page(HistoryFilters())
    return psutil.Process(pages.process.pid)


async def suspended_with_a_full_queue(
    pages: HistoryPages,
) -> tuple[psutil.Process, list[asyncio.Task[PageContent]]]:
    """The suspended process, and as many queries as may wait for it."""
    process = await process_of(pages)
    process.send_signal(signal.SIGSTOP)
    waiting = [asyncio.create_task(pages.page(HistoryFilters())) for _ in range(MAX_CONCURRENT_QUERIES)]
    await asyncio.sleep(0)
    return process, waiting


def test_a_page_is_what_the_reader_reads_and_newer_records_are_on_the_next(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))

    async def ask(pages: HistoryPages) -> None:
        for filters in FILTERS:
            found = AuditReader(db).history(filters)
            page = await pages.page(filters)
            assert page.content == found.model_dump_json().encode()
            assert page.ids == tuple(item.id for item in found.items)
        await asyncio.to_thread(write, db, *numbered(1, first=4))
        assert b'"r-4"' in (await pages.page(HistoryFilters(limit=1))).content

    with_pages(db, ask)


def test_pages_are_read_by_one_process_of_a_lower_priority(db: Path) -> None:
    async def ask(pages: HistoryPages) -> None:
        await asyncio.gather(*[pages.page(HistoryFilters()) for _ in range(MAX_CONCURRENT_QUERIES)])
        process = await process_of(pages)
        assert process.nice() == psutil.Process().nice() + NICENESS
        assert children(psutil.Process(), str(db)) == [process]

    with_pages(db, ask)


def test_pages_beyond_a_burst_come_at_a_rate_and_none_is_refused(db: Path) -> None:
    beyond = 2 * MAX_CONCURRENT_QUERIES

    async def ask(pages: HistoryPages) -> None:
        started = monotonic()
        for _ in range((READ_BURST + beyond) // MAX_CONCURRENT_QUERIES):
            await asyncio.gather(*[pages.page(HistoryFilters()) for _ in range(MAX_CONCURRENT_QUERIES)])
        assert monotonic() - started >= (beyond - 1) / READS_PER_S

    with_pages(db, ask)


def test_queries_beyond_a_number_are_refused_and_those_that_wait_are_answered(db: Path) -> None:
    async def ask(pages: HistoryPages) -> None:
        process, waiting = await suspended_with_a_full_queue(pages)
        for _ in range(3):
            with pytest.raises(Overloaded):
                await pages.page(HistoryFilters())
        process.send_signal(signal.SIGCONT)
        assert len(set(await asyncio.gather(*waiting))) == 1
        await pages.page(HistoryFilters())

    with_pages(db, ask)


def test_refusals_leave_at_a_bounded_rate_however_many_ask_again_at_once(db: Path) -> None:
    async def ask(pages: HistoryPages) -> None:
        process, waiting = await suspended_with_a_full_queue(pages)
        started, refused = monotonic(), 0

        async def ask_again_and_again() -> None:
            nonlocal refused
            while monotonic() < started + 1:
                with pytest.raises(Overloaded):
                    await pages.page(HistoryFilters())
                refused += 1

        await asyncio.gather(*[ask_again_and_again() for _ in range(60)])
        assert 60 <= refused <= (monotonic() - started) * REJECTIONS_PER_S + 1
        process.send_signal(signal.SIGCONT)
        await asyncio.gather(*waiting)

    with_pages(db, ask)


def test_a_page_is_read_by_another_process_where_one_was_killed(db: Path) -> None:
    async def ask(pages: HistoryPages) -> None:
        process = await process_of(pages)
        process.send_signal(signal.SIGSTOP)
        waiting = [asyncio.create_task(pages.page(HistoryFilters())) for _ in range(3)]
        await asyncio.sleep(0.05)
        process.kill()
        assert len(set(await asyncio.gather(*waiting))) == 1
        (await process_of(pages)).kill()
        await until_true(lambda: pages.process.pid is None, "the process ends")
        assert await pages.page(HistoryFilters())

    with_pages(db, ask)


def test_a_process_that_gives_no_answer_in_time_is_replaced(db: Path) -> None:
    async def ask(pages: HistoryPages) -> None:
        process = await process_of(pages)
        process.send_signal(signal.SIGSTOP)
        pages.deadline_s = 1
        with pytest.raises(DeadlineExceeded):
            await pages.page(HistoryFilters())
        pages.deadline_s = 60
        assert await pages.page(HistoryFilters())
        assert pages.process.pid != process.pid
        await asyncio.to_thread(process.wait, PATIENCE_S)

    with_pages(db, ask)


def test_a_process_goes_on_starting_when_queries_run_out_of_time_before_it_started(db: Path) -> None:
    async def ask(pages: HistoryPages) -> None:
        pages.deadline_s = 0.001
        for _ in range(3):
            with pytest.raises(DeadlineExceeded):
                await pages.page(HistoryFilters())
        starting = pages.process.pid
        assert starting is not None
        pages.deadline_s = 60
        assert (await process_of(pages)).pid == starting

    with_pages(db, ask)


def test_a_process_that_does_not_start_in_time_is_ended_and_the_next_query_starts_another(db: Path) -> None:
    async def ask(pages: HistoryPages) -> None:
        pages.process = HistoryProcess(db, start_limit_s=0)
        with pytest.raises(ProcessEnded):
            await pages.page(HistoryFilters())
        assert pages.process.pid is None
        pages.process = HistoryProcess(db)
        assert await pages.page(HistoryFilters())

    with_pages(db, ask)


def test_a_caller_that_gives_up_leaves_no_answer_for_the_next(db: Path) -> None:
    async def ask(pages: HistoryPages) -> None:
        await process_of(pages)
        for turns in range(20):
            given_up = asyncio.create_task(pages.page(HistoryFilters(limit=1)))
            await asyncio.sleep(turns / 2_000)
            given_up.cancel()
            assert (await pages.page(HistoryFilters(limit=2))).content.count(b'"request_id"') == 2

    with_pages(db, ask)


def test_the_process_ends_when_nobody_asks_and_starts_again_for_the_next(db: Path) -> None:
    async def ask(pages: HistoryPages) -> None:
        process = await process_of(pages)
        await until_true(lambda: pages.process.pid is None, "the process ends")
        await asyncio.to_thread(process.wait, PATIENCE_S)
        assert await pages.page(HistoryFilters())

    with_pages(db, ask, idle_s=0.05)


def test_a_log_that_cannot_be_read_fails_the_page_alone_and_says_why(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"

    async def ask(pages: HistoryPages) -> None:
        with pytest.raises(PageFailed, match=str(db)):
            await pages.page(HistoryFilters())
        await asyncio.to_thread(write, db, *numbered(2))
        assert await pages.page(HistoryFilters())

    with_pages(db, ask)


def test_outcomes_are_looked_up_beside_pages_and_without_their_limits(db: Path) -> None:
    keys = [("r-1", 0, "truth"), ("r-9", 0, "truth")]

    async def ask(pages: HistoryPages) -> None:
        process, waiting = await suspended_with_a_full_queue(pages)
        looking_up = [asyncio.create_task(pages.look_up(keys, monotonic() + 60)) for _ in range(20)]
        with pytest.raises(DeadlineExceeded):
            await pages.look_up(keys, monotonic() + 0.05)
        process.send_signal(signal.SIGCONT)
        found = await asyncio.gather(*looking_up)
        await asyncio.gather(*waiting)
        assert [[each.predictions for each in of_one] for of_one in found] == [[1, 0]] * 20

    with_pages(db, ask)


def test_a_look_up_that_gets_no_answer_in_time_replaces_the_process(db: Path) -> None:
    async def ask(pages: HistoryPages) -> None:
        process = await process_of(pages)
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(DeadlineExceeded):
            await pages.look_up([("r-1", 0, "truth")], monotonic() + 0.2)
        (found,) = await pages.look_up([("r-1", 0, "truth")], monotonic() + 60)
        assert (found.predictions, found.rows) == (1, 1)
        await asyncio.to_thread(process.wait, PATIENCE_S)
        await until_true(lambda: pages.process.pid is None, "the process ends when nobody asks")

    with_pages(db, ask, idle_s=0.05)


WORKER = """
import asyncio, sys
from pathlib import Path
from service.audit.query.history import HistoryFilters
from service.audit.query.history_pages import HistoryPages

async def ask():
    pages = HistoryPages(Path(sys.argv[1]), deadline_s=60)
    await pages.page(HistoryFilters())
    print(pages.process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(ask())
"""


def test_the_process_ends_with_its_worker(db: Path) -> None:
    command = [sys.executable, "-c", WORKER, str(db)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        process = psutil.Process(int(worker.stdout.readline()))
        worker.kill()
        assert psutil.wait_procs([process], timeout=PATIENCE_S)[1] == []
