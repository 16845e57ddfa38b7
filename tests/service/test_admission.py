"""What comes beyond the room there is, is refused, but never so fast that nothing else is done."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from time import monotonic

from service.admission import Admission, Room
from service.errors import Overloaded
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


def applying(admission: Admission, *, is_whole: bool = True) -> list[Room]:
    """Where the room of a request comes to lie that has applied for it."""
    told: list[Room] = []
    admission.apply(told.append, is_whole=is_whole)
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


def test_there_is_room_until_as_many_rows_are_in_hand_as_are_taken_on() -> None:
    async def run() -> None:
        admission = Admission(100)
        with await admission.room() as first:
            first.take(99)
            with await admission.room() as last:
                last.take(500)
                assert admission.is_full
                assert await refused(admission)
            with await admission.room():
                pass
        assert admission.rows_in_hand == 0

    asyncio.run(run())


def test_a_request_counts_as_one_row_until_its_rows_are_known() -> None:
    async def run() -> None:
        admission = Admission(10)
        with await admission.room():
            assert admission.rows_in_hand == 1

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


def test_only_so_many_whole_requests_are_in_progress_and_the_others_begin_in_their_order() -> None:
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


def test_requests_that_have_not_come_whole_do_not_hold_up_those_that_have() -> None:
    async def run() -> None:
        admission = Admission(100, at_once=at_once(2))
        for _ in range(50):
            assert has_begun(applying(admission, is_whole=False))
        assert has_begun(applying(admission))

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
            admission.apply(Room.leave, is_whole=True)
        admission.apply(last.append, is_whole=True)
        first[0].leave()
        assert has_begun(last)

    asyncio.run(run())
