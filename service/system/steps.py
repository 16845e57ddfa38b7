"""Work in steps, between which the event loop serves others.

A message of 32 MB takes half a second to read, in calls into C that hold the interpreter: in a thread they
would hold up the event loop as well. So a long message is read in steps of a few milliseconds each. A
generator that yields after each step is such work; its return value is the result.
"""

import asyncio
from collections.abc import Generator
from typing import TypeVar, overload

ResultT = TypeVar("ResultT")

Steps = Generator[None, None, ResultT]


@overload
async def finish_in_turns(work: Steps[ResultT]) -> ResultT: ...


@overload
async def finish_in_turns(work: Steps[ResultT] | ResultT) -> ResultT: ...


async def finish_in_turns(work: Steps[ResultT] | ResultT) -> ResultT:
    """The result of work; if it comes in steps, the event loop takes a turn after each."""
    if not isinstance(work, Generator):
        return work
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: ResultT = end.value
            return result
        await asyncio.sleep(0)
