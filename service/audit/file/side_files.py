"""The files that SQLite keeps beside the log while it is open: the WAL and the index of the WAL."""

from pathlib import Path


def wal_path(log: Path) -> Path:
    """The write-ahead log: what was committed and not yet moved into the database."""
    return log.with_name(f"{log.name}-wal")


def shm_path(log: Path) -> Path:
    """The shared memory by which the connections to the log find the frames of the WAL."""
    return log.with_name(f"{log.name}-shm")


def wal_bytes(log: Path) -> int:
    """The length of the WAL, 0 if there is none."""
    try:
        return wal_path(log).stat().st_size
    except FileNotFoundError:
        return 0
