"""The folder of files that live in memory: no disk that stalls or fills up holds up who uses them."""

import os
from pathlib import Path


def memory_folder() -> Path | None:
    """The folder; None if this system has none that can be written."""
    memory = Path("/dev/shm")  # noqa: S108 - names in it are made so that they cannot be predicted
    return memory if memory.is_dir() and os.access(memory, os.W_OK | os.X_OK) else None
