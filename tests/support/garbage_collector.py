"""The collector of cycles, kept out of what is measured: after thousands of tests it takes half a second."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """No cycles are looked for meanwhile."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
