"""Rows of concurrent requests share model calls, and none is lost, doubled or swapped."""

import asyncio
import threading
import time
from collections.abc import Sequence
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ClientGone, DeadlineExceeded, RowsFailed
from service.inference.batcher import ON_LOOP_S
from service.inference.call_time import CallTimeEstimator
from tests.support.echo_model import FAILS, NEVER, Gate, Result, ask, batching, echo
from tests.support.waiting import PATIENCE_S


def test_rows_that_arrive_while_the_model_works_share_the_next_call() -> None:
    async def run() -> list[int]:
        gate = Gate()
        async with batching(gate.predict) as (batcher, calls):
            first = ask(batcher, 0)
            await gate.until_entered()
            others = [ask(batcher, i) for i in range(1, 31)]
            gate.open.set()
            await asyncio.gather(first, *others)
            return calls

    assert asyncio.run(run()) == [1, 30]


def test_rows_that_arrive_in_one_turn_of_the_loop_share_a_call() -> None:
    async def run() -> list[int]:
        async with batching() as (batcher, calls):
            for _ in range(3):
                await asyncio.gather(*[ask(batcher, i) for i in range(20)])
            return calls

    assert asyncio.run(run()) == [20, 20, 20]


@pytest.mark.parametrize(
    ("call_s", "requests", "calls_rows"),
    [
        pytest.param(0.0015, [1] * 70, [70], id="all that are there"),
        pytest.param(0.00001, [1] * 70, [24, 24, 22], id="a share, where calls are quick"),
        pytest.param(0.0005, [1] * 70, [24, 24, 22], id="a share, where they are on a busy machine"),
        pytest.param(0.00001, [17, 17, 17], [34, 17], id="no request in two"),
        pytest.param(0.00001, [70, 1], [71], id="a large one whole, and the small one with it"),
    ],
)
def test_a_call_takes_all_that_are_there_or_where_calls_are_quick_a_share(
    call_s: float, requests: Sequence[int], calls_rows: Sequence[int]
) -> None:
    async def run() -> list[int]:
        call_time = CallTimeEstimator()
        for rows in (1, 10, 100) * 10:
            call_time.observe(rows, call_s)
        async with batching(call_time=call_time) as (batcher, calls):
            await asyncio.gather(*[ask(batcher, *range(rows)) for rows in requests])
            return calls

    assert asyncio.run(run()) == calls_rows


def test_an_idle_batcher_answers_a_single_row_at_once() -> None:
    async def run() -> list[int]:
        async with batching() as (batcher, calls):
            for value in range(3):
                await ask(batcher, value)
            return calls

    assert asyncio.run(run()) == [1, 1, 1]


def test_the_loop_goes_on_while_a_slow_model_works() -> None:
    async def run() -> bool:
        gate = Gate()
        async with batching(gate.predict) as (batcher, _):
            answer = ask(batcher, 1)
            await gate.until_entered()
            still_working = not answer.done()
            gate.open.set()
            await answer
            return still_working

    assert asyncio.run(run())


def test_a_model_that_is_measured_to_be_quick_is_called_on_the_loop_and_a_slow_one_is_not() -> None:
    async def run(seconds: float, calls: int) -> list[bool]:
        on_loop: list[bool] = []

        def call(rows: Sequence[float]) -> list[Result]:
            on_loop.append(threading.current_thread() is threading.main_thread())
            time.sleep(seconds)
            return echo(rows)

        async with batching(call) as (batcher, _):
            while not any(on_loop) and len(on_loop) < calls:
                await ask(batcher, 1)
        return on_loop

    # A busy machine makes the first calls look slow; they weigh less with each that follows.
    quick = asyncio.run(run(0, 2_000))
    assert quick == [False] * (len(quick) - 1) + [True]
    assert asyncio.run(run(2 * ON_LOOP_S, 4)) == [False] * 4


def test_a_large_request_takes_several_calls_and_lets_a_small_one_between_them() -> None:
    async def run() -> tuple[list[str], list[int]]:
        gate = Gate()
        order: list[str] = []
        async with batching(gate.predict, max_call_rows=10) as (batcher, calls):

            async def expect(name: str, n_rows: int) -> None:
                assert await ask(batcher, *range(n_rows)) == echo(range(n_rows))
                order.append(name)

            large = asyncio.create_task(expect("large", 35))
            await gate.until_entered()
            small = asyncio.create_task(expect("small", 1))
            await asyncio.sleep(0)
            gate.open.set()
            await asyncio.gather(large, small)
        return order, calls

    order, calls = asyncio.run(run())
    assert order == ["small", "large"]
    assert sum(calls) == 36
    assert max(calls) == 10


def test_a_row_that_fails_is_named_and_its_neighbours_answers_do_not_change() -> None:
    async def run() -> list[list[Result] | BaseException]:
        async with batching() as (batcher, _):
            asked = [(1.0, 2.0), (3.0, FAILS, 4.0, FAILS), (FAILS,), (5.0,)]
            return await asyncio.gather(*[ask(batcher, *rows) for rows in asked], return_exceptions=True)

    whole, partly, alone, last = asyncio.run(run())
    assert isinstance(partly, RowsFailed)
    assert partly.rows == [1, 3]
    assert isinstance(alone, RowsFailed)
    assert alone.rows == [0]
    assert (whole, last) == (echo([1, 2]), echo([5]))


