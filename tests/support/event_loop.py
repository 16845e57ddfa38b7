"""Letting the event loop of a test go on."""

import asyncio
from collections.abc import Callable


async def turns(count: int) -> None:
    """Let it make so many turns."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(holds: Callable[[], bool]) -> None:
    """Let it go on until that holds, for what has no event of its own."""
    while not holds():  # noqa: ASYNC110 - see above
        await asyncio.sleep(0.001)
