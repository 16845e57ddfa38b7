"""What comes beyond the room there is, is refused, but never so fast that nothing else is done."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, suppress
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import DeadlineExceeded, Overloaded
from service.inference.admission import LARGE_AT_ONCE_BYTES, SINGLE_BODY_BYTES, Admission, Room
from tests.event_loop import turns, until


async def fill(admission: Admission, into: ExitStack) -> None:
    while not admission.is_full:
        into.enter_context(await admission.room())


async def refused(admission: Admission) -> bool:
    try:
        with await admission.room():
            return False
    except Overloaded:
        return True


def applying(admission: Admission, body_bytes: int = 0) -> list[Room]:
    """Where the room of a request comes to lie that has applied for it."""
    told: list[Room] = []
    admission.apply(told.append, body_bytes)
    return told


def has_begun(told: list[Room]) -> bool:
    return bool(told) and not is_refused(told[0])


def is_refused(room: Room) -> bool:
    try:
        room.__enter__()
    except Overloaded:
        return True
    return False


def at_once(requests: float) -> Callable[[], float]:
    return lambda: requests


def test_there_is_room_until_as_many_single_rows_are_in_hand_as_are_taken_on() -> None:
    async def run() -> None:
        admission = Admission(3)
        with ExitStack() as rooms:
            await fill(admission, rooms)
            assert admission.rows_in_hand == 3
            assert await refused(admission)
        with await admission.room():
            assert admission.rows_in_hand == 1
        assert admission.rows_in_hand == 0

    asyncio.run(run())


def test_a_request_that_turns_out_to_have_many_rows_makes_its_room_free_for_single_ones() -> None:
    async def run() -> None:
        admission = Admission(1)
        with await admission.room(100) as room:
            assert admission.is_full
            await admission.widen(room, 10_000, 100)
            assert admission.rows_in_hand == 0
            assert has_begun(applying(admission))

    asyncio.run(run())


@given(
    st.lists(st.tuples(st.integers(0, 2 * LARGE_AT_ONCE_BYTES), st.integers(2, 10_000)), max_size=60),
    st.integers(1, 20),
)
def test_whatever_larger_requests_there_are_single_rows_begin_at_once(
    larger: list[tuple[int, int]], max_queued_rows: int
) -> None:
    async def run() -> None:
        admission = Admission(max_queued_rows, max_large_bytes=8 * LARGE_AT_ONCE_BYTES)

        async def stay(body_bytes: int, rows: int) -> None:
            with suppress(Overloaded), await admission.room(body_bytes) as room:
                await admission.widen(room, rows, body_bytes)
                await asyncio.Event().wait()

        staying = [asyncio.create_task(stay(*request)) for request in larger]
        await turns(10)
        single = [applying(admission, SINGLE_BODY_BYTES) for _ in range(max_queued_rows)]
        assert all(has_begun(each) for each in single)
        for task in staying:
            task.cancel()
        await asyncio.gather(*staying, return_exceptions=True)
        for each in single:
            each[0].leave()
        assert admission.rows_in_hand == 0
        assert has_begun(applying(admission, 8 * LARGE_AT_ONCE_BYTES))  # All was given back.

    asyncio.run(run())


def test_larger_requests_begin_up_to_a_number_of_bytes_and_fewer_beside_single_rows() -> None:
    async def run() -> None:
        admission = Admission(10)
        half = LARGE_AT_ONCE_BYTES // 2
        told = [applying(admission, half) for _ in range(4)]
        assert [has_begun(each) for each in told] == [True, True, False, False]
        single = applying(admission)
        told[0][0].leave()
        assert not has_begun(told[2])
        told[1][0].leave()
        assert [has_begun(each) for each in told[2:]] == [True, False]
        single[0].leave()
        told[2][0].leave()
        assert has_begun(told[3])

    asyncio.run(run())


def test_larger_requests_beyond_the_bytes_that_are_taken_on_are_refused() -> None:
    async def run() -> None:
        admission = Admission(10, max_large_bytes=3 * LARGE_AT_ONCE_BYTES)
        told = [applying(admission, LARGE_AT_ONCE_BYTES) for _ in range(4)]
        assert is_refused(told[3][0])
        assert has_begun(applying(admission))

    asyncio.run(run())


def test_a_request_waits_for_room_until_its_deadline_and_then_takes_none() -> None:
    async def run() -> None:
        admission = Admission(2, at_once=at_once(1))
        (single,), (large,) = applying(admission), applying(admission, LARGE_AT_ONCE_BYTES)
        for body_bytes in (0, LARGE_AT_ONCE_BYTES):
            with pytest.raises(DeadlineExceeded):
                await admission.room(body_bytes, monotonic() + 0.05)
        single.leave()
        with await admission.room() as room, pytest.raises(DeadlineExceeded):
            await admission.widen(room, 2, 0, monotonic() + 0.05)
        large.leave()
        assert admission.rows_in_hand == 0
        assert has_begun(applying(admission))
        assert has_begun(applying(admission, LARGE_AT_ONCE_BYTES))

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_request_that_finds_no_place_among_the_larger_ones_is_refused_and_holds_no_room() -> None:
    async def run() -> None:
        admission = Admission(1, max_large_bytes=LARGE_AT_ONCE_BYTES)
        applying(admission, LARGE_AT_ONCE_BYTES)
        with await admission.room() as room, pytest.raises(Overloaded):
            await admission.widen(room, 10_000, 0)
        assert admission.rows_in_hand == 0

    asyncio.run(run())


def test_a_few_refusals_leave_at_once_and_a_flood_of_them_is_held_back() -> None:
    async def run() -> tuple[list[bool], int]:
        admission = Admission(3, patience_s=0.2)
        with ExitStack() as rooms:
            await fill(admission, rooms)
            first = [await asyncio.wait_for(refused(admission), 0.5) for _ in range(20)]
            flood = [asyncio.create_task(refused(admission)) for _ in range(600)]
            await turns(3)
            early = sum(task.done() for task in flood)
            assert all(await asyncio.wait_for(asyncio.gather(*flood), 5))
        return first, early

    first, early = asyncio.run(run())
    assert first == [True] * 20
    assert 0 < early < 500


def test_refusals_leave_in_a_row() -> None:
    async def run() -> list[bool]:
        admission = Admission(1, refusals_per_s=100)
        applying(admission)
        refused = [bool(applying(admission)) for _ in range(150)]
        assert refused == [True] * 100 + [False] * 50
        none_left = monotonic()
        await until(lambda: bool(applying(admission)))
        assert monotonic() - none_left >= 0.2
        return [bool(applying(admission)) for _ in range(24)]

    assert asyncio.run(asyncio.wait_for(run(), 10)) == [True] * 24


def test_whoever_stands_in_line_takes_the_room_of_the_next_that_is_done() -> None:
    async def run() -> tuple[list[bool], list[bool]]:
        admission = Admission(3, refusals_per_s=0)
        with ExitStack() as rooms:
            await fill(admission, rooms)
            flood = [asyncio.create_task(refused(admission)) for _ in range(1_000)]
            await turns(3)
            waiting = [task for task in flood if not task.done()]
        await turns(2)
        admitted = [await task for task in waiting[:3]]
        return admitted, [await task for task in waiting[3:]]

    admitted, rest = asyncio.run(run())
    assert admitted == [False] * 3
    assert not any(rest)  # Each that is done makes room for the next.


def test_a_client_that_goes_while_it_waits_takes_no_room_with_it() -> None:
    async def run() -> bool:
        admission = Admission(1, refusals_per_s=0)
        with await admission.room():
            flood = [asyncio.create_task(refused(admission)) for _ in range(600)]
            await turns(3)
            waiting = [task for task in flood if not task.done()]
            for task in waiting[:-2]:
                task.cancel()
            await turns(1)
        waiting[-2].cancel()  # It has been told that there is room.
        await asyncio.gather(*flood, return_exceptions=True)
        with await admission.room():
            return admission.rows_in_hand == 1

    assert asyncio.run(run())


def test_only_so_many_requests_are_in_progress_and_the_others_begin_in_their_order() -> None:
    async def run() -> None:
        admission = Admission(100, at_once=at_once(2))
        told = [applying(admission) for _ in range(5)]
        assert [has_begun(each) for each in told] == [True, True, False, False, False]
        assert admission.rows_in_hand == 5
        told[0][0].leave()
        told[0][0].leave()  # It is given back once.
        assert [has_begun(each) for each in told[2:]] == [True, False, False]
        assert told[1][0].waited_s == 0 < told[2][0].waited_s
        for rooms in told[1:]:
            rooms[0].leave()
        assert admission.rows_in_hand == 0

    asyncio.run(run())


def test_what_stands_in_line_counts_towards_what_is_taken_on() -> None:
    async def run() -> None:
        admission = Admission(5, at_once=at_once(2))
        told = [applying(admission) for _ in range(5)]
        assert is_refused(applying(admission)[0])
        told[0][0].leave()
        assert not admission.is_full

    asyncio.run(run())


def test_whoever_has_stood_in_line_for_too_long_is_refused_and_the_others_keep_their_turn() -> None:
    async def run() -> None:
        admission = Admission(100, at_once=at_once(1), patience_s=1)
        first, second = applying(admission), applying(admission)
        await asyncio.sleep(0.5)
        third = applying(admission)
        await until(lambda: bool(second))
        assert second[0].waited_s >= 1
        assert is_refused(second[0])
        assert third == []
        first[0].leave()
        assert has_begun(third)

    asyncio.run(asyncio.wait_for(run(), 10))


def test_any_number_that_gave_up_in_line_are_passed_over() -> None:
    async def run() -> None:
        admission = Admission(5_000, at_once=at_once(1), refusals_per_s=0)
        last: list[Room] = []
        first = applying(admission)
        for _ in range(3_000):
            admission.apply(Room.leave)
        admission.apply(last.append)
        first[0].leave()
        assert has_begun(last)

    asyncio.run(run())
