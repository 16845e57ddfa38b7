"""Work in steps, between which the event loop serves other requests.

Reading a message of 32 MB takes half a second, in C code that holds the interpreter's lock, so a thread would
block the event loop as well. A long message is therefore read in steps of a few milliseconds: a generator
that yields after each step and returns the result.
"""

import asyncio
from collections.abc import Generator
from typing import TypeVar, overload

ResultT = TypeVar("ResultT")

Steps = Generator[None, None, ResultT]


@overload
async def finish_in_steps(work: Steps[ResultT]) -> ResultT: ...


@overload
async def finish_in_steps(work: Steps[ResultT] | ResultT) -> ResultT: ...


async def finish_in_steps(work: Steps[ResultT] | ResultT) -> ResultT:
    """The result of the work; the event loop runs other callbacks between its steps."""
    if not isinstance(work, Generator):
        return work
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: ResultT = end.value
            return result
        await asyncio.sleep(0)


@overload
def finish_at_once(work: Steps[ResultT]) -> ResultT: ...


@overload
def finish_at_once(work: Steps[ResultT] | ResultT) -> ResultT: ...


def finish_at_once(work: Steps[ResultT] | ResultT) -> ResultT:
    """The result of the work, where no event loop waits."""
    if not isinstance(work, Generator):
        return work
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: ResultT = end.value
            return result
