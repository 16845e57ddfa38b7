"""Single rows and larger requests take turns, and neither waits for the other's end."""

import asyncio

import pytest

from service.inference.batcher import SLICE_S
from service.inference.call_time import CallTimeEstimator
from tests.support.echo_model import Gate, ask, batching
from tests.support.waiting import PATIENCE_S, until_true


def test_single_rows_are_answered_before_the_next_rows_of_larger_requests() -> None:
    async def run() -> list[list[int]]:
        gate = Gate()
        async with batching(gate.predict, max_call_rows=100) as (batcher, calls):
            first = ask(batcher, 0)
            await gate.until_entered()
            larger = [ask(batcher, *range(1_000)) for _ in range(10)]
            single = [ask(batcher, i) for i in range(20)]
            gate.open.set()
            await asyncio.gather(first, *single)
            until_single = len(calls)
            await asyncio.gather(*larger)
            return [calls[:until_single], calls[until_single:]]

    before, after = asyncio.run(run())
    assert before[0] == 1
    assert len(before) == 2
    assert sum(before) + sum(after) == 10_021


def test_what_a_call_takes_of_larger_requests_is_bounded_in_time() -> None:
    async def run(of_call_s: float, of_row_s: float) -> list[int]:
        call_time = CallTimeEstimator()
        for rows in (1, 10, 100) * 10:
            call_time.observe(rows, of_call_s + of_row_s * rows)
        async with batching(max_call_rows=1_000, call_time=call_time) as (batcher, calls):
            await asyncio.gather(ask(batcher, *range(2_000)), ask(batcher, 1))
            return calls

    assert asyncio.run(run(0, SLICE_S / 100))[0] == pytest.approx(101, abs=2)
    assert asyncio.run(run(SLICE_S, SLICE_S / 100))[0] == pytest.approx(101, abs=2)
    assert asyncio.run(run(0, SLICE_S / 1e6))[0] == 1_000


@pytest.mark.parametrize("max_call_rows", [1, 2, 10])
def test_neither_single_rows_nor_larger_requests_wait_for_ever_for_the_others(max_call_rows: int) -> None:
    async def run() -> None:
        async with batching(max_call_rows=max_call_rows) as (batcher, _):
            answered = {1: 0, 30: 0}
            done = asyncio.Event()

            async def ask_on(rows: int) -> None:
                while not done.is_set():
                    await ask(batcher, *range(rows))
                    answered[rows] += 1

            asking = [asyncio.create_task(ask_on(rows)) for rows in [1] * 30 + [30] * 3]
            await until_true(lambda: min(answered.values()) >= 10, "each has ten answers")
            done.set()
            await asyncio.gather(*asking)

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))
