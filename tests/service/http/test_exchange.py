"""Request ids that the service makes."""

import time

from service.http.exchange import new_uuid7


def test_ids_are_uuids_of_version_7_that_sort_by_time() -> None:
    before_ms = time.time_ns() // 10**6
    first = new_uuid7()
    time.sleep(0.002)
    second = new_uuid7()
    assert first.version == second.version == 7
    assert first.variant == "specified in RFC 4122"
    assert before_ms <= first.int >> 80 <= before_ms + 1000
    assert str(first) < str(second)


def test_no_two_ids_are_the_same() -> None:
    assert len({new_uuid7() for _ in range(10_000)}) == 10_000
