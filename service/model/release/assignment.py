"""Which model answers the requests of a key: a hash of salt and key, into ``BUCKETS`` buckets.

The first buckets are the challenger's. So a key keeps its model as long as the salt stays, a growing share
only moves keys to the challenger, and a share of 0 moves none.
"""

from hashlib import blake2b

from service.model.release.release import Role

BUCKETS = 10_000


def bucket_of(salt: str, key: str) -> int:
    """The bucket of a key, from 0; the keys of a service are spread evenly over them."""
    digest = blake2b(key.encode(), key=salt.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest) % BUCKETS


def challenger_buckets(share: float) -> int:
    """The number of buckets of a share; a share above 0 has one at least."""
    return max(round(share * BUCKETS), 1) if share > 0 else 0


def assigned_role(salt: str, key: str, share: float) -> Role:
    """The model that answers the key."""
    return "challenger" if bucket_of(salt, key) < challenger_buckets(share) else "champion"