def test_a_model_that_answers_too_few_rows_fails_them_rather_than_swapping_answers() -> None:
    async def run() -> None:
        async with batching(lambda rows: echo(rows)[: max(1, len(rows) - 1)]) as (batcher, _):
            assert await ask(batcher, 1, 2, 3) == echo([1, 2, 3])
        async with batching(lambda rows: echo(rows)[:0]) as (batcher, _):
            with pytest.raises(RowsFailed):
                await ask(batcher, 1, 2, 3)

    asyncio.run(run())


def test_a_request_that_was_cancelled_before_its_turn_is_not_put_through_the_model() -> None:
    async def run() -> list[int]:
        gate = Gate()
        async with batching(gate.predict) as (batcher, calls):
            first = ask(batcher, 0)
            await gate.until_entered()
            gone, stays = ask(batcher, 1, 2, 3), ask(batcher, 4)
            gone.cancel()
            gate.open.set()
            await asyncio.gather(first, stays)
            return calls

    assert asyncio.run(run()) == [1, 1]


def test_a_request_whose_deadline_passes_in_the_queue_is_answered_then_and_never_put_through() -> None:
    async def run() -> list[int]:
        gate = Gate()
        async with batching(gate.predict) as (batcher, calls):
            first = ask(batcher, 0)
            await gate.until_entered()
            late, stays = ask(batcher, 1, 2, deadline=monotonic() + 0.05), ask(batcher, 3)
            with pytest.raises(DeadlineExceeded):
                await asyncio.wait_for(late, PATIENCE_S)
            assert not first.done()
            gate.open.set()
            await asyncio.gather(first, stays)
            return calls

    assert asyncio.run(run()) == [1, 1]


def test_a_request_that_the_model_works_on_is_answered_when_its_deadline_passes() -> None:
    async def run() -> None:
        gate = Gate()
        async with batching(gate.predict) as (batcher, _):
            late = ask(batcher, 0, deadline=monotonic() + 0.5)
            await gate.until_entered()
            with pytest.raises(DeadlineExceeded):
                await asyncio.wait_for(late, PATIENCE_S)
            gate.open.set()
            assert await ask(batcher, 1) == echo([1])

    asyncio.run(run())


def test_a_request_whose_client_went_away_is_not_put_through_the_model() -> None:
    async def run() -> list[int]:
        gate = Gate()
        async with batching(gate.predict) as (batcher, calls):
            first = ask(batcher, 0)
            await gate.until_entered()
            gone = batcher.predict([1.0, 2.0], NEVER, lambda: True)
            with pytest.raises(ClientGone):
                await asyncio.wait_for(gone, PATIENCE_S)
            gate.open.set()
            await first
            return calls

    assert asyncio.run(run()) == [1]


def test_a_call_is_not_made_longer_than_the_deadlines_of_its_rows_allow() -> None:
    async def run() -> list[int]:
        call_time = CallTimeEstimator()
        for rows in (1, 10, 100):
            call_time.observe(rows, 0.1 * rows)
        async with batching(max_call_rows=1_000, call_time=call_time) as (batcher, calls):
            hurried = [ask(batcher, *range(20), deadline=monotonic() + 10) for _ in range(10)]
            await asyncio.gather(*hurried, *[ask(batcher, *range(20)) for _ in range(15)])
            return calls

    first, *_ = asyncio.run(run())
    assert 40 <= first <= 50


def test_a_request_whose_call_takes_longer_than_it_has_whatever_its_rows_is_answered_all_the_same() -> None:
    async def run() -> list[Result]:
        call_time = CallTimeEstimator()
        for rows in (1, 10, 100):
            call_time.observe(rows, 20.0)
        async with batching(call_time=call_time) as (batcher, _):
            return await asyncio.wait_for(ask(batcher, 0, 1, deadline=monotonic() + 10), 30)

    assert asyncio.run(run()) == echo([0, 1])


def test_closing_answers_what_is_queued() -> None:
    async def run() -> list[Result]:
        gate = Gate()
        async with batching(gate.predict) as (batcher, _):
            first = ask(batcher, 1)
            await gate.until_entered()
            second = ask(batcher, 2)
            gate.open.set()
        return [*await first, *await second]

    assert asyncio.run(run()) == echo([1, 2])


requests = st.lists(
    st.tuples(
        st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, FAILS]), min_size=1, max_size=7),
        st.booleans(),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=12,
)


@given(requests, st.integers(1, 9))
def test_every_request_gets_its_own_rows_whatever_fails_or_goes_away(
    asked: list[tuple[list[float], bool, int]], max_call_rows: int
) -> None:
    async def run() -> list[list[Result] | BaseException]:
        async with batching(max_call_rows=max_call_rows) as (batcher, _):

            async def one(rows: list[float], gives_up: bool, turns: int) -> list[Result]:
                for _ in range(turns):
                    await asyncio.sleep(0)
                answer = ask(batcher, *rows)
                if gives_up:
                    answer.cancel()
                return await answer

            return await asyncio.gather(*[one(*request) for request in asked], return_exceptions=True)

    for (rows, gives_up, _), answer in zip(asked, asyncio.run(run()), strict=True):
        failing = [row for row, value in enumerate(rows) if value == FAILS]
        if gives_up:
            assert isinstance(answer, asyncio.CancelledError)
        elif failing:
            assert isinstance(answer, RowsFailed)
            assert answer.rows == failing
        else:
            assert answer == echo(rows)
