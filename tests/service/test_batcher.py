"""Rows of concurrent requests share model calls, and none is lost, doubled or swapped."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.batcher import Batcher, Predict, Probabilities
from service.contract import Matrix
from service.errors import RowsFailed

FAILS = -1.0
"""A row that the model here fails on."""


def echo(matrix: Matrix) -> Probabilities:
    """Answer each row with itself, so that an answer shows whose it is."""
    if (matrix == FAILS).any():
        raise ValueError("this row cannot be predicted")
    return np.hstack([matrix, -matrix]).astype(np.float64)


def rows(*values: float) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64).reshape(-1, 1)


@asynccontextmanager
async def batching(
    predict: Predict = echo, max_call_rows: int = 100
) -> AsyncIterator[tuple[Batcher, list[int]]]:
    """A batcher, and the rows of each call that it makes."""
    calls: list[int] = []
    batcher = Batcher(
        predict, n_classes=2, max_call_rows=max_call_rows, on_call=lambda n, _seconds: calls.append(n)
    )
    try:
        yield batcher, calls
    finally:
        await batcher.close()


class Gate:
    """A model that waits to be let through, so that a test decides what gathers meanwhile."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def predict(self, matrix: Matrix) -> Probabilities:
        self.entered.set()
        assert self.open.wait(10)
        return echo(matrix)

    async def until_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 10)


def test_rows_that_arrive_while_the_model_works_share_the_next_call() -> None:
    async def run() -> list[int]:
        gate = Gate()
        async with batching(gate.predict) as (batcher, calls):
            first = asyncio.create_task(batcher.predict(rows(0)))
            await gate.until_entered()
            others = [asyncio.create_task(batcher.predict(rows(i))) for i in range(1, 31)]
            await asyncio.sleep(0)
            gate.open.set()
            await asyncio.gather(first, *others)
            return calls

    assert asyncio.run(run()) == [1, 30]


def test_an_idle_batcher_answers_a_single_row_at_once() -> None:
    async def run() -> list[int]:
        async with batching() as (batcher, calls):
            for value in range(3):
                await batcher.predict(rows(value))
            return calls

    assert asyncio.run(run()) == [1, 1, 1]


def test_the_loop_goes_on_while_the_model_works() -> None:
    async def run() -> bool:
        gate = Gate()
        async with batching(gate.predict) as (batcher, _):
            answer = asyncio.create_task(batcher.predict(rows(1)))
            await gate.until_entered()
            still_working = not answer.done()
            gate.open.set()
            await answer
            return still_working

    assert asyncio.run(run())


def test_a_large_request_takes_several_calls_and_lets_a_small_one_between_them() -> None:
    async def run() -> tuple[list[str], list[int]]:
        gate = Gate()
        order: list[str] = []
        async with batching(gate.predict, max_call_rows=10) as (batcher, calls):

            async def ask(name: str, n_rows: int) -> None:
                answer = await batcher.predict(rows(*range(n_rows)))
                assert answer[:, 0].tolist() == list(range(n_rows))
                order.append(name)

            large = asyncio.create_task(ask("large", 35))
            await gate.until_entered()
            small = asyncio.create_task(ask("small", 1))
            await asyncio.sleep(0)
            gate.open.set()
            await asyncio.gather(large, small)
        return order, calls

    order, calls = asyncio.run(run())
    assert order == ["small", "large"]
    assert calls == [10, 10, 10, 6]


def test_a_row_that_fails_is_named_and_its_neighbours_answers_do_not_change() -> None:
    async def run() -> list[Probabilities | BaseException]:
        gate = Gate()
        async with batching(gate.predict) as (batcher, _):
            first = asyncio.create_task(batcher.predict(rows(0)))
            await gate.until_entered()
            asked = [rows(1, 2), rows(3, FAILS, 4, FAILS), rows(FAILS), rows(5)]
            others = [asyncio.create_task(batcher.predict(matrix)) for matrix in asked]
            await asyncio.sleep(0)
            gate.open.set()
            return await asyncio.gather(first, *others, return_exceptions=True)

    _, whole, partly, alone, last = asyncio.run(run())
    assert isinstance(partly, RowsFailed)
    assert partly.rows == [1, 3]
    assert isinstance(alone, RowsFailed)
    assert alone.rows == [0]
    np.testing.assert_array_equal(whole, echo(rows(1, 2)))
    np.testing.assert_array_equal(last, echo(rows(5)))


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_probability_that_is_no_number_is_a_failure_of_its_row(broken: float) -> None:
    async def run() -> None:
        async with batching(lambda matrix: np.where(matrix == 7, broken, np.hstack([matrix, matrix]))) as (
            batcher,
            _,
        ):
            np.testing.assert_array_equal(await batcher.predict(rows(1)), [[1, 1]])
            with pytest.raises(RowsFailed) as failed:
                await batcher.predict(rows(1, 7))
            assert failed.value.rows == [1]

    asyncio.run(run())


def test_a_model_that_answers_too_few_rows_fails_them_rather_than_swapping_answers() -> None:
    async def run() -> None:
        async with batching(lambda matrix: echo(matrix)[: max(1, len(matrix) - 1)]) as (batcher, _):
            np.testing.assert_array_equal(await batcher.predict(rows(1, 2, 3)), echo(rows(1, 2, 3)))
        async with batching(lambda matrix: echo(matrix)[:0]) as (batcher, _):
            with pytest.raises(RowsFailed):
                await batcher.predict(rows(1, 2, 3))

    asyncio.run(run())


def test_a_request_that_was_cancelled_before_its_turn_is_not_put_through_the_model() -> None:
    async def run() -> list[int]:
        gate = Gate()
        async with batching(gate.predict) as (batcher, calls):
            first = asyncio.create_task(batcher.predict(rows(0)))
            await gate.until_entered()
            gone = asyncio.create_task(batcher.predict(rows(1, 2, 3)))
            stays = asyncio.create_task(batcher.predict(rows(4)))
            await asyncio.sleep(0)
            gone.cancel()
            gate.open.set()
            await asyncio.gather(first, stays)
            return calls

    assert asyncio.run(run()) == [1, 1]


def test_closing_answers_what_is_queued() -> None:
    async def run() -> Probabilities:
        gate = Gate()
        async with batching(gate.predict) as (batcher, _):
            answer = asyncio.create_task(batcher.predict(rows(1)))
            await gate.until_entered()
            gate.open.set()
        return await answer

    np.testing.assert_array_equal(asyncio.run(run()), echo(rows(1)))


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
    async def run() -> list[Probabilities | BaseException]:
        async with batching(max_call_rows=max_call_rows) as (batcher, _):

            async def ask(values: list[float], gives_up: bool, turns: int) -> Probabilities:
                for _ in range(turns):
                    await asyncio.sleep(0)
                answer = asyncio.create_task(batcher.predict(rows(*values)))
                await asyncio.sleep(0)
                if gives_up:
                    answer.cancel()
                return await answer

            return await asyncio.gather(*[ask(*request) for request in asked], return_exceptions=True)

    for (values, gives_up, _), answer in zip(asked, asyncio.run(run()), strict=True):
        failing = [row for row, value in enumerate(values) if value == FAILS]
        if gives_up:
            assert isinstance(answer, asyncio.CancelledError)
        elif failing:
            assert isinstance(answer, RowsFailed)
            assert answer.rows == failing
        else:
            assert not isinstance(answer, BaseException)
            np.testing.assert_array_equal(answer, echo(rows(*values)))
