"""A signal that comes while a table is read reaches the handler of the training."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from training.table.source.reading import read_table

SIGNALS = 80
"""Where Arrow handles signals itself, each is lost with a chance of one in ten."""


@pytest.fixture
def received() -> Iterator[list[int]]:
    """The signals that the handler was called for."""
    numbers: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGTERM, before)


def send_soon(after_s: float) -> None:
    time.sleep(after_s)
    os.kill(os.getpid(), signal.SIGTERM)


def test_no_signal_is_lost_while_a_table_is_read(tmp_path: Path, received: list[int]) -> None:
    path = tmp_path / "small.csv"
    path.write_text("a,b,c\n" + "1,2,3\n" * 150)
    for number in range(SIGNALS):
        sender = Thread(target=send_soon, args=(number * 50e-6,))
        sender.start()
        while sender.is_alive():
            assert len(read_table(path).columns["a"]) == 150
        sender.join()
    assert received == [signal.SIGTERM] * SIGNALS
