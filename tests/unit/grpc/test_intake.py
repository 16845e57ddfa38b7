"""Messages are let in as there is room for them."""

import asyncio

import pytest

from service.errors import ClientGone, Overloaded
from service.grpc.intake import Intake, Receive

LONGEST = 100


def sent(message: bytes, after: asyncio.Event | None = None) -> Receive:
    async def receive() -> bytes:
        if after is not None:
            await after.wait()
        return message

    return receive


async def let_go_on() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_no_more_messages_are_on_their_way_than_there_is_room_for() -> None:
    async def run() -> None:
        intake = Intake(LONGEST, patience_s=30, budget_bytes=3 * LONGEST)
        come = asyncio.Event()
        begun = 0

        async def message() -> bytes:
            nonlocal begun
            begun += 1
            await come.wait()
            return b"a" * 40

        calls = [asyncio.create_task(intake.read(message)) for _ in range(10)]
        await let_go_on()
        assert begun == 3
        come.set()
        await let_go_on()
        # Held messages take what they are long: after 5 of 40 bytes there is no room for another of 100.
        assert begun == 6
        done = [call for call in calls if call.done()]
        assert len(done) == 6
        for _ in done:
            intake.give_back(40)
        assert await asyncio.gather(*calls) == [b"a" * 40] * 10

    asyncio.run(run())


def test_a_message_that_does_not_come_gives_way_where_others_wait() -> None:
    async def run() -> None:
        intake = Intake(LONGEST, patience_s=30, budget_bytes=LONGEST)
        never = asyncio.Event()
        slow = asyncio.create_task(intake.read(sent(b"slow", never)))
        await let_go_on()
        quick = asyncio.create_task(intake.read(sent(b"quick")))
        assert await asyncio.wait_for(quick, 30) == b"quick"
        with pytest.raises(Overloaded):
            await slow

    asyncio.run(run())


def test_a_slow_message_is_waited_for_while_nobody_else_wants_its_room() -> None:
    async def run() -> None:
        intake = Intake(LONGEST, patience_s=30, budget_bytes=LONGEST)
        come = asyncio.Event()
        slow = asyncio.create_task(intake.read(sent(b"slow", come)))
        await asyncio.sleep(1.5)
        assert not slow.done()
        come.set()
        assert await slow == b"slow"

    asyncio.run(run())


def test_a_call_that_waits_too_long_is_refused_and_a_cancelled_one_holds_nothing() -> None:
    async def run() -> None:
        intake = Intake(LONGEST, patience_s=0.05, budget_bytes=LONGEST)
        come = asyncio.Event()
        first = asyncio.create_task(intake.read(sent(b"first", come)))
        await let_go_on()
        with pytest.raises(Overloaded):
            await intake.read(sent(b"late"))
        gone = asyncio.create_task(intake.read(sent(b"gone")))
        await let_go_on()
        gone.cancel()
        first.cancel()
        await asyncio.gather(first, gone, return_exceptions=True)
        assert await intake.read(sent(b"next")) == b"next"

    asyncio.run(run())


def test_a_call_without_a_message_is_one_whose_client_has_gone() -> None:
    async def nothing() -> None:
        pass

    async def run() -> None:
        intake = Intake(LONGEST, patience_s=1, budget_bytes=LONGEST)
        with pytest.raises(ClientGone):
            await intake.read(nothing)
        assert await intake.read(sent(b"a")) == b"a"

    asyncio.run(run())
