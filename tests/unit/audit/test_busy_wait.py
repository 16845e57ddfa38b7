"""The writer process and the worker poll only if a processor is to spare and the next event is near."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from service.audit.write.busy_wait import (
    OUTCOME_WAIT_S,
    RECORD_WAIT_S,
    BusyWaitPolicy,
    OutcomeBusyWait,
    processors,
)

SOON = RECORD_WAIT_S / 2

with_two_processors = pytest.mark.skipif(processors() < 2, reason="it takes two processors")


@with_two_processors
@pytest.mark.parametrize(
    ("records", "waited_s", "quick"),
    [(1, SOON, True), (2, SOON, False), (0, SOON, False), (1, 2 * RECORD_WAIT_S, False)],
)
def test_polling_is_worthwhile_after_a_single_record_that_came_soon(
    records: int, waited_s: float, *, quick: bool
) -> None:
    policy = BusyWaitPolicy(is_awaited=True)
    assert not policy.is_worthwhile
    policy.observe(records, waited_s)
    assert policy.is_worthwhile == quick


@with_two_processors
def test_polling_stops_after_a_long_wait_and_never_begins_in_relaxed_mode() -> None:
    policy, relaxed = BusyWaitPolicy(is_awaited=True), BusyWaitPolicy(is_awaited=False)
    for one in (policy, relaxed):
        one.observe(1, SOON)
    policy.observe(1, 2 * RECORD_WAIT_S)
    assert not policy.is_worthwhile
    assert not relaxed.is_worthwhile


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
    ],
)
def test_a_quota_of_the_control_group_counts(tmp_path: Path, files: dict[str, str], most: float) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert processors(tmp_path) == most


@pytest.mark.parametrize(
    "files", [{}, {"cpu.max": "max 100000\n"}, {"cpu/cpu.cfs_quota_us": "-1\n"}, {"cpu.max": "10000000 1\n"}]
)
def test_without_a_quota_all_processors_count(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert processors(tmp_path) == processors(tmp_path / "nowhere") >= 1


class Loop:
    """A loop whose turns take half a millisecond by its own clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[Callable[..., None], tuple[object, ...]]] = []

    def call_soon(self, turn: Callable[..., None], *about: object) -> None:
        self._due.append((turn, about))

    def turns(self, most: int = 1_000) -> int:
        """How many turns something has the loop take."""
        taken = 0
        while self._due and taken < most:
            self.now_s += 0.0005
            taken += 1
            turn, about = self._due.pop()
            turn(*about)
        return taken


@with_two_processors
def test_a_worker_polls_for_the_outcome_of_a_single_record_for_a_limited_time() -> None:
    loop = Loop()
    awake = OutcomeBusyWait(is_awaited=True, clock=lambda: loop.now_s)

    def send(pending: int = 1, turns: int = 1_000) -> int:
        awake.sent(cast(asyncio.AbstractEventLoop, loop), pending)
        return loop.turns(turns)

    assert send() == 0  # How long an outcome takes is not known yet.
    awake.settled()
    assert send() == OUTCOME_WAIT_S / 0.0005
    awake.settled()
    assert send() == 0  # The last took too long.
    awake.settled()
    assert send(turns=2) == 2
    awake.settled()
    assert loop.turns() == 1  # It has come.
    assert send(pending=2) == 0
    awake.settled()
    assert send() == 0  # The last was not alone.


def test_a_worker_does_not_poll_in_relaxed_mode() -> None:
    loop = Loop()
    awake = OutcomeBusyWait(is_awaited=False, clock=lambda: loop.now_s)
    for _ in range(3):
        awake.sent(cast(asyncio.AbstractEventLoop, loop), 1)
        assert loop.turns() == 0
        awake.settled()
