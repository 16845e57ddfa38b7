"""Turns begin at a bounded rate after a burst, and none waits for longer than its limit."""

import asyncio
from time import monotonic

from service.system.rate_limit import RateLimit

PER_S, BURST = 100.0, 100


def test_a_burst_begins_at_once_and_what_is_beyond_at_the_rate() -> None:
    async def run() -> None:
        rate = RateLimit(PER_S, BURST)
        started = monotonic()
        turns = [asyncio.create_task(rate.wait()) for _ in range(BURST + 50)]
        await asyncio.sleep(0)
        due = (monotonic() - started) * PER_S
        assert sum(turn.done() for turn in turns) <= BURST + 1 + due
        await asyncio.gather(*turns)
        assert monotonic() - started >= 49 / PER_S

    asyncio.run(asyncio.wait_for(run(), 120))


def test_none_waits_for_longer_than_its_limit_however_many_wait() -> None:
    async def run() -> None:
        rate = RateLimit(PER_S, BURST, max_wait_s=0.5)
        waiting = [asyncio.create_task(rate.wait()) for _ in range(5_000)]
        await asyncio.sleep(0)
        started = monotonic()
        await rate.wait()
        assert monotonic() - started < 5_000 / PER_S / 2
        await asyncio.gather(*waiting)

    asyncio.run(asyncio.wait_for(run(), 120))
