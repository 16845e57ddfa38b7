"""The lag of the audit log, from counts alone."""

from collections.abc import Sequence

import pytest

from service.audit.write.lag import Lag


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ([(0, 0)], 0),
        ([(5, 5), (9, 9)], 0),
        ([(5, 0), (5, 0), (5, 0)], 2),
        ([(5, 0), (9, 4), (9, 4)], 2),
        ([(5, 0), (9, 5), (9, 5)], 1),
        ([(5, 0), (9, 5), (9, 9), (9, 9)], 0),
        ([(5, 0), (9, 9), (9, 9), (10, 9), (10, 9)], 1),
    ],
    ids=str,
)
def test_it_is_the_wait_of_the_oldest_record_that_is_not_settled(
    asked: Sequence[tuple[int, int]], seconds: float
) -> None:
    lag = Lag()
    said = [lag.seconds(appended, settled, now) for now, (appended, settled) in enumerate(asked)]
    assert said[-1] == seconds
