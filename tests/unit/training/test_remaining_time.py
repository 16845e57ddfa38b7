"""The estimate of the time left, and its lines where there is no terminal."""

import io
import time

import pytest
from rich.console import Console

from training.progress import Progress
from training.remaining_time import RemainingTime, duration_text


def test_nothing_is_said_before_the_work_is_known() -> None:
    remaining = RemainingTime()
    assert (remaining.seconds, remaining.text, remaining.share_done) == (None, "", 0.0)


def test_processes_share_the_work() -> None:
    remaining = RemainingTime()
    remaining.expect(100, processes=2)
    assert remaining.seconds == pytest.approx(50, abs=1)
    assert remaining.text == "about 50 s left"


def test_fits_that_took_longer_make_the_rest_longer() -> None:
    remaining = RemainingTime()
    remaining.expect(200)
    remaining.finish(estimated_s=100, actual_s=300)
    assert remaining.seconds == pytest.approx(300, rel=0.05)
    assert remaining.share_done == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (42, "42 s"), (59.7, "1 min 0 s"), (61, "1 min 0 s"), (194, "3 min 10 s")],
)
def test_a_duration_in_words(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_without_a_terminal_a_long_step_is_reported_again_and_again_until_the_end() -> None:
    output = io.StringIO()
    with Progress(Console(file=output), interval_s=0.05) as progress:
        progress.step("Fitting a forest")
        progress.expect(50)
        time.sleep(0.3)
    said = output.getvalue()
    lines = said.splitlines()
    assert lines[0] == "Fitting a forest"
    assert len(lines) >= 3
    assert set(lines[1:]) <= {f"Fitting a forest: 0 s so far, about {n} s left" for n in (49, 50)} | {
        "Fitting a forest: 0 s so far"
    }
    time.sleep(0.15)
    assert output.getvalue() == said
