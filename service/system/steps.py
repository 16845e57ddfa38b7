"""Work in steps, between which the event loop serves others.

A message of 32 MB takes half a second to read, and what reads it are calls into C that hold the interpreter:
in a thread they would hold the event loop up as well. So a long message is read in steps of a few
milliseconds each. A generator that yields after each step is such work; its return value is the result.
"""

import asyncio
from collections.abc import Generator
from typing import TypeVar

ResultT = TypeVar("ResultT")

Steps = Generator[None, None, ResultT]


def finish(steps: Steps[ResultT]) -> ResultT:
    """The result of all steps, one after the other; for callers that hold nobody up."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: ResultT = end.value
            return result


async def finish_in_turns(steps: Steps[ResultT]) -> ResultT:
    """The result of all steps; the event loop runs what else is due after each."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: ResultT = end.value
            return result
        await asyncio.sleep(0)
