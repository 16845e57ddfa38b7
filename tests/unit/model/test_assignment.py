"""A key keeps its model, and a growing share only moves keys to the challenger."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from service.model.release.assignment import BUCKETS, assigned_role, bucket_of, challenger_buckets

SALTS = st.text(st.characters(codec="ascii"), max_size=64)
KEYS = st.text(max_size=200)
SHARES = st.floats(0, 1, allow_nan=False)


@given(SALTS, KEYS, SHARES, SHARES)
def test_a_key_that_has_the_challenger_keeps_it_when_the_share_grows(
    salt: str, key: str, share: float, other: float
) -> None:
    lower, higher = sorted((share, other))
    if assigned_role(salt, key, lower) == "challenger":
        assert assigned_role(salt, key, higher) == "challenger"


@given(SALTS, KEYS, SHARES)
def test_none_and_all_are_exact_and_the_same_key_gets_the_same_model(
    salt: str, key: str, share: float
) -> None:
    assert assigned_role(salt, key, 0.0) == "champion"
    assert assigned_role(salt, key, 1.0) == "challenger"
    assert assigned_role(salt, key, share) == assigned_role(salt, key, share)
    assert 0 <= bucket_of(salt, key) < BUCKETS
    assert abs(challenger_buckets(share) - share * BUCKETS) <= 1
    assert challenger_buckets(share) >= (share > 0)


def test_the_keys_of_each_salt_are_spread_evenly_and_anew() -> None:
    keys = [f"person-{number}" for number in range(20_000)]
    chosen = [
        {key for key in keys if assigned_role(salt, key, 0.1) == "challenger"} for salt in ("one", "two")
    ]
    for of_salt in chosen:
        # Six standard deviations of 2,000 of 20,000.
        assert abs(len(of_salt) - 2_000) < 6 * (20_000 * 0.1 * 0.9) ** 0.5
    assert abs(len(chosen[0] & chosen[1]) - 200) < 6 * (20_000 * 0.01 * 0.99) ** 0.5
    tenths = Counter(bucket_of("one", key) // 1_000 for key in keys)
    assert max(abs(count - 2_000) for count in tenths.values()) < 6 * (20_000 * 0.1 * 0.9) ** 0.5
