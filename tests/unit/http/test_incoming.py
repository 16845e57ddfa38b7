"""The bytes of all bodies together are bounded, and what is small is never refused for what is large."""

from hypothesis import given
from hypothesis import strategies as st

from service.http.connection.incoming import IncomingBodies

LIMIT = 10_000


@given(
    growths=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4_000)), max_size=60),
    released=st.sets(st.integers(0, 9)),
)
def test_bodies_stay_below_twice_the_limit_and_leave_nothing_behind(
    growths: list[tuple[int, int]], released: set[int]
) -> None:
    bodies = IncomingBodies(LIMIT)
    held = dict.fromkeys(range(10), 0)
    for body, more in growths:
        total, count = sum(held.values()), sum(1 for size in held.values() if size)
        may = bodies.try_reserve(held[body], more)
        if total + more <= LIMIT or held[body] + more <= LIMIT / max(count + (held[body] == 0), 1):
            assert may
        held[body] += more * may
        assert bodies.held_bytes == sum(held.values()) < 2 * LIMIT + 4_000
    for body in [*released, *(held.keys() - released)]:
        bodies.release(held[body])
    assert bodies.held_bytes == 0
    assert bodies.try_reserve(0, LIMIT)
    assert not bodies.try_reserve(LIMIT, 1)
