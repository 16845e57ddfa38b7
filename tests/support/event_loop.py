"""Letting the event loop of a test go on."""

import asyncio


async def turns(count: int) -> None:
    """Let it make so many turns."""
    for _ in range(count):
        await asyncio.sleep(0)
