"""What comes beyond the room there is, is refused, but never so fast that nothing else is done."""

import asyncio
from contextlib import ExitStack

import pytest

from service.admission import Admission, Room
from service.errors import Overloaded


async def fill(admission: Admission, into: ExitStack) -> None:
    while not admission.is_full:
        into.enter_context(await admission.room())


async def refused(admission: Admission) -> bool:
    try:
        with await admission.room():
            return False
    except Overloaded:
        return True


def test_there_is_room_until_as_many_rows_are_in_hand_as_are_taken_on() -> None:
    async def run() -> None:
        admission = Admission(100)
        with await admission.room() as first:
            first.take(99)
            with await admission.room() as last:
                last.take(500)
                assert admission.is_full
                with pytest.raises(Overloaded):
                    await admission.room()
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
        admission = Admission(3)
        with ExitStack() as rooms:
            await fill(admission, rooms)
            first = [await asyncio.wait_for(refused(admission), 0.5) for _ in range(20)]
            flood = [asyncio.create_task(refused(admission)) for _ in range(600)]
            for _ in range(3):
                await asyncio.sleep(0)
            at_once = sum(task.done() for task in flood)
            assert all(await asyncio.gather(*flood))
        return first, at_once

    first, at_once = asyncio.run(run())
    assert first == [True] * 20
    assert 0 < at_once < 500


def test_whoever_waits_for_its_refusal_takes_the_room_of_the_next_that_is_done() -> None:
    async def run() -> tuple[list[bool], list[bool]]:
        admission = Admission(3, refusals_per_s=0)
        rooms = [Room(admission).__enter__() for _ in range(3)]
        flood = [asyncio.create_task(refused(admission)) for _ in range(1_000)]
        for _ in range(3):
            await asyncio.sleep(0)
        waiting = [task for task in flood if not task.done()]
        for room in rooms:
            room.__exit__()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        admitted = [await task for task in waiting[:3]]
        return admitted, [await task for task in waiting[3:]]

    admitted, rest = asyncio.run(run())
    assert admitted == [False] * 3
    assert not any(rest)  # Each that is done makes room for the next.


def test_a_client_that_goes_while_it_waits_takes_no_room_with_it() -> None:
    async def run() -> bool:
        admission = Admission(1, refusals_per_s=0)
        room = Room(admission).__enter__()
        flood = [asyncio.create_task(refused(admission)) for _ in range(600)]
        for _ in range(3):
            await asyncio.sleep(0)
        waiting = [task for task in flood if not task.done()]
        for task in waiting[:-2]:
            task.cancel()
        await asyncio.sleep(0)
        room.__exit__()
        waiting[-2].cancel()  # It has been told that there is room.
        await asyncio.gather(*flood, return_exceptions=True)
        with await admission.room():
            return admission.rows_in_hand == 1

    assert asyncio.run(run())
