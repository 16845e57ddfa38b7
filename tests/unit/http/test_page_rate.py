"""Pages leave at a bounded rate, and none waits for longer than a few seconds."""

import asyncio
from time import monotonic

from service.http.page_rate import PAGE_BURST, PAGES_PER_S, PageRate


def test_a_few_pages_begin_at_once_and_those_beyond_at_a_rate() -> None:
    async def run() -> None:
        pages = PageRate()
        started = monotonic()
        turns = [asyncio.create_task(pages.wait()) for _ in range(PAGE_BURST + 50)]
        await asyncio.sleep(0)
        due = (monotonic() - started) * PAGES_PER_S
        assert sum(turn.done() for turn in turns) <= PAGE_BURST + 1 + due
        await asyncio.gather(*turns)
        assert monotonic() - started >= 49 / PAGES_PER_S

    asyncio.run(asyncio.wait_for(run(), 30))


def test_no_page_waits_for_longer_than_seconds_however_many_are_asked_for() -> None:
    async def run() -> None:
        pages = PageRate(max_wait_s=0.5)
        waiting = [asyncio.create_task(pages.wait()) for _ in range(5_000)]
        await asyncio.sleep(0)
        started = monotonic()
        await pages.wait()
        assert monotonic() - started < 5_000 / PAGES_PER_S / 2
        await asyncio.gather(*waiting)

    asyncio.run(asyncio.wait_for(run(), 60))
