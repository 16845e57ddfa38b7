"""The number of a person in the file of monitoring: the first 64 bits of the keyed hash that the log has."""

_HASH_DIGITS = 16
_SIGNED = 2**63


def subject_number(subject: str) -> int:
    """The hash as a number of SQLite."""
    return int(subject[:_HASH_DIGITS], 16) - _SIGNED
