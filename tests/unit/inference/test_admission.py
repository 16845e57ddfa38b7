"""What comes beyond the slot there is, is refused, but never so fast that nothing else is done."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, suppress
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import DeadlineExceeded, Overloaded
from service.inference.admission import MAX_LARGE_BYTES_IN_PROGRESS, SINGLE_BODY_BYTES, Admission, Slot
from tests.support.event_loop import turns
from tests.support.waiting import PATIENCE_S, until_true


async def fill(admission: Admission, into: ExitStack) -> None:
    while not admission.is_full:
        into.enter_context(await admission.slot())


async def rejected(admission: Admission) -> bool:
    try:
        with await admission.slot():
            return False
    except Overloaded:
        return True


def requesting(admission: Admission, body_bytes: int = 0) -> list[Slot]:
    """Where the slot of a request comes to lie that has applied for it."""
    admitted: list[Slot] = []
    admission.request_slot(admitted.append, body_bytes)
    return admitted


def has_begun(admitted: list[Slot]) -> bool:
    return bool(admitted) and not is_rejected(admitted[0])


def is_rejected(slot: Slot) -> bool:
    try:
        slot.__enter__()
    except Overloaded:
        return True
    return False


def in_progress(requests: float) -> Callable[[], float]:
    return lambda: requests


def test_single_rows_get_slots_up_to_the_limit() -> None:
    async def run() -> None:
        admission = Admission(3)
        with ExitStack() as slots:
            await fill(admission, slots)
            assert admission.single_rows == 3
            assert await rejected(admission)
        with await admission.slot():
            assert admission.single_rows == 1
        assert admission.single_rows == 0

    asyncio.run(run())


def test_a_request_of_many_rows_gives_its_single_slot_back() -> None:
    async def run() -> None:
        admission = Admission(1)
        with await admission.slot(100) as slot:
            assert admission.is_full
            await admission.resize(slot, 10_000, 100)
            assert admission.single_rows == 0
            assert has_begun(requesting(admission))

    asyncio.run(run())


@given(
    st.lists(st.tuples(st.integers(0, 2 * MAX_LARGE_BYTES_IN_PROGRESS), st.integers(2, 10_000)), max_size=60),
    st.integers(1, 20),
)
def test_single_rows_begin_at_once_beside_any_larger_requests(
    larger: list[tuple[int, int]], max_queued_rows: int
) -> None:
    async def run() -> None:
        admission = Admission(max_queued_rows, max_large_bytes=8 * MAX_LARGE_BYTES_IN_PROGRESS)

        async def stay(body_bytes: int, rows: int) -> None:
            with suppress(Overloaded), await admission.slot(body_bytes) as slot:
                await admission.resize(slot, rows, body_bytes)
                await asyncio.Event().wait()

        staying = [asyncio.create_task(stay(*request)) for request in larger]
        await turns(10)
        single = [requesting(admission, SINGLE_BODY_BYTES) for _ in range(max_queued_rows)]
        assert all(has_begun(each) for each in single)
        for task in staying:
            task.cancel()
        await asyncio.gather(*staying, return_exceptions=True)
        for each in single:
            each[0].leave()
        assert admission.single_rows == 0
        assert has_begun(requesting(admission, 8 * MAX_LARGE_BYTES_IN_PROGRESS))  # All was given back.

    asyncio.run(run())


def test_larger_requests_begin_up_to_a_number_of_bytes_and_fewer_beside_single_rows() -> None:
    async def run() -> None:
        admission = Admission(10)
        half = MAX_LARGE_BYTES_IN_PROGRESS // 2
        admitted = [requesting(admission, half) for _ in range(4)]
        assert [has_begun(each) for each in admitted] == [True, True, False, False]
        single = requesting(admission)
        admitted[0][0].leave()
        assert not has_begun(admitted[2])
        admitted[1][0].leave()
        assert [has_begun(each) for each in admitted[2:]] == [True, False]
        single[0].leave()
        admitted[2][0].leave()
        assert has_begun(admitted[3])

    asyncio.run(run())


def test_larger_requests_beyond_the_byte_limit_are_rejected() -> None:
    async def run() -> None:
        admission = Admission(10, max_large_bytes=3 * MAX_LARGE_BYTES_IN_PROGRESS)
        admitted = [requesting(admission, MAX_LARGE_BYTES_IN_PROGRESS) for _ in range(4)]
        assert is_rejected(admitted[3][0])
        assert has_begun(requesting(admission))

    asyncio.run(run())


def test_a_request_waits_for_a_slot_until_its_deadline() -> None:
    async def run() -> None:
        admission = Admission(2, max_in_progress=in_progress(1))
        (single,), (large,) = requesting(admission), requesting(admission, MAX_LARGE_BYTES_IN_PROGRESS)
        for body_bytes in (0, MAX_LARGE_BYTES_IN_PROGRESS):
            with pytest.raises(DeadlineExceeded):
                await admission.slot(body_bytes, monotonic() + 0.05)
        single.leave()
        with await admission.slot() as slot, pytest.raises(DeadlineExceeded):
            await admission.resize(slot, 2, 0, monotonic() + 0.05)
        large.leave()
        assert admission.single_rows == 0
        assert has_begun(requesting(admission))
        assert has_begun(requesting(admission, MAX_LARGE_BYTES_IN_PROGRESS))

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


def test_a_request_rejected_from_the_large_lane_holds_no_slot() -> None:
    async def run() -> None:
        admission = Admission(1, max_large_bytes=MAX_LARGE_BYTES_IN_PROGRESS)
        requesting(admission, MAX_LARGE_BYTES_IN_PROGRESS)
        with await admission.slot() as slot, pytest.raises(Overloaded):
            await admission.resize(slot, 10_000, 0)
        assert admission.single_rows == 0

    asyncio.run(run())


def test_a_few_rejections_are_sent_at_once_and_a_flood_is_delayed() -> None:
    async def run() -> tuple[list[bool], int]:
        admission = Admission(3, max_wait_s=0.2)
        with ExitStack() as slots:
            await fill(admission, slots)
            first = [await asyncio.wait_for(rejected(admission), PATIENCE_S) for _ in range(20)]
            flood = [asyncio.create_task(rejected(admission)) for _ in range(600)]
            await turns(3)
            early = sum(task.done() for task in flood)
            assert all(await asyncio.wait_for(asyncio.gather(*flood), PATIENCE_S))
        return first, early

    first, early = asyncio.run(run())
    assert first == [True] * 20
    assert 0 < early < 500


def test_rejections_are_sent_in_runs() -> None:
    async def run() -> list[bool]:
        admission = Admission(1, rejections_per_s=100)
        requesting(admission)
        refused = [bool(requesting(admission)) for _ in range(150)]
        assert refused == [True] * 100 + [False] * 50
        none_left = monotonic()
        await until_true(lambda: bool(requesting(admission)), "a run of rejections begins", step_s=0.001)
        assert monotonic() - none_left >= 0.2
        return [bool(requesting(admission)) for _ in range(24)]

    assert asyncio.run(asyncio.wait_for(run(), PATIENCE_S)) == [True] * 24


def test_a_queued_request_gets_the_next_free_slot() -> None:
    async def run() -> tuple[list[bool], list[bool]]:
        admission = Admission(3, rejections_per_s=0)
        with ExitStack() as slots:
            await fill(admission, slots)
            flood = [asyncio.create_task(rejected(admission)) for _ in range(1_000)]
            await turns(3)
            waiting = [task for task in flood if not task.done()]
        await turns(2)
        admitted = [await task for task in waiting[:3]]
        return admitted, [await task for task in waiting[3:]]

    admitted, rest = asyncio.run(run())
    assert admitted == [False] * 3
    assert not any(rest)  # Each that is done makes slot for the next.


def test_a_client_that_disconnects_while_queued_occupies_no_slot() -> None:
    async def run() -> bool:
        admission = Admission(1, rejections_per_s=0)
        with await admission.slot():
            flood = [asyncio.create_task(rejected(admission)) for _ in range(600)]
            await turns(3)
            waiting = [task for task in flood if not task.done()]
            for task in waiting[:-2]:
                task.cancel()
            await turns(1)
        waiting[-2].cancel()  # It has been admitted that there is slot.
        await asyncio.gather(*flood, return_exceptions=True)
        with await admission.slot():
            return admission.single_rows == 1

    assert asyncio.run(run())


def test_requests_beyond_the_limit_begin_later_in_order() -> None:
    async def run() -> None:
        admission = Admission(100, max_in_progress=in_progress(2))
        admitted = [requesting(admission) for _ in range(5)]
        assert [has_begun(each) for each in admitted] == [True, True, False, False, False]
        assert admission.single_rows == 5
        admitted[0][0].leave()
        admitted[0][0].leave()  # It is given back once.
        assert [has_begun(each) for each in admitted[2:]] == [True, False, False]
        assert admitted[1][0].waited_s == 0 < admitted[2][0].waited_s
        for slots in admitted[1:]:
            slots[0].leave()
        assert admission.single_rows == 0

    asyncio.run(run())


def test_queued_requests_count_towards_the_limit() -> None:
    async def run() -> None:
        admission = Admission(5, max_in_progress=in_progress(2))
        admitted = [requesting(admission) for _ in range(5)]
        assert is_rejected(requesting(admission)[0])
        admitted[0][0].leave()
        assert not admission.is_full

    asyncio.run(run())


def test_a_request_queued_for_too_long_is_rejected_and_the_others_keep_their_order() -> None:
    async def run() -> None:
        admission = Admission(100, max_in_progress=in_progress(1), max_wait_s=1.5)
        first, second = requesting(admission), requesting(admission)
        await asyncio.sleep(1)
        third = requesting(admission)
        await until_true(lambda: bool(second), "the second request is rejected")
        assert second[0].waited_s >= 1.5
        assert is_rejected(second[0])
        assert third == []
        first[0].leave()
        assert has_begun(third)

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


def test_cancelled_requests_in_the_queue_are_skipped() -> None:
    async def run() -> None:
        admission = Admission(5_000, max_in_progress=in_progress(1), rejections_per_s=0)
        last: list[Slot] = []
        first = requesting(admission)
        for _ in range(3_000):
            admission.request_slot(Slot.leave)
        admission.request_slot(last.append)
        first[0].leave()
        assert has_begun(last)

    asyncio.run(run())
