"""Waiting until something is so, with one limit for every test.

The limit only ends a test that would wait forever. It is far above what a busy machine needs, and says
nothing about how long something may take: a test of that passes its own limit, from the code that sets it.
"""

import asyncio
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

import pytest

PATIENCE_S = 120.0
_STEP_S = 0.05

Found = TypeVar("Found")


def await_true(
    condition: Callable[[], Found | None],
    expected: str,
    *,
    within_s: float = PATIENCE_S,
    step_s: float = _STEP_S,
    state: Callable[[], object] | None = None,
) -> Found:
    """The first true value that ``condition`` returns; the test fails if there is none in time.

    ``expected``, and what ``state`` returns, come with the failure.
    """
    until = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > until:
            _fail(expected, within_s, state)
        time.sleep(step_s)
    return value


async def until_true(
    condition: Callable[[], Found | None],
    expected: str,
    *,
    within_s: float = PATIENCE_S,
    step_s: float = _STEP_S,
    state: Callable[[], object] | None = None,
) -> Found:
    """The same in a coroutine, whose loop goes on between the calls."""
    until = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > until:
            _fail(expected, within_s, state)
        await asyncio.sleep(step_s)
    return value


def _fail(expected: str, within_s: float, state: Callable[[], object] | None) -> NoReturn:
    found = f"\n{state()}" if state is not None else ""
    pytest.fail(f"not so within {within_s:g} s: {expected}{found}")
